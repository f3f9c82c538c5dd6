#ifndef COMMON_MAIL_MAIL_FLAGS_H
#define COMMON_MAIL_MAIL_FLAGS_H

#include "common/base/arena.h"

/*
 * Flags of a message as files of mail carry them (mbox.h, maildir.h): well-known ones are bits,
 * with the values of MessageFlag in proto/mailboxes.proto; anything else is a keyword.
 */

enum mail_flag {
    MAIL_SEEN = 1,
    MAIL_ANSWERED = 2,
    MAIL_FLAGGED = 4,
    MAIL_DELETED = 8,
    MAIL_DRAFT = 16,
    MAIL_FORWARDED = 32,
    MAIL_JUNK = 64,
    MAIL_NOTJUNK = 128,
    MAIL_PHISHING = 256,
    MAIL_MDNSENT = 512,
};

#define MAIL_KEYWORDS_MAX 128
#define MAIL_KEYWORD_LEN_MAX 255

struct mail_flags {
    uint32_t bits;
    struct str keywords[MAIL_KEYWORDS_MAX]; /* lower case, each once */
    size_t keyword_count;
};

/* Adds what a word names: "forwarded", "junk", "notjunk" or "nonjunk", "phishing", "mdnsent", in
 * any case and with or without "$"; else a keyword, lower-cased, in arena. What cannot be a keyword
 * (spec 20 1.8), or does not fit, is dropped. */
void mail_flags_add_word(struct mail_flags *flags, struct str word, struct arena *arena);

/* The words of those bits that formats have no letter for ("$Forwarded" to "$MDNSent"), by number
 * from 0; `ret_bit` gets its bit. STR_NULL past the last. "$Junk" and "$NotJunk" together say
 * nothing: callers leave out both (mail_flags_words_of). */
struct str mail_flags_word(size_t number, uint32_t *ret_bit);
/* The bits that are written as words. */
uint32_t mail_flags_words_of(uint32_t bits);

#endif
