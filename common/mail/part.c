#include "common/mail/encoded_word.h"
#include "common/mail/structure.h"

bool part_is_multipart(const struct part *p)
{
    return str_eq(p->type, STR("MULTIPART"));
}

bool part_is_message(const struct part *p)
{
    return str_eq(p->type, STR("MESSAGE")) &&
           (str_eq(p->subtype, STR("RFC822")) || str_eq(p->subtype, STR("GLOBAL")));
}

bool part_is_leaf(const struct part *p)
{
    return !part_is_multipart(p) && !part_is_message(p);
}

bool part_is_text(const struct part *p, struct str subtype)
{
    if (p->type.len == 0)
        return subtype.len == 0 || str_eq(subtype, STR("PLAIN"));
    return str_eq(p->type, STR("TEXT")) && (subtype.len == 0 || str_eq(p->subtype, subtype));
}

static const struct part *first_below(const struct part *p)
{
    return p->message ? p->message : p->first;
}

const struct part *part_next(const struct part *p)
{
    if (first_below(p))
        return first_below(p);
    while (p && !p->next)
        p = p->parent;
    return p ? p->next : NULL;
}

bool structure_is_damaged(const struct structure *s)
{
    for (const struct part *p = s->root; p; p = part_next(p))
        if (p->damaged)
            return true;
    return false;
}

/* The part that has number `number` in `p`. */
static const struct part *numbered(const struct part *p, uint32_t number)
{
    if (!part_is_multipart(p))
        return number == 1 ? p : NULL;
    const struct part *child = number > 0 ? p->first : NULL;
    while (child && --number > 0)
        child = child->next;
    return child;
}

const struct part *structure_find(const struct structure *s, const uint32_t *path, size_t len)
{
    const struct part *p = s->root;
    for (size_t i = 0; p && i < len; i++) {
        /* Below a message the numbers are those of its parts; a plain part has nothing below. */
        if (i > 0 && p->message)
            p = p->message;
        else if (i > 0 && !part_is_multipart(p))
            return NULL;
        p = numbered(p, path[i]);
    }
    return p;
}

struct str part_filename(const struct part *p, struct arena *arena)
{
    struct str name = parameter_find(p->disposition_params, STR("filename"));
    if (str_is_null(name))
        name = parameter_find(p->params, STR("name"));
    return str_is_null(name) ? name : encoded_word_decode(name, arena);
}
