#ifndef SERVICES_STORE_TEXT_BLOCK_H
#define SERVICES_STORE_TEXT_BLOCK_H

#include "common/base/array.h"
#include "services/store/text_digest.h"
#include "services/store/text_sql.h"

/*
 * Blocks of the text index: many messages side by side, so that one small row (a slice) says which
 * of them have a gram.
 */

#define TEXT_BLOCK_MESSAGES 2048
#define TEXT_NEEDLE_GRAMS 24 /* more make a search no more precise */

struct message_ids {
    uint64_t *items;
    size_t len;
    size_t cap;
};
void message_ids_add_bytes(struct message_ids *ids, struct str bytes); /* as block.messages */

/* What is looked for. A word of TEXT_ANYWHERE has at least TEXT_GRAM_SIZE bytes. */
struct text_needle {
    enum text_field field;
    struct str word; /* folded; empty: nothing is, the needle stands only for its place */
    uint16_t grams[TEXT_NEEDLE_GRAMS];
    size_t gram_count;
};

/* Makes a block of the messages that wait longest, at most TEXT_BLOCK_MESSAGES. In a transaction.
 */
bool text_block_pack(struct db *db, struct err *err) MUST_USE;
bool text_block_remove(struct db *db, uint64_t block, struct err *err) MUST_USE;
/* Nothing of the messages at these places (of block.messages) stays in the block, but the places.
 */
bool text_block_forget(struct db *db, uint64_t block, const uint64_t *places, size_t count,
                       struct err *err) MUST_USE;
/* Adds the places of the block's messages that may match, or, for fields with values, do. */
bool text_block_find(struct db *db, uint64_t block, const struct text_needle *needle,
                     struct message_ids *ret_places, struct err *err) MUST_USE;

#endif
