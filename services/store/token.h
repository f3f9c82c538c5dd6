#ifndef SERVICES_STORE_TOKEN_H
#define SERVICES_STORE_TOKEN_H

#include "services/store/store.h"

/*
 * Session tokens: what Auth hands out at login and every call on a mailbox carries. Sealed with the
 * store's key, so that they need no table and outlive a restart.
 */

struct token_session {
    uint64_t account_id;
    int64_t expires_ms; /* wall clock */
    char login[320];    /* the address that logged in */
};

/* ERR_DENIED when the token is not ours, has expired, or its account or password is gone. */
bool token_check(struct store *store, struct str token, struct token_session *ret,
                 struct err *err) MUST_USE;

#endif
