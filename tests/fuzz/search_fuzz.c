/* Target functions: search_*. Input: a word, a line end, a message. Properties: for valid text, the
 * answer is that of folding everything at once; matching any bytes as a message ends well. */
#include "common/base/bug.h"
#include "common/mail/search.h"
#include "common/text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct search *s, struct str word, struct str text, struct arena *arena)
{
    struct str folded_word = utf8_casefold(word, arena), folded = utf8_casefold(text, arena);
    BUG_ON(search_text_contains(s, text) != (str_find(folded, folded_word) >= 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct str word, message;
    arena_init(&arena, 16 << 20);
    str_cut(str_make(data, size), '\n', &word, &message);
    struct search *s = search_new(&word, 1, NULL, 0, SEARCH_TEXT, &arena);
    if (utf8_is_valid(word) && utf8_is_valid(message))
        check_text(s, word, message, &arena);
    search_matches(s, STR("X: y\r\n"), message, structure_parse(message, &arena));
    arena_release(&arena);
    return 0;
}
