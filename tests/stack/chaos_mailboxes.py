#!/usr/bin/python3
"""chaos.py with everything that changes mailboxes: services die also under COPY, EXPUNGE, APPEND, imports, and moves
and copies from one account to another and back.

Besides what chaos.py proves, for each account:

- what was expunged with an OK stays gone;
- a copy is there as often as COPY was answered with OK, or as it was asked for without an answer;
- what moved between accounts is there once, after a MOVE without an answer too (docs/decisions/0027);
- messages of one APPEND of several, and of one import, are all there or none;
- a QRESYNC client that comes back after each failure with what it was told has exactly the mailbox in the end: no
  modseq was told for what was not on disk, and none is given twice.

    tests/stack/chaos_mailboxes.py --rounds 500
"""
import collections
import random
import re
import sys
import tempfile
import time

import chaos
from sessions_model import numbers

COPIES = "Copies"
IMPORTED = "Imported"
SHARED = "Shared"  # of each account: the one before moves messages there, and back
FOREIGN = "Foreign"  # of each account: the one before copies messages there


class Ledger(chaos.Ledger):
    def __init__(self):
        super().__init__()
        self.leaving = collections.defaultdict(set)  # asked to be expunged
        self.gone = collections.defaultdict(set)  # that, answered with OK
        self.copies_asked = collections.defaultdict(collections.Counter)  # by user and mailbox
        self.copies = collections.defaultdict(collections.Counter)
        self.groups = []  # (user, message ids) that come together or not at all

    def add_group(self, user, idents):
        for ident in idents:
            self.attempt(user, ident)
        with self.lock:
            self.groups.append((user, idents))


class Work(chaos.Load):
    """The load of chaos.py, with readers that do more, a follower and an importer for each account."""

    def __init__(self, system, senders, readers, seed, pause):
        super().__init__(system, senders, readers, seed, pause)
        self.ledger = Ledger()
        self.serial = 0
        self.done = collections.Counter()  # what readers and importers did
        self.followers = [Follower(system, user) for user in system.users]
        self.add((self.follow, i) for i in range(len(system.users)))
        self.add([(self.import_all, 0)])

    def number(self):
        with self.ledger.lock:
            self.serial += 1
            return self.serial

    # Readers.

    def read_once(self, imap, chance):
        user = imap.user
        what = chance.choice((self.move, self.append, self.copy, self.expunge, self.go_across, self.come_back))
        what(imap, user, chance)
        self.done[what.__name__] += 1

    def move(self, imap, user, chance):
        super().read_once(imap, chance)

    def append(self, imap, user, chance):
        idents = [f"append.{self.number()}.{n}@chaos.example" for n in range(chance.choice((1, 1, 5)))]
        texts = [message(user, ident, chance.choice((10, 3000, 100000))) for ident in idents]
        self.ledger.add_group(user, idents)
        imap.command(b"APPEND %s %s" % (chance.choice(chaos.MAILBOXES).encode(),
                                        b" ".join(b"{%d+}\r\n%s" % (len(text), text) for text in texts)))
        for ident in idents:
            self.ledger.acknowledge(user, ident)

    def some(self, imap, box, chance, most):
        """UIDs and message ids of some messages."""
        imap.command(f"SELECT {box}")
        pairs = read_idents(imap)
        return dict(chance.sample(pairs, min(len(pairs), most)))

    def copy(self, imap, user, chance):
        some = self.some(imap, chance.choice(chaos.MAILBOXES), chance, 3)
        if not some:
            return
        box = chance.choice((COPIES, FOREIGN))
        with self.ledger.lock:
            self.ledger.copies_asked[user, box].update(some.values())
        target = COPIES if box == COPIES else others(neighbour(self.system, user), FOREIGN)
        imap.command(f"UID COPY {','.join(map(str, some))} {target}")
        code = re.search(rb"\[COPYUID \d+ ([\d:,]+) ", imap.tagged)
        with self.ledger.lock:
            self.ledger.copies[user, box].update(some[uid] for uid in (numbers(code[1]) if code else []))

    def put_aside(self, imap, chance):
        """Some messages, in a mailbox that only this connection uses, so that nobody takes one out between."""
        some = self.some(imap, chance.choice(chaos.MAILBOXES), chance, 3)
        if not some:
            return []
        box = f"Leaving-{self.number()}"
        imap.command(f"CREATE {box}")
        imap.command(f"UID MOVE {','.join(map(str, some))} {box}")
        imap.command(f"SELECT {box}")
        return [ident for _, ident in read_idents(imap)]

    def cross(self, imap, count, uids, target):
        imap.command(f"UID MOVE {uids} {target}")
        with self.ledger.lock:
            self.done["crossed"] += count

    def go_across(self, imap, user, chance):
        idents = self.put_aside(imap, chance)
        if idents:
            self.cross(imap, len(idents), "1:*", others(neighbour(self.system, user), SHARED))

    def come_back(self, imap, user, chance):
        """Of the same messages as another reader of this account, perhaps."""
        some = self.some(imap, others(neighbour(self.system, user), SHARED), chance, 3)
        if some:
            self.cross(imap, len(some), ",".join(map(str, some)), chance.choice(chaos.MAILBOXES))

    def expunge(self, imap, user, chance):
        idents = self.put_aside(imap, chance)
        with self.ledger.lock:
            self.ledger.leaving[user].update(idents)
        if idents:
            imap.command(r"STORE 1:* +FLAGS.SILENT (\Deleted)")
            imap.command("EXPUNGE")
            with self.ledger.lock:
                self.ledger.gone[user].update(idents)

    # Others.

    def import_all(self, _):
        chance = random.Random(f"{self.seed} importer")
        while not self.stop.is_set():
            user, serial = chance.choice(self.system.users), self.number()
            idents = [f"import.{serial}.{n}@chaos.example" for n in range(chance.choice((1, 30, 200)))]
            self.ledger.add_group(user, idents)
            with tempfile.NamedTemporaryFile(suffix=".mbox") as file:
                for ident in idents:
                    file.write(b"From x Fri Jan  2 03:04:05 2026\n")
                    file.write(message(user, ident, 500).replace(b"\r", b"") + b"\n")
                file.flush()
                # Run again after a failure, it goes on, or says that it was done.
                if any(self.system.import_mbox(user, file.name) for _ in range(chance.choice((1, 4)))):
                    self.done["import_all"] += 1
                    for ident in idents:
                        self.ledger.acknowledge(user, ident)
            time.sleep(chance.uniform(0, 0.5))

    def follow(self, number):
        while not self.stop.is_set():
            try:
                self.followers[number].catch_up()
                self.done["follow"] += 1
            except (OSError, ConnectionError, ValueError):
                time.sleep(0.1)


class Follower:
    """A disconnected client's copy of INBOX: UIDs and their flags."""

    def __init__(self, system, user):
        self.system, self.user = system, user
        self.validity, self.modseq, self.copy = 1, 1, {}

    def catch_up(self):
        imap = chaos.Imap(self.system.imap, self.user, self.system.password)
        try:
            imap.command("ENABLE QRESYNC")
            self.take(imap.command(f"SELECT INBOX (QRESYNC ({self.validity} {self.modseq}))"), imap)
        finally:
            imap.close()

    def take(self, lines, imap):
        """All that was said, or nothing of it."""
        text = b"\n".join(lines)
        validity = int(re.search(rb"UIDVALIDITY (\d+)", text)[1])
        modseq = int(re.search(rb"HIGHESTMODSEQ (\d+)", text)[1])
        copy = dict(self.copy)
        if validity != self.validity:
            copy = {}
            text = b"\n".join(imap.command("UID FETCH 1:* (FLAGS)"))
        elif modseq < self.modseq:
            raise AssertionError(f"{self.user}: HIGHESTMODSEQ fell from {self.modseq} to {modseq}")
        for gone in re.findall(rb"VANISHED \(EARLIER\) ([\d:,]+)", text):
            for uid in numbers(gone):
                copy.pop(uid, None)
        for uid, flags in re.findall(rb"FETCH \(UID (\d+) FLAGS \(([^)]*)\)", text):
            copy[int(uid)] = flags
        self.validity, self.modseq, self.copy = validity, modseq, copy

    def check(self):
        self.catch_up()
        fresh = Follower(self.system, self.user)
        fresh.catch_up()
        wrong = {uid: (self.copy.get(uid), fresh.copy.get(uid)) for uid in self.copy.keys() | fresh.copy.keys()
                 if self.copy.get(uid) != fresh.copy.get(uid)}
        assert not wrong, f"{self.user}: a copy that followed all the time, and the mailbox: {wrong}"


def message(user, ident, size):
    return (f"From: x@chaos.example\r\nTo: {user}\r\nSubject: chaos\r\nMessage-ID: <{ident}>\r\n\r\n"
            + ("x" * 70 + "\r\n") * (size // 72 + 1)).encode()


def read_idents(imap):
    """(UID, message id) of all messages of the selected mailbox."""
    lines = imap.command("UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    found = [(re.search(rb"UID (\d+)", line), re.search(rb"Message-ID: <([^>]+)>", line)) for line in lines]
    return [(int(uid[1]), ident[1].decode()) for uid, ident in found if uid and ident]


def count_messages(imap, boxes):
    there = collections.Counter()
    for box in boxes:
        there.update(chaos.messages_of(imap, box))
    return there


def mailboxes(imap):
    """Own ones: not those that others share."""
    return [line.rpartition(b" ")[2].decode() for line in imap.command('LIST "" *') if b"Other Users" not in line]


def neighbour(system, user):
    """Who shares mailboxes with a user."""
    return system.users[(system.users.index(user) + 1) % len(system.users)]


def others(owner, box):
    return f'"Other Users/{owner}/{box}"'


def check(system, ledger):
    """Raises AssertionError with what is wrong; returns how many messages are there."""
    total = 0
    for user in system.users:
        imap = chaos.Imap(system.imap, user, system.password)
        there = count_messages(imap, [box for box in mailboxes(imap) if box not in (COPIES, SHARED, FOREIGN)])
        copies = {COPIES: count_messages(imap, [COPIES])}
        imap.close()
        imap = chaos.Imap(system.imap, neighbour(system, user), system.password)
        there.update(count_messages(imap, [SHARED]))
        copies[FOREIGN] = count_messages(imap, [FOREIGN])
        imap.close()
        total += there.total() + sum(some.total() for some in copies.values())
        check_user(user, there, copies, ledger)
    return total


def check_user(user, there, copies, ledger):
    left = ledger.leaving[user]
    doubled = [ident for ident, count in there.items() if count > 1]
    lost = ledger.acknowledged[user] - left - set(there)
    risen = ledger.gone[user] & set(there)
    unknown = set(there).union(*copies.values()) - ledger.attempted[user]
    assert not doubled, f"{user}: {len(doubled)} messages are there twice, such as {doubled[:3]}"
    assert not lost, f"{user}: {len(lost)} acknowledged messages are lost, such as {sorted(lost)[:3]}"
    assert not risen, f"{user}: {len(risen)} expunged messages are there, such as {sorted(risen)[:3]}"
    assert not unknown, f"{user}: messages that nobody sent: {sorted(unknown)[:3]}"
    for box, found in copies.items():
        for ident in ledger.copies_asked[user, box] | found:
            least, most = ledger.copies[user, box][ident], ledger.copies_asked[user, box][ident]
            assert least <= found[ident] <= most, f"{user}: {found[ident]} copies of {ident} in {box}, not {least} to {most}"
    for owner, idents in ledger.groups:
        wanted = set(idents) - left
        missing = wanted - set(there)
        assert owner != user or missing in (set(), wanted), f"{user}: of {idents} only {sorted(missing)} are missing"


def run(system, rounds, **options):
    for user in system.users:
        imap = chaos.Imap(system.imap, user, system.password)
        imap.command(f"CREATE {COPIES}")
        for box in (SHARED, FOREIGN):
            imap.command(f"CREATE {box}")
            for other in system.users:
                if neighbour(system, other) == user:
                    imap.command(f"SETACL {box} {other} lrswite")
        imap.close()
    loads = []

    def make_load(*arguments):
        loads.append(Work(*arguments))
        return loads[0]

    chaos.run(system, rounds, make_load=make_load, check=check, **options)
    for follower in loads[0].followers:
        follower.check()
    options.get("progress", print)(f"done besides: {dict(loads[0].done)}")
    kinds = ("move", "append", "copy", "expunge", "go_across", "come_back", "crossed", "import_all", "follow")
    assert all(loads[0].done[what] for what in kinds)


if __name__ == "__main__":
    sys.exit(chaos.main(run, __doc__))
