#include "common/service/option.h"

#include "common/base/buf.h"
#include "common/text/charclass.h"

#include <inttypes.h>
#include <string.h>

/* ---- As a file that options_read accepts */

static void print_string(struct str s, struct buf *out)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (is_printable(c) || c >= 0x80)
            buf_append_char(out, s.ptr[i]);
        else
            buf_printf(out, "\\x%02x", c);
    }
    buf_append_char(out, '"');
}

static void print_list(const struct str_list *list, struct buf *out)
{
    buf_append_cstr(out, "[");
    for (size_t i = 0; i < list->len; i++) {
        buf_append_cstr(out, i > 0 ? ", " : " ");
        print_string(list->items[i], out);
    }
    buf_append_cstr(out, list->len > 0 ? " ]" : "]");
}

static void print_number(uint64_t number, struct buf *out)
{
    buf_printf(out, number > INT32_MAX ? "%" PRIu64 "L" : "%" PRIu64, number);
}

static void print_value(const struct option *option, const void *field, struct buf *out)
{
    switch (option->type) {
    case OPTION_TYPE_STRING:
    case OPTION_TYPE_PATH:
    case OPTION_TYPE_CHOICE:
        print_string(*(const struct str *)field, out);
        break;
    case OPTION_TYPE_LIST:
        print_list(field, out);
        break;
    case OPTION_TYPE_NUMBER:
        print_number(*(const uint64_t *)field, out);
        break;
    case OPTION_TYPE_BOOL:
        buf_append_cstr(out, *(const bool *)field ? "true" : "false");
        break;
    }
}

static void print_group(const struct option_group *group, struct buf *out)
{
    const char *indent = group->name ? "    " : "";
    for (size_t i = 0; i < group->count; i++) {
        const struct option *option = &group->options[i];
        buf_printf(out, "%s# %s", indent, option->help);
        if (option->type == OPTION_TYPE_NUMBER)
            buf_printf(out, " (%" PRIu64 " to %" PRIu64 "%s%s)", option->min, option->max,
                       option->unit ? " " : "", option->unit ? option->unit : "");
        if (option->choices)
            buf_printf(out, " (%s)", option->choices);
        buf_printf(out, "\n%s%s = ", indent, option->name);
        print_value(option, (const char *)group->values + option->offset, out);
        buf_append_cstr(out, ";\n");
    }
}

static bool begins_group(const struct option_group *groups, size_t index)
{
    return index == 0 || !groups[index - 1].name ||
           strcmp(groups[index - 1].name, groups[index].name) != 0;
}

void options_print(const struct option_group *groups, size_t group_count, struct buf *out)
{
    for (size_t i = 0; i < group_count; i++) {
        const char *name = groups[i].name;
        if (name && begins_group(groups, i))
            buf_printf(out, "\n%s = {\n", name);
        print_group(&groups[i], out);
        if (name && (i + 1 == group_count || begins_group(groups, i + 1)))
            buf_append_cstr(out, "};\n");
    }
}

/* ---- As a page of documentation */

static const char *type_name(enum option_type type)
{
    static const char *const names[] = {
        [OPTION_TYPE_STRING] = "string", [OPTION_TYPE_LIST] = "list of strings",
        [OPTION_TYPE_NUMBER] = "number", [OPTION_TYPE_BOOL] = "true or false",
        [OPTION_TYPE_PATH] = "path",     [OPTION_TYPE_CHOICE] = "one of",
    };
    return names[type];
}

static void describe_option(const struct option *option, struct buf *out)
{
    buf_printf(out, "| `%s` | %s", option->name, type_name(option->type));
    if (option->choices)
        buf_printf(out, " `%s`", option->choices);
    if (option->type == OPTION_TYPE_NUMBER)
        buf_printf(out, "%s%s, %" PRIu64 " to %" PRIu64, option->unit ? " of " : "",
                   option->unit ? option->unit : "", option->min, option->max);
    if (!option->initial)
        buf_append_cstr(out, " | must be set");
    else if (option->initial[0] == '\0')
        buf_append_cstr(out, " | (empty)");
    else
        buf_printf(out, " | `%s`", option->initial);
    buf_printf(out, " | %s |\n", option->help);
}

void options_describe(const struct option_group *groups, size_t group_count, struct buf *out)
{
    for (size_t i = 0; i < group_count; i++) {
        if (i == 0 || begins_group(groups, i))
            buf_append_cstr(out, "| option | type | default | meaning |\n|---|---|---|---|\n");
        for (size_t j = 0; j < groups[i].count; j++)
            describe_option(&groups[i].options[j], out);
    }
}
