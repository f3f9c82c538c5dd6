#ifndef COMMON_MAIL_MAILDIR_H
#define COMMON_MAIL_MAILDIR_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/mail/mail_flags.h"

/*
 * Names of files in Maildirs, and the file that says what letters mean (spec 20 4.2, 4.5).
 *
 *     1642966915.1.h:2,FSa     received at that time, flagged, seen, and the keyword of letter a
 *     0 $Forwarded             a line of the file MAILDIR_KEYWORDS_FILE: letter a
 *
 * In cur/ and new/ a file is a message with LF as line end.
 */

#define MAILDIR_KEYWORDS_FILE "dovecot-keywords"
#define MAILDIR_KEYWORDS_MAX 26

struct maildir_name {
    struct str unique; /* what stands before the flags; borrows */
    bool has_time;
    int64_t time_s;
    uint32_t bits;    /* enum mail_flag */
    uint32_t letters; /* bit 0 is a */
};

struct maildir_name maildir_parse_name(struct str name);

/* What letters mean; an empty word is a letter without meaning. */
struct maildir_keywords {
    struct str words[MAILDIR_KEYWORDS_MAX];
};

/* One line of the keyword file, without its line end. ERR_SYNTAX says what is wrong with it: bad,
 * repeated, out of range; nothing is set then. An empty line is fine. Words in arena. */
bool maildir_keywords_line(struct maildir_keywords *k, struct str line, struct arena *arena,
                           struct err *err) MUST_USE;

/* The flags that name and keywords say together. Keywords in arena. */
void maildir_flags(const struct maildir_name *name, const struct maildir_keywords *k,
                   struct mail_flags *flags, struct arena *arena);

/* ---- Writing */

/* Letters of what `flags` has and a name has no letter for, given out in the order of first use;
 * what comes when all 26 are used has none. Words in arena. */
uint32_t maildir_letters(struct maildir_keywords *k, const struct mail_flags *flags,
                         struct arena *arena);
/* Appends "TIME.ID.mailrail:2,FLAGS". */
bool maildir_write_name(struct buf *out, int64_t time_s, uint64_t id, uint32_t bits,
                        uint32_t letters) MUST_USE;
/* Appends the keyword file. */
bool maildir_write_keywords(struct buf *out, const struct maildir_keywords *k) MUST_USE;

#endif
