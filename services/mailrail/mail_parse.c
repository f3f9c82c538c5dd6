#include "services/mailrail/mail_parse.h"

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
