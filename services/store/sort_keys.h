#ifndef SERVICES_STORE_SORT_KEYS_H
#define SERVICES_STORE_SORT_KEYS_H

#include "services/store/account.h"

/*
 * What messages are sorted and threaded by (RFC 5256, 5957), from their stored structures: a few
 * short values for each of many messages.
 */

#define SORT_KEYS_IDS_MAX 16384      /* in one call */
#define SORT_KEYS_TEXT_MAX 1000      /* bytes of one value; longer ones are cut */
#define SORT_KEYS_REFERENCES_MAX 100 /* of one message; the last count, they are the closest */
#define SORT_KEYS_REFERENCE_BYTES_MAX 4096
#define SORT_KEYS_NO_DATE INT64_MIN

/* Bits of `wanted`, as in proto/mailboxes.proto (SortKey). */
enum sort_key {
    SORT_KEY_DATE = 1,
    SORT_KEY_SUBJECT = 2,
    SORT_KEY_FROM = 4,
    SORT_KEY_TO = 8,
    SORT_KEY_CC = 16,
    SORT_KEY_DISPLAY_FROM = 32,
    SORT_KEY_DISPLAY_TO = 64,
    SORT_KEY_THREAD = 128,
};

/* Columns with one value for each id; NULL: not wanted. Texts end with NUL, and are never NULL. */
struct sort_keys {
    int64_t *sent_s;
    char **subject;
    char **from;
    char **to;
    char **cc;
    char **display_from;
    char **display_to;
    int *is_reply;
    char **message_id;
    uint32_t *reference_end; /* of the message's references in the next column */
    char **references;
    size_t reference_count;
    size_t damaged;      /* messages whose structure cannot be decoded */
    uint64_t damaged_id; /* the first of them */
};

/* All in arena. The values of a message that is gone for good, or damaged, are empty. */
bool sort_keys_read(struct db *db, const uint64_t *ids, size_t count, unsigned wanted,
                    struct arena *arena, struct sort_keys *ret, struct err *err) MUST_USE;

#endif
