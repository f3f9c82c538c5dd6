#ifndef SERVICES_MAILRAIL_MAIL_TARGET_H
#define SERVICES_MAILRAIL_MAIL_TARGET_H

#include "common/mail/line_ends.h"
#include "common/mail/maildir.h"
#include "common/mail/mbox.h"
#include "common/base/err.h"

#include <stdio.h>

/*
 * A mailbox that is being written: a Maildir, or an mbox file.
 *
 *     mail_target_open(&t, is_mbox, "out/Letters", err);
 *     for each message: mail_target_begin(...); mail_target_write(...) any number of times;
 *                       mail_target_end(...)
 *     mail_target_close(&t, err);
 */

struct mail_target {
    bool is_mbox;
    char path[4096]; /* of the Maildir, or of the file */
    FILE *file;      /* the mbox file, or the message being written */
    struct arena arena;
    struct maildir_keywords keywords;
    /* The message. */
    char file_path[4600];
    int64_t received_s;
    struct line_ends line_ends;
    struct mbox_writer writer;
    struct buf out;
};

struct outgoing {
    uint64_t id;
    int64_t received_s;
    struct str mail_from;
    const struct mail_flags *flags;
};

/* Makes what is missing of the path (for an mbox file, without ".mbox"). ERR_CONFLICT when the
 * mailbox is there. */
bool mail_target_open(struct mail_target *t, bool is_mbox, const char *path,
                      struct err *err) MUST_USE;
bool mail_target_begin(struct mail_target *t, const struct outgoing *m, struct err *err) MUST_USE;
bool mail_target_write(struct mail_target *t, struct str bytes, struct err *err) MUST_USE;
bool mail_target_end(struct mail_target *t, struct err *err) MUST_USE;
/* Writes what is left; also after a failure, to free what it has. */
bool mail_target_close(struct mail_target *t, struct err *err) MUST_USE;

#endif
