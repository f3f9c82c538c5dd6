#include "common/service/door.h"

#include <criterion/criterion.h>

Test(door, has_its_address_and_certificates_by_who_asks)
{
    struct str urls[] = {STR("delivery=tls+tcp://store:7002"), STR("dns=tcp://dns-resolver:7010")};
    const struct settings settings = {
        .run = STR("/run/mailrail"),
        .bus_doors = {urls, ARRAY_LEN(urls)},
        .bus_listen = STR("0.0.0.0"),
        .bus_ca = STR("/bus/ca.pem"),
        .bus_certificate = STR("/bus/%s.pem"),
        .bus_key = STR("/bus/%s.key"),
    };
    const struct {
        const char *service, *door, *url, *certificate, *first_peer;
    } rows[] = {
        {"store", "delivery", "tls+tcp://0.0.0.0:7002", "/bus/store.pem", "mailrail"},
        {"smtp-in", "delivery", "tls+tcp://store:7002", "/bus/smtp-in.pem", "store"},
        {"dns-resolver", "dns", "tcp://0.0.0.0:7010", "/bus/dns-resolver.pem", "mailrail"},
        {"imap", "events", "ipc:///run/mailrail/events.sock", "/bus/imap.pem", "store"},
        {"store", "auth", "ipc:///run/mailrail/auth.sock", "/bus/store.pem", "imap"},
    };
    struct arena arena;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bus_address at = door_address(&settings, rows[i].service, rows[i].door, &arena);
        cr_assert_str_eq(at.url, rows[i].url);
        cr_assert_str_eq(at.tls->certificate, rows[i].certificate);
        cr_assert_str_eq(at.tls->ca, "/bus/ca.pem");
        cr_assert_str_eq(at.tls->name, rows[i].service);
        cr_assert_str_eq(at.tls->peers[0], rows[i].first_peer, "row %zu", i);
    }
    arena_release(&arena);
}

Test(door, needs_no_certificate_without_tls)
{
    const struct settings settings = {.run = STR("/run/mailrail")};
    struct arena arena;
    arena_init(&arena, 1 << 16);
    cr_assert_null(door_address(&settings, "imap", "auth", &arena).tls);
    cr_assert_null(door_find("cellar"));
    arena_release(&arena);
}
