#ifndef SERVICES_STORE_EXPORT_H
#define SERVICES_STORE_EXPORT_H

#include "services/store/account.h"

/*
 * Messages as an export writes them (proto/transfer.proto): what stands in front of the file, who
 * sent it, and the file's bytes.
 */

#define EXPORT_IDS_MAX 1000
#define EXPORT_TEXT_MAX (1u << 20)
#define EXPORT_REPLY_MAX (8u << 20) /* bytes of small messages in one reply */

struct export_message {
    uint64_t id;
    bool is_found;
    struct str prefix;
    struct str mail_from; /* as in MAIL FROM; empty: null or unknown */
    uint64_t file_size;
    struct str content; /* the file, when it has at most MESSAGE_CONTENT_MAX bytes */
    struct str error;   /* why there is no file; empty: there is */
};

/* In arena; what cannot be read says so in `error`. `*ret_count` of them fit. */
bool export_messages(struct account *account, const uint64_t *ids, size_t count,
                     struct arena *arena, struct export_message *ret, size_t *ret_count,
                     struct err *err) MUST_USE;

/* At most EXPORT_TEXT_MAX bytes of the message's file; empty at its end. In arena. */
bool export_text(struct account *account, uint64_t id, uint64_t offset, struct arena *arena,
                 struct str *ret, struct err *err) MUST_USE;

#endif
