#ifndef SERVICES_IMAP_RIGHTS_H
#define SERVICES_IMAP_RIGHTS_H

#include "common/base/buf.h"
#include "common/mail/mailbox_rights.h"
#include "common/text/cursor.h"

/* Without any of these a mailbox is read-only (RFC 4314 5.2). */
#define RIGHTS_TO_CHANGE                                                                           \
    (RIGHT_SEEN | RIGHT_WRITE | RIGHT_INSERT | RIGHT_DELETE_MESSAGES | RIGHT_EXPUNGE)

/* Each right is a letter. Of RFC 2086 there are "c", which is "kx", and "d", which is "te". */

/* The letters of `text`. False when one is unknown, or an upper case letter. */
bool rights_parse(struct str text, unsigned *ret);
/* The flags (enum flag) that these rights let one change. */
unsigned rights_flags(unsigned rights);
/* With "c" and "d" for clients that know no others, when any right of them is there (2.1.1). */
void rights_write(struct buf *out, unsigned rights);
/* Each right alone, with spaces between, as LISTRIGHTS has those that can be granted apart. */
void rights_write_apart(struct buf *out);

#endif
