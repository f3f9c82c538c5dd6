#include "common/auth/precis.h"

#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

/* A prepared string as code points, for rules that look at neighbours. */
struct points {
    ucs4_t *at;
    size_t len;
};

struct range {
    ucs4_t first, last;
};

static bool in_ranges(ucs4_t cp, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cp >= ranges[i].first && cp <= ranges[i].last)
            return true;
    return false;
}

/* RFC 8264 9.6 */
static bool is_exception_valid(ucs4_t cp)
{
    static const struct range ranges[] = {
        {0xdf, 0xdf}, {0x3c2, 0x3c2}, {0x6fd, 0x6fe}, {0xf0b, 0xf0b}, {0x3007, 0x3007}};
    return in_ranges(cp, ranges, ARRAY_LEN(ranges));
}

static bool is_exception_disallowed(ucs4_t cp)
{
    static const struct range ranges[] = {
        {0x640, 0x640}, {0x7fa, 0x7fa}, {0x302e, 0x302f}, {0x3031, 0x3035}, {0x303b, 0x303b}};
    return in_ranges(cp, ranges, ARRAY_LEN(ranges));
}

/* RFC 8264 9.9 */
static bool is_old_hangul_jamo(ucs4_t cp)
{
    static const struct range ranges[] = {{0x1100, 0x11ff}, {0xa960, 0xa97f}, {0xd7b0, 0xd7ff}};
    return in_ranges(cp, ranges, ARRAY_LEN(ranges));
}

static bool has_script(ucs4_t cp, const char *name)
{
    const uc_script_t *script = uc_script(cp);
    return script && strcmp(script->name, name) == 0;
}

/* RFC 5892 A.1: between joining letters, or after a virama. */
static bool may_stand_zwnj(struct points p, size_t i)
{
    if (i > 0 && uc_combining_class(p.at[i - 1]) == UC_CCC_VR)
        return true;
    size_t before = i, after = i + 1;
    while (before > 0 && uc_joining_type(p.at[before - 1]) == UC_JOINING_TYPE_T)
        before--;
    while (after < p.len && uc_joining_type(p.at[after]) == UC_JOINING_TYPE_T)
        after++;
    if (before == 0 || after == p.len)
        return false;
    int left = uc_joining_type(p.at[before - 1]), right = uc_joining_type(p.at[after]);
    return (left == UC_JOINING_TYPE_L || left == UC_JOINING_TYPE_D) &&
           (right == UC_JOINING_TYPE_R || right == UC_JOINING_TYPE_D);
}

static bool has_point_between(struct points p, ucs4_t first, ucs4_t last)
{
    for (size_t i = 0; i < p.len; i++)
        if (p.at[i] >= first && p.at[i] <= last)
            return true;
    return false;
}

static bool has_kana_or_han(struct points p)
{
    for (size_t i = 0; i < p.len; i++)
        if (has_script(p.at[i], "Hiragana") || has_script(p.at[i], "Han") ||
            (has_script(p.at[i], "Katakana") && p.at[i] != 0x30fb))
            return true;
    return false;
}

/* RFC 5892 Appendix A: code points that are allowed in some places. Sets `*ret_ruled` when there is
 * a rule for this one. */
static bool may_stand_here(struct points p, size_t i, bool *ret_ruled)
{
    ucs4_t cp = p.at[i];
    *ret_ruled = true;
    if (cp == 0x200c)
        return may_stand_zwnj(p, i);
    if (cp == 0x200d)
        return i > 0 && uc_combining_class(p.at[i - 1]) == UC_CCC_VR;
    if (cp == 0xb7) /* middle dot */
        return i > 0 && i + 1 < p.len && p.at[i - 1] == 'l' && p.at[i + 1] == 'l';
    if (cp == 0x375) /* Greek keraia */
        return i + 1 < p.len && has_script(p.at[i + 1], "Greek");
    if (cp == 0x5f3 || cp == 0x5f4) /* Hebrew geresh and gershayim */
        return i > 0 && has_script(p.at[i - 1], "Hebrew");
    if (cp == 0x30fb) /* Katakana middle dot */
        return has_kana_or_han(p);
    if (cp >= 0x660 && cp <= 0x669) /* Arabic-Indic digits, not mixed with the extended ones */
        return !has_point_between(p, 0x6f0, 0x6f9);
    if (cp >= 0x6f0 && cp <= 0x6f9)
        return !has_point_between(p, 0x660, 0x669);
    *ret_ruled = false;
    return false;
}

/* RFC 8264 9.1 LetterDigits, 9.18 OtherLetterDigits, 9.14 Spaces, 9.15 Symbols, 9.16 Punctuation:
 * together every general category but Other and the line and paragraph separators. */
static bool is_in_valid_category(ucs4_t cp)
{
    return uc_is_general_category_withtable(cp, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M |
                                                    UC_CATEGORY_MASK_N | UC_CATEGORY_MASK_S |
                                                    UC_CATEGORY_MASK_P | UC_CATEGORY_MASK_Zs);
}

/* RFC 8264 8, for the FreeformClass, in its order. NULL when the code point is allowed. */
static const char *why_disallowed(struct points p, size_t i)
{
    ucs4_t cp = p.at[i];
    if (is_exception_valid(cp))
        return NULL;
    if (is_exception_disallowed(cp))
        return "a character that no password may hold";
    bool ruled;
    if (may_stand_here(p, i, &ruled))
        return NULL;
    if (ruled)
        return "a character that is not allowed at its place";
    if (uc_is_property(cp, UC_PROPERTY_UNASSIGNED_CODE_VALUE))
        return "an unassigned character";
    if (cp >= 0x21 && cp <= 0x7e)
        return NULL;
    if (is_old_hangul_jamo(cp))
        return "an old Hangul letter";
    if (uc_is_property_default_ignorable_code_point(cp) || uc_is_property_not_a_character(cp))
        return "an invisible character";
    if (!is_in_valid_category(cp))
        return "a control character";
    return NULL;
}

/* RFC 8265 4.2.2 rule 2: any non-ASCII space becomes U+0020. */
static void map_spaces(struct points p)
{
    for (size_t i = 0; i < p.len; i++)
        if (p.at[i] > 0x7f && uc_is_general_category_withtable(p.at[i], UC_CATEGORY_MASK_Zs))
            p.at[i] = ' ';
}

static bool check_points(struct points p, struct err *err)
{
    for (size_t i = 0; i < p.len; i++) {
        const char *why = why_disallowed(p, i);
        if (why) {
            err_set(err, ERR_SYNTAX, "the password holds %s", why);
            return err_reply(err, "the password holds %s", why);
        }
    }
    return true;
}

static void forget(void *heap, size_t size)
{
    if (heap)
        explicit_bzero(heap, size);
    free(heap);
}

static bool normalize_and_check(struct points p, struct arena *arena, struct str *ret,
                                struct err *err)
{
    map_spaces(p);
    struct points nfc = {0};
    nfc.at = u32_normalize(UNINORM_NFC, p.at, p.len, NULL, &nfc.len);
    if (!nfc.at)
        return err_set(err, ERR_INTERNAL, "cannot normalise the password");
    bool ok = check_points(nfc, err);
    size_t len = 0;
    uint8_t *bytes = ok ? u32_to_u8(nfc.at, nfc.len, NULL, &len) : NULL;
    if (ok) {
        *ret = arena_copy(arena, str_make(bytes, len));
        if (str_is_null(*ret))
            ok = err_set(err, ERR_LIMIT, "the password is too long");
    }
    forget(bytes, len);
    forget(nfc.at, nfc.len * sizeof(*nfc.at));
    return ok;
}

bool precis_opaque_string(struct str text, struct arena *arena, struct str *ret, struct err *err)
{
    if (text.len == 0)
        return err_set(err, ERR_SYNTAX, "the password is empty");
    struct points p = {0};
    p.at = u8_to_u32((const uint8_t *)text.ptr, text.len, NULL, &p.len);
    if (!p.at)
        return err_set(err, ERR_SYNTAX, "the password is not valid UTF-8");
    bool ok = normalize_and_check(p, arena, ret, err);
    forget(p.at, p.len * sizeof(*p.at));
    return ok;
}
