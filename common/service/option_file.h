#ifndef COMMON_SERVICE_OPTION_FILE_H
#define COMMON_SERVICE_OPTION_FILE_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/service/option.h"

/*
 * The configuration file as libconfig reads it, before anybody asks what its values mean. The only
 * place that knows libconfig.
 *
 *     struct option_file *file = option_file_parse("mailrail.conf", text, arena, err);
 *     struct option_value value;
 *     if (option_file_find(file, "smtp_in", "port", &value)) ...
 *     option_file_free(file);
 *
 * Strings in values are in the arena given at the start. Errors read `mailrail.conf:12: ...`.
 */

enum option_value_type {
    OPTION_VALUE_TEXT,
    OPTION_VALUE_NUMBER,
    OPTION_VALUE_BOOL,
    OPTION_VALUE_LIST,    /* of strings */
    OPTION_VALUE_GROUP,   /* { ... } */
    OPTION_VALUE_OTHER,   /* fractions, lists of something else */
    OPTION_VALUE_WRAPPED, /* a number that libconfig cut to 32 bits */
};

struct option_value {
    enum option_value_type type;
    struct str text;
    int64_t number; /* or 0 and 1 of a bool */
    struct str_list list;
    unsigned line;
};

struct option_file;

/* Opens and reads at most 1 MiB. NULL on failure. */
struct option_file *option_file_read(const char *path, struct arena *arena, struct err *err);
/* The same from text; `path` is for messages. */
struct option_file *option_file_parse(const char *path, struct str text, struct arena *arena,
                                      struct err *err);
void option_file_free(struct option_file *file);

/* The value of `name` in `group` (NULL: the top level). False when it is not there. */
bool option_file_find(const struct option_file *file, const char *group, const char *name,
                      struct option_value *ret);
/* Walks the names in `group`: start with `*at` 0, until false. `ret_name` borrows from the file. */
bool option_file_next(const struct option_file *file, const char *group, size_t *at,
                      struct str *ret_name, struct option_value *ret);

#endif
