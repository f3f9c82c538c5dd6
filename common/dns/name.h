#ifndef COMMON_DNS_NAME_H
#define COMMON_DNS_NAME_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/text/wire.h"

/*
 * Domain names of the DNS (RFC 1035 3.1): any name, also those that no mail address may hold, such
 * as "_25._tcp.mx.example.org.". Text forms are absolute, with the final dot, and in lower case, so
 * that equal names are equal bytes.
 */

#define DNS_NAME_WIRE_MAX 255
#define DNS_LABEL_MAX 63

/* Checks a name to be looked up and gives it in lower case, in arena. It must be absolute and of
 * visible ASCII without quotes and backslashes. ERR_SYNTAX says what was wrong. */
bool dns_name_parse(struct str text, struct arena *arena, struct str *ret,
                    struct err *err) MUST_USE;

/* Takes a name in wire form, without compression, as text in arena; bytes that are special in text
 * become "\.", "\\" or "\DDD" (RFC 1035 5.1). Fails the wire. */
struct str dns_name_take(struct wire *w, struct arena *arena);

/* The name under which PTR records of an IPv4 or IPv6 address lie (RFC 1035 3.5, RFC 3596 2.5), in
 * arena. False when `text` is no address. */
bool dns_name_of_address(struct str text, struct arena *arena, struct str *ret);

#endif
