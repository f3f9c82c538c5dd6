#include "services/store/backup_cut.h"
#include "services/store/store.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/file.h"
#include "common/sys/file_sync.h"
#include "services/store/accounts.h"
#include "services/store/auth.h"
#include "services/store/directory.h"
#include "services/store/job.h"
#include "services/store/queue.h"
#include "services/store/ready_files.h"
#include "services/store/text_worker.h"
#include "services/store/token.h"
#include "services/store/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define LOCK_WAIT_MS 10000

const struct option store_options[] = {
    OPTION_NUMBER(store_config, quota_bytes, "0", 0, INT64_MAX, "bytes",
                  "largest sum of message sizes of an account without an own limit, 0 for none"),
    OPTION_NUMBER(store_config, quota_messages, "0", 0, INT64_MAX, NULL,
                  "largest number of messages of an account, 0 for none"),
    OPTION_NUMBER(store_config, open_accounts_max, "256", 1, 65536, NULL,
                  "account databases that are open at a time"),
    OPTION_NUMBER(store_config, account_idle_s, "60", 1, 86400, "s",
                  "close an account database that nobody used for so long"),
    OPTION_NUMBER(store_config, erase_after_s, "3600", 0, 2592000, "s",
                  "keep the text of expunged messages for sessions that still show them"),
    OPTION_NUMBER(store_config, delivery_workers, "32", 1, 256, NULL,
                  "deliveries that are worked on at a time"),
    OPTION_NUMBER(store_config, mailboxes_workers, "16", 1, 256, NULL,
                  "calls on mailboxes that are worked on at a time"),
    OPTION_STRING(store_config, postmaster, "",
                  "account that gets mail to postmaster where nobody else does, empty for the "
                  "oldest account"),
    OPTION_NUMBER(store_config, auth_workers, "8", 1, 256, NULL,
                  "login steps that are worked on at a time"),
    OPTION_NUMBER(store_config, password_checks, "2", 1, 64, NULL,
                  "passwords that are hashed at a time, each with 16 MiB of memory"),
    OPTION_NUMBER(store_config, submit_workers, "32", 1, 256, NULL,
                  "submissions that are worked on at a time"),
    OPTION_NUMBER(store_config, queue_retry_ms, "450000", 10, 86400000, "ms",
                  "wait after the first attempt to deliver; it doubles with each further one"),
    OPTION_NUMBER(store_config, queue_max_attempts, "8", 1, 32, NULL,
                  "attempts to deliver before the sender is told of the failure"),
    OPTION_NUMBER(store_config, queue_connections_per_domain, "5", 1, 64, NULL,
                  "connections to a recipient domain at a time, over all deliverers"),
    OPTION_BOOL(
        store_config, forbid_anyone, "false",
        "let nobody share mailboxes with anyone, which is every account of the server; what "
        "was shared so is hidden while it is set"),
    OPTION_STRING(store_config, mailbox_archive, "Archive",
                  "the mailbox of a new account for its archive, empty for none"),
    OPTION_STRING(store_config, mailbox_drafts, "Drafts", "the same for drafts"),
    OPTION_STRING(store_config, mailbox_junk, "Junk", "the same for junk"),
    OPTION_STRING(store_config, mailbox_sent, "Sent", "the same for what was sent"),
    OPTION_STRING(store_config, mailbox_trash, "Trash", "the same for what was thrown away"),
    OPTION_LIST(store_config, mailboxes, "",
                "further mailboxes of a new account; when these and the five above are empty, the "
                "five are as by default"),
};
const size_t store_option_count = ARRAY_LEN(store_options);

static bool make_key(struct store *store, const char *path, struct err *err)
{
    if (getrandom(store->sealing_key, sizeof(store->sealing_key), 0) !=
        (ssize_t)sizeof(store->sealing_key))
        return err_set_errno(err, errno, "random bytes for %s", path);
    struct str key = str_make(store->sealing_key, sizeof(store->sealing_key));
    return file_replace(path, key, 0600, err);
}

static bool load_key(struct store *store, struct err *err)
{
    char path[LAYOUT_PATH_MAX];
    snprintf(path, sizeof(path), "%.*s/store.key", STR_ARG(store->settings->data));
    struct arena arena;
    arena_init(&arena, 4096);
    struct str key;
    bool ok = file_read(path, 1024, &arena, &key, err);
    if (ok && key.len != sizeof(store->sealing_key))
        ok = err_set(err, ERR_CORRUPT, "%s: %zu bytes instead of %zu", path, key.len,
                     sizeof(store->sealing_key));
    else if (ok)
        memcpy(store->sealing_key, key.ptr, sizeof(store->sealing_key));
    else if (err->kind == ERR_NOT_FOUND)
        ok = make_key(store, path, err);
    arena_wipe(&arena);
    arena_release(&arena);
    return ok;
}

/* Two processes would hand out the same ids. One that is ending gets a little time. */
static bool lock_data(struct store *store, struct err *err)
{
    char path[LAYOUT_PATH_MAX];
    snprintf(path, sizeof(path), "%.*s/store.key", STR_ARG(store->settings->data));
    store->key_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (store->key_fd < 0)
        return err_set_errno(err, errno, "%s", path);
    for (int64_t until_ms = clock_monotonic_ms() + LOCK_WAIT_MS;;) {
        if (flock(store->key_fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return err_set_errno(err, errno, "lock %s", path);
        if (clock_monotonic_ms() > until_ms)
            return err_set(err, ERR_STATE, "%.*s is in use by another store",
                           STR_ARG(store->settings->data));
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
}

/* Started from half of a backup, nobody would miss the other half before the old data is gone. */
static bool check_finished(struct store *store, struct err *err)
{
    struct str data = store->settings->data;
    return access(layout_unfinished(data).text, F_OK) < 0 ||
           err_set(err, ERR_STATE, "%.*s is a backup that was cut off before its end",
                   STR_ARG(data));
}

static bool open_parts(struct store *store, const char *data, struct err *err)
{
    TRY(directory_make(data, 0770, err) && check_finished(store, err));
    TRY(load_key(store, err) && lock_data(store, err));
    token_open(store);
    TRY(directory_open(store, err));
    TRY(auth_open(store, err));
    TRY(upgrades_open(store, err));
    store->text_worker = text_worker_start(store, err);
    TRY(store->text_worker && accounts_open(store, err));
    store->batch_syncer = file_syncer_new(FILE_SYNC_THREADS_MAX, err);
    store->file_maker = file_maker_start(store, err);
    store->backup_cut = backup_cut_new();
    store->jobs = jobs_new(store);
    return store->batch_syncer && store->file_maker && queue_open(store, err);
}

bool store_open(struct store *store, const struct settings *settings,
                const struct store_config *config, const struct log_ctx *log,
                struct metrics *metrics, const struct store_events *events, struct err *err)
{
    *store = (struct store){
        .settings = settings, .config = config, .log = *log, .metrics = metrics, .events = *events};
    char data[LAYOUT_PATH_MAX];
    if (!str_copy_cstr(settings->data, data, sizeof(data) - 128))
        return err_set(err, ERR_LIMIT, "data: the path is too long");
    if (open_parts(store, data, err))
        return true;
    store_close(store);
    return false;
}

static bool close_doors(struct store *store)
{
    int64_t deadline_ms = clock_monotonic_ms() + (int64_t)store->settings->drain_ms;
    bool all_closed = true;
    for (size_t i = 0; i < store->door_count; i++)
        rpc_server_stop(store->doors[i]);
    for (size_t i = 0; i < store->door_count; i++)
        all_closed =
            rpc_server_free(store->doors[i], deadline_ms - clock_monotonic_ms()) && all_closed;
    return all_closed;
}

bool store_close(struct store *store)
{
    if (!close_doors(store))
        return false;
    jobs_free(store->jobs);
    upgrades_stop(store->upgrades);
    queue_close(store->queue);
    file_maker_stop(store->file_maker);
    text_worker_stop(store->text_worker);
    accounts_close(store->accounts);
    backup_cut_free(store->backup_cut);
    text_worker_free(store->text_worker);
    upgrades_free(store->upgrades);
    file_syncer_free(store->batch_syncer);
    auth_close(store->auth);
    directory_close(store->directory);
    token_close(store);
    if (store->key_fd > 0)
        close(store->key_fd);
    explicit_bzero(store, sizeof(*store));
    return true;
}

bool store_open_door(struct store *store, struct service *service, const char *door,
                     ProtobufCService *handlers, unsigned workers, struct err *err)
{
    BUG_ON(store->door_count == STORE_DOORS_MAX);
    struct rpc_server *server = service_open_door(service, door, handlers, workers, store, err);
    if (!server)
        return err_wrap(err, "door %s", door);
    store->doors[store->door_count++] = server;
    return true;
}
