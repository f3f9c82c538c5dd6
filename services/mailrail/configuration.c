#include "services/mailrail/configuration.h"

#include "common/base/bug.h"
#include "common/service/option_file.h"
#include "common/text/nearest.h"
#include "services/mailrail/launcher.h"
#include "services/mailrail/siblings.h"

#include <stdio.h>

#define ERRORS_MAX (16u << 20)

/* ---- Groups that no service has */

/* The groups of all services ("smtp_in" of "smtp-in"), and the launcher's. */
static struct str_list known_groups(struct arena *arena, const struct str_list *programs)
{
    struct str *groups = arena_new_array(arena, programs->len + 1, struct str);
    BUG_ON(!groups);
    for (size_t i = 0; i < programs->len; i++) {
        char *group = arena_cstr(arena, programs->items[i]);
        BUG_ON(!group);
        for (char *c = group; *c != '\0'; c++)
            *c = *c == '-' ? '_' : *c;
        groups[i] = str_from_cstr(group);
    }
    groups[programs->len] = str_from_cstr(launcher_definition.name);
    return (struct str_list){groups, programs->len + 1};
}

/* True when it is known; else prints the error. */
static bool check_group(const char *path, unsigned line, struct str name,
                        const struct str_list *known)
{
    struct nearest nearest = nearest_to(name);
    for (size_t i = 0; i < known->len; i++) {
        if (str_eq(name, known->items[i]))
            return true;
        nearest_consider(&nearest, known->items[i]);
    }
    fprintf(stderr, "%s:%u: %.*s: no service reads this group", path, line, STR_ARG(name));
    if (!str_is_empty(nearest.best))
        fprintf(stderr, ", did you mean \"%.*s\"?", STR_ARG(nearest.best));
    fprintf(stderr, "\n");
    return false;
}

static bool check_groups(struct invocation *inv, const struct str_list *programs, bool *ret_is_fine,
                         struct err *err)
{
    const struct str_list known = known_groups(&inv->arena, programs);
    struct option_file *file =
        inv->config_path ? option_file_read(inv->config_path, &inv->arena, err) : NULL;
    if (!file)
        return !inv->config_path;
    struct str name;
    struct option_value value;
    for (size_t at = 0; option_file_next(file, NULL, &at, &name, &value);) {
        if (value.type == OPTION_VALUE_GROUP &&
            !check_group(inv->config_path, value.line, name, &known))
            *ret_is_fine = false;
    }
    option_file_free(file);
    return true;
}

/* ---- What the launcher reads, and what each service reads */

static void check_launcher(const void *values, struct option_report *report)
{
    launcher_definition.check(values, NULL, report);
}

static bool read_launcher(struct invocation *inv, struct launcher_config *launcher)
{
    struct service_common common;
    struct buf errors;
    struct err err;
    const char *name = launcher_definition.name;
    const struct option_group groups[] = {
        settings_group(&inv->settings),
        service_common_group(name, &common),
        {name, launcher_definition.options, launcher_definition.option_count, launcher,
         check_launcher},
    };
    invocation_find_config(inv);
    buf_init(&errors, ERRORS_MAX);
    bool ok = options_read(inv->config_path, groups, ARRAY_LEN(groups), &inv->arena, &errors, &err);
    fprintf(stderr, "%.*s", STR_ARG(buf_str(&errors)));
    buf_release(&errors);
    return ok;
}

/* It prints its errors itself. */
static bool check_service(struct invocation *inv, struct str service, bool *ret_is_fine,
                          struct err *err)
{
    struct buf out;
    int status = 0;
    buf_init(&out, ERRORS_MAX);
    bool ok =
        siblings_ask(&inv->arena, service, "--check-config", inv->config_path, &out, &status, err);
    buf_release(&out);
    if (status != 0)
        *ret_is_fine = false;
    return ok;
}

/* Errors in what all read are said once: services are asked only when there are none. In a
 * container of its own this program can ask nobody. */
bool configuration_check(struct invocation *inv, bool *ret_is_fine, struct err *err)
{
    struct launcher_config launcher;
    struct str_list programs;
    *ret_is_fine = read_launcher(inv, &launcher);
    if (!*ret_is_fine)
        return true;
    TRY(siblings_list(&inv->arena, &programs, err));
    if (programs.len == 0) {
        fprintf(stderr, "no service's program is beside this one: only what all read was checked; "
                        "mailrail-NAME --check-config checks the rest\n");
        return true;
    }
    TRY(check_groups(inv, &programs, ret_is_fine, err));
    for (size_t i = 0; i < launcher.services.len; i++)
        TRY(check_service(inv, launcher.services.items[i], ret_is_fine, err));
    return true;
}
