#ifndef SERVICES_STORE_IMPORT_SQL_H
#define SERVICES_STORE_IMPORT_SQL_H

#include "common/db/db.h"

/*
 * The database of one import that is under way (import.h): import/<key>/staging.db.
 */

enum import_statement {
    IMPORT_READ,
    IMPORT_ADVANCE,
    ITEM_ADD,
    ITEM_READ,
    ITEM_ORDER,
};

extern const struct db_schema import_schema;

#endif
