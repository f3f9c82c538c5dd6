#ifndef SERVICES_STORE_TEXT_SQL_H
#define SERVICES_STORE_TEXT_SQL_H

#include "common/db/db.h"

/*
 * All SQL on accounts/<id>/text.db, the text index. The tables are explained in text_sql.c.
 */

extern const struct db_schema text_schema;

enum text_statement {
    TEXT_BLOCK_ADD,
    TEXT_BLOCK_ALL,
    TEXT_BLOCK_FORGOT,
    TEXT_BLOCK_REMOVE,
    TEXT_SLICE_ADD,
    TEXT_SLICE_GET,
    TEXT_SLICE_REMOVE,
    TEXT_SLICE_REMOVE_BETWEEN,
    TEXT_FIELD_ADD,
    TEXT_FIELD_GET,
    TEXT_FIELD_REMOVE_BETWEEN,

    TEXT_WAITING_ADD,
    TEXT_WAITING_COUNT,
    TEXT_WAITING_IDS,
    TEXT_WAITING_SKETCHES,
    TEXT_WAITING_FIELDS,
    TEXT_WAITING_REMOVE,
    TEXT_GRAMS_ADD,
    TEXT_GRAMS_GET,
    TEXT_GRAMS_REMOVE,
    TEXT_UNFIT_ADD,
    TEXT_UNFIT_ALL,
    TEXT_UNFIT_REMOVE,

    TEXT_COUNTS,
    TEXT_VERSION,

    TEXT_STATEMENT_COUNT
};

#endif
