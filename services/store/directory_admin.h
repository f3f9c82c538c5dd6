#ifndef SERVICES_STORE_DIRECTORY_ADMIN_H
#define SERVICES_STORE_DIRECTORY_ADMIN_H

#include "services/store/directory.h"

/*
 * Changing the directory: the rules of spec 40 C-05, C-07 and C-08. What comes in is as an
 * administrator typed it; domains may be in U-label form. Each call is one durable change. Errors
 * name what was wrong: ERR_SYNTAX, ERR_LIMIT, ERR_NOT_FOUND, ERR_CONFLICT (exists already) or
 * ERR_STATE (still needed).
 */

struct domain_settings {
    struct str name;
    struct str description;
    bool disabled;
    bool case_sensitive;
    const struct str *separators;
    size_t separator_count;
    bool accept_any;
    struct str any_account; /* account name */
};

bool directory_add_domain(struct store *store, const struct domain_settings *settings,
                          struct err *err) MUST_USE;
/* Also gives the domain's addresses their new canonical forms; ERR_CONFLICT when two become one. */
bool directory_set_domain(struct store *store, const struct domain_settings *settings,
                          struct err *err) MUST_USE;
/* ERR_STATE while it has addresses. */
bool directory_remove_domain(struct store *store, struct str name, struct err *err) MUST_USE;

/* Adds the account with its first address and, unless that is empty, its password. `account->id`
 * and `account->credential_version` are not looked at. */
bool directory_add_account(struct store *store, const struct directory_account *account,
                           struct str address, struct str password, uint64_t *ret_id,
                           struct err *err) MUST_USE;
/* Replaces the settings of the account of that name, `no_cram_md5` for its next password. What bars
 * its login ends its sessions when they renew their token. */
bool directory_set_account(struct store *store, const struct directory_account *account,
                           struct err *err) MUST_USE;
/* Ends its sessions, and erases its mail now or when nobody uses it any more. ERR_STATE while a
 * domain sends unknown local parts to it. */
bool directory_remove_account(struct store *store, struct str name, struct err *err) MUST_USE;
/* Replaces all secrets in one change, which ends all sessions of the account. */
bool directory_set_password(struct store *store, struct str account, struct str password,
                            struct err *err) MUST_USE;

struct address_settings {
    struct str address; /* "local@domain", or "@domain" for the catch-all */
    struct str account;
    struct str mailbox;  /* empty: Inbox */
    unsigned error_code; /* 0, or 421 or 550 */
    struct str error_text;
};

bool directory_add_address(struct store *store, const struct address_settings *settings,
                           struct err *err) MUST_USE;
bool directory_remove_address(struct store *store, struct str address, struct err *err) MUST_USE;

#endif
