#ifndef COMMON_MAIL_ADDRESS_H
#define COMMON_MAIL_ADDRESS_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/text/cursor.h"

/*
 * Mail addresses: of the SMTP envelope (RFC 5321 4.1.2), and lists of them in header fields
 * (RFC 5322 3.4).
 *
 * A `struct address` is decoded: the local part without quotes and backslashes, in NFC; the domain
 * in A-label form (domain.h), or an address literal with its brackets, canonical ("[192.0.2.1]",
 * "[IPv6:2001:db8::1]"). So two addresses are equal when their bytes are; whether case in the local
 * part matters is the receiving domain's business. The local part may be empty (`""@example.org`).
 *
 *     struct address a;
 *     if (!address_parse(STR("\"jane doe\"@Example.ORG"), &arena, &a, err))
 *         return false;
 *     // a.localpart is `jane doe`, a.domain is `example.org`
 *     address_write(&out, a);                        // "jane doe"@example.org
 */

#define ADDRESS_LOCALPART_LEN_MAX                                                                  \
    128 /* RFC 5321 4.5.3.1.1 has 64; generated bounces are longer                                 \
         */

struct address {
    struct str localpart;
    struct str domain;
};

/* Parsing. */

/* A whole addr-spec. Local part and domain are in arena. ERR_SYNTAX or ERR_LIMIT names what was
 * wrong and where. UTF-8 is accepted in both parts; a caller that must not have it (no SMTPUTF8)
 * looks at its input with str_is_ascii (common/text/utf8.h). */
bool address_parse(struct str text, struct arena *arena, struct address *ret_address,
                   struct err *err) MUST_USE;

/* The same as a rule for a larger grammar: takes
 *     Mailbox = Local-part "@" ( Domain / address-literal )        RFC 5321 4.1.2, RFC 6531 3.3
 * and fails the cursor otherwise. `*ret_address` is set only on success. */
void address_take(struct cursor *c, struct arena *arena, struct address *ret_address);
/* Only the local part (Dot-string or Quoted-string), decoded, in arena. For `<postmaster>`. */
struct str address_take_localpart(struct cursor *c, struct arena *arena);

/* Writing. */

/* Appends localpart@domain; the local part is quoted only when it must be. */
bool address_write(struct buf *out, struct address address);
/* The same with the domain in U-label form: for messages that are SMTPUTF8, and for people. */
bool address_write_unicode(struct buf *out, struct address address);
/* Only the local part, quoted when it must be. */
bool address_write_localpart(struct buf *out, struct str localpart);

/* Questions. */

bool address_eq(struct address a, struct address b);
/* True for an address literal. */
bool address_is_literal(struct address address);
/* True when the local part has a byte outside ASCII: only SMTPUTF8 can carry such an address. */
bool address_needs_smtputf8(struct address address);

/* Header lists. */

/* One entry of From, To, Cc and so on. A group is a `group_start` entry (its display name in
 * `name`), the entries of its members, and a `group_end` entry. */
struct address_entry {
    struct str name; /* display name: UTF-8, encoded words decoded; empty when there is none */
    struct address address; /* both parts empty when it was no address valid in SMTP */
    bool group_start;
    bool group_end;
    struct address_entry *next;
};

/* address-list of RFC 5322 3.4 and 4.4: comments and folding anywhere, empty elements, groups,
 * source routes (skipped), a comment after a bare address as its display name. `value` is the raw
 * value of a header field, folds included. At most `max` entries; the list is in arena. ERR_SYNTAX
 * or ERR_LIMIT when the value is no list; a mailbox whose address is not valid for SMTP is not an
 * error (see above). An empty list is NULL. */
bool address_list_parse(struct str value, size_t max, struct arena *arena,
                        struct address_entry **ret_first, struct err *err) MUST_USE;

/* The same, but of a list that is longer, or takes more than half of what is left of the arena, the
 * first entries; a group that is cut has its end. What comes behind them is not looked at. */
bool address_list_parse_first(struct str value, size_t max, struct arena *arena,
                              struct address_entry **ret_first, struct err *err) MUST_USE;

/* The one address of a From field: false when there are none or several, or it is invalid. */
bool address_list_single(const struct address_entry *first, struct address *ret_address,
                         struct err *err) MUST_USE;

#endif
