"""QRESYNC (RFC 7162 3.2) over the whole system: a client that was away catches up, and two that are
there see what vanishes."""
import random
import re

import pytest

from test_imap_basics import Client
from test_imap_condstore import modseq


@pytest.fixture
def pair(mailrail):
    with Client(mailrail.imaps_port, tls=True) as a, Client(mailrail.imaps_port, tls=True) as b:
        for _ in range(6):
            a.append()
        for client in (a, b):
            assert client("ENABLE QRESYNC")[0] == b"* ENABLED QRESYNC CONDSTORE"
        yield a, b


def uidvalidity(lines):
    return int(re.search(rb"UIDVALIDITY (\d+)", b"\n".join(lines))[1])


def uids(text):
    """The numbers of a set."""
    found = set()
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_catching_up(pair):
    a, b = pair
    lines = a("SELECT INBOX")
    seen, validity = modseq(lines), uidvalidity(lines)
    a("CLOSE")
    b("SELECT INBOX")
    b("UID STORE 2,3 +FLAGS.SILENT (\\Deleted)")
    last = b("EXPUNGE")
    assert last[0] == b"* VANISHED 2:3" and b" OK [HIGHESTMODSEQ " in last[-1]
    b("UID STORE 5 +FLAGS.SILENT (\\Flagged)")
    told = a(f"SELECT INBOX (QRESYNC ({validity} {seen}))")
    after = told[[b"HIGHESTMODSEQ" in line for line in told].index(True) + 1:-1]
    new = modseq(told)
    assert after == [b"* VANISHED (EARLIER) 2:3",
                     b"* 3 FETCH (UID 5 FLAGS (\\Flagged) MODSEQ (%d))" % new]
    assert b"VANISHED" not in b"".join(a(f"SELECT INBOX (QRESYNC ({validity} {seen} 1,4:6))"))
    assert b"VANISHED" not in b"".join(a(f"SELECT INBOX (QRESYNC ({validity + 1} {seen}))"))
    assert a(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {seen} VANISHED)")[:-1] == after
    inconsistent = a(f"SELECT INBOX (QRESYNC ({validity} {new} 5:6 (1,2 1,3)))")
    assert inconsistent[-4].startswith(b"* OK [ALERT]") and inconsistent[-3:-1] == after


def test_an_inconsistent_client_hears_of_all_that_is_gone(pair):
    """What it missed may have gone before the message by which that is noticed: both are named."""
    a, b = pair
    validity = uidvalidity(a("SELECT INBOX"))
    a("CLOSE")
    b("SELECT INBOX")
    for uid in (3, 1):
        b(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
        last = b(f"UID EXPUNGE {uid}")
    claimed = int(re.search(rb"HIGHESTMODSEQ (\d+)", last[-1])[1])
    told = a(f"SELECT INBOX (QRESYNC ({validity} {claimed} 1:6 (1:6 1:6)))")
    assert any(line.startswith(b"* OK [ALERT]") for line in told)
    assert [line for line in told if b"VANISHED" in line] == [b"* VANISHED (EARLIER) 1,3"]
    # Also when the first that is gone is none that it should know of, and another is.
    told = a(f"SELECT INBOX (QRESYNC ({validity} {claimed - 1} 1:6 (1:6 1:6)))")
    assert any(line.startswith(b"* OK [ALERT]") for line in told)
    assert [line for line in told if b"VANISHED" in line] == [b"* VANISHED (EARLIER) 1,3"]
    # What went after its modseq is no inconsistency.
    told = a(f"SELECT INBOX (QRESYNC ({validity} {claimed - 1} 1:6 (1,2,4:6 1,2,4:6)))")
    assert not any(b"ALERT" in line for line in told)
    assert [line for line in told if b"VANISHED" in line] == [b"* VANISHED (EARLIER) 1"]


def test_both_see_what_vanishes(pair):
    a, b = pair
    a("SELECT INBOX")
    b("SELECT INBOX")
    a.send("i IDLE\r\n")
    assert a.line().startswith(b"+")
    moved = b("MOVE 1:2 Archive")
    assert moved[1] == b"* VANISHED 1:2" and b" OK [HIGHESTMODSEQ " in moved[-1]
    assert a.line() == b"* VANISHED 1:2\r\n"
    b("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert a.line().startswith(b"* 1 FETCH (UID 3 FLAGS (\\Deleted) MODSEQ (")
    last = b("CLOSE")
    assert a.line() == b"* VANISHED 3\r\n"
    a.send("DONE\r\n")
    assert a.line().startswith(b"i OK")
    assert modseq(a("STATUS INBOX (HIGHESTMODSEQ)")) == modseq(last)


def test_a_copy_that_is_resynchronized_is_the_mailbox(pair):
    """A model of a disconnected client, against many random changes by another."""
    a, b = pair
    chance = random.Random(7)
    copy, validity, seen = {}, 0, 1
    b("SELECT INBOX")
    for turn in range(25):
        for _ in range(chance.randint(1, 4)):
            what = chance.choice(("append", "flag", "flag", "expunge", "move"))
            uid = chance.randint(1, 6 + turn)
            if what == "append":
                b.append()
            elif what == "flag":
                b(f"UID STORE {uid} {chance.choice('+-')}FLAGS.SILENT (\\Flagged \\Seen)")
            elif what == "move":
                b(f"UID MOVE {uid} Archive")
            else:
                b(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
                b("EXPUNGE")
        known = f" {','.join(map(str, sorted(copy)))}" if copy and chance.random() < 0.5 else ""
        lines = a(f"SELECT INBOX (QRESYNC ({validity or uidvalidity(b('STATUS INBOX (UIDVALIDITY)'))} "
                  f"{seen}{known}))")
        told = b"\n".join(lines)
        if known:  # flags of messages that the client does not know are not told then
            told += b"\n" + b"\n".join(a(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {seen})"))
        for gone in re.findall(rb"VANISHED \(EARLIER\) ([\d,:]+)", told):
            for uid in uids(gone):
                copy.pop(uid, None)
        for uid, flags in re.findall(rb"FETCH \(UID (\d+) FLAGS \(([^)]*)\)", told):
            copy[int(uid)] = flags
        validity, seen = uidvalidity(lines), modseq(lines)
        truth = re.findall(rb"FETCH \(UID (\d+) FLAGS \(([^)]*)\)", b"\n".join(a("UID FETCH 1:* (FLAGS)")))
        assert copy == {int(uid): flags for uid, flags in truth}, f"turn {turn}"
