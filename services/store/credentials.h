#ifndef SERVICES_STORE_CREDENTIALS_H
#define SERVICES_STORE_CREDENTIALS_H

#include "services/store/directory_sql.h"

/* All that is stored of a password: its hash, and the secrets of SCRAM and CRAM-MD5 (spec 20 1.19).
 * In arena, which is to be wiped; account and version are left for the caller. Slow on purpose: not
 * under a lock. ERR_LIMIT, ERR_SYNTAX: no acceptable password. */
bool credential_make(struct str password, bool no_cram_md5, struct arena *arena,
                     struct credential_row *ret, struct err *err) MUST_USE;

#endif
