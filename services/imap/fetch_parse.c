#include "services/imap/fetch.h"

#include "services/imap/condstore.h"
#include "services/imap/parse.h"

/* What an item is made of, beside the row. */
enum need {
    NEEDS_ENVELOPE = 1, /* these three are pieces of the stored structure */
    NEEDS_PARTS = 2,
    NEEDS_PREVIEW = 4,
    NEEDS_SECTION = 8, /* "[...]" follows, and perhaps "<o.c>" */
    NEEDS_PREFIX = 16,
    SETS_SEEN = 32,
    NEEDS_IDS = 64,
};

static const struct fetch_word {
    struct str word;
    enum fetch_kind kind;
    unsigned needs;
    enum section_text text; /* of the old names for sections */
} words[] = {
    /* The longest first, where one begins another. */
    {STR_INIT("BODYSTRUCTURE"), FETCH_BODYSTRUCTURE, NEEDS_PARTS, 0},
    {STR_INIT("BODY.PEEK["), FETCH_SECTION, NEEDS_SECTION | NEEDS_PREFIX, 0},
    {STR_INIT("BODY["), FETCH_SECTION, NEEDS_SECTION | NEEDS_PREFIX | SETS_SEEN, 0},
    {STR_INIT("BODY"), FETCH_BODY, NEEDS_PARTS, 0},
    {STR_INIT("BINARY.SIZE["), FETCH_BINARY_SIZE, NEEDS_SECTION | NEEDS_PARTS, 0},
    {STR_INIT("BINARY.PEEK["), FETCH_BINARY, NEEDS_SECTION | NEEDS_PARTS | NEEDS_PREFIX, 0},
    {STR_INIT("BINARY["), FETCH_BINARY, NEEDS_SECTION | NEEDS_PARTS | NEEDS_PREFIX | SETS_SEEN, 0},
    {STR_INIT("ENVELOPE"), FETCH_ENVELOPE, NEEDS_ENVELOPE, 0},
    {STR_INIT("FLAGS"), FETCH_FLAGS, 0, 0},
    {STR_INIT("INTERNALDATE"), FETCH_INTERNALDATE, 0, 0},
    {STR_INIT("MODSEQ"), FETCH_MODSEQ, 0, 0},
    {STR_INIT("RFC822.HEADER"), FETCH_SECTION, NEEDS_PREFIX, SECTION_HEADER},
    {STR_INIT("RFC822.SIZE"), FETCH_SIZE, 0, 0},
    {STR_INIT("RFC822.TEXT"), FETCH_SECTION, SETS_SEEN, SECTION_TEXT},
    {STR_INIT("RFC822"), FETCH_SECTION, NEEDS_PREFIX | SETS_SEEN, SECTION_ALL},
    {STR_INIT("PREVIEW"), FETCH_PREVIEW, NEEDS_PREVIEW, 0},
    {STR_INIT("EMAILID"), FETCH_EMAILID, NEEDS_IDS, 0},
    {STR_INIT("THREADID"), FETCH_THREADID, NEEDS_IDS, 0},
    {STR_INIT("SAVEDATE"), FETCH_SAVEDATE, 0, 0},
    {STR_INIT("UID"), FETCH_UID, 0, 0},
};

/* partial = "<" number64 "." nz-number64 ">" */
static void take_partial(struct cursor *c, struct fetch_item *item)
{
    if (!cursor_skip(c, '<'))
        return;
    item->partial = true;
    item->offset = cursor_take_number(c, INT64_MAX, "offset");
    cursor_expect(c, '.');
    item->count = cursor_take_number(c, INT64_MAX, "count");
    if (item->count == 0)
        cursor_fail(c, "count above 0");
    cursor_expect(c, '>');
}

static void take_section(struct cursor *c, struct arena *arena, const struct fetch_word *word,
                         struct fetch_item *item)
{
    /* The word ended in the bracket, which is part of the section. */
    c->at--;
    bool binary = word->kind != FETCH_SECTION;
    item->section = binary ? section_take_binary(c, arena) : section_take(c, arena);
    if (word->kind != FETCH_BINARY_SIZE)
        take_partial(c, item);
}

/* " BODY[1.TEXT]<0> ". BINARY does not repeat the offset (spec 2.21). */
static struct str make_label(struct arena *arena, const struct fetch_word *word,
                             const struct fetch_item *item)
{
    struct buf text;
    buf_init(&text, 64 * 1024);
    buf_append_char(&text, ' ');
    struct str name = word->word;
    if (word->needs & NEEDS_SECTION) {
        name = word->kind == FETCH_SECTION  ? STR("BODY")
               : word->kind == FETCH_BINARY ? STR("BINARY")
                                            : STR("BINARY.SIZE");
        buf_append(&text, name);
        section_write(&item->section, &text);
    } else {
        buf_append(&text, name);
    }
    if (item->partial && word->kind == FETCH_SECTION)
        buf_printf(&text, "<%llu>", (unsigned long long)item->offset);
    buf_append_char(&text, ' ');
    struct str label = arena_copy(arena, buf_str(&text));
    buf_release(&text);
    return label;
}

static uint32_t pieces_for(const struct fetch_item *item, unsigned needs)
{
    bool parts = (needs & NEEDS_PARTS) ||
                 ((needs & NEEDS_SECTION) && section_needs_structure(&item->section));
    return (needs & NEEDS_ENVELOPE ? STRUCTURE_ENVELOPE : 0) | (parts ? STRUCTURE_PARTS : 0) |
           (needs & NEEDS_PREVIEW ? STRUCTURE_PREVIEW : 0);
}

static void add_item(struct cursor *c, struct fetch_items *items, const struct fetch_item *item,
                     unsigned needs)
{
    items->uid = items->uid || item->kind == FETCH_UID;
    if (cursor_failed(c) || item->kind == FETCH_UID)
        return;
    if (items->len == FETCH_ITEMS_MAX) {
        cursor_fail_too_long(c, "list of items");
        return;
    }
    items->items[items->len++] = *item;
    items->modseq = items->modseq || item->kind == FETCH_MODSEQ;
    items->sets_seen = items->sets_seen || (needs & SETS_SEEN);
    items->prefix = items->prefix || (needs & NEEDS_PREFIX);
    items->ids = items->ids || (needs & NEEDS_IDS);
    items->structure |= pieces_for(item, needs);
}

static const struct fetch_word *take_word(struct cursor *c)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct cursor mark = cursor_mark(c);
        if (!cursor_skip_nocase(c, words[i].word))
            continue;
        bool bracket = words[i].needs & NEEDS_SECTION;
        if (bracket || cursor_at_end(c) || cursor_next_is(c, ' ') || cursor_next_is(c, ')'))
            return &words[i];
        cursor_rewind(c, mark);
    }
    cursor_fail(c, "a known fetch item");
    return NULL;
}

static void take_item(struct cursor *c, struct arena *arena, struct fetch_items *items)
{
    const struct fetch_word *word = take_word(c);
    if (!word)
        return;
    struct fetch_item item = {.kind = word->kind, .sets_seen = word->needs & SETS_SEEN};
    item.section.text = word->text;
    if (word->needs & NEEDS_SECTION)
        take_section(c, arena, word, &item);
    if (word->kind == FETCH_PREVIEW) /* RFC 8970 3.2: every preview is stored, so that LAZY is the
                                        same */
        cursor_skip_nocase(c, STR(" (LAZY)"));
    if (cursor_failed(c))
        return;
    item.label = make_label(arena, word, &item);
    add_item(c, items, &item, word->needs);
}

/* Macros are only known outside a list. */
static const struct {
    struct str name;
    struct str items;
} macros[] = {
    {STR_INIT("ALL"), STR_INIT("FLAGS INTERNALDATE RFC822.SIZE ENVELOPE")},
    {STR_INIT("FAST"), STR_INIT("FLAGS INTERNALDATE RFC822.SIZE")},
    {STR_INIT("FULL"), STR_INIT("FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY")},
};

static bool take_macro(struct cursor *c, struct arena *arena, struct fetch_items *items)
{
    for (size_t i = 0; i < ARRAY_LEN(macros); i++) {
        struct cursor mark = cursor_mark(c);
        if (!cursor_skip_nocase(c, macros[i].name))
            continue;
        if (!cursor_at_end(c) && !cursor_next_is(c, ' ')) {
            cursor_rewind(c, mark);
            continue;
        }
        struct cursor meaning = cursor_init(macros[i].items);
        do
            take_item(&meaning, arena, items);
        while (cursor_skip(&meaning, ' '));
        return true;
    }
    return false;
}

/* "ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")" */
struct fetch_items fetch_take_items(struct cursor *c, struct arena *arena)
{
    struct fetch_items items = {.items =
                                    arena_new_array(arena, FETCH_ITEMS_MAX + 1, struct fetch_item)};
    if (!items.items) {
        cursor_fail_too_long(c, "command");
        return items;
    }
    if (take_macro(c, arena, &items))
        return items;
    if (!cursor_skip(c, '(')) {
        take_item(c, arena, &items);
        return items;
    }
    do
        take_item(c, arena, &items);
    while (cursor_skip(c, ' '));
    cursor_expect(c, ')');
    return items;
}

void fetch_add_modseq(struct fetch_items *items)
{
    if (items->modseq)
        return;
    items->modseq = true;
    items->items[items->len++] =
        (struct fetch_item){.kind = FETCH_MODSEQ, .label = STR(" MODSEQ ")};
}

/* "PARTIAL" SP partial-range */
static void take_page(struct imap *imap, struct cursor *c, struct fetch_modifiers *modifiers)
{
    if (!imap->uid || modifiers->has_partial)
        cursor_fail(c, "PARTIAL once, with UID FETCH");
    parse_space(c);
    modifiers->has_partial = true;
    modifiers->partial = partial_take(c);
}

/* "CHANGEDSINCE" SP mod-sequence-value */
static void take_changed_since(struct cursor *c, struct fetch_modifiers *modifiers)
{
    if (modifiers->has_changed_since)
        cursor_fail(c, "CHANGEDSINCE once");
    parse_space(c);
    modifiers->has_changed_since = true;
    modifiers->changed_since = condstore_take_modseq(c);
}

struct fetch_modifiers fetch_take_modifiers(struct imap *imap, struct cursor *c)
{
    struct fetch_modifiers modifiers = {0};
    if (cursor_at_end(c))
        return modifiers;
    parse_space(c);
    cursor_expect(c, '(');
    do {
        struct str word = parse_atom(c, "fetch modifier");
        if (str_eq_nocase(word, STR("CHANGEDSINCE")) && imap_has_capability(imap, STR("CONDSTORE")))
            take_changed_since(c, &modifiers);
        else if (str_eq_nocase(word, STR("PARTIAL")) && imap_has_capability(imap, STR("PARTIAL")))
            take_page(imap, c, &modifiers);
        else if (str_eq_nocase(word, STR("VANISHED")) && !modifiers.vanished)
            modifiers.vanished = true;
        else
            cursor_fail(c, "a known fetch modifier");
    } while (cursor_skip(c, ' '));
    cursor_expect(c, ')');
    return modifiers;
}
