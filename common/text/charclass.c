#include "common/text/charclass.h"

enum {
    DIGIT = 1 << 0,
    ALPHA = 1 << 1,
    HEX = 1 << 2,
    BLANK = 1 << 3,
    ATEXT = 1 << 4,
    QTEXT = 1 << 5,
    MIME_TOKEN = 1 << 6,
    IMAP_ATOM = 1 << 7,
};

/* One row for each set of characters that belong to the same classes. */
#define VISIBLE_ALNUM (ATEXT | QTEXT | MIME_TOKEN | IMAP_ATOM)

/* clang-format off */
#define EACH_DIGIT(bits) \
    ['0'] = (bits), ['1'] = (bits), ['2'] = (bits), ['3'] = (bits), ['4'] = (bits), \
    ['5'] = (bits), ['6'] = (bits), ['7'] = (bits), ['8'] = (bits), ['9'] = (bits)
#define EACH_HEX_LETTER(bits) \
    ['A'] = (bits), ['B'] = (bits), ['C'] = (bits), ['D'] = (bits), ['E'] = (bits), \
    ['F'] = (bits), ['a'] = (bits), ['b'] = (bits), ['c'] = (bits), ['d'] = (bits), \
    ['e'] = (bits), ['f'] = (bits)
#define EACH_OTHER_LETTER(bits) \
    ['g'] = (bits), ['h'] = (bits), ['i'] = (bits), ['j'] = (bits), ['k'] = (bits), \
    ['l'] = (bits), ['m'] = (bits), ['n'] = (bits), ['o'] = (bits), ['p'] = (bits), \
    ['q'] = (bits), ['r'] = (bits), ['s'] = (bits), ['t'] = (bits), ['u'] = (bits), \
    ['v'] = (bits), ['w'] = (bits), ['x'] = (bits), ['y'] = (bits), ['z'] = (bits), \
    ['G'] = (bits), ['H'] = (bits), ['I'] = (bits), ['J'] = (bits), ['K'] = (bits), \
    ['L'] = (bits), ['M'] = (bits), ['N'] = (bits), ['O'] = (bits), ['P'] = (bits), \
    ['Q'] = (bits), ['R'] = (bits), ['S'] = (bits), ['T'] = (bits), ['U'] = (bits), \
    ['V'] = (bits), ['W'] = (bits), ['X'] = (bits), ['Y'] = (bits), ['Z'] = (bits)
/* clang-format on */

static const uint16_t classes[256] = {
    ['\t'] = BLANK,
    [' '] = BLANK | QTEXT,
    EACH_DIGIT(DIGIT | HEX | VISIBLE_ALNUM),
    EACH_HEX_LETTER(ALPHA | HEX | VISIBLE_ALNUM),
    EACH_OTHER_LETTER(ALPHA | VISIBLE_ALNUM),
    ['!'] = VISIBLE_ALNUM,
    ['"'] = 0,
    ['#'] = VISIBLE_ALNUM,
    ['$'] = VISIBLE_ALNUM,
    ['%'] = ATEXT | QTEXT | MIME_TOKEN,
    ['&'] = VISIBLE_ALNUM,
    ['\''] = VISIBLE_ALNUM,
    ['('] = QTEXT,
    [')'] = QTEXT,
    ['*'] = ATEXT | QTEXT | MIME_TOKEN,
    ['+'] = VISIBLE_ALNUM,
    [','] = QTEXT | IMAP_ATOM,
    ['-'] = VISIBLE_ALNUM,
    ['.'] = QTEXT | MIME_TOKEN | IMAP_ATOM,
    ['/'] = ATEXT | QTEXT | IMAP_ATOM,
    [':'] = QTEXT | IMAP_ATOM,
    [';'] = QTEXT | IMAP_ATOM,
    ['<'] = QTEXT | IMAP_ATOM,
    ['='] = ATEXT | QTEXT | IMAP_ATOM,
    ['>'] = QTEXT | IMAP_ATOM,
    ['?'] = ATEXT | QTEXT | IMAP_ATOM,
    ['@'] = QTEXT | IMAP_ATOM,
    ['['] = QTEXT | IMAP_ATOM,
    ['\\'] = 0,
    [']'] = QTEXT,
    ['^'] = VISIBLE_ALNUM,
    ['_'] = VISIBLE_ALNUM,
    ['`'] = VISIBLE_ALNUM,
    ['{'] = ATEXT | QTEXT | MIME_TOKEN,
    ['|'] = VISIBLE_ALNUM,
    ['}'] = VISIBLE_ALNUM,
    ['~'] = VISIBLE_ALNUM,
};

static bool has(unsigned char c, unsigned class_bits)
{
    return (classes[c] & class_bits) != 0;
}

bool is_digit(unsigned char c)
{
    return has(c, DIGIT);
}

bool is_alpha(unsigned char c)
{
    return has(c, ALPHA);
}

bool is_alnum(unsigned char c)
{
    return has(c, ALPHA | DIGIT);
}

bool is_hex_digit(unsigned char c)
{
    return has(c, HEX);
}

bool is_space_or_tab(unsigned char c)
{
    return has(c, BLANK);
}

bool is_visible(unsigned char c)
{
    return c > 0x20 && c < 0x7f;
}

bool is_printable(unsigned char c)
{
    return c >= 0x20 && c < 0x7f;
}

bool is_atext(unsigned char c)
{
    return has(c, ATEXT);
}

bool is_atext_utf8(unsigned char c)
{
    return has(c, ATEXT) || c >= 0x80;
}

bool is_qtext(unsigned char c)
{
    return has(c, QTEXT);
}

bool is_qtext_utf8(unsigned char c)
{
    return has(c, QTEXT) || c >= 0x80;
}

bool is_ftext(unsigned char c)
{
    return is_visible(c) && c != ':';
}

bool is_mime_token(unsigned char c)
{
    return has(c, MIME_TOKEN);
}

bool is_domain_text(unsigned char c)
{
    return is_alnum(c) || c == '-' || c == '.' || c >= 0x80;
}

bool is_imap_atom(unsigned char c)
{
    return has(c, IMAP_ATOM);
}

bool is_imap_astring(unsigned char c)
{
    return has(c, IMAP_ATOM) || c == ']';
}

bool is_imap_list(unsigned char c)
{
    return is_imap_astring(c) || c == '%' || c == '*';
}

bool is_imap_tag(unsigned char c)
{
    return is_imap_astring(c) && c != '+';
}
