#ifndef SERVICES_IMAP_SECTION_H
#define SERVICES_IMAP_SECTION_H

#include "common/mail/structure.h"
#include "common/text/cursor.h"
#include "services/imap/message.h"

/*
 * Pieces of a message (RFC 9051 6.4.5.1): "1.2.HEADER.FIELDS (FROM TO)".
 *
 * A section is parsed once for a command, and for each message becomes content: bytes in memory,
 * followed by a piece of the message's file.
 */

enum section_text {
    SECTION_ALL, /* the part itself */
    SECTION_HEADER,
    SECTION_FIELDS,
    SECTION_FIELDS_NOT,
    SECTION_TEXT,
    SECTION_MIME,
};

struct section {
    const uint32_t *path; /* part numbers */
    size_t depth;
    enum section_text text;
    const struct str *fields; /* of SECTION_FIELDS and SECTION_FIELDS_NOT */
    size_t field_count;
};

/* section = "[" [section-spec] "]" */
struct section section_take(struct cursor *c, struct arena *arena);
/* section-binary = "[" [section-part] "]" */
struct section section_take_binary(struct cursor *c, struct arena *arena);
/* Appends "[1.2.TEXT]". */
void section_write(const struct section *section, struct buf *out);

/* True when the message's structure is needed to find the section. */
bool section_needs_structure(const struct section *section);

struct content {
    struct str head; /* first these bytes */
    uint64_t offset; /* then these of the file */
    uint64_t len;
    bool has_nul; /* of decoded content: NUL is among the bytes */
};
static inline uint64_t content_size(const struct content *content)
{
    return content->head.len + content->len;
}
/* Only the bytes from `offset` on, at most `count`. */
void content_slice(struct content *content, uint64_t offset, uint64_t count);

/* The bytes of the section. What must be put together goes to `scratch`. ERR_NOT_FOUND when the
 * message has no such section. */
bool section_find(const struct section *section, struct message *message, struct buf *scratch,
                  struct content *ret, struct err *err) MUST_USE;
/* The same with the transfer encoding undone (RFC 3516). ERR_STATE for an encoding that is not
 * known. */
bool section_find_decoded(const struct section *section, struct message *message,
                          struct buf *scratch, struct content *ret, struct err *err) MUST_USE;
/* BINARY.SIZE */
bool section_decoded_size(const struct section *section, struct message *message, uint64_t *ret,
                          struct err *err) MUST_USE;

#endif
