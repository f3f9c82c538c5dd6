#ifndef COMMON_MAIL_DOMAIN_H
#define COMMON_MAIL_DOMAIN_H

#include "common/base/arena.h"
#include "common/base/err.h"

/*
 * Domain names of mail addresses: one canonical form inside, the readable form for people.
 *
 * Inside Mailrail a domain is always in A-label form (RFC 5890 2.3.2.1): ASCII, lower case, no
 * final dot, at most 253 bytes, labels of letters, digits and inner hyphens of at most 63. Two
 * domains are the same when these bytes are equal. What a stranger writes passes through
 * domain_parse first.
 *
 *     struct str domain;
 *     if (!domain_parse(STR("MÖX.Example."), &arena, &domain, err))     // "xn--mx-fka.example"
 *         return false;
 *     show(domain_to_unicode(domain, &arena));                         // "möx.example"
 */

#define DOMAIN_LEN_MAX 253
#define DOMAIN_LABEL_LEN_MAX 63

/* The A-label form of `text`, in arena. Accepts A-labels, U-labels (mapped and checked by UTS #46,
 * non-transitional, and IDNA2008) and one final dot. Refuses, with ERR_SYNTAX that quotes what was
 * wrong: the empty name, empty labels, characters other than letters, digits and hyphens, hyphens
 * at the ends of a label, labels and names that are too long, IP addresses, a top-level label of
 * digits only. ERR_LIMIT when the arena is full. */
bool domain_parse(struct str text, struct arena *arena, struct str *ret_alabel,
                  struct err *err) MUST_USE;

/* The U-label form of what domain_parse returned: in arena, or `alabel` itself when it has no label
 * beyond ASCII or cannot be converted. */
struct str domain_to_unicode(struct str alabel, struct arena *arena);

/* True when `domain` is `parent` or lies below it; both in A-label form. */
bool domain_is_within(struct str domain, struct str parent);

#endif
