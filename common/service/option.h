#ifndef COMMON_SERVICE_OPTION_H
#define COMMON_SERVICE_OPTION_H

#include "common/base/arena.h"
#include "common/base/err.h"

/*
 * Configuration as tables: an option is a row, and from the rows come parsing, --check-config,
 * --print-config and docs/configuration.md.
 *
 * The file is libconfig text. A service reads the top level ("common" options, common/service/
 * settings.h) and its own group:
 *
 *     hostname = "mail.example.org";
 *     smtp_in = { listen = [ "192.0.2.1", "2001:db8::1" ]; port = 25; };
 *
 * The environment overrides the file: MAILRAIL_HOSTNAME, MAILRAIL_SMTP_IN_PORT (lists are separated
 * by commas). Every failure names file, line and option: `mailrail.conf:12: smtp_in.port: 70000 is
 * above 65535`. An unknown name is an error that proposes the nearest known one. Groups of other
 * services are not looked at.
 *
 *     struct smtp_config { struct str_list listen; uint64_t port; bool starttls; };
 *     static const struct option options[] = {
 *         OPTION_LIST(smtp_config, listen, "0.0.0.0,::", "addresses to listen on"),
 *         OPTION_NUMBER(smtp_config, port, "25", 1, 65535, NULL, "TCP port"),
 *         OPTION_BOOL(smtp_config, starttls, "true", "offer STARTTLS"),
 *     };
 */

struct str_list {
    const struct str *items;
    size_t len;
};

enum option_type {
    OPTION_TYPE_STRING,
    OPTION_TYPE_LIST,   /* of strings */
    OPTION_TYPE_NUMBER, /* uint64_t; with unit "ms", "s", "bytes", ... in help */
    OPTION_TYPE_BOOL,
    OPTION_TYPE_PATH,   /* relative ones are below the directory of the file */
    OPTION_TYPE_CHOICE, /* a string out of `choices` */
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset;       /* in the configuration struct */
    const char *initial; /* as text; NULL: must be given */
    uint64_t min, max;   /* of numbers */
    const char *unit;    /* of numbers; NULL: none */
    const char *choices; /* "error,warn,info" */
    const char *help;    /* one sentence without full stop */
};

#define OPTION_STRING(config_type, field, initial_text, help_text)                                 \
    {                                                                                              \
        .name = #field, .type = OPTION_TYPE_STRING, .offset = offsetof(struct config_type, field), \
        .initial = (initial_text), .help = (help_text)                                             \
    }
#define OPTION_LIST(config_type, field, initial_text, help_text)                                   \
    {                                                                                              \
        .name = #field, .type = OPTION_TYPE_LIST, .offset = offsetof(struct config_type, field),   \
        .initial = (initial_text), .help = (help_text)                                             \
    }
#define OPTION_PATH(config_type, field, initial_text, help_text)                                   \
    {                                                                                              \
        .name = #field, .type = OPTION_TYPE_PATH, .offset = offsetof(struct config_type, field),   \
        .initial = (initial_text), .help = (help_text)                                             \
    }
#define OPTION_BOOL(config_type, field, initial_text, help_text)                                   \
    {                                                                                              \
        .name = #field, .type = OPTION_TYPE_BOOL, .offset = offsetof(struct config_type, field),   \
        .initial = (initial_text), .help = (help_text)                                             \
    }
#define OPTION_NUMBER(config_type, field, initial_text, min_value, max_value, unit_text,           \
                      help_text)                                                                   \
    {                                                                                              \
        .name = #field, .type = OPTION_TYPE_NUMBER, .offset = offsetof(struct config_type, field), \
        .initial = (initial_text), .min = (min_value), .max = (max_value), .unit = (unit_text),    \
        .help = (help_text)                                                                        \
    }
#define OPTION_CHOICE(config_type, field, initial_text, choices_text, help_text)                   \
    {                                                                                              \
        .name = #field, .type = OPTION_TYPE_CHOICE, .offset = offsetof(struct config_type, field), \
        .initial = (initial_text), .choices = (choices_text), .help = (help_text)                  \
    }

struct option_report;

/* Options of one struct. Groups of the same name, one after the other, share a group of the file.
 */
struct option_group {
    const char *name; /* NULL: the top level */
    const struct option *options;
    size_t count;
    void *values; /* the configuration struct: str, str_list, uint64_t, bool by option type */
    /* What rows cannot say, as that one option needs another. Called when all groups were read
     * without failure; refuses with option_reject. NULL: nothing. */
    void (*check)(const void *values, struct option_report *report);
};

/* Refuses the value of an option of the group being checked. The error names the place where the
 * option was set: "mailrail.conf:12: imap.tls_port: ...". */
PRINTF_LIKE(3, 4)
void option_reject(struct option_report *report, const char *name, const char *format, ...);

/* Fills the groups' structs from file and environment; strings are in arena. `path` NULL reads
 * defaults and environment only. On failure `err` holds the first error; all of them are appended
 * to `all_errors`, one a line, when that is not NULL. */
struct buf;
bool options_read(const char *path, const struct option_group *groups, size_t group_count,
                  struct arena *arena, struct buf *all_errors, struct err *err) MUST_USE;
/* The same from text at hand, `path` being for messages and relative paths. */
bool options_read_text(const char *path, struct str text, const struct option_group *groups,
                       size_t group_count, struct arena *arena, struct buf *all_errors,
                       struct err *err) MUST_USE;
/* Appends the effective configuration as annotated text that options_read accepts. */
void options_print(const struct option_group *groups, size_t group_count, struct buf *out);
/* Appends a Markdown table of the options, for docs/configuration.md. */
void options_describe(const struct option_group *groups, size_t group_count, struct buf *out);

#endif
