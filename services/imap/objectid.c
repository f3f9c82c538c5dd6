#include "services/imap/objectid.h"

#include "common/text/charclass.h"

#define OBJECTID_MAX 255

void objectid_write(struct buf *out, enum objectid_kind kind, uint64_t account, uint64_t id)
{
    buf_append_char(out, '(');
    buf_append_char(out, (char)kind);
    buf_append_u64(out, account);
    buf_append_char(out, '-');
    buf_append_u64(out, id);
    buf_append_char(out, ')');
}

static bool is_objectid(unsigned char c)
{
    return is_alpha(c) || is_digit(c) || c == '_' || c == '-';
}

uint64_t objectid_take(struct cursor *c, enum objectid_kind kind, uint64_t account)
{
    struct str text = cursor_take_while(c, is_objectid, OBJECTID_MAX, "object id");
    struct str owner, number;
    uint64_t account_number, id;
    if (cursor_failed(c) || text.ptr[0] != (char)kind)
        return 0;
    if (!str_cut(str_skip(text, 1), '-', &owner, &number) ||
        !str_to_u64(owner, UINT64_MAX, &account_number) || !str_to_u64(number, UINT64_MAX, &id))
        return 0;
    return account_number == account ? id : 0;
}
