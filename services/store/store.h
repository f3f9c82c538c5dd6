#ifndef SERVICES_STORE_STORE_H
#define SERVICES_STORE_STORE_H

#include "common/bus/events.h"
#include "common/bus/rpc.h"
#include "common/service/layout.h"
#include "common/service/service.h"

/*
 * The process as its parts see it: one struct handed to every door.
 *
 *   directory   domains, accounts, addresses, credentials: directory.db   (directory.h)
 *   auth        logins in progress, and passwords checked lately          (auth.h)
 *   accounts    mailboxes and messages: accounts/<id>/index.db            (accounts.h)
 *   file_maker  makes messages' files in advance                          (ready_files.h)
 *   batch_syncer syncs the files of many that come together              (file_sync.h)
 *   text_worker keeps the text indexes up: accounts/<id>/text.db          (text_worker.h)
 *   queue       mail on its way to others: queue.db                       (queue.h)
 *   jobs        repairs and backups under way                             (job.h)
 *   backup_cut  what a backup has copied of what moves between accounts   (backup_cut.h)
 *   upgrades    brings old accounts up to date                            (upgrade.h)
 *
 * Tests make one on a temporary directory with store_open: without a bus, `events` is empty.
 */

/* Options of group `store`. */
struct store_config {
    uint64_t quota_bytes;       /* default of accounts; 0: none */
    uint64_t quota_messages;    /* of every account; 0: none */
    uint64_t open_accounts_max; /* account databases open at a time */
    uint64_t account_idle_s;    /* unused for this long, an account database is closed */
    uint64_t erase_after_s;     /* grace time of expunged messages */
    uint64_t delivery_workers;  /* threads of the delivery door */
    uint64_t mailboxes_workers; /* threads of the mailboxes door */
    struct str postmaster;      /* account name; empty: the oldest account */
    uint64_t auth_workers;      /* threads of the auth door */
    uint64_t password_checks;   /* passwords that are hashed at a time, 16 MiB each */
    uint64_t submit_workers;    /* threads of the submit door */
    uint64_t queue_retry_ms;    /* wait after the first attempt; doubles each time */
    uint64_t queue_max_attempts;
    uint64_t queue_connections_per_domain; /* over all deliverers */
    bool forbid_anyone;                    /* in access lists (acl.h) */
    /* Of new accounts: first_mailboxes.h. */
    struct str mailbox_archive, mailbox_drafts, mailbox_junk, mailbox_sent, mailbox_trash;
    struct str_list mailboxes;
};

extern const struct option store_options[];
extern const size_t store_option_count;

/* Where events leave, by who hears them (proto/events.proto). NULL: nobody listens (tests). */
struct store_events {
    struct event_publisher *accounts; /* door "events" */
    struct event_publisher *notices;
    struct event_publisher *queue; /* door "queueevents" */
};

#define STORE_SEALING_KEY_SIZE 32
#define STORE_DOORS_MAX 16

struct store {
    const struct settings *settings;
    const struct store_config *config;
    struct log_ctx log;
    struct metrics *metrics;
    struct store_events events;
    /* Random, made at the first start (data/store.key): seals tokens and SASL states, so that they
     * outlive a restart. */
    unsigned char sealing_key[STORE_SEALING_KEY_SIZE];
    int key_fd; /* of that file, locked: one process has this data directory; 0: not yet */
    struct hmac_key *token_key; /* of token.c */
    struct directory *directory;
    struct auth *auth;
    struct accounts *accounts;
    struct file_maker *file_maker;
    struct file_syncer *batch_syncer;
    struct text_worker *text_worker; /* NULL: nobody does (tests) */
    struct queue *queue;
    struct jobs *jobs;
    struct backup_cut *backup_cut;    /* NULL: no backups (tests) */
    struct upgrades *upgrades;        /* NULL: nobody upgrades in the background (tests) */
    struct metric_family *deliveries; /* by result; of delivery_door.c */
    /* Private. */
    struct rpc_server *doors[STORE_DOORS_MAX];
    size_t door_count;
};

/* Opens what lies in settings->data: key, directory, accounts, queue. Keeps its arguments. On
 * failure nothing stays open. */
bool store_open(struct store *store, const struct settings *settings,
                const struct store_config *config, const struct log_ctx *log,
                struct metrics *metrics, const struct store_events *events,
                struct err *err) MUST_USE;
/* Closes the doors, then the data. Harmless on a zeroed struct. False when calls have not finished
 * within drain_ms: then all stays as it is, for they still use it, and the process must end. */
bool store_close(struct store *store);

/* For the `<door>_door_open` functions: opens the door with `store` as the calls' user value, and
 * closes it in store_close. */
bool store_open_door(struct store *store, struct service *service, const char *door,
                     ProtobufCService *handlers, unsigned workers, struct err *err) MUST_USE;

#endif
