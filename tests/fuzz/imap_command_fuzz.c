/* Target: the whole session, from bytes to answers, against a store in memory. The first byte says
 * in which state the client begins, how its bytes arrive, and when output is full. */
#include "tests/unit/services/imap/world.h"

#include "common/base/bug.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str message = STR_INIT(
    "From: a@example.org\r\nSubject: =?utf-8?q?x?=\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nbody\r\n"
    "--b\r\nContent-Transfer-Encoding: base64\r\nContent-Type: a/b\r\n\r\nAAEC\r\n--b--\r\n");

enum {
    LOGGED_IN = 1,
    SELECTED = 2,
    BYTE_BY_BYTE = 4,
    ALWAYS_FULL = 8,
    ENABLED = 16,
};

/* One directory for all inputs: files of an earlier one are overwritten. */
static char directory[] = "/tmp/mailrail-imap-XXXXXX";

static void remove_directory(void)
{
    world_remove_data(directory);
}

static void make_directory(void)
{
    static bool made;
    if (made)
        return;
    made = true;
    BUG_ON(!mkdtemp(directory) || atexit(remove_directory) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct world w;
    unsigned how = data[0];
    make_directory();
    world_init_in(&w, how & ALWAYS_FULL ? 1 : 1 << 18, directory);
    for (int i = 0; i < 3; i++)
        fake_backend_deliver(w.server.backend, STR("Inbox"), STR("X: y\r\n"), message);
    struct session *s = world_session(&w, 0);
    if (how & (LOGGED_IN | SELECTED))
        fake_session_feed(s, STR("x LOGIN me@localhost secret\r\n"), 0);
    if (how & ENABLED)
        fake_session_feed(s, STR("x ENABLE IMAP4rev2\r\n"), 0);
    if (how & SELECTED)
        fake_session_feed(s, STR("x SELECT INBOX\r\n"), 0);
    fake_session_feed(s, str_make(data + 1, size - 1), how & BYTE_BY_BYTE ? 1 : 0);
    fake_session_wake(s);
    world_release(&w);
    return 0;
}
