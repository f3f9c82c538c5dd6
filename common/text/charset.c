#include "common/text/charset.h"

#include "common/base/bug.h"
#include "common/text/utf8.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_LEN_MAX 64
#define REPLACEMENT STR("\xef\xbf\xbd") /* U+FFFD */
#define SEQUENCE_MAX 32                 /* bytes of a character and its escapes that may wait */

struct charset_decoder {
    iconv_t iconv;
    char pending[SEQUENCE_MAX]; /* an unfinished character */
    size_t pending_len;
    bool damaged;
};

bool charset_is_plain(struct str label)
{
    static const struct str labels[] = {
        STR_INIT(""),     STR_INIT("utf-8"), STR_INIT("us-ascii"),
        STR_INIT("utf8"), STR_INIT("ascii"), STR_INIT("ansi_x3.4-1968"),
    };
    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        if (str_eq_nocase(label, labels[i]))
            return true;
    return false;
}

/* Labels that mail uses and iconv knows by another name only; and those that mean more than they
 * say (the WHATWG encoding standard's superset rule). */
static const char *alias_of(struct str label)
{
    static const struct {
        struct str label;
        const char *name;
    } aliases[] = {
        {STR_INIT("iso-8859-1"), "windows-1252"},
        {STR_INIT("latin1"), "windows-1252"},
        {STR_INIT("iso-8859-9"), "windows-1254"},
        {STR_INIT("iso-8859-8-i"), "iso-8859-8"},
        {STR_INIT("gb2312"), "gb18030"},
        {STR_INIT("gbk"), "gb18030"},
        {STR_INIT("ks_c_5601-1987"), "cp949"},
        {STR_INIT("euc-kr"), "cp949"},
        {STR_INIT("shift_jis"), "cp932"},
        {STR_INIT("x-sjis"), "cp932"},
        {STR_INIT("cp-850"), "cp850"},
        {STR_INIT("windows-874"), "cp874"},
        {STR_INIT("x-mac-roman"), "macintosh"},
        {STR_INIT("unicode-1-1-utf-7"), "utf-7"},
    };
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
        if (str_eq_nocase(label, aliases[i].label))
            return aliases[i].name;
    return NULL;
}

/* The families that mail is written in. The C library knows hundreds of others, which strangers
 * need not reach. */
static bool is_in_mail(struct str label)
{
    static const struct str families[] = {
        STR_INIT("iso-8859-"),   STR_INIT("iso8859-"),  STR_INIT("iso_8859-"),
        STR_INIT("latin"),       STR_INIT("windows-"),  STR_INIT("cp"),
        STR_INIT("koi8-"),       STR_INIT("utf-"),      STR_INIT("gb"),
        STR_INIT("big5"),        STR_INIT("euc-"),      STR_INIT("iso-2022-jp"),
        STR_INIT("iso-2022-kr"), STR_INIT("shift"),     STR_INIT("sjis"),
        STR_INIT("tis-620"),     STR_INIT("macintosh"), STR_INIT("viscii"),
        STR_INIT("tcvn"),        STR_INIT("johab"),
    };
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (str_starts_with_nocase(label, families[i]))
            return true;
    return false;
}

/* Labels are names only: glibc would read "//TRANSLIT" or a path in them. */
static bool is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.:+()", c));
}

static iconv_t open_label(struct str label)
{
    const iconv_t none = (iconv_t)-1;
    const char *alias = alias_of(label);
    char name[LABEL_LEN_MAX];
    if (!alias) {
        for (size_t i = 0; i < label.len; i++)
            if (!is_label_char(label.ptr[i]))
                return none;
        if (!is_in_mail(label) || !str_copy_cstr(label, name, sizeof(name)))
            return none;
        alias = name;
    }
    return iconv_open("UTF-8", alias);
}

bool charset_is_known(struct str label)
{
    if (charset_is_plain(label))
        return true;
    iconv_t iconv = open_label(label);
    if (iconv == (iconv_t)-1)
        return false;
    iconv_close(iconv);
    return true;
}

struct charset_decoder *charset_decoder_new(struct str label)
{
    if (charset_is_plain(label))
        return NULL;
    iconv_t iconv = open_label(label);
    if (iconv == (iconv_t)-1)
        return NULL;
    struct charset_decoder *d = xcalloc(1, sizeof(*d));
    d->iconv = iconv;
    return d;
}

void charset_decoder_free(struct charset_decoder *d)
{
    if (!d)
        return;
    iconv_close(d->iconv);
    free(d);
}

/* Converts as much of `in` as is whole; invalid bytes become U+FFFD one by one. What is left at the
 * end is an unfinished character. */
static bool convert(struct charset_decoder *d, struct str *in, struct buf *out)
{
    while (in->len > 0) {
        size_t room = in->len * 4 + 16;
        if (room > 8192)
            room = 8192;
        char *to = buf_reserve(out, room);
        if (!to)
            return false;
        char *from = (char *)(uintptr_t)in->ptr; /* iconv does not write to its input */
        size_t from_left = in->len, to_left = room;
        size_t result = iconv(d->iconv, &from, &from_left, &to, &to_left);
        int error = errno;
        buf_commit(out, room - to_left);
        *in = str_skip(*in, in->len - from_left);
        if (result != (size_t)-1 || error == E2BIG)
            continue;
        if (error == EINVAL)
            return true;
        d->damaged = true;
        if (!buf_append(out, REPLACEMENT))
            return false;
        *in = str_skip(*in, 1);
    }
    return true;
}

/* Completes the unfinished character with the first bytes of `chunk`. */
static bool convert_pending(struct charset_decoder *d, struct str *chunk, struct buf *out)
{
    while (d->pending_len > 0 && chunk->len > 0) {
        d->pending[d->pending_len++] = chunk->ptr[0];
        *chunk = str_skip(*chunk, 1);
        struct str in = str_make(d->pending, d->pending_len);
        if (!convert(d, &in, out))
            return false;
        if (in.len == sizeof(d->pending)) { /* no character is that long */
            d->damaged = true;
            in.len = 0;
        }
        memmove(d->pending, in.ptr, in.len);
        d->pending_len = in.len;
    }
    return true;
}

bool charset_decoder_feed(struct charset_decoder *d, struct str chunk, struct buf *out)
{
    if (!convert_pending(d, &chunk, out) || !convert(d, &chunk, out))
        return false;
    while (chunk.len >= sizeof(d->pending)) {
        d->damaged = true;
        chunk = str_skip(chunk, 1);
        if (!buf_append(out, REPLACEMENT) || !convert(d, &chunk, out))
            return false;
    }
    if (chunk.len > 0) {
        memcpy(d->pending, chunk.ptr, chunk.len);
        d->pending_len = chunk.len;
    }
    return true;
}

bool charset_decoder_end(struct charset_decoder *d, struct buf *out)
{
    char *to = buf_reserve(out, 64);
    if (!to)
        return false;
    size_t left = 64;
    iconv(d->iconv, NULL, NULL, &to, &left); /* what a stateful charset still holds back */
    buf_commit(out, 64 - left);
    if (d->pending_len == 0)
        return true;
    d->pending_len = 0;
    d->damaged = true;
    return buf_append(out, REPLACEMENT);
}

bool charset_decode(struct str label, struct str text, struct arena *arena, struct str *ret_utf8)
{
    if (charset_is_plain(label)) {
        *ret_utf8 = text;
        return true;
    }
    struct charset_decoder *d = charset_decoder_new(label);
    if (!d)
        return false;
    struct buf out;
    buf_init(&out, text.len * 6 + 128);
    bool ok = charset_decoder_feed(d, text, &out) && charset_decoder_end(d, &out) && !d->damaged;
    if (ok) {
        *ret_utf8 = arena_copy(arena, buf_str(&out));
        ok = !str_is_null(*ret_utf8);
    }
    buf_release(&out);
    charset_decoder_free(d);
    return ok;
}
