#include "common/mail/domain.h"

#include "common/text/cursor.h"
#include "common/text/utf8.h"

#include <idn2.h>

static bool is_ldh(unsigned char c)
{
    return is_alnum(c) || c == '-';
}

static bool bad_domain(struct str text, const char *why, struct err *err)
{
    return err_set(err, ERR_SYNTAX, "domain \"%.*s\": %s", (int)(text.len > 100 ? 100 : text.len),
                   text.ptr ? text.ptr : "", why);
}

static bool is_number(struct str label)
{
    struct cursor c = cursor_init(label);
    cursor_skip_while(&c, is_digit);
    return cursor_at_end(&c);
}

/* RFC 5321 4.1.2: sub-domain = Let-dig [Ldh-str] */
static const char *label_fault(struct str label)
{
    if (label.len == 0)
        return "empty label";
    if (label.len > DOMAIN_LABEL_LEN_MAX)
        return "label longer than 63 bytes";
    if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return "hyphen at the end of a label";
    struct cursor c = cursor_init(label);
    cursor_skip_while(&c, is_ldh);
    return cursor_at_end(&c) ? NULL : "character that no domain has";
}

/* What is wrong with an ASCII name, or NULL. `*ret_idn` tells whether it has A-labels. */
static const char *ascii_fault(struct str name, bool *ret_idn)
{
    if (name.len > DOMAIN_LEN_MAX)
        return "longer than 253 bytes";
    struct str label, rest = name;
    *ret_idn = false;
    do {
        str_cut(rest, '.', &label, &rest);
        const char *fault = label_fault(label);
        if (fault)
            return fault;
        *ret_idn |= label.len >= 4 && label.ptr[2] == '-' && label.ptr[3] == '-';
    } while (!str_is_null(rest));
    /* RFC 3696 2: a top-level domain is never all digits, so this looks like an IPv4 address. */
    return is_number(label) ? "top-level label of digits" : NULL;
}

/* Through libidn2, which maps, normalizes, and checks U-labels and A-labels alike. */
static bool to_alabel(struct str text, struct arena *arena, struct str *ret_alabel, struct err *err)
{
    char *in = arena_cstr(arena, text);
    if (!in)
        return bad_domain(text, "NUL byte, or too long", err);
    char *out = NULL;
    int rc = idn2_lookup_u8((const uint8_t *)in, (uint8_t **)&out,
                            IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc != IDN2_OK)
        return bad_domain(text, idn2_strerror(rc), err);
    *ret_alabel = arena_lower(arena, str_from_cstr(out));
    idn2_free(out);
    if (str_is_null(*ret_alabel))
        return err_set(err, ERR_LIMIT, "no memory for a domain");
    return true;
}

bool domain_parse(struct str text, struct arena *arena, struct str *ret_alabel, struct err *err)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '.')
        text.len--;
    if (text.len == 0)
        return bad_domain(text, "empty", err);
    if (text.len > 4 * DOMAIN_LEN_MAX)
        return bad_domain(text, "too long", err);
    bool ascii = str_is_ascii(text), idn = false;
    const char *fault = ascii ? ascii_fault(text, &idn) : NULL;
    if (fault)
        return bad_domain(text, fault, err);
    struct str alabel;
    if (ascii && !idn) {
        alabel = arena_lower(arena, text);
        if (str_is_null(alabel))
            return err_set(err, ERR_LIMIT, "no memory for a domain");
    } else {
        TRY(to_alabel(text, arena, &alabel, err));
        fault = ascii_fault(alabel, &idn);
        if (fault)
            return bad_domain(text, fault, err);
    }
    *ret_alabel = alabel;
    return true;
}

struct str domain_to_unicode(struct str alabel, struct arena *arena)
{
    if (str_find(alabel, STR("xn--")) < 0)
        return alabel;
    char *in = arena_cstr(arena, alabel);
    char *out = NULL;
    if (!in || idn2_to_unicode_8z8z(in, &out, IDN2_NONTRANSITIONAL) != IDN2_OK)
        return alabel;
    struct str unicode = arena_copy(arena, str_from_cstr(out));
    idn2_free(out);
    return str_is_null(unicode) ? alabel : unicode;
}

bool domain_is_within(struct str domain, struct str parent)
{
    if (!str_ends_with(domain, parent))
        return false;
    return domain.len == parent.len || domain.ptr[domain.len - parent.len - 1] == '.';
}
