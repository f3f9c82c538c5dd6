"""CONDSTORE (RFC 7162) over the whole system, with two sessions: modseqs are told, and agree."""
import re

import pytest

from test_imap_basics import Client


def modseq(lines, what=rb"HIGHESTMODSEQ"):
    """The last number that the lines give after `what`."""
    return int(re.findall(what + rb" \(?(\d+)", b"\n".join(lines))[-1])


@pytest.fixture
def pair(mailrail):
    with Client(mailrail.imaps_port, tls=True) as a, Client(mailrail.imaps_port, tls=True) as b:
        for _ in range(4):
            a.append()
        yield a, b


def test_changes_since_a_modseq(pair):
    a, b = pair
    seen = modseq(a("SELECT INBOX (CONDSTORE)"))
    assert a("FETCH 1:* FLAGS (CHANGEDSINCE %d)" % seen)[:-1] == []
    b("SELECT INBOX")
    assert b"MODSEQ" not in b("STORE 2,4 +FLAGS (\\Seen)")[0], "this client knows no CONDSTORE"
    told = a("NOOP")[:-1]
    new = modseq(told, b"MODSEQ")
    assert new > seen
    want = [b"* %d FETCH (UID %d FLAGS (\\Seen) MODSEQ (%d))" % (n, n, new) for n in (2, 4)]
    assert told == want, "both were changed at once"
    assert a("FETCH 1:* FLAGS (CHANGEDSINCE %d)" % seen)[:-1] == want
    assert a("UID SEARCH MODSEQ %d" % new)[0] == b"* SEARCH 2 4 (MODSEQ %d)" % new
    assert modseq(a("STATUS INBOX (HIGHESTMODSEQ)")) == new
    a("STORE 2 +FLAGS (\\Seen)")
    assert modseq(a("STATUS INBOX (HIGHESTMODSEQ)")) == new, "nothing changed"


def test_conditional_store(pair):
    a, b = pair
    seen = modseq(a("SELECT INBOX"))
    b("SELECT INBOX")
    b("STORE 3 +FLAGS (\\Answered)")
    lines = a("STORE 1:4 (UNCHANGEDSINCE %d) +FLAGS.SILENT (\\Deleted)" % seen)
    assert b" OK [MODIFIED 3] " in lines[-1], lines
    assert lines[0].startswith(b"* OK [HIGHESTMODSEQ %d]" % seen), "the first use enables"
    assert [re.match(rb"\* (\d) FETCH", line)[1] for line in lines[1:-2]] == [b"1", b"2", b"3", b"4"]
    assert b"[HIGHESTMODSEQ %d]" % seen in lines[-2], "what the other changed was not told but for 3"
    assert b"FLAGS (\\Answered)" in lines[3]
    assert b" OK [HIGHESTMODSEQ " in a("UID EXPUNGE 1")[-1]
    last = a("CLOSE")
    assert modseq(a("EXAMINE INBOX")) == modseq(last)
    assert a("UID FETCH 1:* FLAGS")[:-1] == [b"* 1 FETCH (UID 3 FLAGS (\\Answered))"]


def test_idle_and_new_messages_have_modseqs(pair):
    a, b = pair
    a("ENABLE CONDSTORE")
    a("SELECT INBOX")
    a.send("i IDLE\r\n")
    assert a.line().startswith(b"+")
    b.append()
    assert a.line() == b"* 5 EXISTS\r\n"
    assert re.match(rb"\* 5 FETCH \(UID 5 FLAGS \(\) MODSEQ \(\d+\)\)\r\n", a.line())
    a.send("DONE\r\n")
    assert a.line().startswith(b"i OK")


def test_keywords_of_a_store_that_comes_too_late_are_known_to_the_mailbox(pair):
    a, _ = pair
    a("SELECT INBOX")
    assert b" OK [MODIFIED 1] " in a("STORE 1 (UNCHANGEDSINCE 1) +FLAGS (late)")[-1]
    [flags] = [line for line in a("SELECT INBOX") if line.startswith(b"* FLAGS ")]
    assert b" late" in flags
    assert b"late" not in a("FETCH 1 FLAGS")[0]


def flags_of(lines):
    """The FETCH lines with flags: [(message, its flags)]."""
    return re.findall(rb"\* (\d) FETCH \(UID \d FLAGS \((.*?)\)", b"\n".join(lines))


@pytest.mark.parametrize("select", ["SELECT INBOX", "SELECT INBOX (CONDSTORE)"])
@pytest.mark.parametrize("by", ["", "UID "])
def test_own_changes_come_once_beside_those_of_others(pair, select, by):
    """Spec 20 1.21: a session does not hear of its own STORE, also when another's change waits."""
    a, b = pair
    a(select)
    b("SELECT INBOX")
    b("UID STORE 1 +FLAGS (k1)")
    theirs = [(b"1", b"k1")]
    lines = a(f"{by}STORE 2 +FLAGS.SILENT (\\Flagged)")
    assert (b"* 2 FETCH (UID 2 MODSEQ (" in b"".join(lines)) == ("CONDSTORE" in select)
    assert flags_of(lines) == (theirs if by else [])
    assert flags_of(a("NOOP")) == ([] if by else theirs)
    b("UID STORE 1 +FLAGS (k2)")
    theirs, own = [(b"1", b"k1 k2")], [(b"2", b"\\Flagged k3")]
    assert flags_of(a(f"{by}STORE 2 +FLAGS (k3)")) == (own + theirs if by else own)
    assert flags_of(a("NOOP")) == ([] if by else theirs)
    # The same message: what the other did must come, before and after.
    b("UID STORE 3 +FLAGS (k1)")
    assert flags_of(a(f"{by}STORE 3:4 +FLAGS.SILENT (\\Seen)")) == [(b"3", b"\\Seen k1")]
    b("UID STORE 4 +FLAGS (k2)")
    assert flags_of(a("NOOP")) == [(b"4", b"\\Seen k2")]
    assert flags_of(a("NOOP")) == []
