/* Target functions: structure_*, part_*, preview. Properties: parsing always yields a tree; places
 * are inside the message, in order and nested; all texts are UTF-8; encoding and decoding give the
 * same bytes again. */
#include "common/base/bug.h"
#include "common/mail/content.h"
#include "common/mail/structure.h"
#include "common/text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct str s)
{
    BUG_ON(!utf8_is_valid(s) || str_find_char(s, '\0') >= 0);
}

static void check_content(const struct part *p, struct str message)
{
    struct content_decoder d;
    struct buf out;
    buf_init(&out, 16 << 20);
    content_decoder_init(&d, p->encoding, part_is_text(p, STR("")));
    struct str body = str_slice(message, (size_t)p->body_offset, (size_t)part_body_size(p));
    BUG_ON(!content_decode(&d, str_slice(body, 0, 7), &out));
    BUG_ON(!content_decode(&d, str_skip(body, 7), &out));
    BUG_ON(!content_decode_end(&d, &out));
    BUG_ON(out.len != p->decoded_size);
    buf_release(&out);
}

static void check_part(const struct part *p, struct str message)
{
    BUG_ON(p->header_offset > p->body_offset || p->body_offset > p->end_offset);
    BUG_ON(p->end_offset > message.len);
    BUG_ON(p->parent && p->header_offset < p->parent->body_offset);
    BUG_ON(p->parent && p->end_offset > p->parent->end_offset);
    BUG_ON(p->next && p->next->header_offset < p->end_offset);
    BUG_ON(part_is_multipart(p) != (p->first != NULL));
    BUG_ON(part_is_message(p) != (p->message && p->envelope));
    check_text(p->type);
    check_text(p->subtype);
    check_text(p->encoding);
    check_text(p->description);
    for (const struct parameter *param = p->params; param; param = param->next)
        check_text(param->value);
    if (part_is_leaf(p))
        check_content(p, message);
}

static void check_round_trip(const struct structure *s, struct arena *arena)
{
    struct buf once, twice;
    struct err err;
    const struct structure *again;
    buf_init(&once, 64 << 20);
    buf_init(&twice, 64 << 20);
    BUG_ON(!structure_encode(s, arena, &once, &err));
    BUG_ON(!structure_decode(buf_str(&once), arena, &again, &err));
    BUG_ON(!structure_encode(again, arena, &twice, &err));
    BUG_ON(!str_eq(buf_str(&once), buf_str(&twice)));
    buf_release(&once);
    buf_release(&twice);
}

/* Any bytes as a stored structure: refused, or a tree that can be walked. */
static void check_decoding(struct str bytes, struct arena *arena)
{
    const struct structure *s;
    struct err err;
    if (structure_decode(bytes, arena, &s, &err))
        for (const struct part *p = s->root; p; p = part_next(p))
            BUG_ON(p->body_offset > p->end_offset);
    else
        BUG_ON(err.kind != ERR_CORRUPT && err.kind != ERR_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct str message = str_make(data, size);
    arena_init(&arena, 64 << 20);
    const struct structure *s = structure_parse(message, &arena);
    BUG_ON(!s || s->root->header_offset != 0 || s->root->end_offset != size);
    size_t count = 0;
    for (const struct part *p = s->root; p; p = part_next(p), count++)
        check_part(p, message);
    BUG_ON(count > STRUCTURE_PARTS_MAX);
    check_text(s->envelope->subject);
    check_text(s->subject_base);
    check_text(s->preview);
    BUG_ON(utf8_length(s->preview) > STRUCTURE_PREVIEW_MAX);
    check_round_trip(s, &arena);
    check_decoding(message, &arena);
    arena_release(&arena);
    return 0;
}
