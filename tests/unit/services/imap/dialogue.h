#ifndef TESTS_IMAP_DIALOGUE_H
#define TESTS_IMAP_DIALOGUE_H

#include "tests/unit/services/imap/world.h"

/*
 * Dialogues as RFC examples write them, against the whole service in one process. Each runs four
 * times: all bytes of a line at once or one by one, and with output that is never or always full.
 *
 *     "C: text"   the first session's client sends text and CRLF
 *     "C- text"   the same without CRLF: the bytes of a literal
 *     "S: text"   the next line that it gets; "%" stands for anything
 *     "C2: ..."   the same for the second session, "S2: ..." likewise
 *     "U: text"   lines are passed over up to one like this
 *     "N2:"       nothing has come for the second session
 *     "W:"        sessions that were woken run
 *     "D: text"   a message is delivered to Inbox, its body being text
 *     "M: text"   the same, text being the whole message, with "|" for line ends
 *     "A:" "B:"   store is away, store is back
 *     "H: NAME"   a capability is hidden from those who log in later
 *     "P: n"      store forgets that UID n vanished from Inbox
 *     "K: n"      UID n in Inbox gets the keyword "elsewhere", by another service
 *     "Y: n"      the stored structure of UID n in Inbox is damaged
 *     "Z: n"      its file is
 *     "V: n"      its prefix is
 *     "R:"        store is another one, without flags in Inbox; events were interrupted
 *     "Q: b m"    the quota is b bytes and m messages, 0 for none
 *     "X:"        the first session is closed
 */

/* `logged_in`: two sessions are, before the first line. The list ends with NULL. */
void dialogue_run(bool logged_in, const char *const *lines);

/* Delivers a message to Inbox. */
void dialogue_deliver(struct world *w, const char *body);

#define DIALOGUE(...) dialogue_run(true, (const char *const[]){__VA_ARGS__, NULL})
#define STRANGER(...) dialogue_run(false, (const char *const[]){__VA_ARGS__, NULL})

#define SELECT_INBOX(exists)                                                                       \
    "C: s SELECT INBOX", "S: * FLAGS %", "S: * OK %", "S: * 0 RECENT", "S: * " exists " EXISTS",   \
        "S: * OK %", "S: * OK %", "S: * %", "S: * OK [MAILBOXID %", "S: * LIST % Inbox",           \
        "S: * OK [HIGHESTMODSEQ %", "S: s OK %"
#define SELECT_EMPTY(n)                                                                            \
    "C" n ": s SELECT INBOX", "S" n ": * FLAGS %", "S" n ": * OK %", "S" n ": * 0 RECENT",         \
        "S" n ": * 0 EXISTS", "S" n ": * OK %", "S" n ": * OK %", "S" n ": * OK [MAILBOXID %",     \
        "S" n ": * LIST % Inbox", "S" n ": * OK [HIGHESTMODSEQ %", "S" n ": s OK %"

#endif
