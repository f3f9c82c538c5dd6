#include "services/store/verify_files.h"

#include "common/base/array.h"
#include "common/base/clock.h"
#include "common/base/version.h"
#include "common/sys/file.h"
#include "services/store/directory.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * The data directory as a whole. Files that nobody knows are named, and stay: they may be
 * somebody's notes.
 */

#define SPOOLED_S 86400 /* nothing is received for so long */

typedef bool look_at_name(struct store *store, const char *path, const char *name,
                          struct findings *f, struct err *err);

static bool for_each(struct store *store, const char *path, look_at_name *look, struct findings *f,
                     struct err *err)
{
    char below[LAYOUT_PATH_MAX + NAME_MAX + 2];
    DIR *directory = opendir(path);
    bool ok = true;
    if (!directory)
        return errno == ENOENT || errno == ENOTDIR ||
               err_set_errno(err, errno, "open directory %s", path);
    for (struct dirent *e; ok && (e = readdir(directory));) {
        snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
        ok = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
             look(store, below, e->d_name, f, err);
    }
    closedir(directory);
    return ok;
}

/* "index.db" stands for the files that SQLite keeps beside it too. */
static bool is_known(const char *name, const char *const *names)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
    struct str text = str_from_cstr(name);
    for (; *names; names++) {
        struct str known = str_from_cstr(*names);
        size_t tail_count = str_ends_with(known, STR(".db")) ? ARRAY_LEN(tails) : 1;
        for (size_t i = 0; i < tail_count; i++) {
            if (str_starts_with(text, known) &&
                str_eq(str_skip(text, known.len), str_from_cstr(tails[i])))
                return true;
        }
    }
    return false;
}

/* ---- What is in an account's directory, and at the top */

static bool look_in_account(struct store *store, const char *path, const char *name,
                            struct findings *f, struct err *err)
{
    static const char *const known[] = {"index.db", "text.db", "msg", "import", NULL};
    (void)store, (void)err;
    if (!is_known(name, known))
        findings_warn(f, "unknown file %s", path);
    return true;
}

static bool look_at_account(struct store *store, const char *path, const char *name,
                            struct findings *f, struct err *err)
{
    uint64_t id, version;
    if (!str_to_u64(str_from_cstr(name), INT64_MAX, &id)) {
        findings_warn(f, "unknown file %s", path);
        return true;
    }
    if (!directory_credential_version(store, id, &version, err)) {
        if (err->kind != ERR_NOT_FOUND)
            return false;
        findings_warn(f, "%s belongs to no account (is it being removed?)", path);
        return true;
    }
    return for_each(store, path, look_in_account, f, err);
}

/* ---- What receivers left: those that still receive have newer files */

static bool look_at_spooled(struct store *store, const char *path, const char *name,
                            struct findings *f, struct err *err)
{
    struct stat st;
    (void)name;
    if (lstat(path, &st) < 0 || clock_wall_s() - st.st_mtime < SPOOLED_S)
        return true;
    return findings_stray(f, store->settings->data, path, "was left by a receiver", err);
}

static bool look_at_receiver(struct store *store, const char *path, const char *name,
                             struct findings *f, struct err *err)
{
    (void)name;
    return for_each(store, path, look_at_spooled, f, err);
}

/* ---- The top */

static bool look_at_top(struct store *store, const char *path, const char *name, struct findings *f,
                        struct err *err)
{
    static const char *const known[] = {
        "directory.db", "queue.db", "store.key", "accounts", "queue", "spool", "keys", "tls",
        "moved", "version", "config", "acme", "junk.db",
        /* What deploy/local/up puts beside the data, and mkfs on a volume of its own. */
        "mailrail.conf", "mailrail.log", "mailrail.log.1", "run", "lost+found", NULL};
    (void)store, (void)err;
    /* A start takes it over, unless a newer program had made another before it knew of this one. */
    if (strcmp(name, "received-id.key") == 0)
        findings_warn(f,
                      "%s is not in use: `mailrail prepare` takes it over if there is no"
                      " keys/received-id.key; else only ids in Received fields from before that one"
                      " need it, and it may be removed",
                      path);
    else if (!is_known(name, known))
        findings_warn(f, "unknown file %s", path);
    return true;
}

/* A backup says which version made it. */
static bool look_at_version(struct store *store, struct findings *f, struct err *err)
{
    char path[LAYOUT_PATH_MAX];
    struct str text;
    snprintf(path, sizeof(path), "%.*s/version", STR_ARG(store->settings->data));
    if (!file_read(path, 1024, f->arena, &text, err))
        return err->kind == ERR_NOT_FOUND;
    if (!str_eq(str_trim(text), STR(MAILRAIL_PRODUCT)))
        findings_warn(f, "the data was stored by %.*s, and is now that of " MAILRAIL_PRODUCT,
                      STR_ARG(str_trim(text)));
    return true;
}

bool verify_tree(struct store *store, struct findings *f, struct err *err)
{
    char data[LAYOUT_PATH_MAX], accounts[LAYOUT_PATH_MAX], spool[LAYOUT_PATH_MAX];
    snprintf(data, sizeof(data), "%.*s", STR_ARG(store->settings->data));
    snprintf(accounts, sizeof(accounts), "%.*s/accounts", STR_ARG(store->settings->data));
    snprintf(spool, sizeof(spool), "%.*s/spool", STR_ARG(store->settings->data));
    return for_each(store, data, look_at_top, f, err) &&
           for_each(store, accounts, look_at_account, f, err) &&
           for_each(store, spool, look_at_receiver, f, err) && look_at_version(store, f, err);
}
