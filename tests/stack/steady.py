"""A steady load while a test disturbs a system: messages come at a fixed rate whatever happens, and IMAP
sessions look at their mailboxes all the time, change them, and reconnect when they must.

Each session checks, at every look and over all its connections:

- UIDVALIDITY stays, UIDs ascend, and what is new has a higher UID than all that was there before;
- FETCH gives as many messages as EXISTS and EXPUNGE tell, with the UIDs that they imply;
- a message that was there is there again, unless somebody asked to move it away;
- one that was moved away does not come back;
- the message behind a UID stays the same, to the byte, and its flags are some that somebody asked for;
  those that this session set itself are exactly what it set.
"""
import collections
import hashlib
import itertools
import random
import re
import threading
import time

import chaos

# Which mailboxes the sessions of an account look at, and where they move messages.
BOXES = ("INBOX", "INBOX", "INBOX", "Archive", "Trash")
TARGETS = {"INBOX": ("Archive", "Trash"), "Archive": ("Trash",), "Trash": ("INBOX",)}
BIG = 60  # messages; from there on sessions move some away
UNTAGGED = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE)")
DETAILS = "INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"


def digest(text):
    return hashlib.sha256(text).digest()


class Mailbox:
    """What all sessions together know of a mailbox."""

    def __init__(self):
        self.lock = threading.Lock()
        self.uidvalidity = None
        self.messages = {}  # by UID, what does not change
        self.flags = {}  # by UID, all sets of flags that it may have had
        self.leaving = set()  # UIDs that somebody asked to move
        self.left = {}  # of these the time when that was acknowledged


class Watcher:
    """One session, over all its connections."""

    def __init__(self, load, number):
        system = load.system
        self.load, self.chance = load, random.Random(f"watcher {number}")
        self.user = system.users[number % len(system.users)]
        turn = number // len(system.users)
        self.box = BOXES[turn % len(BOXES)]
        # Only one session changes a message.
        likes = [n for n in range(number % len(system.users), load.watchers, len(system.users))
                 if BOXES[n // len(system.users) % len(BOXES)] == self.box]
        self.turn, self.turns = likes.index(number), len(likes)
        self.mailbox = load.mailboxes[self.user, self.box]
        self.where = f"session {number}, {self.box} of {self.user}"
        self.imap = None
        self.there = {}  # flags by UID, at the last look
        self.highest = 0  # of all UIDs seen
        self.mine = {}  # flags that this session has set

    def check(self, is_true, what):
        assert is_true, f"{self.where}: {what}"

    # The connection.

    def run(self):
        while not self.load.stop.is_set():
            time.sleep(self.chance.uniform(0, 2 * self.load.pause))
            try:
                if not self.imap:
                    self.connect()
                self.look()
                self.change()
                self.read()
                self.load.looks += 1
            except (OSError, ValueError):
                self.close()
                time.sleep(0.1)

    def close(self):
        if self.imap:
            self.imap.close()
            self.load.reconnections += 1
        self.imap = None

    def connect(self):
        self.imap = chaos.Imap(self.load.system.imap, self.user, self.load.system.password)
        self.uids, self.exists = [], 0
        self.selected = time.monotonic()
        answer = b"\n".join(self.command(f"SELECT {self.box}"))
        uidvalidity = int(re.search(rb"UIDVALIDITY (\d+)", answer)[1])
        with self.mailbox.lock:
            self.mailbox.uidvalidity = self.mailbox.uidvalidity or uidvalidity
        self.check(uidvalidity == self.mailbox.uidvalidity, "another UIDVALIDITY")
        self.check(int(re.search(rb"UIDNEXT (\d+)", answer)[1]) > self.highest, "UIDNEXT is too low")

    def command(self, text):
        lines = self.imap.command(text)
        for line in lines:
            told = UNTAGGED.match(line)
            if told and told[2] == b"EXISTS":
                self.check(int(told[1]) >= self.exists, "EXISTS is less than before")
                self.exists = int(told[1])
            elif told:
                self.check(int(told[1]) <= self.exists, "EXPUNGE of nothing")
                self.exists -= 1
                del self.uids[int(told[1]) - 1:int(told[1])]
        return lines

    # Looking.

    def look(self):
        self.command("NOOP")
        exists, found = self.exists, {}
        for line in self.command("FETCH 1:* (UID FLAGS)") if exists else ():
            if entry := re.match(rb"\* (\d+) FETCH \(.*UID (\d+)", line):
                flags = re.search(rb"FLAGS \(([^)]*)\)", line)[1].split()
                found[int(entry[1])] = int(entry[2]), frozenset(flags) - {b"\\Recent"}
        uids = [found[number][0] for number in sorted(found)]
        self.check(sorted(found) == list(range(1, len(found) + 1)) and exists <= len(found) <= self.exists,
                   f"FETCH gives {len(found)} messages of {exists}")
        self.check(uids == sorted(set(uids)), "UIDs do not ascend")
        self.check(uids[:len(self.uids)] == self.uids, "FETCH gives other UIDs than EXISTS and EXPUNGE imply")
        self.uids = uids
        self.compare(dict(found.values()))

    def compare(self, found):
        with self.mailbox.lock:
            vanished = set(self.there) - set(found) - self.mailbox.leaving
            back = {uid for uid in found if self.mailbox.left.get(uid, self.selected) < self.selected}
            wrong = {uid: flags for uid, flags in found.items()
                     if flags not in self.mailbox.flags.setdefault(uid, {flags})
                     or flags != self.mine.get(uid, flags)}
        new = sorted(set(found) - set(self.there))
        self.check(not vanished, f"messages vanished: {vanished}")
        self.check(not back, f"messages came back: {back}")
        self.check(not wrong, f"flags that nobody set: {wrong}")
        self.check(not new or new[0] > self.highest, f"UIDs {new} after {self.highest}")
        self.there, self.highest = found, max([self.highest, *new])
        self.mine = {uid: flags for uid, flags in self.mine.items() if uid in found}
        if new:
            self.identify(f"{new[0]}:{new[-1]}")

    def identify(self, uids):
        for line in self.command(f"UID FETCH {uids} ({DETAILS})"):
            uid = re.search(rb"UID (\d+)", line)
            details = [re.search(what, line) for what in
                       (rb'INTERNALDATE ("[^"]+")', rb"RFC822.SIZE (\d+)", rb"Message-ID: <([^>]+)>")]
            if uid and all(details):
                details = tuple(found[1] for found in details)
                with self.mailbox.lock:
                    known = self.mailbox.messages.setdefault(int(uid[1]), details)
                self.check(details == known, f"UID {int(uid[1])} is another message")

    def read(self):
        """A message is what its sender sent, with something in front."""
        if not self.there:
            return
        uid = self.chance.choice(list(self.there))
        for line in self.command(f"UID FETCH {uid} (BODY.PEEK[])"):
            if literal := re.search(rb"BODY\[\] \{(\d+)\}\r\n", line):
                text = line[literal.end():literal.end() + int(literal[1])]
                ident = re.search(rb"^Message-ID: <([^>]+)>", text, re.M)[1]
                size, sent = self.load.sent[ident.decode()]
                self.check(digest(text[-size:]) == sent, f"UID {uid} is not what was sent")

    # Changing.

    def change(self):
        with self.mailbox.lock:
            own = [uid for uid in self.there if uid % self.turns == self.turn and uid not in self.mailbox.leaving]
        if len(self.there) > BIG and own:
            self.move(self.chance.sample(own, min(len(own), 10)))
        elif own:
            self.flag(self.chance.choice(own))

    def flag(self, uid):
        flag = self.chance.choice(chaos.FLAGS)
        flags = self.there[uid] ^ {flag.encode()}
        sign = "+" if flag.encode() in flags else "-"
        self.mine.pop(uid, None)
        with self.mailbox.lock:
            self.mailbox.flags[uid].add(flags)
        self.command(f"UID STORE {uid} {sign}FLAGS ({flag})")
        self.mine[uid] = flags

    def move(self, uids):
        with self.mailbox.lock:
            self.mailbox.leaving.update(uids)
        self.command(f"UID MOVE {','.join(map(str, uids))} {self.chance.choice(TARGETS[self.box])}")
        with self.mailbox.lock:
            self.mailbox.left.update(dict.fromkeys(uids, time.monotonic()))


class Load(chaos.Crew):
    """`rate` messages per second by `senders`, each fourth of which is a user whose mail goes through the queue. A
    message that is refused is tried again, under another name, as long as the load lasts."""

    def __init__(self, system, rate=50, senders=16, watchers=50, pause=1.0):
        super().__init__([(self.send_on_time, n) for n in range(senders)] + [(self.watch, n) for n in range(watchers)])
        self.system, self.rate, self.watchers, self.pause = system, rate, watchers, pause
        self.ledger = chaos.Ledger()
        self.codes = collections.Counter()  # of replies to senders
        self.mailboxes = collections.defaultdict(Mailbox)
        self.sent = {}  # by message id: size and digest
        self.refused = self.submitted = self.looks = self.reconnections = 0
        self.numbers = itertools.count()

    def start(self):
        self.began = time.monotonic()
        super().start()

    def watch(self, number):
        Watcher(self, number).run()

    def send_on_time(self, sender):
        user = self.system.users[sender % len(self.system.users)] if sender % 4 == 3 else None
        smtp = None
        while not self.stop.is_set():
            number = next(self.numbers)
            self.stop.wait(max(0, self.began + number / self.rate - time.monotonic()))
            for attempt in itertools.count():
                if self.stop.is_set():
                    return
                try:
                    smtp = smtp or self.connect(user)
                    if self.send(smtp, user, f"{number}.{attempt}@steady.example"):
                        self.submitted += user is not None
                        break
                    smtp.command("RSET", 250)
                except (OSError, ValueError):
                    if smtp:
                        smtp.close()
                    smtp = None
                self.refused += 1
                time.sleep(0.1)

    def connect(self, user):
        if user:
            return chaos.Smtp(self.system.submission, user, self.system.password, self.codes)
        return chaos.Smtp(self.system.smtp, codes=self.codes)

    def send(self, smtp, user, ident):
        sender, recipient = user or "steady@chaos.example", random.choice(self.system.users)
        text = (f"From: {sender}\r\nTo: {recipient}\r\nSubject: steady\r\nMessage-ID: <{ident}>\r\n"
                f"Date: Fri, 2 Jan 2026 03:04:05 +0000\r\n\r\n{'x' * random.randrange(10, 900)}\r\n"
                + f"{'y' * 800}\r\n" * random.choice([1, 1, 1, 100] if user else [1])).encode()
        self.sent[ident] = len(text), digest(text)
        self.ledger.attempt(recipient, ident)
        if not smtp.send(sender, recipient, text.removesuffix(b"\r\n")):
            return False
        self.ledger.acknowledge(recipient, ident)
        return True
