#ifndef SERVICES_IMAP_MESSAGE_H
#define SERVICES_IMAP_MESSAGE_H

#include "common/mail/structure.h"
#include "common/sys/file.h"
#include "services/imap/view.h"

/*
 * A message being read: its row, its prefix, and its file on the read-only volume, opened when it
 * is first needed. Bytes 0 to prefix.len of the message are the prefix, the rest is the file.
 */

struct message {
    struct str data; /* the data directory */
    uint64_t account_id;
    const struct view_message *row;
    struct str prefix;
    const struct structure *structure; /* NULL unless it was asked for and can be decoded */
    bool structure_damaged;            /* it cannot */
    bool prefix_damaged;               /* its size is not what the row says: nor is there a text */
    uint64_t email_id;                 /* 0 unless anything of its row was asked for */
    uint64_t thread_id;                /* 0 too of another's (RFC 8474 5.2) */
    int fd;                            /* -1: not open */
    struct file_map map;               /* empty unless message_map was called */
};

static inline uint64_t message_file_size(const struct message *m)
{
    return m->row->size - m->row->prefix_size;
}

/* Is the structure that was asked for there? ERR_NOT_FOUND when the message is gone; ERR_CORRUPT
 * when it is damaged. */
bool message_need_structure(const struct message *m, struct err *err) MUST_USE;
/* Opens the file. ERR_NOT_FOUND when it is gone; ERR_CORRUPT when its size, or the prefix's, is not
 * what the row says. */
bool message_open(struct message *m, struct err *err) MUST_USE;
/* The whole file. */
bool message_map(struct message *m, struct str *ret, struct err *err) MUST_USE;
/* Appends bytes of the file. */
bool message_read(struct message *m, uint64_t offset, size_t len, struct buf *out,
                  struct err *err) MUST_USE;
/* Closes what was opened. */
void message_close(struct message *m);

#endif
