#include "services/mailrail/level_name.h"

#include "common/text/utf7.h"

#define DOT "&AC4-" /* no other "&" can begin so: it is a shift of its own wherever it stands */

struct str level_name_escape(struct str level, struct arena *arena)
{
    struct str part, out = STR(".");
    for (bool more = true; more && !str_is_null(out);) {
        more = str_cut(level, '.', &part, &level);
        part = utf7_encode(part, arena);
        out = arena_printf(arena, "%.*s%.*s%s", STR_ARG(out), STR_ARG(part), more ? DOT : "");
    }
    return arena->exhausted ? STR_NULL : out;
}

static struct str dots_to_slashes(struct str text, struct arena *arena)
{
    char *slashes = arena_alloc(arena, text.len + 1);
    for (size_t i = 0; slashes && i < text.len; i++)
        slashes[i] = text.ptr[i] == '.' ? '/' : text.ptr[i];
    return slashes ? str_make(slashes, text.len) : STR_NULL;
}

struct str level_name_of_folder(struct str name, struct arena *arena)
{
    struct err err;
    struct str bare = dots_to_slashes(str_skip(name, 1), arena);
    struct str out = STR(""), rest = bare;
    for (bool more = true; more;) {
        ptrdiff_t at = str_find(rest, STR(DOT));
        more = at >= 0;
        struct str part = more ? str_slice(rest, 0, (size_t)at) : rest;
        if (part.len > 0 && !utf7_decode(part, arena, &part, &err))
            return bare;
        out = arena_printf(arena, "%.*s%.*s%s", STR_ARG(out), STR_ARG(part), more ? "." : "");
        rest = more ? str_skip(rest, (size_t)at + strlen(DOT)) : STR_NULL;
    }
    return out;
}

bool level_name_has_dot(struct str name)
{
    return str_find(name, STR(DOT)) >= 0;
}
