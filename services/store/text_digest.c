#include "services/store/text_digest.h"

#include "common/mail/header.h"
#include "common/mail/search.h"

#include <string.h>

/* A text with half of all grams matches every second word: reading it is quicker. */
#define GRAMS_MAX (TEXT_GRAMS / 2)
#define SIZE_MAX_INDEXED (64u << 20)
/* Below these, neither values nor the memory for them are ever cut. */
#define HEADER_MAX (256u << 10)
#define VALUES_MAX (16u << 10)
#define SCRATCH_MAX (4u << 20)

/* Fibonacci hashing: the upper bits of the product depend on all three bytes. */
static uint16_t hash(uint32_t three_bytes)
{
    return (uint16_t)(three_bytes * 2654435769u >> 16);
}

void text_digest_init(struct text_digest *d)
{
    memset(d, 0, sizeof(*d));
    for (size_t f = 0; f < TEXT_FIELD_COUNT; f++)
        buf_init(&d->values[f], VALUES_MAX);
}

void text_digest_release(struct text_digest *d)
{
    for (size_t f = 0; f < TEXT_FIELD_COUNT; f++)
        buf_release(&d->values[f]);
}

static void take_run(void *user, struct str folded, bool at_end)
{
    struct text_digest *d = user;
    for (size_t i = 0; i < folded.len; i++) {
        d->last = (d->last << 8 | (unsigned char)folded.ptr[i]) & 0xffffff;
        if (++d->run_len < TEXT_GRAM_SIZE)
            continue;
        uint16_t gram = hash(d->last);
        d->grams.bits[gram / 64] |= UINT64_C(1) << (gram % 64);
    }
    if (d->run_len > TEXT_GRAM_SIZE)
        d->run_len = TEXT_GRAM_SIZE;
    if (at_end)
        d->run_len = 0;
    if (d->copy_to)
        buf_append(d->copy_to, folded);
}

static struct buf *values_of(struct text_digest *d, struct str name)
{
    static const struct str names[TEXT_FIELD_COUNT] = {
        [TEXT_FROM] = STR_INIT("From"),       [TEXT_TO] = STR_INIT("To"),
        [TEXT_CC] = STR_INIT("Cc"),           [TEXT_BCC] = STR_INIT("Bcc"),
        [TEXT_SUBJECT] = STR_INIT("Subject"),
    };
    for (size_t f = TEXT_FROM; f < TEXT_FIELD_COUNT; f++)
        if (str_eq_nocase(names[f], name))
            return &d->values[f];
    return NULL;
}

/* A value without its folds has grams that the header section has not. */
static void take_fields(struct text_digest *d, struct str header, struct arena *scratch)
{
    struct header_walk walk = header_walk_init(header);
    struct header_field field;
    while (header_next(&walk, &field)) {
        d->copy_to = values_of(d, field.name);
        if (d->copy_to && d->copy_to->len > 0)
            buf_append_char(d->copy_to, (char)TEXT_SEPARATOR);
        search_walk_text(search_field_value(field.raw_value, scratch), take_run, d);
        d->is_unfit |= scratch->exhausted || (d->copy_to && d->copy_to->overflow);
        d->copy_to = NULL;
        arena_reset(scratch);
    }
}

void text_digest_take(struct text_digest *d, struct str prefix, struct str file,
                      const struct structure *structure)
{
    memset(&d->grams, 0, sizeof(d->grams));
    for (size_t f = 0; f < TEXT_FIELD_COUNT; f++)
        buf_reset(&d->values[f]);
    d->run_len = 0;
    d->is_unfit = file.len > SIZE_MAX_INDEXED || prefix.len + header_size(file) > HEADER_MAX;
    if (d->is_unfit)
        return;
    struct arena scratch;
    arena_init(&scratch, SCRATCH_MAX);
    take_fields(d, prefix, &scratch);
    take_fields(d, file, &scratch);
    arena_release(&scratch);
    search_walk_message(prefix, file, structure, take_run, d);
    d->is_unfit |= gram_set_count(&d->grams) > GRAMS_MAX;
}

size_t gram_set_count(const struct gram_set *set)
{
    size_t count = 0;
    for (size_t i = 0; i < TEXT_GRAMS / 64; i++)
        count += (size_t)__builtin_popcountll(set->bits[i]);
    return count;
}

size_t text_grams_of(struct str word, uint16_t *grams, size_t max)
{
    size_t count = 0;
    const unsigned char *b = (const unsigned char *)word.ptr;
    for (size_t i = 0; i + TEXT_GRAM_SIZE <= word.len && count < max; i++) {
        uint16_t gram = hash((uint32_t)b[i] << 16 | (uint32_t)b[i + 1] << 8 | b[i + 2]);
        size_t at = 0;
        while (at < count && grams[at] != gram)
            at++;
        if (at == count)
            grams[count++] = gram;
    }
    return count;
}
