#include "common/mail/subject.h"

#include "common/text/utf8.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* Lower case; CR dropped, runs of blanks one space. The result is ours to cut. */
static struct str normalize(struct str subject, struct arena *arena)
{
    struct str lower = utf8_lower(subject, arena);
    char *text = str_is_null(lower) ? NULL : arena_alloc(arena, lower.len);
    size_t len = 0;
    if (!text)
        return STR_NULL;
    for (size_t i = 0; i < lower.len; i++) {
        char c = lower.ptr[i];
        if (c == '\r' || (is_blank(c) && len > 0 && text[len - 1] == ' '))
            continue;
        text[len++] = is_blank(c) ? ' ' : c;
    }
    return str_make(text, len);
}

static struct str skip_space(struct str s)
{
    return str_starts_with(s, STR(" ")) ? str_skip(s, 1) : s;
}

/* subj-blob = "[" *BLOBCHAR "]" *WSP: skipped when it is there. */
static struct str skip_blob(struct str s)
{
    if (!str_starts_with(s, STR("[")))
        return s;
    for (size_t i = 1; i < s.len && s.ptr[i] != '['; i++)
        if (s.ptr[i] == ']')
            return skip_space(str_skip(s, i + 1));
    return s;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static bool skip_refwd(struct str *s)
{
    static const struct str words[] = {STR_INIT("re"), STR_INIT("fwd"), STR_INIT("fw")};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!str_starts_with(*s, words[i]))
            continue;
        struct str rest = skip_blob(skip_space(str_skip(*s, words[i].len)));
        if (!str_starts_with(rest, STR(":")))
            continue;
        *s = str_skip(rest, 1);
        return true;
    }
    return false;
}

/* subj-trailer = "(fwd)" / WSP */
static struct str strip_trailer(struct str s, bool *is_reply)
{
    for (;;) {
        if (str_ends_with(s, STR(" "))) {
            s.len--;
        } else if (str_ends_with(s, STR("(fwd)"))) {
            s.len -= 5;
            *is_reply = true;
        } else {
            return s;
        }
    }
}

/* subj-leader = (*subj-blob subj-refwd) / WSP, as often as there is one; then list tags, as long as
 * something remains. All tags in front go at once, so that many of them cost linear time. */
static struct str strip_leader(struct str s, bool *is_reply)
{
    for (;;) {
        s = skip_space(s);
        struct str last_blob = s, rest = s, next;
        while ((next = skip_blob(rest)).len < rest.len) {
            last_blob = rest;
            rest = next;
        }
        if (skip_refwd(&rest)) {
            *is_reply = true;
            s = rest;
            continue;
        }
        return rest.len > 0 ? rest : last_blob;
    }
}

struct str subject_base(struct str subject, struct arena *arena, bool *ret_is_reply)
{
    *ret_is_reply = false;
    if (subject.len == 0 || str_find_char(subject, '\0') >= 0)
        return STR("");
    struct str s = normalize(subject, arena);
    if (str_is_null(s))
        return STR("");
    for (;;) {
        s = strip_leader(strip_trailer(s, ret_is_reply), ret_is_reply);
        if (!str_starts_with(s, STR("[fwd:")) || !str_ends_with(s, STR("]")))
            return s;
        s = str_slice(s, 5, s.len - 6);
        *ret_is_reply = true;
    }
}
