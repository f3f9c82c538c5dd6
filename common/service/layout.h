#ifndef COMMON_SERVICE_LAYOUT_H
#define COMMON_SERVICE_LAYOUT_H

#include "common/base/str.h"

/*
 * Where things lie in the data directory. The one place that knows.
 *
 *   directory.db                       domains, accounts, addresses, credentials   (store)
 *   queue.db                           the queue                                   (store)
 *   accounts/<account id>/index.db     mailboxes and messages                      (store)
 *   accounts/<account id>/msg/<d>/<id> message text, d = id / 8192                 (store)
 *   queue/msg/<d>/<base id>            queued message text                         (store)
 *   spool/<service>-<pid>-<n>          being received                  (its receiver)
 *   tls/                               certificates and keys
 */

#define LAYOUT_PATH_MAX 1024
#define LAYOUT_FILES_PER_DIRECTORY 8192

struct layout_path {
    char text[LAYOUT_PATH_MAX];
};

/* `data` must be shorter than LAYOUT_PATH_MAX - 128; settings check that. */
struct layout_path layout_directory_db(struct str data);
struct layout_path layout_queue_db(struct str data);
struct layout_path layout_account(struct str data, uint64_t account_id);
struct layout_path layout_account_db(struct str data, uint64_t account_id);
struct layout_path layout_message_directory(struct str data, uint64_t account_id, uint64_t id);
struct layout_path layout_message(struct str data, uint64_t account_id, uint64_t id);
struct layout_path layout_queue_message_directory(struct str data, uint64_t base_id);
struct layout_path layout_queue_message(struct str data, uint64_t base_id);
struct layout_path layout_spool_directory(struct str data);
struct layout_path layout_spool(struct str data, struct str name);

/* A spool name from a peer service: one path element of letters, digits, ".", "-" and "_", not
 * starting with a dot. */
bool layout_spool_name_is_valid(struct str name);

#endif
