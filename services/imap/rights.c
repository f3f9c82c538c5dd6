#include "services/imap/rights.h"

#include "services/imap/flags.h"

static const struct {
    char letter;
    unsigned right;
} letters[] = {
    {'l', RIGHT_LOOKUP},
    {'r', RIGHT_READ},
    {'s', RIGHT_SEEN},
    {'w', RIGHT_WRITE},
    {'i', RIGHT_INSERT},
    {'p', RIGHT_POST},
    {'k', RIGHT_CREATE},
    {'x', RIGHT_DELETE},
    {'t', RIGHT_DELETE_MESSAGES},
    {'e', RIGHT_EXPUNGE},
    {'c', RIGHT_CREATE | RIGHT_DELETE},
    {'d', RIGHT_DELETE_MESSAGES | RIGHT_EXPUNGE},
    {'a', RIGHT_ADMINISTER},
};

static unsigned right_of(char letter)
{
    for (size_t i = 0; i < ARRAY_LEN(letters); i++)
        if (letters[i].letter == letter)
            return letters[i].right;
    return 0;
}

bool rights_parse(struct str text, unsigned *ret)
{
    unsigned rights = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned right = right_of(text.ptr[i]);
        if (right == 0)
            return false;
        rights |= right;
    }
    *ret = rights;
    return true;
}

unsigned rights_flags(unsigned rights)
{
    unsigned flags = 0;
    if (rights & RIGHT_SEEN)
        flags |= FLAG_SEEN;
    if (rights & RIGHT_DELETE_MESSAGES)
        flags |= FLAG_DELETED;
    if (rights & RIGHT_WRITE)
        flags |= (unsigned)FLAG_ALL & ~(unsigned)(FLAG_SEEN | FLAG_DELETED);
    return flags;
}

void rights_write(struct buf *out, unsigned rights)
{
    for (size_t i = 0; i < ARRAY_LEN(letters); i++)
        if (rights & letters[i].right)
            buf_append_char(out, letters[i].letter);
}

void rights_write_apart(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
        if (i > 0)
            buf_append_char(out, ' ');
        buf_append_char(out, letters[i].letter);
    }
}
