#ifndef COMMON_DB_DB_PRIVATE_H
#define COMMON_DB_DB_PRIVATE_H

#include "common/db/db.h"

/* Shared by db.c and query.c only. */

/* The statement, prepared at its first use; NULL with *ret_rc set when that fails. */
sqlite3_stmt *db_prepared(struct db *db, unsigned statement, int *ret_rc);
/* Turns SQLite's last failure into err. Returns false. */
bool db_fail(struct db *db, int rc, struct err *err);

#endif
