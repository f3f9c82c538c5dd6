#ifndef SERVICES_STORE_JUNK_RULES_H
#define SERVICES_STORE_JUNK_RULES_H

#include "common/base/err.h"

#include <regex.h>

/*
 * Automatic junk flags: into which mailbox a message is put tells whether it is junk
 * (spec 20 1.13). Up to three regular expressions are tried on the lower-cased mailbox name in the
 * order junk, neutral, not junk; with exactly two of them, a name that neither matches is the
 * third.
 */

#define JUNK_PATTERN_MAX 1000 /* bytes */

struct junk_rules {
    bool enabled;
    bool has[3]; /* junk, neutral, not junk */
    regex_t pattern[3];
};

/* `patterns` are extended regular expressions, STR_NULL for none. ERR_SYNTAX names a bad one; the
 * rules are then released. */
bool junk_rules_init(struct junk_rules *r, bool enabled, const struct str patterns[3],
                     struct err *err) MUST_USE;
void junk_rules_release(struct junk_rules *r);

/* The flags that a message with `flags` gets in this mailbox. A mailbox with the Junk role always
 * says junk. */
uint32_t junk_rules_apply(const struct junk_rules *r, struct str mailbox, struct str special_use,
                          uint32_t flags);

#endif
