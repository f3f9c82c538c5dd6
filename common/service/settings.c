#include "common/service/settings.h"

#include "common/base/bug.h"
#include "common/sys/log.h"
#include "common/text/cursor.h"
#include "common/service/layout.h"

#include <sys/un.h>

const struct option settings_options[] = {
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
    OPTION_PATH(settings, tls_certificate, "",
                "PEM file with the certificate chain; empty: no TLS"),
    OPTION_PATH(settings, tls_key, "", "PEM file with the key of the certificate"),
    OPTION_NUMBER(settings, drain_ms, "10000", 0, 3600000, "ms",
                  "how long a stopping service waits for its clients"),
    OPTION_BOOL(settings, pedantic, "false", "treat violations of protocols as errors"),
    OPTION_BOOL(settings, localserve, "false",
                "for a laptop: loopback only, sender domains need not exist"),
};
const size_t settings_option_count = ARRAY_LEN(settings_options);

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
        BUG_ON(at < 0); /* settings_check */
        url = arena_printf(arena, "%.*s%s%.*s", (int)at, settings->bus.ptr, door,
                           STR_ARG(str_skip(settings->bus, (size_t)at + 2)));
    }
    return arena_cstr(arena, url);
}

/* ---- What the table of options cannot say */

static bool check_hostname(struct str hostname, struct err *err)
{
    struct cursor c = cursor_init(hostname);
    cursor_take_while(&c, is_domain_text, 253, "host name");
    struct err why;
    if (!cursor_finish(&c, &why))
        return err_set(err, ERR_SYNTAX, "hostname: %s", why.detail);
    for (size_t i = 0; i < hostname.len; i++) {
        if ((unsigned char)hostname.ptr[i] >= 0x80)
            return err_set(err, ERR_SYNTAX, "hostname: write it in A-label form (xn--...)");
    }
    return true;
}

static bool check_paths(const struct settings *settings, struct err *err)
{
    if (settings->data.len == 0 || settings->data.len > LAYOUT_PATH_MAX - 128)
        return err_set(err, ERR_SYNTAX, "data: must have 1 to %d bytes", LAYOUT_PATH_MAX - 128);
    if (settings->run.len == 0 || settings->run.len > RUN_PATH_MAX)
        return err_set(err, ERR_SYNTAX,
                       "run: must have 1 to %zu bytes, to leave room for the names of sockets",
                       RUN_PATH_MAX);
    if (str_is_empty(settings->tls_certificate) != str_is_empty(settings->tls_key))
        return err_set(err, ERR_SYNTAX, "tls_certificate, tls_key: one needs the other");
    return true;
}

static bool check_bus(const struct settings *settings, struct err *err)
{
    struct str bus = settings->bus;
    ptrdiff_t at = str_find(bus, STR("%s"));
    if (bus.len > 0 && at < 0)
        return err_set(err, ERR_SYNTAX, "bus: needs %%s where the name of the door goes");
    for (size_t i = 0; i < settings->bus_doors.len; i++) {
        struct str item = settings->bus_doors.items[i];
        struct str name, url;
        if (!str_cut(item, '=', &name, &url) || name.len == 0 || str_find(url, STR("://")) < 0)
            return err_set(err, ERR_SYNTAX, "bus_doors: \"%.*s\" is not door=URL", STR_ARG(item));
    }
    return true;
}

static bool check_log_levels(const struct settings *settings, struct err *err)
{
    for (size_t i = 0; i < settings->log_levels.len; i++) {
        struct str item = settings->log_levels.items[i];
        struct str package, level;
        enum log_level parsed;
        if (!str_cut(item, '=', &package, &level) || package.len == 0 ||
            !log_level_parse(level, &parsed))
            return err_set(err, ERR_SYNTAX, "log_levels: \"%.*s\" is not package=level",
                           STR_ARG(item));
    }
    return true;
}

bool settings_check(const struct settings *settings, struct err *err)
{
    TRY(check_hostname(settings->hostname, err));
    TRY(check_paths(settings, err));
    TRY(check_bus(settings, err));
    TRY(check_log_levels(settings, err));
    return true;
}
