"""The right to read is withdrawn while a FETCH is under way (RFC 4314): the command ends as one that failed, no more."""
import re

import pytest

from conftest import wait_until
from test_imap_acl import SHARED, User, ann, bob, grant  # noqa: F401 (fixtures)

COUNT = 300
BODY = b"0123456789abcdef" * 4095 + b"\r\n"  # all of it is more than sockets and buffers hold


@pytest.fixture
def much(ann):
    """A shared mailbox with much in it; each message says which it is."""
    for first in range(0, COUNT, 50):
        letters = [b"Subject: %d\r\n\r\n" % n + BODY for n in range(first + 3, first + 53)]
        ann.ok(b"APPEND team" + b"".join(b" {%d+}\r\n%s" % (len(letter), letter) for letter in letters))
    return ann


@pytest.mark.parametrize("rights", ["l", ""], ids=["r", "l-and-r"])
@pytest.mark.parametrize("what", ["BODY.PEEK[]", "(FLAGS BODYSTRUCTURE BODY.PEEK[TEXT])"], ids=["body", "structure"])
def test_the_right_to_read_goes_during_fetch(much, bob, rights, what):
    grant(much, "lr")
    bob.ok(f"SELECT {SHARED}")
    bob.send(f"f UID FETCH 3:* {what}\r\n")
    lines = [bob.answer_line()]
    grant(much, rights)
    while not lines[-1].startswith(b"f "):
        lines.append(bob.answer_line())
        assert lines[-1], "the connection was closed"
    fetched = [re.match(rb"\* (\d+) FETCH \(UID (\d+) (.*)\)\r\n$", line, re.S) for line in lines if b" FETCH (" in line[:20]]
    assert all(fetched) and 0 < len(fetched) < COUNT, [line[:60] for line in lines[-3:]]
    for number, match in enumerate(fetched, 3):
        assert (int(match[1]), int(match[2])) == (number, number), "in their order, none left out"
        assert match[3].count(BODY) == 1, match[3][:100]
        assert what != "BODY.PEEK[]" or b"Subject: %d\r\n" % number in match[3]
    assert lines[-1].startswith(b"f NO [NOPERM]"), lines[-1]
    bob.no("FETCH 3 FLAGS")
    bob.no("UID FETCH 3 BODY[]")
    grant(much, "lr")
    wait_until(lambda: b" OK " in bob("FETCH 3 FLAGS")[-1], 10, "the right")
    assert BODY in bob.ok("UID FETCH 3 BODY.PEEK[]")[-2]
    bob.ok("SELECT INBOX")


def test_ids_of_messages_that_may_not_be_read_any_more(much, bob):
    """What store does not tell is left out, not made up."""
    grant(much, "lr")
    bob.ok(f"SELECT {SHARED}")
    ids = [line for line in bob.ok("UID FETCH 3:* EMAILID") if b" FETCH (" in line]
    assert len(set(re.search(rb"EMAILID \((\S+)\)", line)[1] for line in ids)) == COUNT
    bob.send("".join(f"e{i} UID FETCH 3:* EMAILID\r\n" for i in range(100)))
    lines = [bob.answer_line()]
    grant(much, "")
    lines += bob.answer(b"e99")
    known = {line.partition(b" FETCH ")[2] for line in ids}
    told = {line.rstrip(b"\r\n").partition(b" FETCH ")[2] for line in lines if b" FETCH (" in line}
    assert told and told <= known
    wait_until(lambda: b" NO [NOPERM]" in bob("UID FETCH 3:* EMAILID")[-1], 10, "the withdrawal")
