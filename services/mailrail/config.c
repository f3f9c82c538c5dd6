#include "services/mailrail/commands.h"
#include "services/mailrail/configuration.h"
#include "services/mailrail/launcher.h"
#include "services/mailrail/siblings.h"

#include <stdio.h>

#define PRINTED_MAX (16u << 20)

/* ---- config check */

static bool check(struct invocation *inv, struct err *err)
{
    bool is_fine;
    TRY(configuration_check(inv, &is_fine, err));
    if (is_fine)
        printf("%s: fine\n", inv->config_path ? inv->config_path : "the environment");
    inv->status = is_fine ? 0 : 1;
    return true;
}

/* ---- config print */

/* A service prints the common options, an empty line, and its group; here only the group. */
static bool print_group_of(struct invocation *inv, struct str service, struct buf *out,
                           struct err *err)
{
    struct buf printed;
    int status;
    buf_init(&printed, PRINTED_MAX);
    bool ok = siblings_ask(&inv->arena, service, "--print-config", inv->config_path, &printed,
                           &status, err);
    ptrdiff_t at = str_find(buf_str(&printed), STR("\n\n"));
    if (ok && status != 0)
        ok = err_set(err, ERR_SYNTAX, "wrong configuration, see above");
    if (ok && at >= 0)
        buf_append(out, str_skip(buf_str(&printed), (size_t)at + 1));
    buf_release(&printed);
    return ok;
}

static bool print(struct invocation *inv, struct err *err)
{
    struct str_list services;
    struct buf out;
    TRY(invocation_read_settings(inv, err));
    TRY(siblings_list(&inv->arena, &services, err));
    buf_init(&out, PRINTED_MAX);
    const struct option_group common = settings_group(&inv->settings);
    options_print(&common, 1, &out);
    bool ok = true;
    for (size_t i = 0; ok && i < services.len; i++)
        ok = print_group_of(inv, services.items[i], &out, err);
    if (ok)
        printf("%.*s", STR_ARG(buf_str(&out)));
    buf_release(&out);
    return ok;
}

/* ---- config describe */

static const char introduction[] =
    "# Configuration\n\n"
    "This page is made by `mailrail config describe`; do not edit it.\n\n"
    "The static configuration, `mailrail.conf`, holds what a process needs to start. Domains,\n"
    "accounts and addresses are data: `mailrail help` lists the commands that change them.\n\n"
    "The file is [libconfig](https://hyperrealm.github.io/libconfig/) text. Every service reads "
    "the\n"
    "common options at the top level and the group of its own name. The environment overrides the\n"
    "file: `MAILRAIL_HOSTNAME`, `MAILRAIL_IMAP_PORT`; lists are separated by commas. Relative "
    "paths\n"
    "are below the directory of the file. `mailrail config check` lists all errors of what all\n"
    "services read and, when there are none, those of each; `mailrail config print` shows what\n"
    "is in effect.\n\n"
    "```\n"
    "hostname = \"mail.example.org\";\n"
    "data = \"/var/lib/mailrail\";\n"
    "log_levels = [ \"imap=debug\" ];\n"
    "imap = { listen = [ \"192.0.2.1\", \"2001:db8::1\" ]; };\n"
    "```\n\n"
    "## Common options\n\n";

static void describe_title(struct str service, struct buf *out)
{
    buf_append(out, STR("\n## `"));
    for (size_t i = 0; i < service.len; i++)
        buf_append_char(out, service.ptr[i] == '-' ? '_' : service.ptr[i]);
    buf_append(out, STR("`\n\n"));
}

/* The launcher is this very program, not one beside it. */
static void describe_launcher(struct buf *out)
{
    const struct option_group group = {.name = launcher_definition.name,
                                       .options = launcher_definition.options,
                                       .count = launcher_definition.option_count};
    describe_title(str_from_cstr(launcher_definition.name), out);
    options_describe(&group, 1, out);
}

static bool describe_service(struct invocation *inv, struct str service, struct buf *out,
                             struct err *err)
{
    int status;
    describe_title(service, out);
    TRY(siblings_ask(&inv->arena, service, "--describe-config", NULL, out, &status, err));
    return status == 0 ||
           err_set(err, ERR_INTERNAL, "mailrail-%.*s: exit status %d", STR_ARG(service), status);
}

static bool describe(struct invocation *inv, struct err *err)
{
    struct str_list services;
    struct buf out;
    TRY(siblings_list(&inv->arena, &services, err));
    buf_init(&out, PRINTED_MAX);
    const struct option_group common = settings_group(&inv->settings);
    buf_append_cstr(&out, introduction);
    options_describe(&common, 1, &out);
    bool ok = true;
    for (size_t i = 0; ok && i < services.len; i++)
        ok = describe_service(inv, services.items[i], &out, err);
    describe_launcher(&out);
    if (ok)
        printf("%.*s", STR_ARG(buf_str(&out)));
    buf_release(&out);
    return ok;
}

const struct command config_commands[] = {
    {
        .name = "config check",
        .arguments = "",
        .summary = "find errors in the configuration",
        .manual =
            "Lets the launcher and every service of launcher.services read the configuration\n"
            "and prints each error with file, line and option. Nothing is started. Exit status\n"
            "1 when there are errors.",
        .examples = "mailrail config check --config new.conf && systemctl restart mailrail",
        .run = check,
    },
    {
        .name = "config print",
        .arguments = "",
        .summary = "print the effective configuration",
        .manual = "Prints all options with comments, as they are in effect: file, environment and\n"
                  "defaults. The output is a configuration file itself.",
        .examples = "mailrail config print\n"
                    "mailrail config print >/etc/mailrail/mailrail.conf.new",
        .run = print,
    },
    {
        .name = "config describe",
        .arguments = "",
        .summary = "print all options as a Markdown page",
        .manual = "Prints what docs/configuration.md holds: every option with type, default and\n"
                  "meaning.",
        .examples = "mailrail config describe >configuration.md",
        .run = describe,
    },
    {.name = NULL},
};
