"""Commands that change more messages than store remembers one by one: nobody who has the mailbox misses any.

Some messages have already what the command sets, and keep their modseq.
"""
import re

import pytest

from test_imap_basics import Client
from test_imap_condstore import modseq
from test_imap_large_mailbox import append_many
from test_imap_qresync import uidvalidity

COUNT = 5000  # more than CHANGE_LOG_MAX (services/store/change_log.h)
FETCH = re.compile(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)(?: MODSEQ \((\d+)\))?\)")


def told(lines):
    """UID -> flags and modseq, of the FETCH lines; each message once."""
    found = {}
    for line in lines:
        match = FETCH.match(line)
        if match:
            assert int(match[1]) not in found, line
            found[int(match[1])] = (frozenset(match[2].split()), int(match[3] or 0))
    return found


def without_modseq(state):
    return {uid: (flags, 0) for uid, (flags, _) in state.items()}


class Mailbox:
    """The mailbox as a session sees it that asks for everything, and what changed since it asked before."""

    def __init__(self, client):
        self.client = client
        self.modseq = modseq(client("SELECT INBOX (CONDSTORE)"))
        self.state = self.read()

    def read(self):
        return told(self.client("UID FETCH 1:* (FLAGS MODSEQ)"))

    def changed(self):
        before, self.state = self.state, self.read()
        return {uid: now for uid, now in self.state.items() if before.get(uid) != now}


@pytest.fixture
def sessions(mailrail):
    with Client(mailrail.imaps_port, tls=True) as writer, Client(mailrail.imaps_port, tls=True) as idle, \
            Client(mailrail.imaps_port, tls=True) as noop, Client(mailrail.imaps_port, tls=True) as back:
        append_many(writer, "INBOX", COUNT)
        # Half of the first 3000 have the flag, in ranges and one by one.
        writer("SELECT INBOX")
        writer("UID STORE 1:1000,%s +FLAGS.SILENT (\\Seen)" % ",".join(str(uid) for uid in range(1001, 2001, 2)))
        idle("ENABLE CONDSTORE")
        back("ENABLE QRESYNC")
        yield writer, idle, noop, back


STORES = [
    "UID STORE 1:* +FLAGS.SILENT (\\Seen)",  # 3500 of 5000 change
    "UID STORE 1:* +FLAGS.SILENT (\\Flagged)",  # all
    "UID STORE 1:* -FLAGS.SILENT (\\Seen)",
    "UID STORE 1:4999 +FLAGS.SILENT (\\Answered $Junk)",  # looked at one by one
    "UID STORE 1:* +FLAGS.SILENT (word)",
    "UID STORE 1:* FLAGS.SILENT (\\Seen)",
    "UID STORE 1:* (UNCHANGEDSINCE {before}) +FLAGS.SILENT (\\Draft)",
]


def until_all(client, count):
    """Lines that come unasked, until so many messages were told."""
    lines, found = [], 0
    while found < count:
        lines.append(client.line())
        assert lines[-1], f"closed after {found} of {count}"
        found += bool(FETCH.match(lines[-1]))
    return lines


def check_store(sessions, store):
    writer, idle, noop, back = sessions
    lines = back("SELECT INBOX")
    seen, validity = modseq(lines), uidvalidity(lines)
    back("CLOSE")
    mailbox = Mailbox(writer)
    assert mailbox.modseq == seen
    for client in (idle, noop):
        client("SELECT INBOX")
    idle.send("i IDLE\r\n")
    assert idle.line().startswith(b"+ ")
    assert b" OK " in writer(store.format(before=seen))[-1]
    want = mailbox.changed()
    assert len(want) > 1000 and {m for _, m in want.values()} == {modseq(writer("STATUS INBOX (HIGHESTMODSEQ)"))}
    assert told(until_all(idle, len(want))) == want
    idle.send("DONE\r\n")
    assert not told(idle.answer(b"i")), "nothing is told twice"
    assert told(noop("NOOP")) == without_modseq(want)
    assert not told(noop("NOOP"))
    assert told(idle(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {seen})")) == want
    assert told(back(f"SELECT INBOX (QRESYNC ({validity} {seen}))")) == want


def test_every_session_hears_of_each_message_that_changed(sessions):
    for store in STORES:
        check_store(sessions, store)


def test_what_came_in_several_commands(sessions):
    """Most is forgotten when the last changes come, which are remembered; one session is told of all at once."""
    writer, idle, noop, back = sessions
    lines = back("SELECT INBOX")
    seen, validity = modseq(lines), uidvalidity(lines)
    back("CLOSE")
    noop("SELECT INBOX")
    mailbox = Mailbox(writer)
    writer("UID STORE 1:* +FLAGS.SILENT (\\Seen)")
    middle = modseq(writer("STATUS INBOX (HIGHESTMODSEQ)"))
    writer("UID STORE 1:2500 +FLAGS.SILENT (\\Flagged)")
    writer("UID STORE 7,9,4000 +FLAGS.SILENT (\\Answered)")
    writer("UID STORE 1:* +FLAGS.SILENT (\\Seen)")  # changes nothing
    writer("UID STORE 4990:* +FLAGS.SILENT (\\Deleted)")
    writer("EXPUNGE")
    want = mailbox.changed()
    assert len(want) == COUNT - 11
    lines = noop("NOOP")
    assert told(lines) == without_modseq(want) and sum(line.endswith(b"EXPUNGE") for line in lines) == 11
    lines = back(f"SELECT INBOX (QRESYNC ({validity} {seen}))")
    assert told(lines) == want and b"* VANISHED (EARLIER) 4990:5000" in lines
    late = {uid: now for uid, now in want.items() if now[1] > middle}
    assert len(late) == 2501
    assert told(back(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {middle})")) == late
    assert told(back(f"SELECT INBOX (QRESYNC ({validity} {middle}))")) == late
