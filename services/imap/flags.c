#include "services/imap/flags.h"

static const struct {
    enum flag flag;
    struct str name;
} flag_names[] = {
    {FLAG_SEEN, STR_INIT("\\Seen")},        {FLAG_ANSWERED, STR_INIT("\\Answered")},
    {FLAG_FLAGGED, STR_INIT("\\Flagged")},  {FLAG_DELETED, STR_INIT("\\Deleted")},
    {FLAG_DRAFT, STR_INIT("\\Draft")},      {FLAG_FORWARDED, STR_INIT("$Forwarded")},
    {FLAG_JUNK, STR_INIT("$Junk")},         {FLAG_NOTJUNK, STR_INIT("$NotJunk")},
    {FLAG_PHISHING, STR_INIT("$Phishing")}, {FLAG_MDNSENT, STR_INIT("$MDNSent")},
};

uint32_t flag_from_name(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(flag_names); i++)
        if (str_eq_nocase(name, flag_names[i].name))
            return flag_names[i].flag;
    return 0;
}

void flags_write(uint32_t flags, struct buf *out)
{
    bool first = true;
    for (size_t i = 0; flags != 0 && i < ARRAY_LEN(flag_names); i++) {
        if (!(flags & flag_names[i].flag))
            continue;
        if (!first)
            buf_append_char(out, ' ');
        first = false;
        buf_append(out, flag_names[i].name);
        flags &= ~(uint32_t)flag_names[i].flag;
    }
}
