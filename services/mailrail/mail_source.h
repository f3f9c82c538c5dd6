#ifndef SERVICES_MAILRAIL_MAIL_SOURCE_H
#define SERVICES_MAILRAIL_MAIL_SOURCE_H

#include "common/auth/hmac.h"
#include "common/base/array.h"
#include "common/base/err.h"
#include "common/mail/address.h"
#include "common/mail/mail_flags.h"

/*
 * Mail to be imported, as it lies in the file system of whoever imports it: an mbox file, a Maildir
 * with its subfolders, or a directory with any of them. Listed first, in an order that is the same
 * each time, then read from any position.
 *
 *     DIR/Work.mbox            mailbox Work
 *     DIR/Letters/cur, new     mailbox Letters
 *     DIR/Letters/.Old.2019/   mailbox Letters/Old/2019 (Maildir++: level_name.h)
 *
 * A position is a number of bytes in all files together, one after the other.
 */

struct mail_file { /* of a Maildir */
    struct str name;
    bool is_cur; /* in cur/, not in new/ */
    uint64_t size;
    int64_t mtime_s;
};

struct mail_source {
    struct str mailbox;
    struct str path;
    bool is_maildir;
    uint64_t start; /* its position */
    uint64_t size;
    struct mail_file *files; /* of a Maildir */
    size_t file_count;
};

struct mail_sources {
    ARRAY_OF(struct mail_source) items;
    uint64_t size;     /* of all */
    uint64_t messages; /* in Maildirs: those in mbox files are not counted */
    /* Another one when a file came, went, or changed its size. */
    struct digest fingerprint;
};

/* `mailbox` is where it goes: the mailbox of an mbox file or Maildir, that above the mailboxes of a
 * directory. Empty: by the names of files, and Inbox for a Maildir. Strings in arena. */
bool mail_sources_find(const char *path, struct str mailbox, struct arena *arena,
                       struct mail_sources *ret, struct err *err) MUST_USE;
void mail_sources_release(struct mail_sources *sources);

/* One message as it is read; all borrowed. */
struct incoming {
    const struct mail_source *source;
    struct str text; /* with CRLF */
    const struct mail_flags *flags;
    int64_t received_s;
    struct address mail_from; /* of the envelope; both parts empty: none is known */
    struct str structure;     /* as stored (common/mail/structure.h) */
    uint64_t position;        /* behind it */
};

/* Reads from a position that an earlier message had, 0 for all. ERR_SYNTAX and others name file and
 * byte. Warnings (lines of keyword files) go to standard error. */
typedef bool take_message(void *ctx, const struct incoming *message, struct err *err);
bool mail_sources_read(const struct mail_sources *sources, uint64_t position, take_message *take,
                       void *ctx, struct err *err) MUST_USE;

#endif
