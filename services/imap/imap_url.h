#ifndef SERVICES_IMAP_IMAP_URL_H
#define SERVICES_IMAP_IMAP_URL_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "services/imap/section.h"

/*
 * URLs of messages and of their parts (RFC 5092), as CATENATE takes them:
 *
 *     /Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.2
 *     imap://ann%40example.org@mail.example.org/INBOX/;UID=7/;PARTIAL=0.1024
 *
 * A pure parser: whether host and user are ours, and whether there is such a message, is for others
 * to say. URLs with an access authorisation (RFC 4467) are refused.
 */

#define IMAP_URL_MAX 4096

struct imap_url {
    struct str user; /* decoded; STR_NULL: none */
    struct str host; /* STR_NULL: a relative URL */
    struct str mailbox;
    uint32_t uidvalidity; /* 0: not said */
    uint32_t uid;
    struct section section;
    bool partial;
    uint64_t offset;
    uint64_t count; /* UINT64_MAX: all that follows */
};

/* In arena. ERR_SYNTAX says what was expected. */
bool imap_url_parse(struct str text, struct arena *arena, struct imap_url *ret,
                    struct err *err) MUST_USE;

#endif
