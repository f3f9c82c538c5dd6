"""What an IMAP session may be told: the model that sessions.py holds against a server.

A `View` is one client's picture of its selected mailbox, changed by nothing but what the server says; it fails when
that cannot be. The `Ledger` is shared: what all clients together know of each message. Mailboxes are known by their
MAILBOXID, which stays when they are renamed.
"""
import collections
import re
import threading


class Fault(AssertionError):
    """The server said something that cannot be."""


def require(condition, text):
    if not condition:
        raise Fault(text)


def numbers(text):
    """The numbers of a set such as 1:3,7."""
    found = []
    for part in text.decode().split(",") if text else []:
        first, _, last = part.partition(":")
        a, b = sorted((int(first), int(last or first)))
        found += range(a, b + 1)
    return found


class Ledger:
    FLAGS_KEPT = 4  # states of one message

    def __init__(self):
        self.lock = threading.Lock()
        self.flags = {}  # (box, uid): {modseq: flags}
        self.letters = {}  # (box, uid): what was put there
        self.doomed = set()  # (box, uid) that somebody wanted to remove
        self.vanished = set()  # (box, uid) that somebody was told to be gone
        self.created = collections.Counter()  # messages that came into a box, as acknowledged

    def saw_flags(self, box, uid, modseq, flags):
        """A modseq names one state of a message."""
        with self.lock:
            states = self.flags.setdefault((box, uid), {})
            before = states.setdefault(modseq, flags)
            if len(states) > self.FLAGS_KEPT:
                del states[min(states)]
        require(before == flags, f"UID {uid} at modseq {modseq}: {sorted(flags)}, and another heard {sorted(before)}")

    def saw_letter(self, box, uid, letter):
        """A UID names one message for ever."""
        with self.lock:
            before = self.letters.setdefault((box, uid), letter)
        require(before == letter, f"UID {uid} of {box} is {letter}, and was {before}")

    def came(self, box, uids, letters=None):
        with self.lock:
            self.created[box] += len(uids)
        for uid, letter in zip(uids, letters or []):
            self.saw_letter(box, uid, letter)

    def copied(self, source, target, pairs, is_source_known):
        """After COPYUID: letters and doom go along. Of the history of others nothing is known."""
        with self.lock:
            self.created[target] += len(pairs)
            letters = [(new, self.letters.get((source, old))) for old, new in pairs]
            self.doomed |= {(target, new) for old, new in pairs
                            if not is_source_known or (source, old) in self.doomed}
        for uid, letter in letters:
            if letter:
                self.saw_letter(target, uid, letter)

    def doom(self, box, uids):
        with self.lock:
            self.doomed |= {(box, uid) for uid in uids}

    def saw_vanish(self, box, uid):
        with self.lock:
            self.vanished.add((box, uid))


class Message:
    __slots__ = ("flags", "modseq", "uid")

    def __init__(self):
        self.uid = self.flags = None
        self.modseq = 0


class View:
    def __init__(self, ledger, uid_only=False, qresync=False):
        self.ledger = ledger
        self.uid_only, self.qresync = uid_only, qresync
        self.box = None  # MAILBOXID
        self.messages = []
        self.highest = 0  # the modseq that this client may come back with
        self.last_uid = 0  # highest ever seen: new ones are above
        self.suspects = {}  # UID: why it must be gone soon
        self.mine = {}  # UID: whether this session's own keyword is set
        self.word = None  # that keyword
        self.is_resync = False  # between SELECT (QRESYNC ...) and its answer

    def uids(self):
        return [m.uid for m in self.messages]

    def known(self):
        return {m.uid: m for m in self.messages if m.uid}

    def flags(self):
        return {m.uid: m.flags for m in self.messages}

    # What the server says.

    def exists(self, count):
        require(count >= len(self.messages), f"EXISTS fell from {len(self.messages)} to {count}")
        self.messages += [Message() for _ in range(count - len(self.messages))]

    def expunge(self, number):
        require(not self.qresync and not self.uid_only, "EXPUNGE instead of VANISHED")
        require(1 <= number <= len(self.messages), f"EXPUNGE {number} of {len(self.messages)}")
        self.forget(self.messages.pop(number - 1))

    def vanish(self, uids):
        require(self.qresync or self.uid_only, "VANISHED instead of EXPUNGE")
        known = self.known()
        for uid in uids:
            require(uid in known, f"VANISHED {uid}, which is not here")
            self.messages.remove(known[uid])
            self.forget(known[uid])

    def forget(self, message):
        if message.uid:
            self.suspects.pop(message.uid, None)
            self.mine.pop(message.uid, None)
            self.ledger.saw_vanish(self.box, message.uid)

    def fetch(self, number, text):
        """A FETCH line, or UIDFETCH: its message, brought up to date."""
        message = self.by_uid(number) if self.uid_only else self.by_number(number, text)
        flags = re.search(rb"FLAGS \(([^)]*)\)", text)
        modseq = re.search(rb"MODSEQ \((\d+)\)", text)
        if modseq:
            self.take_modseq(message, int(modseq[1]))
        if flags:
            message.flags = frozenset(flags[1].decode().split())
            if modseq:
                self.ledger.saw_flags(self.box, message.uid, message.modseq, message.flags)
            is_mine = self.word in message.flags
            if self.mine.get(message.uid, is_mine) != is_mine:  # STORE may have come after another's EXPUNGE
                self.suspect([message.uid], f"{self.word} is not as it was stored: {sorted(message.flags)}")
        letter = re.search(rb"X-Letter: (\S+)", text)
        if letter:
            self.ledger.saw_letter(self.box, message.uid, letter[1].decode())
        return message

    def take_modseq(self, message, modseq):
        require(modseq >= message.modseq, f"modseq of UID {message.uid} fell from {message.modseq} to {modseq}")
        message.modseq = modseq
        self.highest = max(self.highest, modseq)

    def by_number(self, number, text):
        require(1 <= number <= len(self.messages), f"FETCH {number} of {len(self.messages)}")
        message = self.messages[number - 1]
        uid = re.search(rb"\bUID (\d+)", text)
        require(uid, "FETCH without UID")
        if message.uid is None:
            self.name(number - 1, int(uid[1]))
        require(message.uid == int(uid[1]), f"message {number} is UID {message.uid}, not {int(uid[1])}")
        return message

    def by_uid(self, uid):
        for message in self.messages:
            if message.uid == uid:
                return message
        if self.is_resync:  # its place is known when all have been told
            message = Message()
            message.uid = uid
            return message
        unknown = [i for i, m in enumerate(self.messages) if m.uid is None]
        require(unknown, f"UIDFETCH {uid}, which is not here")
        self.name(unknown[0], uid)
        return self.messages[unknown[0]]

    def name(self, index, uid):
        """Tells a new message's UID: above those before it, below those after it."""
        before = [m.uid for m in self.messages[:index] if m.uid]
        after = [m.uid for m in self.messages[index + 1:] if m.uid]
        require(not before or before[-1] < uid, f"UID {uid} after {before[-1:]}")
        require(not after or uid < after[0], f"UID {uid} before {after[:1]}")
        require(uid > self.last_uid, f"UID {uid} is new, and not above {self.last_uid}")
        self.messages[index].uid = uid

    # What follows from it.

    def end_of_command(self, may_remove):
        """After a tagged answer: every message has been named, and what was found to be gone has been told."""
        require(None not in self.uids(), "a new message whose UID was not told")
        if may_remove:
            require(not self.suspects, f"still there: {self.suspects}")
        if self.messages:
            self.last_uid = max(self.last_uid, self.messages[-1].uid)

    def suspect(self, uids, why):
        """The server left these out: they are gone, and it says so as soon as it may."""
        known = self.known()
        self.suspects.update({uid: why for uid in uids if uid in known})
