#ifndef SERVICES_IMAP_METADATA_H
#define SERVICES_IMAP_METADATA_H

#include "services/imap/session.h"
#include "common/text/cursor.h"

/*
 * Annotations (RFC 5464) as clients write and read them; cmd_metadata.c has the commands.
 */

#define METADATA_ENTRIES_MAX 1000

/* entry = astring: "/private/..." or "/shared/...". In arena, in lower case. Wrong bytes fail the
 * cursor; `*ret_denied` says that the name is none that can be used. */
struct str metadata_take_entry(struct cursor *c, struct arena *arena, bool *ret_denied);

/* What is noted about the account (`mailbox_id` 0) or a mailbox, by name. */
struct annotations {
    const struct annotation *items;
    size_t len;
    uint64_t modseq;
};
const struct annotation *metadata_find(const struct annotations *all, uint64_t mailbox_id,
                                       struct str name);
/* Appends the value: NIL for none. */
void metadata_write_value(struct imap *imap, struct buf *out, const struct annotation *a);

/* Appends " name value" of each, for LIST ... RETURN (METADATA (...)) (RFC 9590). */
void metadata_write_list(struct imap *imap, const struct mailbox_info *mailbox,
                         const struct annotations *all, const struct str *names, size_t count);

/* "* METADATA mailbox name": something was noted there, or taken away; with a null name about the
 * account. */
void metadata_write_change(struct imap *imap, struct str mailbox, const struct annotation *a);

/* ENABLE METADATA: from now on the client is told of changes that others make. */
void metadata_enable(struct imap *imap);
/* NOTIFY asks for changes (RFC 5465 5.6): of those from now on, unless it is told of them already.
 */
void metadata_follow(struct imap *imap);
/* Tells what is new (RFC 5464 4.4.2). */
void metadata_tell(struct imap *imap);
/* At the end of the session. */
void metadata_close(struct imap *imap);

#endif
