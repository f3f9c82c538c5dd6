#ifndef COMMON_MAIL_STRUCTURE_H
#define COMMON_MAIL_STRUCTURE_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/mail/envelope.h"
#include "common/mail/parameter.h"

/*
 * What is known of a message without reading its text again: the tree of its MIME parts with their
 * places in the bytes, its envelope, and what threads and lists need.
 *
 * Parsing never fails, because every message must be shown. Whatever is wrong with a part marks
 * that part `damaged` and leaves it usable (docs/mime.md lists the cases). Three limits keep
 * hostile messages cheap: beyond them a part is one opaque APPLICATION/OCTET-STREAM. Time is linear
 * in the size of the message.
 *
 * The structs mirror proto/message.proto, in which form structures are stored and sent. All texts
 * are valid UTF-8 without NUL. Everything is in the arena of the call, nothing borrows from the
 * message, and it is read-only afterwards.
 *
 *     const struct structure *s = structure_parse(message, &arena);
 *     for (const struct part *p = s->root; p; p = part_next(p))
 *         if (part_is_leaf(p))
 *             show(p->type, str_slice(message, p->body_offset, part_body_size(p)));
 *
 * Offsets count from the first byte that was parsed. A reader of a stored message whose row has a
 * prefix adds the prefix's size to them; only the root's header then starts at 0 all the same.
 */

/* Raised with every change of what the parser makes of a message: stored ones are then parsed anew.
 * 2: NUL ends no delimiter; an extended parameter without charset keeps its value.
 * 3: of a list of very many addresses the first are kept. */
#define STRUCTURE_VERSION 3
#define STRUCTURE_DEPTH_MAX 100   /* parts within parts */
#define STRUCTURE_PARTS_MAX 10000 /* in one message */
#define STRUCTURE_PREVIEW_MAX 256 /* characters */
/* An arena of this size suffices for parsing and encoding any message and for a copy of the bytes,
 * or for decoding any structure. With less, large structures end opaque earlier. */
#define STRUCTURE_ARENA_SIZE (16u << 20)

/* One MIME part. MULTIPART parts have at least one child; MESSAGE/RFC822 and MESSAGE/GLOBAL always
 * have `message` and its `envelope`; what cannot keep that promise is APPLICATION/OCTET-STREAM. */
struct part {
    uint64_t header_offset; /* of its header section */
    uint64_t body_offset;   /* just after the empty line */
    uint64_t end_offset;    /* end of the body, without the line end before the next boundary */
    uint64_t lines;         /* raw lines of the body */
    uint64_t
        decoded_size;   /* of a leaf, its transfer encoding undone; of text, with CRLF line ends */
    struct str type;    /* upper case; empty when there is no Content-Type field */
    struct str subtype; /* upper case */
    struct parameter *params;
    struct str id; /* STR_NULL when absent, as all below */
    struct str description;
    struct str encoding; /* upper case */
    struct str md5;
    struct str disposition; /* upper case */
    struct parameter *disposition_params;
    struct str *languages;
    size_t language_count;
    struct str location;
    bool damaged;
    struct part *parent;
    struct part *first;        /* child of a multipart */
    struct part *next;         /* sibling */
    struct part *message;      /* of MESSAGE/RFC822 and MESSAGE/GLOBAL: the top part inside */
    struct envelope *envelope; /* with `message`: of its header */
};

struct structure {
    uint32_t version; /* of the parser; reparse when it is not STRUCTURE_VERSION */
    struct envelope *envelope;
    struct part *root;
    struct str message_id_canonical; /* message_id.h; STR_NULL when there is none */
    struct str *references_canonical;
    size_t reference_count;
    struct str subject_base; /* subject.h */
    bool subject_is_reply;
    bool is_dsn;         /* multipart/report with a delivery-status part (RFC 3464) */
    struct str preview;  /* first words of the text, lines ending in LF */
    bool needs_smtputf8; /* a header section has a byte outside ASCII */
};

/* Making. */

/* Never NULL, for an arena with at least 64 KiB left; uses at most three quarters of what is left.
 */
const struct structure *structure_parse(struct str message, struct arena *arena);

/* The same for a message in front of which header fields will stand (`prefix`: whole fields with
 * their line ends, no empty line). Fields that the prefix adds count as the message's own for the
 * envelope and threads (submission adds Date and Message-ID so); offsets are those of `message`
 * alone. */
const struct structure *structure_parse_prefixed(struct str prefix, struct str message,
                                                 struct arena *arena);

/* True when any part is damaged: what a strict receiver refuses. */
bool structure_is_damaged(const struct structure *s);

/* Storing: the bytes of a mailrail.Structure. */

/* Appends to `out`. ERR_LIMIT when `out` or the arena (scratch) is too small. */
bool structure_encode(const struct structure *s, struct arena *arena, struct buf *out,
                      struct err *err) MUST_USE;
/* In arena, its texts borrowed from `bytes`. ERR_CORRUPT when the bytes are none that
 * structure_encode makes (offsets that are not nested, too deep): readers may rely on the promises
 * above. */
bool structure_decode(struct str bytes, struct arena *arena, const struct structure **ret_structure,
                      struct err *err) MUST_USE;

/* Pieces of the bytes, for those who ask much of many messages: bits by the numbers of the fields
 * of mailrail.Structure. */
#define STRUCTURE_LEAST (1u << 1) /* the version: they are there, and not all damaged */
#define STRUCTURE_ENVELOPE (1u << 2)
#define STRUCTURE_PARTS (1u << 3)
#define STRUCTURE_PREVIEW (1u << 9)
#define STRUCTURE_ALL UINT32_MAX
#define STRUCTURE_HEAD (STRUCTURE_ALL & ~STRUCTURE_PARTS)

/* Only these pieces of the bytes, in arena; bytes that are damaged as they are. STR_NULL when the
 * arena is full. */
struct str structure_pick(struct str bytes, uint32_t pieces, struct arena *arena);
/* As structure_decode, of these pieces: without their pieces `envelope` and `root` are NULL. */
bool structure_decode_pieces(struct str bytes, uint32_t pieces, struct arena *arena,
                             const struct structure **ret_structure, struct err *err) MUST_USE;

/* Reading. */

/* Every part of the message, parents first, in the order of the bytes, nested messages included;
 * NULL after the last. Start with the root. */
const struct part *part_next(const struct part *p);

/* The part with section number `path` (RFC 9051 6.4.5.1): {1, 2} is "1.2". The empty path is the
 * root; 1 of what is no multipart is that part itself; below a nested message the numbers are those
 * of its parts. NULL when there is no such part. */
const struct part *structure_find(const struct structure *s, const uint32_t *path, size_t len);

bool part_is_multipart(const struct part *p);
/* MESSAGE/RFC822 or MESSAGE/GLOBAL. */
bool part_is_message(const struct part *p);
/* Neither of both: it has content of its own. */
bool part_is_leaf(const struct part *p);
/* TEXT/subtype, or no Content-Type at all when `subtype` is PLAIN. An empty `subtype` means any. */
bool part_is_text(const struct part *p, struct str subtype);
static inline uint64_t part_body_size(const struct part *p)
{
    return p->end_offset - p->body_offset;
}

/* The file name: of Content-Disposition, else the name of Content-Type; encoded words in it are
 * decoded as well, as is common. STR_NULL when there is none. In arena or borrowed. */
struct str part_filename(const struct part *p, struct arena *arena);

#endif
