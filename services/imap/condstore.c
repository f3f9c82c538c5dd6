#include "services/imap/condstore.h"

#include "services/imap/announce.h"
#include "services/imap/respond.h"

uint64_t condstore_take_modseq(struct cursor *c)
{
    return cursor_take_number(c, INT64_MAX, "modseq");
}

void condstore_tell_highest(struct imap *imap)
{
    if (imap->selected.view)
        respond_untagged(imap, "OK [HIGHESTMODSEQ %llu] all is told up to here",
                         (unsigned long long)imap->selected.user.horizon);
}

void condstore_enable(struct imap *imap)
{
    if (imap->condstore)
        return;
    imap->condstore = true;
    condstore_tell_highest(imap);
}

void condstore_tell_delayed(struct imap *imap)
{
    if (imap->condstore && announce_is_due(imap))
        condstore_tell_highest(imap);
}

const char *condstore_code(struct imap *imap, uint64_t modseq)
{
    if (!imap->condstore)
        return "";
    struct str code =
        arena_printf(&imap->arena, "[HIGHESTMODSEQ %llu] ", (unsigned long long)modseq);
    const char *text = arena_cstr(&imap->arena, code);
    return text ? text : "";
}

void condstore_write(struct buf *out, uint64_t modseq)
{
    buf_append(out, STR("MODSEQ ("));
    buf_append_u64(out, modseq);
    buf_append_char(out, ')');
}
