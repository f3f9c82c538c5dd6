#ifndef SERVICES_STORE_VERIFY_FILES_H
#define SERVICES_STORE_VERIFY_FILES_H

#include "services/store/verify.h"

/* For the verify_*.c files. */
void findings_add(struct findings *f, enum finding_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Each message has its file, of the right size, and each file its message. The caller holds the
 * account's files_lock. */
bool verify_files(struct account *account, struct db *db, struct findings *f,
                  struct err *err) MUST_USE;

#endif
