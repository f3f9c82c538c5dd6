"""Several sessions change one mailbox at the same time: message numbers never lie.

Each client keeps the list that RFC 9051 tells it to keep: EXISTS makes it longer, EXPUNGE takes an
entry out, FETCH tells the UID of a number. Whatever the server says must fit to that list.
"""
import random
import re
import threading
import time

from conftest import PASSWORD
from test_imap_basics import LETTER, Client

USER = "ann@example.org"
SECONDS = 8


class Reader(Client):
    """A client with the list of UIDs that it knows; None for a UID that it was not told."""

    def __init__(self, port):
        super().__init__(port, tls=True)
        self.uids = []
        self.by_number = False

    def hear(self, line):
        if match := re.match(rb"\* (\d+) EXISTS", line):
            assert int(match[1]) >= len(self.uids), "EXISTS went down"
            self.uids += [None] * (int(match[1]) - len(self.uids))
        elif match := re.match(rb"\* (\d+) EXPUNGE", line):
            assert not self.by_number, "EXPUNGE while numbers are used"
            assert 1 <= int(match[1]) <= len(self.uids)
            self.uids.pop(int(match[1]) - 1)
        elif match := re.match(rb"\* (\d+) FETCH \(UID (\d+)", line):
            number, uid = int(match[1]), int(match[2])
            assert number <= len(self.uids), f"message {number} of {len(self.uids)}"
            assert self.uids[number - 1] in (None, uid), f"{number} was {self.uids[number - 1]}"
            self.uids[number - 1] = uid

    def do(self, command, by_number=False):
        self.by_number = by_number
        lines = self(command)
        for line in lines:
            self.hear(line)
        assert b" OK " in lines[-1] or b" NO " in lines[-1], lines[-1]
        return lines

    def step(self, chance):
        number = chance.randint(1, len(self.uids)) if self.uids else 0
        what = chance.choice(("append", "append", "store", "store", "expunge", "fetch", "fetch", "search",
                              "noop", "uid", "move"))
        if what == "append":
            self.do(b"APPEND INBOX {%d+}\r\n%s" % (len(LETTER), LETTER))
        elif what == "store" and number:
            flag = chance.choice(("\\Deleted", "\\Seen", "\\Flagged", "word"))
            self.do(f"STORE {number} {chance.choice('+-')}FLAGS ({flag})", by_number=True)
        elif what == "expunge" and len(self.uids) > 20:
            self.do("EXPUNGE")
        elif what == "fetch" and number:
            self.do(f"FETCH {number}:* (UID FLAGS)", by_number=True)
        elif what == "search" and number:
            found = self.do(f"SEARCH {number} FLAGGED", by_number=True)[0]
            assert found in (b"* SEARCH", b"* SEARCH %d" % number)
        elif what == "uid":
            self.do("UID FETCH 1:* (FLAGS)")
        elif what == "move" and len(self.uids) > 20:
            self.do(f"MOVE {number} Archive")
        else:
            self.do("NOOP")


def test_numbers_never_lie(mailrail):
    problems = []
    stop = time.monotonic() + SECONDS

    def work(seed):
        chance = random.Random(seed)
        try:
            with Reader(mailrail.imaps_port) as reader:
                reader.do("SELECT INBOX")
                reader.do("FETCH 1:* (UID)" if reader.uids else "NOOP")
                while time.monotonic() < stop and not problems:
                    reader.step(chance)
                # When all is quiet, what the client believes is what is there.
                time.sleep(0.5)
                reader.do("NOOP")
                fresh = Reader(mailrail.imaps_port)
                fresh.do("SELECT INBOX")
                if fresh.uids:
                    fresh.do("FETCH 1:* (UID)")
                known = [a if b is None else b for a, b in zip(fresh.uids, reader.uids)]
                finals.append((seed, known, fresh.uids, len(reader.uids)))
                fresh.close()
        except Exception as problem:  # of any kind, from any thread
            problems.append(f"session {seed}: {problem!r}")

    finals = []
    with Client(mailrail.imaps_port, tls=True) as c:
        for _ in range(10):
            c.append()
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not problems, problems
    assert len(finals) == 6
