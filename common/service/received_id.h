#ifndef COMMON_SERVICE_RECEIVED_ID_H
#define COMMON_SERVICE_RECEIVED_ID_H

#include "common/base/err.h"

/*
 * Connection ids as strangers may see them, in Received fields and error replies: one block of
 * AES-128 over 8 secret bytes and the id, in base64url. The ids count connections; written openly
 * they would tell how much mail passes here. Whoever has the key finds the log lines of a message.
 *
 * The key is made at the first start, and shared by all services: `keys/received-id.key` in the
 * data directory, 24 random bytes. One in its former place, `received-id.key`, is taken over.
 */

#define RECEIVED_ID_LEN 22

struct received_id_key {
    unsigned char cipher[16];
    unsigned char prefix[8];
};

/* Reads the key of the data directory; when there is none, moves that of the former place, or
 * makes one. Safe when several services start at once. */
bool received_id_key_open(struct str data, struct received_id_key *ret, struct err *err) MUST_USE;
/* Only reads it: ERR_NOT_FOUND when there is none. */
bool received_id_key_read(struct str data, struct received_id_key *ret, struct err *err) MUST_USE;
/* Writes RECEIVED_ID_LEN characters, of which the first is no "-", and a terminator. */
void received_id_encode(const struct received_id_key *key, uint64_t cid,
                        char ret_text[RECEIVED_ID_LEN + 1]);
/* The way back; ERR_SYNTAX when the text is no id, or was not made with this key. */
bool received_id_decode(const struct received_id_key *key, struct str text, uint64_t *ret_cid,
                        struct err *err) MUST_USE;

#endif
