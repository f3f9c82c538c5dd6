#include "services/mailrail/mail_parse.h"

#include "common/mail/header.h"
#include "common/mail/structure.h"

bool mail_parse(struct str text, struct arena *arena, struct mail_parsed *ret, struct err *err)
{
    struct buf encoded;
    const struct structure *s = structure_parse(text, arena);
    buf_init(&encoded, STRUCTURE_ARENA_SIZE);
    bool ok = structure_encode(s, arena, &encoded, err);
    *ret = (struct mail_parsed){.structure = arena_copy(arena, buf_str(&encoded)),
                                .message_id = s->message_id_canonical};
    buf_release(&encoded);
    return ok && (!arena->exhausted || err_set(err, ERR_LIMIT, "the message has too many parts"));
}

struct address mail_parse_sender(struct str text, struct arena *arena)
{
    struct err err;
    struct address address;
    if (address_parse(text, arena, &address, &err))
        return address;
    return (struct address){STR_NULL, STR_NULL};
}

/* In a list of one, comments and a source route may stand around the address. The null path is no
 * member of a list. */
struct address mail_parse_return_path(struct str text, struct arena *arena)
{
    struct err err;
    struct header_field field;
    struct address_entry *list;
    struct address address;
    if (header_find(text, STR("Return-Path"), &field) &&
        address_list_parse(field.raw_value, 1, arena, &list, &err) &&
        address_list_single(list, &address, &err))
        return address;
    return (struct address){STR_NULL, STR_NULL};
}
