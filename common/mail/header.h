#ifndef COMMON_MAIL_HEADER_H
#define COMMON_MAIL_HEADER_H

#include "common/base/arena.h"
#include "common/base/str.h"

/*
 * The header section of a message or a MIME part (RFC 5322 2.2), walked in place.
 *
 * A section is a run of fields that ends after the first empty line, or with the text. Nothing is
 * copied: fields borrow from the text. Lines end in CRLF; a bare LF is accepted as well. A line
 * that is neither a field nor the continuation of one is skipped and noted in `malformed`, with its
 * continuations; the walk goes on, because the rest of the header is worth having.
 *
 *     struct header_walk walk = header_walk_init(message);
 *     struct header_field field;
 *     while (header_next(&walk, &field))
 *         if (str_eq_nocase(field.name, STR("Subject")))
 *             subject = header_unfold(field.raw_value, &arena);
 *     struct str body = str_skip(message, walk.body_offset);
 */

#define HEADER_LINE_LEN_MAX 8192 /* longer lines are read, and counted as malformed */

struct header_field {
    struct str name;      /* as written, without the colon and blanks before it */
    struct str raw_value; /* from after the colon to before the last line end, folds included */
    size_t offset;        /* of the name, in the walked text */
    size_t size;          /* of the whole field with its last line end */
};

struct header_walk {
    struct str text;
    size_t at;
    /* Final when header_next has returned false: */
    size_t body_offset; /* just after the empty line; the text's length when there is none */
    bool has_end;       /* the empty line is there */
    bool malformed;     /* a line was skipped or too long, or the last line has no line end */
    bool has_8bit;      /* a byte outside ASCII occurs in the section */
};

struct header_walk header_walk_init(struct str text);
/* The next field, or false at the end of the section. */
bool header_next(struct header_walk *walk, struct header_field *ret_field);

/* Looking up, ASCII case ignored. `header` may be a whole message. */

/* The first field of that name. */
bool header_find(struct str header, struct str name, struct header_field *ret_field);
/* How many fields have that name. */
size_t header_count(struct str header, struct str name);
/* Length of the header section with its empty line. */
size_t header_size(struct str message);

/* The value without line ends: each fold (a line end and the blanks around it) is one space, blanks
 * at both ends are dropped. In arena, or a piece of `raw_value` when it has no fold; STR_NULL when
 * the arena is full. */
struct str header_unfold(struct str raw_value, struct arena *arena);
#define HEADER_TEXT_LEN_MAX (64u << 10)

/* The same as text for storing and showing, in arena always: valid UTF-8 without NUL (utf8_repair),
 * made of the first HEADER_TEXT_LEN_MAX bytes. */
struct str header_text(struct str raw_value, struct arena *arena);

#endif
