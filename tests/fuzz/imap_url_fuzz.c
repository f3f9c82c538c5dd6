/* Target function: imap_url_parse. Property: what is accepted names a mailbox and a message, and a
 * piece that has a length. */
#include "common/base/bug.h"
#include "services/imap/imap_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct err err;
    struct imap_url url;
    arena_init(&arena, 64 * 1024);
    if (imap_url_parse(str_make(data, size), &arena, &url, &err)) {
        BUG_ON(size > IMAP_URL_MAX || url.uid == 0 || url.mailbox.len == 0);
        BUG_ON(url.mailbox.len > size || url.user.len > size || url.host.len > size);
        BUG_ON(url.partial && url.count == 0);
    } else {
        BUG_ON(err.kind != ERR_SYNTAX && err.kind != ERR_LIMIT);
    }
    arena_release(&arena);
    return 0;
}
