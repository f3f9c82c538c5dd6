#ifndef COMMON_SMTP_PATH_H
#define COMMON_SMTP_PATH_H

#include "common/mail/address.h"

/*
 * The mailbox between "<" and ">" of MAIL FROM and RCPT TO (RFC 5321 4.1.2, RFC 6531 3.3).
 *
 *     <>                          the null reverse path: both parts empty
 *     <postmaster>                only as forward path: empty domain
 *     <"john doe"@example.org>    local part `john doe`
 *     <@a,@b:user@example.org>    the source route is dropped
 *     <user@[192.0.2.1]>          address literal, see address_is_literal
 */

struct smtp_path {
    struct address address;
    bool is_utf8; /* was written with bytes outside ASCII: needs SMTPUTF8 */
};

/* RFC 5321 4.5.3.1.1. The grammar takes more (ADDRESS_LOCALPART_LEN_MAX): large generated bounce
 * addresses exist. */
#define SMTP_LOCALPART_MAX_STRICT 64
#define SMTP_PATH_MAX 256 /* RFC 5321 4.5.3.1.3 */

/* Takes "<", what is inside, and ">"; returns the inside, unparsed. A ">" in a quoted local part
 * does not end it. For MAIL FROM, whose path is judged after its parameters (SMTPUTF8 is one). */
struct str smtp_path_take(struct cursor *c);

/* Parse the inside of the brackets; the parts are in arena. ERR_SYNTAX or ERR_LIMIT say what is
 * wrong and where. */
bool smtp_reverse_path_parse(struct str inside, size_t localpart_max, struct arena *arena,
                             struct smtp_path *ret, struct err *err) MUST_USE;
bool smtp_forward_path_parse(struct str inside, size_t localpart_max, struct arena *arena,
                             struct smtp_path *ret, struct err *err) MUST_USE;

bool smtp_path_is_null(const struct smtp_path *path);
bool smtp_path_is_bare_postmaster(const struct smtp_path *path);

/* Appends "local@domain", "postmaster", or nothing for the null path. */
void smtp_path_write(struct buf *out, const struct smtp_path *path);

/* Takes "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3) and returns it with its brackets. */
struct str smtp_address_literal_take(struct cursor *c);

#endif
