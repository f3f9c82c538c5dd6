#include "tests/unit/services/imap/world.h"

#include "common/base/bug.h"
#include "common/service/layout.h"
#include "common/sys/file.h"
#include "tests/unit/support/remove_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void world_init(struct world *w, size_t full_at)
{
    char data[] = "/tmp/mailrail-imap-XXXXXX";
    BUG_ON(!mkdtemp(data));
    world_init_in(w, full_at, data);
    w->keep_data = false;
}

void world_init_in(struct world *w, size_t full_at, const char *data)
{
    struct err err;
    *w = (struct world){.full_at = full_at, .keep_data = true};
    BUG_ON(!str_copy_cstr(str_from_cstr(data), w->data, sizeof(w->data)));
    w->settings = (struct settings){.hostname = STR("localhost"), .data = str_from_cstr(w->data)};
    if (!directory_make(layout_spool_directory(w->settings.data, STR("imap")).text, 0700, &err))
        BUG("%s", err.detail);
    w->config = (struct imap_config){.cleartext_auth = true,
                                     .login_timeout_s = 30,
                                     .idle_timeout_s = 1800,
                                     .keepalive_s = 300,
                                     .append_max = 1 << 20};
    w->server.settings = &w->settings;
    w->server.config = &w->config;
    w->server.backend = fake_backend_new(w->settings.data);
    w->server.registry = registry_new(w->server.backend);
    const struct backend_events events = {.changed = registry_changed,
                                          .reconnected = registry_reconnected,
                                          .user = w->server.registry};
    fake_backend_set_events(w->server.backend, &events);
}

struct session *world_session(struct world *w, size_t n)
{
    BUG_ON(n >= WORLD_SESSIONS);
    if (!w->sessions[n])
        w->sessions[n] = fake_session_open(&imap_ops, &w->server, w->full_at);
    return w->sessions[n];
}

void world_remove_data(const char *data)
{
    remove_tree(data);
}

void world_release(struct world *w)
{
    for (size_t i = 0; i < WORLD_SESSIONS; i++)
        fake_session_free(w->sessions[i]);
    registry_free(w->server.registry);
    backend_free(w->server.backend);
    if (!w->keep_data)
        world_remove_data(w->data);
}
