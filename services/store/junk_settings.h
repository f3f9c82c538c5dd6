#ifndef SERVICES_STORE_JUNK_SETTINGS_H
#define SERVICES_STORE_JUNK_SETTINGS_H

#include "services/store/account.h"

/*
 * The junk rules of an account as they are kept: in its row of `account`, which an administrator
 * reads and replaces.
 */

struct junk_settings {
    bool enabled;
    struct str patterns[3]; /* junk, neutral, not junk; empty: none */
};

/* Those that are kept, in arena. */
bool junk_settings_get(struct account *account, struct arena *arena, struct junk_settings *ret,
                       struct err *err) MUST_USE;

/* Sets err->detail to why none of them is followed, or to "". */
void junk_settings_explain(const struct junk_settings *settings, struct err *err);

/* Keeps them, durably; every change of the account that begins after this returned follows them.
 * ERR_SYNTAX names a pattern that is no regular expression, unless it was kept before and the rules
 * are off. */
bool junk_settings_set(struct account *account, const struct junk_settings *settings,
                       struct err *err) MUST_USE;

/* Sets the account's rules to those that are kept, while nobody else has the account. When one of
 * them is no regular expression (any more), there is a warning in the log, and no rule. */
bool junk_settings_load(struct account *account, struct err *err) MUST_USE;

#endif
