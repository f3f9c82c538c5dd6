#ifndef SERVICES_IMAP_SEARCH_FILTER_H
#define SERVICES_IMAP_SEARCH_FILTER_H

#include "common/text/cursor.h"
#include "services/imap/session.h"

/*
 * Named searches (RFC 5466): annotations of the account, "/private/filters/values/NAME", or
 * "/shared/..." when there is none of that name. FILTER in a search stands for their text.
 */

#define FILTER_NAME_MAX 500

/* filter-name = 1*<any ATOM-CHAR except "/"> */
struct str search_filter_take_name(struct cursor *c);
/* Its text, in the command's arena. ERR_NOT_FOUND when there is none. */
bool search_filter_find(struct imap *imap, struct str name, struct str *ret,
                        struct err *err) MUST_USE;
/* Is this the name of an annotation that holds one? */
bool search_filter_is_entry(struct str entry);

#endif
