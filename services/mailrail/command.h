#ifndef SERVICES_MAILRAIL_COMMAND_H
#define SERVICES_MAILRAIL_COMMAND_H

#include "common/base/arena.h"
#include "common/service/settings.h"

/*
 * A command is a row: its name, what it takes, its manual page, its function. Rows stand in one
 * file per group (domain.c, queue.c, ...), groups in one table (commands.c). Parsing, `help`,
 * `--help` and hints for typing mistakes come from the rows.
 *
 * A command's function returns false with an error (exit status 1, one line on standard error), or
 * true with the exit status in `status`. Wrong usage is exit status 2: found by the table, or by
 * the function (usage_error), where it reads what the words mean. What a service refuses is a
 * failure.
 */

#define COMMAND_OPTIONS_MAX 16

struct command_option {
    const char *name;  /* "--account"; NULL ends the list */
    const char *value; /* what its value is called: "NAME"; NULL: it has none */
    const char *help;
};

/* For lists. */
#define OPTION_JSON                                                                                \
    {                                                                                              \
        "--json", NULL, "write JSON instead of a table"                                            \
    }

struct invocation;

struct command {
    const char *name;      /* "domain add" */
    const char *arguments; /* "NAME"; "" for none */
    const char *summary;   /* one line, for `mailrail help` */
    const char *manual;    /* paragraphs, lines of at most 76 columns */
    const char *examples;  /* lines; may be NULL */
    size_t args_min, args_max;
    const struct command_option *options; /* may be NULL */
    bool (*run)(struct invocation *inv, struct err *err);
};

struct command_group {
    const char *title;
    const struct command *commands; /* ended by a row without name */
};

/* The one table (commands.c). */
extern const struct command_group command_groups[];
extern const size_t command_group_count;

/* One call of the program. */
struct invocation {
    const struct command *command;
    char **args; /* behind the command's name, options taken out */
    size_t arg_count;
    const char
        *values[COMMAND_OPTIONS_MAX]; /* parallel to the command's options; NULL: not given */
    const char *config_path;          /* NULL: environment and defaults only */
    struct settings settings;         /* after invocation_read_settings */
    struct arena arena;
    int status;          /* exit status when `run` succeeds */
    bool is_wrong_usage; /* when it fails: see usage_error */
};

/* Finds the command in argv and runs it. Returns the exit status. */
int command_main(int argc, char **argv);

/* Sets the error and is false: `return usage_error(inv, err, "--uid must be a number")`. */
#define usage_error(inv, err, ...)                                                                 \
    ((inv)->is_wrong_usage = true, err_set((err), ERR_SYNTAX, __VA_ARGS__))

/* For commands. The value of an option, "" for one without value; NULL when it was not given. */
const char *invocation_option(const struct invocation *inv, const char *name);
bool invocation_has(const struct invocation *inv, const char *name);
/* Any option of the command was given. */
bool invocation_has_any(const struct invocation *inv);
/* "yes" or "no"; leaves `*ret` alone when the option is not given. */
bool invocation_yes_no(struct invocation *inv, const char *name, bool *ret, struct err *err);
/* Sets `config_path` to a file at a usual place when no option and no variable names one. */
void invocation_find_config(struct invocation *inv);
/* Reads the common options of the configuration. */
bool invocation_read_settings(struct invocation *inv, struct err *err) MUST_USE;

/* Manual pages (manual.c). */
void manual_print_overview(void);
void manual_print_command(const struct command *command);

#endif
