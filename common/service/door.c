#include "common/service/door.h"

#include "common/base/bug.h"

#include <string.h>

static const struct door doors[] = {
    {"auth", {"store"}, {"imap", "submission"}},
    {"delivery", {"store"}, {"mailrail", "queue-deliverer", "smtp-in"}},
    {"directory", {"store"}, {"mailrail"}},
    {"dns", {"dns-resolver"}, {"mailrail", "queue-deliverer", "smtp-in"}},
    {"events", {"store"}, {"imap"}},
    {"mailboxes", {"store"}, {"imap"}},
    {"maintenance", {"store"}, {"mailrail"}},
    {"notices", {"store"}, {"imap", "smtp-in", "submission"}},
    {"queue", {"store"}, {"queue-deliverer"}},
    {"queueadmin", {"store"}, {"mailrail"}},
    {"queueevents", {"store"}, {"queue-deliverer"}},
    {"submit", {"store"}, {"submission"}},
    {"training", {"store"}, {"junkd"}},
    {"transfer", {"store"}, {"mailrail"}},
};

const char *const door_services[] = {"dns-resolver", "imap",  "mailrail",   "queue-deliverer",
                                     "smtp-in",      "store", "submission", NULL};

const struct door *door_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(doors); i++)
        if (strcmp(doors[i].name, name) == 0)
            return &doors[i];
    return NULL;
}

bool door_has_secrets(const char *name)
{
    return strcmp(name, "auth") == 0 || strcmp(name, "directory") == 0;
}

/* A path of the settings, with the name of the service where it says %s. */
static const char *path_of(struct str path, const char *service, struct arena *arena)
{
    ptrdiff_t at = str_find(path, STR("%s"));
    if (at < 0)
        return arena_cstr(arena, path);
    return arena_cstr(arena, arena_printf(arena, "%.*s%s%.*s", (int)at, path.ptr, service,
                                          STR_ARG(str_skip(path, (size_t)at + 2))));
}

/* "tcp://store:7001" as "tcp://0.0.0.0:7001", for the service that opens the door. */
static const char *url_to_open(const struct settings *settings, const char *url,
                               struct arena *arena)
{
    struct str text = str_from_cstr(url);
    ptrdiff_t scheme = str_find(text, STR("tcp://")), port = str_rfind_char(text, ':');
    if (settings->bus_listen.len == 0 || scheme < 0 || port <= scheme + 6)
        return url;
    return arena_cstr(arena, arena_printf(arena, "%.*s%.*s%s", (int)scheme + 6, url,
                                          STR_ARG(settings->bus_listen), url + port));
}

struct bus_address door_address(const struct settings *settings, const char *service,
                                const char *door_name, struct arena *arena)
{
    const struct door *door = door_find(door_name);
    struct bus_tls *tls = arena_new(arena, struct bus_tls);
    BUG_ON(!door || !tls);
    bool opens = strcmp(service, door->openers[0]) == 0;
    const char *url = settings_door_url(settings, door_name, arena);
    if (opens)
        url = url_to_open(settings, url, arena);
    if (settings->bus_certificate.len == 0)
        return bus_at(url);
    *tls = (struct bus_tls){
        .ca = path_of(settings->bus_ca, service, arena),
        .certificate = path_of(settings->bus_certificate, service, arena),
        .key = path_of(settings->bus_key, service, arena),
        .name = arena_cstr(arena, str_from_cstr(service)),
        .peers = opens ? door->knockers : door->openers,
    };
    return (struct bus_address){url, tls};
}
