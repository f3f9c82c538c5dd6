#ifndef SERVICES_STORE_JUNK_RULES_H
#define SERVICES_STORE_JUNK_RULES_H

#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Automatic junk flags: into which mailbox a message is put tells whether it is junk
 * (spec 20 1.13). Up to three regular expressions are tried on the lower-cased mailbox name in the
 * order junk, neutral, not junk; with exactly two of them, a name that neither matches is the
 * third.
 *
 * The expressions are those of PCRE2, in UTF-8, without \C and back references. What they cost is
 * bounded, as each change of the account waits for them: one that would need too much memory is
 * refused, and one that takes too many steps on a name does not match it. Then no other rule
 * follows from its silence either.
 */

#define JUNK_PATTERN_MAX 1000 /* bytes */

struct pcre2_real_code_8; /* pcre2_code */

struct junk_rules {
    bool enabled;
    struct pcre2_real_code_8 *rule[3]; /* junk, neutral, not junk; NULL for none */
    /* Private: the rule for the name that was asked for last. */
    struct buf last_name;
    int last_rule;
    bool has_last;
};

/* `patterns` are the expressions, STR_NULL for none. ERR_SYNTAX names a bad one and what is wrong
 * with it; the rules are then released. */
bool junk_rules_init(struct junk_rules *r, bool enabled, const struct str patterns[3],
                     struct err *err) MUST_USE;
void junk_rules_release(struct junk_rules *r);

/* The flags that a message with `flags` gets in this mailbox. Many messages that go into the same
 * one have the rules tried once. A mailbox with the Junk role always
 * says junk. */
uint32_t junk_rules_apply(struct junk_rules *r, struct str mailbox, struct str special_use,
                          uint32_t flags);

#endif
