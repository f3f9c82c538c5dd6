#ifndef SERVICES_STORE_MESSAGE_TEXT_H
#define SERVICES_STORE_MESSAGE_TEXT_H

#include "common/service/spool.h"

/*
 * The text of a message as its receiver hands it over (proto/delivery.proto): a file that it wrote
 * and synced under spool/, and keeps; or, when it is small, bytes that come along in the call.
 */

#define MESSAGE_CONTENT_MAX SPOOL_MEMORY_MAX
#define MESSAGE_SIZE_MAX (1ull << 32)
#define MESSAGE_FILE_MODE 0640

struct message_text {
    struct str spool_name; /* empty: it is `content`, */
    struct str path;       /* or this file of ours, which no caller can name (NUL-terminated) */
    struct str content;
    uint64_t size;
};

/* What comes in a call, of one of `receivers` (services; NULL ends them), who may give only files
 * of their own. ERR_SYNTAX: a bad name, both or too much of the two, another size than was
 * announced; ERR_DENIED: another's file; ERR_LIMIT: above MESSAGE_SIZE_MAX. */
bool message_text_check(const struct message_text *text, const char *const *receivers,
                        struct err *err) MUST_USE;

static inline bool message_text_is_content(const struct message_text *text)
{
    return text->spool_name.len == 0 && text->path.len == 0;
}

/* Makes the file `path` of a checked text: a link of the spool file, or a new one. Nothing but a
 * regular file is taken: whoever can write to spool/ reaches no other file through store. Its bytes
 * are on disk then, its name once the directory is synced. ERR_CONFLICT when `path` is there
 * already; ERR_NOT_FOUND without the spool file; ERR_SYNTAX when that has another size;
 * ERR_NO_SPACE. What a failure leaves at `path` is the caller's to remove. */
bool message_text_place(const struct message_text *text, struct str data, const char *path,
                        struct err *err) MUST_USE;
/* The same of content, in a file that is opened with `how` (O_CREAT | O_EXCL, or 0 for an empty one
 * that is there). The caller syncs and closes *ret_fd. */
bool message_text_write(const struct message_text *text, const char *path, int how, int *ret_fd,
                        struct err *err) MUST_USE;

#endif
