#ifndef SERVICES_STORE_VERIFY_FILES_H
#define SERVICES_STORE_VERIFY_FILES_H

#include "services/store/mailbox.h"
#include "services/store/verify.h"

/* For the verify_*.c files. */
void findings_add(struct findings *f, enum finding_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4);
void findings_warn(struct findings *f, const char *format, ...) PRINTF_LIKE(2, 3);
/* A file of the data directory that should not be there: a finding that says why, or, when they are
 * to be fixed, moved to the same path below moved/. */
bool findings_stray(struct findings *f, struct str data, const char *path, const char *why,
                    struct err *err) MUST_USE;

/* A mailbox's counts as its messages make them. */
bool verify_count_mailbox(struct db *db, const struct mailbox *m, struct mailbox *ret,
                          struct err *err) MUST_USE;

/* Each message has its file, of the right size, and each file its message. The caller holds the
 * account's files_lock. */
bool verify_files(struct account *account, struct db *db, struct findings *f,
                  struct err *err) MUST_USE;

/* Each stored structure can be decoded. Unless they are all being made anew (upgrade.h). In pages
 * of a snapshot each, and without the account's files_lock: deliveries do not wait for it. */
bool verify_structures(struct account *account, struct findings *f, struct err *err) MUST_USE;

#endif
