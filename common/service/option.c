#include "common/service/option.h"

#include "common/base/bug.h"
#include "common/base/buf.h"
#include "common/service/option_file.h"
#include "common/text/cursor.h"
#include "common/text/nearest.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENVIRONMENT_PREFIX "MAILRAIL_"

/* One reading of all groups: where from, where to, and the failures so far. */
struct reading {
    const char *path;
    const struct option_file *file; /* NULL: environment and defaults only */
    const struct option_group *groups;
    size_t group_count;
    struct arena *arena;
    struct buf *all_errors;
    struct err *err;
    size_t failures;
};

/* Where a value stands, for messages: line 0 is the environment or the table of options. */
struct place {
    const char *group;
    const char *name;
    const char *variable; /* of the environment; NULL: the file */
    unsigned line;
};

PRINTF_LIKE(3, 0)
static void report_list(struct reading *r, const struct place *place, const char *format,
                        va_list args)
{
    struct err failure;
    char what[256];
    vsnprintf(what, sizeof(what), format, args);

    const char *group = place->group ? place->group : "";
    const char *dot = place->group ? "." : "";
    if (place->variable)
        err_set(&failure, ERR_SYNTAX, "%s: %s", place->variable, what);
    else if (place->line > 0)
        err_set(&failure, ERR_SYNTAX, "%s:%u: %s%s%s: %s", r->path, place->line, group, dot,
                place->name, what);
    else
        err_set(&failure, ERR_SYNTAX, "%s%s%s%s%s: %s", r->path ? r->path : "", r->path ? ": " : "",
                group, dot, place->name, what);
    if (r->failures++ == 0)
        *r->err = failure;
    if (r->all_errors)
        buf_printf(r->all_errors, "%s\n", failure.detail);
}

PRINTF_LIKE(3, 4)
static void report(struct reading *r, const struct place *place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report_list(r, place, format, args);
    va_end(args);
}

/* ---- Names that nobody knows */

static bool same_group(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_option(const struct reading *r, const char *group, struct str name)
{
    for (size_t i = 0; i < r->group_count; i++) {
        for (size_t j = 0; same_group(r->groups[i].name, group) && j < r->groups[i].count; j++) {
            if (str_eq(name, str_from_cstr(r->groups[i].options[j].name)))
                return true;
        }
    }
    return false;
}

static bool is_group(const struct reading *r, struct str name)
{
    for (size_t i = 0; i < r->group_count; i++) {
        if (str_eq(name, str_from_cstr(r->groups[i].name)))
            return true;
    }
    return false;
}

static void report_unknown(struct reading *r, const char *group, struct str name, unsigned line)
{
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < r->group_count; i++) {
        for (size_t j = 0; same_group(r->groups[i].name, group) && j < r->groups[i].count; j++)
            nearest_consider(&nearest, str_from_cstr(r->groups[i].options[j].name));
    }
    char text[64];
    snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
    struct place place = {.group = group, .name = text, .line = line};
    if (str_is_empty(nearest.best))
        report(r, &place, "unknown option");
    else
        report(r, &place, "unknown option, did you mean \"%.*s\"?", STR_ARG(nearest.best));
}

/* Groups at the top level belong to services; those of others are theirs to judge. */
static void check_names(struct reading *r, const char *group)
{
    struct str name;
    struct option_value value;
    for (size_t at = 0; option_file_next(r->file, group, &at, &name, &value);) {
        bool is_of_a_service = !group && (value.type == OPTION_VALUE_GROUP || is_group(r, name));
        if (!is_of_a_service && !is_option(r, group, name))
            report_unknown(r, group, name, value.line);
    }
}

static bool is_first_of_its_name(const struct reading *r, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (same_group(r->groups[i].name, r->groups[index].name))
            return false;
    }
    return true;
}

static void check_group(struct reading *r, const char *group)
{
    struct option_value value;
    if (group && option_file_find(r->file, NULL, group, &value) &&
        value.type != OPTION_VALUE_GROUP) {
        struct place place = {.name = group, .line = value.line};
        report(r, &place, "is a group of options: %s = { ... };", group);
        return;
    }
    check_names(r, group);
}

/* ---- Values */

static void *field_of(const struct option_group *group, const struct option *option)
{
    return (char *)group->values + option->offset;
}

static const char *unit_of(const struct option *option, char *space, size_t size)
{
    snprintf(space, size, option->unit ? " %s" : "%s", option->unit ? option->unit : "");
    return space;
}

static void assign_number(struct reading *r, const struct option *option, const struct place *place,
                          const struct option_value *value, uint64_t *field)
{
    char unit[32];
    unit_of(option, unit, sizeof(unit));
    if (value->type == OPTION_VALUE_WRAPPED)
        report(r, place, "write numbers above %d with an L at the end", INT32_MAX);
    else if (value->type != OPTION_VALUE_NUMBER)
        report(r, place, "must be a number from %" PRIu64 " to %" PRIu64 "%s", option->min,
               option->max, unit);
    else if (value->number < 0 || (uint64_t)value->number < option->min)
        report(r, place, "%" PRId64 " is below %" PRIu64 "%s", value->number, option->min, unit);
    else if ((uint64_t)value->number > option->max)
        report(r, place, "%" PRId64 " is above %" PRIu64 "%s", value->number, option->max, unit);
    else
        *field = (uint64_t)value->number;
}

static void assign_choice(struct reading *r, const struct option *option, const struct place *place,
                          const struct option_value *value, struct str *field)
{
    struct str choice, rest = str_from_cstr(option->choices);
    while (value->type == OPTION_VALUE_TEXT && !str_is_null(rest)) {
        str_cut(rest, ',', &choice, &rest);
        if (str_eq(choice, value->text)) {
            *field = value->text;
            return;
        }
    }
    report(r, place, "must be one of \"%s\"", option->choices);
}

/* A relative path is below the directory of the configuration file. One from the environment is
 * taken as it is. */
static struct str resolve_path(struct reading *r, const struct place *place, struct str path)
{
    ptrdiff_t slash = r->path ? str_rfind_char(str_from_cstr(r->path), '/') : -1;
    bool is_relative = path.len > 0 && path.ptr[0] != '/';
    if (!is_relative || slash < 0 || place->variable)
        return path;
    return arena_printf(r->arena, "%.*s/%.*s", (int)slash, r->path, STR_ARG(path));
}

static void assign_text(struct reading *r, const struct option *option, const struct place *place,
                        const struct option_value *value, struct str *field)
{
    if (value->type != OPTION_VALUE_TEXT)
        report(r, place, "must be a string in quotes");
    else if (option->type == OPTION_TYPE_PATH)
        *field = resolve_path(r, place, value->text);
    else
        *field = value->text;
}

static void assign_list(struct reading *r, const struct place *place,
                        const struct option_value *value, struct str_list *field)
{
    if (value->type == OPTION_VALUE_LIST) {
        *field = value->list;
    } else if (value->type == OPTION_VALUE_TEXT) { /* a list of one */
        struct str *item = arena_new(r->arena, struct str);
        if (!item)
            return;
        *item = value->text;
        *field = (struct str_list){item, 1};
    } else {
        report(r, place, "must be a list of strings: [ \"...\", \"...\" ]");
    }
}

static void assign_bool(struct reading *r, const struct place *place,
                        const struct option_value *value, bool *field)
{
    if (value->type == OPTION_VALUE_BOOL)
        *field = value->number != 0;
    else
        report(r, place, "must be true or false");
}

static void assign(struct reading *r, const struct option_group *group, const struct option *option,
                   const struct place *place, const struct option_value *value)
{
    void *field = field_of(group, option);
    switch (option->type) {
    case OPTION_TYPE_STRING:
    case OPTION_TYPE_PATH:
        assign_text(r, option, place, value, field);
        break;
    case OPTION_TYPE_LIST:
        assign_list(r, place, value, field);
        break;
    case OPTION_TYPE_NUMBER:
        assign_number(r, option, place, value, field);
        break;
    case OPTION_TYPE_BOOL:
        assign_bool(r, place, value, field);
        break;
    case OPTION_TYPE_CHOICE:
        assign_choice(r, option, place, value, field);
        break;
    }
}

/* ---- Values that come as text: from the environment, and defaults */

static struct option_value split_list(struct arena *arena, struct str text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == ',';
    struct str *items = arena_new_array(arena, count, struct str);
    size_t len = 0;
    while (items && !str_is_null(text)) {
        struct str item;
        str_cut(text, ',', &item, &text);
        item = str_trim(item);
        if (item.len > 0)
            items[len++] = item;
    }
    return (struct option_value){.type = OPTION_VALUE_LIST, .list = {items, len}};
}

/* Text that is not of the option's type stays text, which `assign` then refuses. */
static struct option_value value_from_text(struct arena *arena, const struct option *option,
                                           struct str text)
{
    struct option_value value = {.type = OPTION_VALUE_TEXT, .text = text};
    uint64_t number;
    if (option->type == OPTION_TYPE_LIST)
        return split_list(arena, text);
    if (option->type == OPTION_TYPE_NUMBER && str_to_u64(text, INT64_MAX, &number)) {
        value.type = OPTION_VALUE_NUMBER;
        value.number = (int64_t)number;
    }
    if (option->type == OPTION_TYPE_BOOL &&
        (str_eq(text, STR("true")) || str_eq(text, STR("false")))) {
        value.type = OPTION_VALUE_BOOL;
        value.number = str_eq(text, STR("true"));
    }
    return value;
}

/* MAILRAIL_SMTP_IN_PORT for option `port` of group `smtp_in`. */
static const char *variable_name(struct arena *arena, const char *group, const char *name)
{
    struct str lower = arena_printf(arena, ENVIRONMENT_PREFIX "%s%s%s", group ? group : "",
                                    group ? "_" : "", name);
    char *variable = arena_cstr(arena, lower);
    for (char *c = variable; c && *c != '\0'; c++)
        *c = ascii_upper(*c);
    return variable;
}

/* Where the value of an option comes from, and what it is there. False: nobody set it. */
static bool find_set(struct reading *r, const struct option_group *group,
                     const struct option *option, struct place *ret_place, struct option_value *ret)
{
    *ret_place = (struct place){.group = group->name, .name = option->name};
    const char *variable = variable_name(r->arena, group->name, option->name);
    const char *set = variable ? getenv(variable) : NULL;
    if (set) {
        ret_place->variable = variable;
        *ret = value_from_text(r->arena, option, arena_copy(r->arena, str_from_cstr(set)));
        return true;
    }
    if (!r->file || !option_file_find(r->file, group->name, option->name, ret))
        return false;
    ret_place->line = ret->line;
    return true;
}

static void read_option(struct reading *r, const struct option_group *group,
                        const struct option *option)
{
    struct place place;
    struct option_value value;
    if (!find_set(r, group, option, &place, &value)) {
        if (!option->initial) {
            report(r, &place, "must be set (here, or as %s in the environment)",
                   variable_name(r->arena, group->name, option->name));
            return;
        }
        value = value_from_text(r->arena, option, str_from_cstr(option->initial));
    }
    assign(r, group, option, &place, &value);
}

/* ---- What rows cannot say */

struct option_report {
    struct reading *reading;
    const struct option_group *group;
};

void option_reject(struct option_report *report, const char *name, const char *format, ...)
{
    struct place place;
    struct option_value value;
    va_list args;
    const struct option option = {.name = name};
    (void)!find_set(report->reading, report->group, &option, &place, &value);
    va_start(args, format);
    report_list(report->reading, &place, format, args);
    va_end(args);
}

static void check_values(struct reading *r)
{
    for (size_t i = 0; i < r->group_count; i++) {
        struct option_report group_report = {r, &r->groups[i]};
        if (r->groups[i].check)
            r->groups[i].check(r->groups[i].values, &group_report);
    }
}

/* ---- Reading all */

static bool read_groups(struct reading *r)
{
    for (size_t i = 0; i < r->group_count; i++) {
        if (r->file && is_first_of_its_name(r, i))
            check_group(r, r->groups[i].name);
        for (size_t j = 0; j < r->groups[i].count; j++)
            read_option(r, &r->groups[i], &r->groups[i].options[j]);
    }
    if (r->failures == 0 && !r->arena->exhausted)
        check_values(r);
    if (r->failures == 0 && r->arena->exhausted)
        err_set(r->err, ERR_LIMIT, "%s: too large", r->path ? r->path : "the environment");
    return r->failures == 0 && !r->arena->exhausted;
}

static bool fail_unread(struct buf *all_errors, const struct err *err)
{
    if (all_errors)
        buf_printf(all_errors, "%s\n", err->detail);
    return false;
}

bool options_read(const char *path, const struct option_group *groups, size_t group_count,
                  struct arena *arena, struct buf *all_errors, struct err *err)
{
    struct reading r = {.path = path,
                        .groups = groups,
                        .group_count = group_count,
                        .arena = arena,
                        .all_errors = all_errors,
                        .err = err};
    if (!path)
        return read_groups(&r);
    struct option_file *file = option_file_read(path, arena, err);
    if (!file)
        return fail_unread(all_errors, err);
    r.file = file;
    bool ok = read_groups(&r);
    option_file_free(file);
    return ok;
}

bool options_read_text(const char *path, struct str text, const struct option_group *groups,
                       size_t group_count, struct arena *arena, struct buf *all_errors,
                       struct err *err)
{
    struct reading r = {.path = path,
                        .groups = groups,
                        .group_count = group_count,
                        .arena = arena,
                        .all_errors = all_errors,
                        .err = err};
    struct option_file *file = option_file_parse(path, text, arena, err);
    if (!file)
        return fail_unread(all_errors, err);
    r.file = file;
    bool ok = read_groups(&r);
    option_file_free(file);
    return ok;
}
