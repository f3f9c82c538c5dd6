#ifndef SERVICES_IMAP_RIGHTS_H
#define SERVICES_IMAP_RIGHTS_H

#include "common/base/buf.h"
#include "common/text/cursor.h"

/* Rights on mailboxes (RFC 4314 2.1): bits of MailboxRight in proto/mailboxes.proto. */
enum right {
    RIGHT_LOOKUP = 1,
    RIGHT_READ = 2,
    RIGHT_SEEN = 4,
    RIGHT_WRITE = 8,
    RIGHT_INSERT = 16,
    RIGHT_POST = 32,
    RIGHT_CREATE = 64,
    RIGHT_DELETE = 128,
    RIGHT_DELETE_MESSAGES = 256,
    RIGHT_EXPUNGE = 512,
    RIGHT_ADMINISTER = 1024,
    RIGHTS_ALL = 2047,
    /* Without any of these a mailbox is read-only (RFC 4314 5.2). */
    RIGHTS_TO_CHANGE =
        RIGHT_SEEN | RIGHT_WRITE | RIGHT_INSERT | RIGHT_DELETE_MESSAGES | RIGHT_EXPUNGE,
};

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
