#include "common/service/settings.h"

#include "common/base/bug.h"
#include "common/mail/domain.h"
#include "common/service/layout.h"
#include "common/sys/log.h"
#include "common/text/utf8.h"

#include <sys/un.h>

static const struct option settings_options[] = {
    OPTION_STRING(settings, hostname, NULL,
                  "name of this host in greetings, Received and Message-ID, in A-label form"),
    OPTION_PATH(settings, data, "/var/lib/mailrail", "directory of all mail and databases"),
    OPTION_PATH(settings, run, "/run/mailrail", "directory of sockets and the process id"),
    OPTION_CHOICE(settings, log_level, "info", "error,warn,info,debug,trace,traceauth,tracedata",
                  "least important lines to log; traceauth shows passwords, tracedata mail"),
    OPTION_LIST(settings, log_levels, "", "levels of single packages, as \"imap=debug\""),
    OPTION_STRING(settings, bus, "",
                  "URL of the services' doors, with %s for the door; empty: sockets in `run`"),
    OPTION_LIST(settings, bus_doors, "", "URLs of single doors, as \"delivery=tcp://store:7001\""),
    OPTION_STRING(settings, bus_listen, "",
                  "address, as \"0.0.0.0\", at which a service opens its own doors at tcp:// and "
                  "tls+tcp://; empty: the host of the URL"),
    OPTION_PATH(settings, bus_ca, "",
                "for tls+tcp://: PEM file of who signs the services' certificates"),
    OPTION_PATH(settings, bus_certificate, "",
                "for tls+tcp://: PEM file with the service's certificate, %s being its name"),
    OPTION_PATH(settings, bus_key, "", "PEM file with the key of that, %s being the service"),
    OPTION_PATH(settings, tls_certificate, "",
                "PEM file with the certificate chain; without it users cannot log in"),
    OPTION_PATH(settings, tls_key, "", "PEM file with the key of the certificate"),
    OPTION_NUMBER(settings, drain_ms, "10000", 0, 3600000, "ms",
                  "how long a stopping service waits for its clients"),
    OPTION_BOOL(settings, pedantic, "false", "treat violations of protocols as errors"),
    OPTION_BOOL(settings, localserve, "false",
                "for a laptop: loopback only, sender domains need not exist"),
};

#define RUN_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 32)

/* ---- Doors */

static struct str door_override(const struct settings *settings, struct str door)
{
    for (size_t i = 0; i < settings->bus_doors.len; i++) {
        struct str name, url;
        str_cut(settings->bus_doors.items[i], '=', &name, &url);
        if (str_eq(name, door))
            return url;
    }
    return STR_NULL;
}

const char *settings_door_url(const struct settings *settings, const char *door,
                              struct arena *arena)
{
    struct str name = str_from_cstr(door);
    struct str url = door_override(settings, name);
    if (str_is_null(url) && settings->bus.len == 0)
        url = arena_printf(arena, "ipc://%.*s/%s.sock", STR_ARG(settings->run), door);
    if (str_is_null(url)) {
        ptrdiff_t at = str_find(settings->bus, STR("%s"));
        BUG_ON(at < 0); /* check_bus */
        url = arena_printf(arena, "%.*s%s%.*s", (int)at, settings->bus.ptr, door,
                           STR_ARG(str_skip(settings->bus, (size_t)at + 2)));
    }
    return arena_cstr(arena, url);
}

/* ---- What the table of options cannot say */

static void check_hostname(struct str hostname, struct option_report *report)
{
    struct arena arena;
    struct str domain;
    struct err why;
    arena_init(&arena, 65536);
    if (!domain_parse(hostname, &arena, &domain, &why))
        option_reject(report, "hostname", "not a domain name: %s", why.detail);
    else if (!str_is_ascii(hostname))
        option_reject(report, "hostname", "write it in A-label form: \"%.*s\"", STR_ARG(domain));
    arena_release(&arena);
}

static void check_paths(const struct settings *settings, struct option_report *report)
{
    if (settings->data.len == 0 || settings->data.len > LAYOUT_PATH_MAX - 128)
        option_reject(report, "data", "must have 1 to %d bytes", LAYOUT_PATH_MAX - 128);
    if (settings->run.len == 0 || settings->run.len > RUN_PATH_MAX)
        option_reject(report, "run",
                      "must have 1 to %zu bytes, to leave room for the names of sockets",
                      RUN_PATH_MAX);
}

static void check_certificate(const struct settings *settings, struct option_report *report)
{
    bool has_certificate = settings->tls_certificate.len > 0;
    bool has_key = settings->tls_key.len > 0;
    if (has_certificate && !has_key)
        option_reject(report, "tls_certificate", "needs its key: set tls_key as well");
    if (has_key && !has_certificate)
        option_reject(report, "tls_key", "needs its certificate: set tls_certificate as well");
}

static void check_bus(const struct settings *settings, struct option_report *report)
{
    struct str bus = settings->bus;
    ptrdiff_t at = str_find(bus, STR("%s"));
    if (bus.len > 0 && at < 0)
        option_reject(report, "bus", "needs %%s where the name of the door goes");
    for (size_t i = 0; i < settings->bus_doors.len; i++) {
        struct str item = settings->bus_doors.items[i];
        struct str name, url;
        if (!str_cut(item, '=', &name, &url) || name.len == 0 || str_find(url, STR("://")) < 0)
            option_reject(report, "bus_doors", "\"%.*s\" is not door=URL", STR_ARG(item));
    }
}

static bool is_tls(struct str url)
{
    return str_starts_with(url, STR("tls+tcp://"));
}

static void check_bus_tls(const struct settings *settings, struct option_report *report)
{
    const struct {
        const char *name;
        struct str path;
    } files[] = {{"bus_ca", settings->bus_ca},
                 {"bus_certificate", settings->bus_certificate},
                 {"bus_key", settings->bus_key}};
    bool needed = is_tls(settings->bus);
    for (size_t i = 0; i < settings->bus_doors.len && !needed; i++)
        needed = str_find(settings->bus_doors.items[i], STR("=tls+tcp://")) >= 0;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        if (needed && files[i].path.len == 0)
            option_reject(report, files[i].name, "a door at tls+tcp:// needs it");
        if (!needed && files[i].path.len > 0)
            option_reject(report, files[i].name, "no door is at tls+tcp://");
    }
}

static void check_log_levels(const struct settings *settings, struct option_report *report)
{
    for (size_t i = 0; i < settings->log_levels.len; i++) {
        struct str item = settings->log_levels.items[i];
        struct str package, level;
        enum log_level parsed;
        if (!str_cut(item, '=', &package, &level) || package.len == 0 ||
            !log_level_parse(level, &parsed))
            option_reject(report, "log_levels", "\"%.*s\" is not package=level", STR_ARG(item));
    }
}

static void check_settings(const void *values, struct option_report *report)
{
    const struct settings *settings = values;
    check_hostname(settings->hostname, report);
    check_paths(settings, report);
    check_certificate(settings, report);
    check_bus(settings, report);
    check_bus_tls(settings, report);
    check_log_levels(settings, report);
}

struct option_group settings_group(struct settings *settings)
{
    return (struct option_group){NULL, settings_options, ARRAY_LEN(settings_options), settings,
                                 check_settings};
}
