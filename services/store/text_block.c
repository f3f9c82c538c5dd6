#include "services/store/text_block.h"

#include "common/base/bug.h"
#include "common/text/wire.h"

#include <string.h>

#define SLICE_SIZE (TEXT_BLOCK_MESSAGES / 8)
#define FIELD_BYTES_MAX (TEXT_BLOCK_MESSAGES * (17u << 10))
#define FIELD_COLUMN(field) ((int)(field)) /* of TEXT_WAITING_FIELDS, after the id */

static uint64_t slice_key(uint64_t block, uint64_t gram)
{
    return block * TEXT_GRAMS + gram;
}

static uint64_t field_key(uint64_t block, uint64_t field)
{
    return block * 8 + field;
}

static bool damaged(uint64_t block, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "block %llu of the text index", (unsigned long long)block);
}

void message_ids_add_bytes(struct message_ids *ids, struct str bytes)
{
    struct wire w = wire_init(bytes);
    array_reserve(ids, ids->len + bytes.len / 8);
    for (size_t i = bytes.len / 8; i > 0; i--)
        ids->items[ids->len++] = wire_take_u64(&w, "message id");
}

/* ---- Slices: the bits themselves, or, when that is shorter, the distances between those that are
 * set, 7 bits a byte. */

struct slice {
    unsigned char bits[SLICE_SIZE];
};

static struct str slice_encode(const struct slice *slice, unsigned char *out)
{
    size_t len = 0, last = 0;
    for (size_t i = 0; i < TEXT_BLOCK_MESSAGES; i++) {
        if (!(slice->bits[i / 8] >> (i % 8) & 1))
            continue;
        size_t distance = i - last;
        last = i;
        if (len + 2 >= SLICE_SIZE)
            return str_make((const char *)slice->bits, SLICE_SIZE);
        if (distance >= 128)
            out[len++] = (unsigned char)(distance >> 7 | 128);
        out[len++] = distance & 127;
    }
    return str_make((const char *)out, len);
}

static bool slice_decode(struct str bytes, struct slice *ret)
{
    size_t at = 0, high = 0;
    if (bytes.len >= SLICE_SIZE) {
        memcpy(ret->bits, bytes.ptr, SLICE_SIZE);
        return bytes.len == SLICE_SIZE;
    }
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned byte = (unsigned char)bytes.ptr[i];
        if (byte & 128) {
            high = byte & 127;
            continue;
        }
        at += high << 7 | byte;
        high = 0;
        if (at >= TEXT_BLOCK_MESSAGES)
            return false;
        ret->bits[at / 8] |= (unsigned char)(1u << (at % 8));
    }
    return high == 0;
}

/* Returns whether any is left. */
static bool slice_and(struct slice *slice, const struct slice *other)
{
    unsigned any = 0;
    for (size_t i = 0; i < SLICE_SIZE; i++)
        any |= slice->bits[i] &= other->bits[i];
    return any != 0;
}

/* ---- Packing */

struct packing {
    struct db *db;
    struct message_ids ids;
    uint64_t block;
    struct slice *slices; /* of all grams: 16 MiB */
};

static bool read_ids(struct packing *p, struct err *err)
{
    struct db_query q = db_query(p->db, TEXT_WAITING_IDS);
    db_bind_u64(&q, TEXT_BLOCK_MESSAGES);
    while (db_step(&q))
        array_push(&p->ids, db_column_u64(&q, 0));
    return db_done(&q, err);
}

static bool read_grams(struct packing *p, size_t at, struct err *err)
{
    struct db_query q = db_query(p->db, TEXT_GRAMS_GET);
    db_bind_u64(&q, p->ids.items[at]);
    if (db_step(&q)) {
        struct wire w = wire_init(db_column_str(&q, 0));
        while (wire_left(&w) >= 2)
            p->slices[wire_take_u16(&w, "gram")].bits[at / 8] |= (unsigned char)(1u << (at % 8));
    }
    return db_done(&q, err);
}

static bool add_block(struct packing *p, struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, TEXT_BLOCK_MESSAGES * 8);
    for (size_t i = 0; i < p->ids.len; i++)
        wire_put_u64(&bytes, p->ids.items[i]);
    struct db_query q = db_query(p->db, TEXT_BLOCK_ADD);
    db_bind_blob(&q, buf_str(&bytes));
    bool ok = db_run(&q, err);
    p->block = db_last_id(p->db);
    buf_release(&bytes);
    return ok;
}

static bool add_slices(struct packing *p, struct err *err)
{
    unsigned char space[SLICE_SIZE];
    for (uint64_t gram = 0; gram < TEXT_GRAMS; gram++) {
        struct str bytes = slice_encode(&p->slices[gram], space);
        if (bytes.len == 0)
            continue;
        struct db_query q = db_query(p->db, TEXT_SLICE_ADD);
        db_bind_u64(&q, slice_key(p->block, gram));
        db_bind_blob(&q, bytes);
        TRY(db_run(&q, err));
    }
    return true;
}

static bool put_field(struct db *db, uint64_t key, const struct buf *ends, const struct buf *text,
                      struct err *err)
{
    struct db_query q = db_query(db, TEXT_FIELD_ADD);
    db_bind_u64(&q, key);
    db_bind_blob(&q, buf_str(ends));
    db_bind_blob(&q, buf_str(text));
    return db_run(&q, err);
}

static bool add_field(struct packing *p, enum text_field field, struct err *err)
{
    struct buf ends, text;
    buf_init(&ends, TEXT_BLOCK_MESSAGES * 4);
    buf_init(&text, FIELD_BYTES_MAX);
    struct db_query q = db_query(p->db, TEXT_WAITING_FIELDS);
    db_bind_u64(&q, TEXT_BLOCK_MESSAGES);
    while (db_step(&q)) {
        buf_append(&text, db_column_str(&q, FIELD_COLUMN(field)));
        buf_append_char(&text, (char)TEXT_SEPARATOR);
        wire_put_u32(&ends, (uint32_t)text.len);
    }
    bool ok = db_done(&q, err) && put_field(p->db, field_key(p->block, field), &ends, &text, err);
    buf_release(&ends);
    buf_release(&text);
    return ok;
}

static bool remove_one(struct db *db, enum text_statement statement, uint64_t id, struct err *err)
{
    struct db_query q = db_query(db, statement);
    db_bind_u64(&q, id);
    return db_run(&q, err);
}

static bool pack(struct packing *p, struct err *err)
{
    TRY(read_ids(p, err));
    for (size_t i = 0; i < p->ids.len; i++)
        TRY(read_grams(p, i, err));
    TRY(add_block(p, err) && add_slices(p, err));
    for (enum text_field field = TEXT_FROM; field < TEXT_FIELD_COUNT; field++)
        TRY(add_field(p, field, err));
    for (size_t i = 0; i < p->ids.len; i++)
        TRY(remove_one(p->db, TEXT_WAITING_REMOVE, p->ids.items[i], err) &&
            remove_one(p->db, TEXT_GRAMS_REMOVE, p->ids.items[i], err));
    return true;
}

bool text_block_pack(struct db *db, struct err *err)
{
    struct packing p = {.db = db, .slices = xcalloc(TEXT_GRAMS, sizeof(*p.slices))};
    bool ok = pack(&p, err);
    free(p.slices);
    array_release(&p.ids);
    return ok;
}

static bool remove_between(struct db *db, enum text_statement statement, uint64_t first,
                           uint64_t last, struct err *err)
{
    struct db_query q = db_query(db, statement);
    db_bind_u64(&q, first);
    db_bind_u64(&q, last);
    return db_run(&q, err);
}

bool text_block_remove(struct db *db, uint64_t block, struct err *err)
{
    return remove_between(db, TEXT_SLICE_REMOVE_BETWEEN, slice_key(block, 0),
                          slice_key(block, TEXT_GRAMS - 1), err) &&
           remove_between(db, TEXT_FIELD_REMOVE_BETWEEN, field_key(block, 0), field_key(block, 7),
                          err) &&
           remove_one(db, TEXT_BLOCK_REMOVE, block, err);
}

/* ---- Forgetting */

static uint32_t end_of(struct str ends, size_t at)
{
    struct wire w = wire_init(str_slice(ends, at * 4, 4));
    return wire_take_u32(&w, "end");
}

static bool forget_gram(struct db *db, uint64_t block, uint64_t gram, const struct slice *kept,
                        struct err *err)
{
    unsigned char space[SLICE_SIZE];
    struct slice slice = {{0}}, before;
    bool sound = true;
    struct db_query q = db_query(db, TEXT_SLICE_GET);
    db_bind_u64(&q, slice_key(block, gram));
    if (db_step(&q))
        sound = slice_decode(db_column_str(&q, 0), &slice);
    TRY(db_done(&q, err));
    before = slice;
    bool any = slice_and(&slice, kept);
    if (!sound || memcmp(&before, &slice, sizeof(slice)) == 0)
        return sound || damaged(block, err);
    if (!any)
        return remove_one(db, TEXT_SLICE_REMOVE, slice_key(block, gram), err);
    q = db_query(db, TEXT_SLICE_ADD);
    db_bind_u64(&q, slice_key(block, gram));
    db_bind_blob(&q, slice_encode(&slice, space));
    return db_run(&q, err);
}

/* False when ends and text do not fit each other. */
static bool copy_values(struct str ends, struct str text, const struct slice *kept,
                        struct buf *ret_ends, struct buf *ret_text)
{
    size_t begin = 0;
    for (size_t i = 0; i < ends.len / 4; i++) {
        size_t end = end_of(ends, i);
        if (end <= begin || end > text.len)
            return false;
        if (kept->bits[i / 8] >> (i % 8) & 1)
            buf_append(ret_text, str_slice(text, begin, end - begin));
        else
            buf_append_char(ret_text, (char)TEXT_SEPARATOR);
        wire_put_u32(ret_ends, (uint32_t)ret_text->len);
        begin = end;
    }
    return ends.len <= TEXT_BLOCK_MESSAGES * 4;
}

static bool forget_values(struct db *db, uint64_t block, enum text_field field,
                          const struct slice *kept, struct err *err)
{
    struct buf ends, text;
    buf_init(&ends, TEXT_BLOCK_MESSAGES * 4);
    buf_init(&text, FIELD_BYTES_MAX);
    struct db_query q = db_query(db, TEXT_FIELD_GET);
    db_bind_u64(&q, field_key(block, field));
    bool sound =
        db_step(&q) && copy_values(db_column_str(&q, 0), db_column_str(&q, 1), kept, &ends, &text);
    bool ok = db_done(&q, err) && (sound || damaged(block, err));
    if (ok)
        ok = put_field(db, field_key(block, field), &ends, &text, err);
    buf_release(&ends);
    buf_release(&text);
    return ok;
}

bool text_block_forget(struct db *db, uint64_t block, const uint64_t *places, size_t count,
                       struct err *err)
{
    struct slice kept;
    memset(&kept, 0xff, sizeof(kept));
    for (size_t i = 0; i < count; i++)
        kept.bits[places[i] / 8] &= (unsigned char)~(1u << (places[i] % 8));
    for (uint64_t gram = 0; gram < TEXT_GRAMS; gram++)
        TRY(forget_gram(db, block, gram, &kept, err));
    for (enum text_field field = TEXT_FROM; field < TEXT_FIELD_COUNT; field++)
        TRY(forget_values(db, block, field, &kept, err));
    struct db_query q = db_query(db, TEXT_BLOCK_FORGOT);
    db_bind_u64(&q, block);
    db_bind_u64(&q, count);
    return db_run(&q, err);
}

/* ---- Finding */

static bool and_gram(struct db *db, uint64_t block, uint16_t gram, struct slice *slice,
                     bool *ret_any, struct err *err)
{
    struct slice other;
    bool sound = true;
    struct db_query q = db_query(db, TEXT_SLICE_GET);
    db_bind_u64(&q, slice_key(block, gram));
    *ret_any = db_step(&q) && (sound = slice_decode(db_column_str(&q, 0), &other)) &&
               slice_and(slice, &other);
    return db_done(&q, err) && (sound || damaged(block, err));
}

static bool find_anywhere(struct db *db, uint64_t block, const struct text_needle *needle,
                          struct message_ids *ret_places, struct err *err)
{
    struct slice slice;
    bool any = true;
    memset(&slice, 0xff, sizeof(slice));
    for (size_t i = 0; any && i < needle->gram_count; i++)
        TRY(and_gram(db, block, needle->grams[i], &slice, &any, err));
    for (size_t i = 0; any && i < TEXT_BLOCK_MESSAGES; i++)
        if (slice.bits[i / 8] >> (i % 8) & 1)
            array_push(ret_places, i);
    return true;
}

/* Which message has the byte at `offset`: the first that ends behind it. */
static size_t message_at(struct str ends, size_t low, size_t offset)
{
    size_t high = ends.len / 4;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (end_of(ends, middle) <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool find_in_values(struct str ends, struct str text, struct str word,
                           struct message_ids *ret_places)
{
    size_t count = ends.len / 4, offset = 0, message = 0;
    if (ends.len % 4 != 0 || count > TEXT_BLOCK_MESSAGES ||
        (count > 0 && end_of(ends, count - 1) != text.len))
        return false;
    for (const char *hit; offset < text.len &&
                          (hit = memmem(text.ptr + offset, text.len - offset, word.ptr, word.len));
         message++) {
        message = message_at(ends, message, (size_t)(hit - text.ptr));
        if (message == count || end_of(ends, message) <= offset)
            return false; /* the ends do not ascend */
        array_push(ret_places, message);
        offset = end_of(ends, message);
    }
    return true;
}

bool text_block_find(struct db *db, uint64_t block, const struct text_needle *needle,
                     struct message_ids *ret_places, struct err *err)
{
    if (needle->field == TEXT_ANYWHERE)
        return find_anywhere(db, block, needle, ret_places, err);
    struct db_query q = db_query(db, TEXT_FIELD_GET);
    db_bind_u64(&q, field_key(block, needle->field));
    bool sound = db_step(&q) && find_in_values(db_column_str(&q, 0), db_column_str(&q, 1),
                                               needle->word, ret_places);
    return db_done(&q, err) && (sound || damaged(block, err));
}
