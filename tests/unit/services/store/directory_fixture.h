#ifndef TESTS_UNIT_SERVICES_STORE_DIRECTORY_FIXTURE_H
#define TESTS_UNIT_SERVICES_STORE_DIRECTORY_FIXTURE_H

#include "services/store/auth.h"
#include "services/store/directory_admin.h"
#include "services/store/token.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A store with a directory and logins, but without mail, on a directory of its own. */
struct directory_fixture {
    char path[64];
    struct settings settings;
    struct store_config config;
    struct store store;
    struct arena arena;
};

static inline void fixture_open(struct directory_fixture *f)
{
    struct err err;
    f->store = (struct store){.settings = &f->settings, .config = &f->config};
    f->store.log = log_root(log_new(2, LOG_ERROR), "store");
    memset(f->store.sealing_key, 7, sizeof(f->store.sealing_key));
    token_open(&f->store);
    cr_assert(directory_open(&f->store, &err), "%s", err.detail);
    cr_assert(auth_open(&f->store, &err), "%s", err.detail);
}

static inline void fixture_close(struct directory_fixture *f)
{
    auth_close(f->store.auth);
    directory_close(f->store.directory);
    token_close(&f->store);
    log_free(f->store.log.log);
}

static inline void fixture_init(struct directory_fixture *f)
{
    *f = (struct directory_fixture){.path = "/tmp/mailrail-directory-XXXXXX"};
    cr_assert_not_null(mkdtemp(f->path));
    f->settings.data = str_from_cstr(f->path);
    f->settings.hostname = STR("mail.example.org");
    f->config.password_checks = 2;
    arena_init(&f->arena, 1 << 20);
    fixture_open(f);
}

static inline void fixture_release(struct directory_fixture *f)
{
    fixture_close(f);
    arena_release(&f->arena);
    static const char *const files[] = {"directory.db", "directory.db-wal", "directory.db-shm"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", f->path, files[i]);
        unlink(path);
    }
    rmdir(f->path);
}

/* Adding what must succeed. */

static inline void add_domain(struct directory_fixture *f, const struct domain_settings *settings)
{
    struct err err;
    cr_assert(directory_add_domain(&f->store, settings, &err), "%s", err.detail);
}

static inline uint64_t add_account(struct directory_fixture *f, const char *name,
                                   const char *address, const char *password)
{
    struct directory_account account = {.name = str_from_cstr(name)};
    uint64_t id = 0;
    struct err err;
    cr_assert(directory_add_account(&f->store, &account, str_from_cstr(address),
                                    str_from_cstr(password), &id, &err),
              "%s: %s", name, err.detail);
    return id;
}

static inline void add_address(struct directory_fixture *f, const struct address_settings *settings)
{
    struct err err;
    cr_assert(directory_add_address(&f->store, settings, &err), "%s", err.detail);
}

#endif
