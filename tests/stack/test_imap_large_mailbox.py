"""A mailbox so large that SELECT only counts its messages: numbers are those of SELECT all the same.

The rows are read with the first command that is about messages. Whatever other sessions did between
both, the client hears of it as if the rows had been known from the start.
"""
import random
import threading

import pytest

from test_imap_basics import Client
from test_imap_concurrent import Reader

COUNT = 1200  # more than the rows that come with SELECT


def append_many(client, mailbox, count):
    text = b"Subject: many\r\n\r\nhello\r\n"
    for _ in range(count // 100):
        literals = (b" {%d+}\r\n%s" % (len(text), text)) * 100
        assert b" OK " in client(f"APPEND {mailbox}".encode() + literals)[-1]


@pytest.fixture
def other(mailrail):
    """A client that has filled the mailbox, which nobody has opened so far."""
    with Client(mailrail.imaps_port, tls=True) as c:
        c("CREATE big")
        append_many(c, "big", COUNT)
        yield c


def select(mailrail, mailbox="big"):
    reader = Reader(mailrail.imaps_port)
    reader.do(f"SELECT {mailbox}")
    return reader


def test_numbers_are_those_of_select(mailrail, other):
    with select(mailrail) as reader:
        assert len(reader.uids) == COUNT
        other("SELECT big")
        other("STORE 1:10,700,1200 +FLAGS.SILENT (\\Deleted)")
        other("EXPUNGE")
        append_many(other, "big", 100)
        for number in (11, 699, 701, 1199):  # nobody has told otherwise
            line = b"* %d FETCH (UID %d)" % (number, number)
            assert reader.do(f"FETCH {number} (UID)", by_number=True)[0] == line
        reader.do("NOOP")
        assert len(reader.uids) == COUNT + 88
        reader.do("FETCH 1:* (UID)", by_number=True)
        assert reader.uids == [u for u in range(1, COUNT + 101) if not (u <= 10 or u in (700, 1200))]


def test_messages_that_went_before_their_rows_were_read(mailrail):
    with Client(mailrail.imaps_port, tls=True) as other:
        append_many(other, "INBOX", COUNT)
        with select(mailrail, "INBOX") as reader:
            other("RENAME INBOX elsewhere")  # moves all messages, and needs no rows for that
            assert len(reader.do("FETCH 1:* (UID)", by_number=True)) == 1
            assert reader.do("SEARCH ALL", by_number=True)[0] == b"* SEARCH"
            reader.do("NOOP")
            assert not reader.uids
            append_many(other, "INBOX", 100)
            reader.do("NOOP")
            assert len(reader.uids) == 100
            reader.do("FETCH 1:* (UID)", by_number=True)
            assert reader.uids == list(range(COUNT + 1, COUNT + 101))


def test_idle_tells_what_happens_to_what_was_counted(mailrail, other):
    with select(mailrail) as reader:
        reader.send(b"i IDLE\r\n")
        assert reader.line().startswith(b"+ ")
        other("SELECT big")
        other("STORE 5 +FLAGS.SILENT (\\Deleted)")
        other("CLOSE")
        line = reader.line()
        while not line.endswith(b"EXPUNGE\r\n"):
            line = reader.line()
        assert line == b"* 5 EXPUNGE\r\n"


def test_a_mailbox_that_is_deleted_before_its_rows_are_read(mailrail, other):
    with select(mailrail) as reader:
        assert b" OK " in other("DELETE big")[-1]
        assert b" NO " in reader("FETCH 1 (UID)")[-1]
        assert b" OK " in reader("CREATE another")[-1]
        assert b" OK " in reader("CLOSE")[-1]


def test_several_sessions_at_once(mailrail, other):
    problems = []

    def work(seed):
        chance = random.Random(seed)
        try:
            with select(mailrail) as reader:
                for _ in range(25):
                    reader.step(chance)
                reader.do("NOOP")
                reader.do("FETCH 1:* (UID)", by_number=True)
                assert None not in reader.uids
        except Exception as problem:  # of any kind, from any thread
            problems.append(f"session {seed}: {problem!r}")

    other("CREATE Archive")
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not problems, problems
