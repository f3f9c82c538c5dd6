"""Contexts (RFC 5267) over the whole system: a client that only follows updates knows what a new
search would find."""
import random
import re

import pytest

from test_imap_basics import Client


@pytest.fixture
def pair(mailrail):
    with Client(mailrail.imaps_port, tls=True) as a, Client(mailrail.imaps_port, tls=True) as b:
        a("CREATE watched")
        yield a, b
        b("UNSELECT")
        a("UNSELECT")
        a("DELETE watched")


def letter(subject):
    return b"Subject: %s\r\nFrom: a@x\r\n\r\nbody of %s\r\n" % (subject, subject)


def numbers(text):
    """Of a set, in its order."""
    result = []
    for part in text.decode().split(","):
        first, _, last = part.partition(":")
        result += range(int(first), int(last or first) + 1)
    return result


class Result:
    """What a client keeps of one search: message numbers or UIDs."""

    def __init__(self, client, command, by_uid):
        answer = client(command)
        assert b" OK " in answer[-1], answer[-1]
        self.tag = client.tags
        self.by_uid = by_uid
        found = re.search(rb" ALL (\S+)", answer[0])
        self.items = numbers(found[1]) if found else []

    def follow(self, line):
        expunged = re.fullmatch(rb"\* (\d+) EXPUNGE", line)
        if expunged and not self.by_uid:
            number = int(expunged[1])
            assert number not in self.items, "removed before its number changed"
            self.items = [n - (n > number) for n in self.items]
        if line.startswith(b'* ESEARCH (TAG "t%d")' % self.tag):
            for what, pairs in re.findall(rb"(ADDTO|REMOVEFROM) \(([^)]*)\)", line):
                words = pairs.split()
                for place, text in zip(words[::2], words[1::2]):
                    self.change(what == b"ADDTO", int(place), numbers(text))

    def change(self, adds, place, items):
        if place == 0:
            rest = [n for n in self.items if n not in items]
            assert len(rest) == len(self.items) - (0 if adds else len(items))
            self.items = sorted(rest + items) if adds else rest
        elif adds:
            self.items[place - 1:place - 1] = items
        else:
            assert self.items[place - 1:place - 1 + len(items)] == items
            del self.items[place - 1:place - 1 + len(items)]


SEARCHES = (
    ("UID SEARCH", "UNSEEN", True),
    ("SEARCH", "OR FLAGGED KEYWORD k", False),
    ("UID SEARCH", "BODY 3 UNDELETED", True),
    ("UID SORT", "(SUBJECT) UTF-8 UNSEEN", True),
    ("SORT", "(REVERSE SUBJECT DATE) UTF-8 NOT FLAGGED", False),
)


def test_updates_are_enough(pair):
    """Many changes by another session; nothing but the lines that come unasked is used."""
    a, b = pair
    chance = random.Random(5267)
    for n in range(20):
        a.append("watched", letter(b"s%d" % chance.randrange(8)))
    for client in pair:
        client("SELECT watched")
    results = []
    for verb, keys, by_uid in SEARCHES:
        options, _, program = keys.rpartition("UTF-8 ")
        words = f"{options}UTF-8 {program}" if options else program
        results.append(Result(a, f"{verb} RETURN (UPDATE ALL) {words}", by_uid))
    for turn in range(40):
        for _ in range(chance.randrange(1, 5)):
            change(b, chance)
        for line in a("NOOP"):
            for result in results:
                result.follow(line)
        for (verb, keys, by_uid), result in zip(SEARCHES, results):
            fresh = Result(a, f"{verb} RETURN (ALL) {keys}", by_uid)
            assert result.items == fresh.items, f"turn {turn}, {verb} {keys}"


def change(client, chance):
    what = chance.randrange(6)
    uid = chance.randrange(1, 60)
    if what == 0:
        client.append("watched", letter(b"s%d" % chance.randrange(8)))
    elif what == 1:
        client(f"UID STORE {uid}:{uid + 3} +FLAGS.SILENT (\\Deleted)")
        client("EXPUNGE")
    else:
        sign = chance.choice("+-")
        flag = chance.choice(("\\Seen", "\\Flagged", "k"))
        client(f"UID STORE {uid}:{uid + chance.randrange(10)} {sign}FLAGS.SILENT ({flag})")


def test_in_idle(pair):
    a, b = pair
    a.append("watched", letter(b"one"))
    for client in pair:
        client("SELECT watched")
    a("UID SEARCH RETURN (UPDATE COUNT) ANSWERED")
    tag = a.tags
    a.send("i IDLE\r\n")
    assert a.line().startswith(b"+ ")
    b("STORE 1 +FLAGS.SILENT (\\Answered)")
    assert a.line().startswith(b"* 1 FETCH (UID 1 FLAGS (\\Answered")
    assert a.line() == b'* ESEARCH (TAG "t%d") UID ADDTO (0 1)\r\n' % tag
    b("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert a.line().startswith(b"* 1 FETCH (UID 1 FLAGS (\\Answered \\Deleted")
    b("EXPUNGE")
    assert a.line() == b'* ESEARCH (TAG "t%d") UID REMOVEFROM (0 1)\r\n' % tag
    assert a.line() == b"* 1 EXPUNGE\r\n"
    a.send("DONE\r\n")
    assert a.line().startswith(b"i OK")
    assert b" OK " in a(f'CANCELUPDATE "t{tag}"')[-1]


def test_a_limit_of_contexts(pair):
    a, _ = pair
    a("SELECT watched")
    answers = [a("SEARCH RETURN (UPDATE COUNT) ALL") for _ in range(12)]
    refused = [b"* NO [NOUPDATE" in b"".join(answer) for answer in answers]
    assert not refused[0] and refused[-1]
    assert all(b" OK " in answer[-1] for answer in answers)
