#include "services/mailrail/commands.h"
#include "services/mailrail/configuration.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/launcher.h"
#include "services/mailrail/table.h"

#include "common/base/bug.h"
#include "common/base/version.h"
#include "common/http/health.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_STATUS_CONFIG 2
#define HEALTH_TIMEOUT_MS 2000

/* ---- run */

static bool run(struct invocation *inv, struct err *err)
{
    static char name[] = "mailrail", option[] = "--config";
    bool is_fine;
    TRY(configuration_check(inv, &is_fine, err));
    if (!is_fine) {
        inv->status = EXIT_STATUS_CONFIG;
        return true;
    }
    char *argv[] = {name, NULL, NULL, NULL};
    int argc = 1;
    if (inv->config_path) {
        argv[argc++] = option;
        argv[argc++] = arena_cstr(&inv->arena, str_from_cstr(inv->config_path));
    }
    launcher_block_signals();
    inv->status = service_main(argc, argv, &launcher_definition);
    return true;
}

/* ---- status */

static int is_health_socket(const struct dirent *entry)
{
    return str_ends_with(str_from_cstr(entry->d_name), STR(".health"));
}

/* One row: the service's name, whether it is ready, and what it says. */
static bool add_status(struct invocation *inv, const char *socket_name, struct table *table)
{
    struct buf body;
    struct err err;
    unsigned status = 0;
    struct str run = inv->settings.run;
    struct str path = arena_printf(&inv->arena, "%.*s/%s", STR_ARG(run), socket_name);
    struct str file = str_from_cstr(socket_name);
    struct str name = str_slice(file, 0, file.len - strlen(".health"));
    buf_init(&body, 1024);
    bool answers = health_get(path.ptr, "/readyz", HEALTH_TIMEOUT_MS, &status, &body, &err);
    bool is_ready = answers && status == 200;
    struct str said = answers ? str_trim(buf_str(&body)) : STR("does not answer");
    table_text(table, arena_copy(&inv->arena, name));
    table_bool(table, is_ready);
    table_text(table, arena_copy(&inv->arena, said));
    buf_release(&body);
    return is_ready;
}

static bool status(struct invocation *inv, struct err *err)
{
    static const struct column columns[] = {
        {"service", COLUMN_TEXT}, {"ready", COLUMN_BOOL}, {"says", COLUMN_TEXT}};
    struct dirent **entries;
    TRY(invocation_read_settings(inv, err));
    const char *run_path = arena_cstr(&inv->arena, inv->settings.run);
    int count = run_path ? scandir(run_path, &entries, is_health_socket, alphasort) : -1;
    if (count < 0)
        return err_set_errno(err, errno, "%s", run_path ? run_path : "run");
    struct table table = table_init(columns, ARRAY_LEN(columns), &inv->arena);
    inv->status = count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    for (int i = 0; i < count; i++) {
        if (!add_status(inv, entries[i]->d_name, &table))
            inv->status = EXIT_FAILURE;
        free(entries[i]);
    }
    free(entries);
    table_print(&table, invocation_has(inv, "--json"));
    table_release(&table);
    return count > 0 || err_set(err, ERR_UNAVAILABLE, "no service runs in %s", run_path);
}

/* ---- version */

static bool version(struct invocation *inv, struct err *err)
{
    (void)inv, (void)err;
    printf("%s\n", MAILRAIL_PRODUCT);
    return true;
}

static const struct command_option status_options[] = {OPTION_JSON, {NULL, NULL, NULL}};
const struct command system_commands[] = {
    {
        .name = "run",
        .arguments = "",
        .summary = "run all services of this host",
        .manual =
            "Checks the whole configuration as `mailrail config check` does; when it is wrong\n"
            "nothing is started, and the exit status is 2.\n"
            "\n"
            "Starts the services named by the option launcher.services as child processes\n"
            "(store, dns-resolver, queue-deliverer, smtp-in, submission and imap, unless the\n"
            "configuration says otherwise) and says when each is ready. A service that ends is\n"
            "started again after a pause of 0.1 s, doubled each time up to 30 s. A service that\n"
            "cannot start at all, because of a port or a directory, stops everything.\n"
            "\n"
            "SIGTERM and Ctrl-C drain: first the doors and the deliverer, then what they need.\n"
            "What does not stop within launcher.grace_ms is killed. The process id is in\n"
            "mailrail.pid in the run directory. `mailrail status` says how the services are.",
        .examples = "mailrail run\n"
                    "mailrail run --config /etc/mailrail/mailrail.conf",
        .run = run,
    },
    {
        .name = "status",
        .arguments = "",
        .summary = "say which services run and are ready",
        .manual =
            "Asks every service that has a health socket in the run directory. Exit status 0\n"
            "when all are ready.",
        .examples = "mailrail status\n"
                    "until mailrail status >/dev/null; do sleep 1; done",
        .options = status_options,
        .run = status,
    },
    {
        .name = "version",
        .arguments = "",
        .summary = "print the version",
        .manual = "Prints the version of this program.",
        .examples = "mailrail version",
        .run = version,
    },
    {.name = NULL},
};
