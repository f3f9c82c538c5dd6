#ifndef COMMON_SERVICE_LAYOUT_H
#define COMMON_SERVICE_LAYOUT_H

#include "common/base/str.h"

/*
 * Where things lie in the data directory. The one place that knows.
 *
 *   directory.db                       domains, accounts, addresses, credentials   (store)
 *   queue.db                           the queue                                   (store)
 *   accounts/<account id>/index.db     mailboxes and messages                      (store)
 *   accounts/<account id>/text.db      the text index of these                     (store)
 *   accounts/<account id>/msg/<d>/<id> message text, d = id / 8192                 (store)
 *   accounts/<account id>/import/<key>/ an import that is under way                (store)
 *   queue/msg/<d>/<base id>            queued message text above 64 KiB            (store)
 *   spool/<service>/<pid>-<n>          being received                  (its receiver)
 *   keys/                              what the doors share                 (who comes first)
 *   tls/                               certificates and keys
 */

#define LAYOUT_PATH_MAX 1024
#define LAYOUT_FILES_PER_DIRECTORY 8192

struct layout_path {
    char text[LAYOUT_PATH_MAX];
};

/* The directories that services mount one by one where each has only its part of `data`; NULL ends
 * them. Whoever mounts them makes them first. */
extern const char *const layout_parts[];

/* `data` must be shorter than LAYOUT_PATH_MAX - 128; settings check that. */
struct layout_path layout_directory_db(struct str data);
struct layout_path layout_queue_db(struct str data);
struct layout_path layout_account(struct str data, uint64_t account_id);
struct layout_path layout_account_db(struct str data, uint64_t account_id);
struct layout_path layout_account_text_db(struct str data, uint64_t account_id);
struct layout_path layout_imports(struct str data, uint64_t account_id);
struct layout_path layout_import(struct str data, uint64_t account_id, const char *key_hex);
struct layout_path layout_message_directory(struct str data, uint64_t account_id, uint64_t id);
struct layout_path layout_message(struct str data, uint64_t account_id, uint64_t id);
struct layout_path layout_queue_message_directory(struct str data, uint64_t base_id);
struct layout_path layout_queue_message(struct str data, uint64_t base_id);
/* Each receiver has a directory of its own, and need not reach the others'. */
struct layout_path layout_spool_directory(struct str data, struct str service);
struct layout_path layout_spool(struct str data, struct str name);

struct layout_path layout_keys_directory(struct str data);

/* Only in a backup that has not come to its end: it lacks what nobody can tell. */
struct layout_path layout_unfinished(struct str data);

/* A spool name from a peer service, "SERVICE/FILE": two path elements of letters, digits, ".", "-"
 * and "_", not starting with a dot. */
bool layout_spool_name_is_valid(struct str name, struct str *ret_service);

#endif
