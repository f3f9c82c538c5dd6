#!/usr/bin/python3
"""Many IMAP sessions do random commands on shared mailboxes, and a model judges every line they are told.

Sessions of all kinds (IMAP4rev1 and rev2, CONDSTORE, QRESYNC, UIDONLY) select, fetch, flag, copy, move, append,
expunge, search, idle, close and come back, and create, rename and delete mailboxes, all on one account, while SMTP
delivers into its INBOX. sessions_model.py says what may not be told. Now and then all stop, and then:

- every session's picture, after NOOP, is what is there, flags included;
- STATUS counts what is there; what is not there was removed by somebody; nothing came twice or not at all.

    tests/stack/sessions.py --long 60           (minutes; a system of its own)

The first fault ends it, with the seed and the last lines of the session that saw it, and of all others in the file
that it names. MAILRAIL_BUILD names the build. The short form is test_imap_sessions.py.
"""
import argparse
import collections
import contextlib
import random
import re
import select
import socket
import sys
import tempfile
import threading
import time

from conftest import FAULT, PASSWORD, Mailrail
from sessions_model import Fault, Ledger, View, numbers, require

USER = "ann@example.org"
SHARED = ("INBOX", "Archive", "Work", "Wild")  # in Wild flags are replaced, and so belong to nobody
TEMPORARY = ("T1", "T2", "T3")
FLAGS = (r"\Seen", r"\Flagged", r"\Answered", "$Forwarded")
ENABLED = {"rev1": (), "rev2": ("IMAP4rev2",), "condstore": ("CONDSTORE",), "qresync": ("QRESYNC",),
           "uidonly": ("UIDONLY",), "uidonly-qresync": ("UIDONLY QRESYNC IMAP4rev2",)}
KINDS = tuple(ENABLED)
FULL = 120  # messages of a mailbox; above that, more are removed than added
OPTIONS = {"imap": {"cleartext_auth": True}, "log_level": "info"}


class Line:
    """One client's connection, with a trace of what was said."""

    TRACE = 4000

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.file = self.socket.makefile("rb")
        self.trace = collections.deque(maxlen=self.TRACE)
        self.tags = 0
        self.read()

    def note(self, who, line):
        self.trace.append((time.monotonic(), who, line if len(line) < 1000 else line[:1000] + b"..."))

    def read(self):
        line = self.file.readline()
        while literal := re.search(rb"\{(\d+)\}\r\n$", line):
            line += self.file.read(int(literal[1])) + self.file.readline()
        self.note("S", line)
        require(line, "the server closed the connection")
        require(not line.startswith(b"* BYE"), line)
        return line.rstrip(b"\r\n")

    def send(self, data):
        self.note("C", data)
        self.socket.sendall(data)

    def begin(self, command):
        self.tags += 1
        self.send(b"c%d %s\r\n" % (self.tags, command if isinstance(command, bytes) else command.encode()))
        return b"c%d " % self.tags

    def has_more(self, seconds):
        """True when there is something to read within that time."""
        return bool(self.file.peek(1) if self.is_buffered() else select.select([self.socket], [], [], seconds)[0])

    def is_buffered(self):
        self.socket.setblocking(False)
        try:
            return bool(self.file.peek(1))
        finally:
            self.socket.settimeout(120)

    def close(self):
        self.file.close()
        self.socket.close()


class Session(Line):
    """A client of one kind, which believes what it is told."""

    def __init__(self, world, number, kind):
        super().__init__(world.imap_port)
        self.world, self.ledger, self.number, self.kind = world, world.ledger, number, kind
        self.chance = random.Random(f"{world.seed} session {number}")
        self.uid_only, self.qresync = "uidonly" in kind, "qresync" in kind
        self.word = f"s{number}"
        self.view = self.new_view()
        self.name = None  # of the selected mailbox
        self.read_only = False
        self.selecting = None  # the view of a SELECT under way
        self.counting = False  # numbers are used: nothing may be removed
        self.kept = {}  # MAILBOXID: (uidvalidity, modseq, flags by UID), to come back with
        self.answers = []
        self.serial = 0
        self.do(f'LOGIN {USER} "{PASSWORD}"')
        for what in ENABLED[kind]:
            require(self.do(f"ENABLE {what}")[0].startswith(b"* ENABLED"), f"{what} cannot be enabled")

    def new_view(self):
        view = View(self.ledger, self.uid_only, self.qresync)
        view.word = self.word
        return view

    # Commands and answers.

    def do(self, command, allowed=(), by_number=False):
        """The untagged lines and the tagged one; NO only with one of the codes `allowed`."""
        self.counting = by_number
        tag = self.begin(command)
        lines = self.until(tag)
        self.counting = False
        self.judge(lines[-1][len(tag):], allowed, command)
        if self.name and not self.selecting:
            self.view.end_of_command(not by_number and lines[-1].startswith(tag + b"OK"))
        return lines

    def judge(self, answer, allowed, command):
        if answer.startswith(b"OK"):
            return
        if self.name in TEMPORARY:  # which may be deleted or renamed at any time
            allowed = (*allowed, "[NONEXISTENT]", "[TRYCREATE]", "[CANNOT]")
        require(answer.startswith(b"NO ") and any(code.encode() in answer for code in allowed),
                f"{answer} to {command[:300]}")

    def until(self, tag):
        lines = []
        while True:
            lines.append(self.read())
            if lines[-1].startswith(tag):
                if code := re.search(rb"\[HIGHESTMODSEQ (\d+)\]", lines[-1]):
                    self.view.highest = int(code[1])
                return lines
            self.hear(lines[-1])

    def hear(self, line):
        view = self.selecting or self.view
        if match := re.match(rb"\* (\d+) EXISTS$", line):
            require(not self.counting, "EXISTS while numbers are used")
            view.exists(int(match[1]))
        elif match := re.match(rb"\* (\d+) EXPUNGE$", line):
            require(not self.counting, "EXPUNGE while numbers are used")
            view.expunge(int(match[1]))
        elif match := re.match(rb"\* VANISHED ([\d:,]+)$", line):
            require(not self.counting, "VANISHED while numbers are used")
            view.vanish(numbers(match[1]))
        elif match := re.match(rb"\* VANISHED \(EARLIER\) ([\d:,]+)$", line):
            self.earlier += numbers(match[1])
        elif match := re.match(rb"\* (\d+) (UID)?FETCH (\(.*)", line, re.DOTALL):
            require(bool(match[2]) == self.uid_only, "FETCH of the wrong kind")
            self.answers.append(view.fetch(int(match[1]), match[3]))
        elif match := re.search(rb"\[HIGHESTMODSEQ (\d+)\]", line):
            view.highest = int(match[1])
        elif match := re.search(rb"\[MAILBOXID \((\S+)\)\]", line):
            view.box = match[1].decode()

    # Selecting.

    def select(self, name, read_only=False):
        """With QRESYNC, as a client that was here before."""
        self.unselect_by_forgetting()
        box = self.world.boxes.get(name)
        kept = self.kept.get(box) if self.qresync and box else None
        parameter = f" (QRESYNC ({kept[0]} {kept[1]}))" if kept else ""
        self.earlier, self.answers = [], []
        self.selecting = self.new_view()
        self.selecting.is_resync = kept is not None
        self.selecting.box = box  # lines of a resynchronisation may come before the code
        lines = self.do(f"{'EXAMINE' if read_only else 'SELECT'} {name}{parameter}",
                        allowed=("[NONEXISTENT]",) if name in TEMPORARY else ())
        view, self.selecting = self.selecting, None
        if b" OK " not in lines[-1]:
            return False
        self.validity = int(re.search(rb"UIDVALIDITY (\d+)", b" ".join(lines))[1])
        self.view, self.name, self.read_only = view, name, read_only
        if box:
            require(view.box == box, f"{name} is {view.box}, and was {box}")
        if kept and kept[0] == self.validity:
            self.check_resynchronized(kept)
        self.learn()
        return True

    def check_resynchronized(self, kept):
        """What the client kept, and what it was told now, make as many messages as EXISTS says."""
        now = {uid: flags for uid, flags in kept[2].items() if uid not in self.earlier}
        now |= {message.uid: message.flags for message in self.answers}
        self.view.is_resync = False
        if len(now) != len(self.view.messages):
            there = self.found(self.until(self.begin("UID SEARCH ALL")))
            raise Fault(f"after QRESYNC with what was kept at {kept[1]}: too many are {sorted(set(now) - there)}, "
                        f"missing are {sorted(there - set(now))}")
        for message, uid in zip(self.view.messages, sorted(now)):
            if message.uid is None:
                message.uid, message.flags = uid, now[uid]
            require(message.uid == uid, f"UID {message.uid} after QRESYNC, and not {uid}")

    def learn(self):
        """All UIDs and flags; those that a resynchronisation has told are still the same, or newer."""
        before = {m.uid: (m.modseq, m.flags) for m in self.view.messages if m.uid}
        if not self.view.messages:
            self.do("NOOP")
            return
        self.answers = []
        lines = self.do(f"UID FETCH 1:* (FLAGS{' MODSEQ' if self.qresync else ''})")
        if b" NO [NONEXISTENT]" in lines[-1]:  # deleted since it was selected: its messages have no UIDs here
            self.unselect_by_forgetting()
            return
        for message in self.answers:
            modseq, flags = before.get(message.uid, (0, None))
            require(not modseq or modseq != message.modseq or flags == message.flags, f"flags of UID {message.uid}")

    def unselect_by_forgetting(self):
        """What a client keeps on its disk when it leaves a mailbox."""
        if self.name and self.qresync and self.view.highest and self.name in SHARED:
            self.kept[self.view.box] = (self.validity, self.view.highest, self.view.flags())
            self.note("K", f"{self.name} at {self.view.highest}: {self.view.uids()}".encode())
        self.name, self.view = None, self.new_view()

    # Random commands.

    def step(self):
        if not self.name:
            self.select(self.chance.choice(SHARED * 3 + TEMPORARY), self.chance.random() < 0.1)
            return
        count = len(self.view.messages)
        weights = {self.noop: 2, self.fetch: 4, self.store: 6, self.search: 3, self.append: 3, self.idle: 1,
                   self.copy: 1 if count > FULL else 2, self.move: 2 if count > FULL else 1,
                   self.expunge: 4 if count > FULL else 1, self.reselect: 1, self.shape: 0.5, self.status: 1,
                   self.pipeline: 1}
        what = self.chance.choices([*weights], [*weights.values()])[0]
        if self.read_only and what in (self.store, self.move, self.expunge):
            what = self.refused
        if count == 0 and what in (self.fetch, self.store, self.copy, self.move, self.refused):
            what = self.append
        what()
        if self.name in TEMPORARY and self.chance.random() < 0.2:
            self.reselect()

    def noop(self):
        self.do(self.chance.choice(("NOOP", "NOOP", "CHECK")))

    def some(self, most=6):
        """UIDs, and the words that name them: a UID command or one by number."""
        uids = self.view.uids()
        first = self.chance.randrange(len(uids))
        last = min(len(uids), first + self.chance.choice((1, 1, 2, most)))
        if self.uid_only or self.chance.random() < 0.6:
            picked = self.chance.sample(uids, min(len(uids), self.chance.choice((1, 1, 3, most))))
            return picked, "UID ", ",".join(map(str, picked)), False
        return uids[first:last], "", f"{first + 1}:{last}", True

    def check_answered(self, uids, why):
        """A message without an answer must be gone."""
        answered = {message.uid for message in self.answers}
        self.view.suspect([uid for uid in uids if uid not in answered], why)

    def fetch(self):
        uids, prefix, words, by_number = self.some(30)
        items = self.chance.choice(("FLAGS", "UID FLAGS", "RFC822.SIZE FLAGS", "INTERNALDATE ENVELOPE",
                                    "BODY.PEEK[HEADER.FIELDS (X-LETTER)]", "BODY.PEEK[]", "BODY[TEXT]"))
        if prefix and self.qresync and self.view.highest and self.chance.random() < 0.3:
            self.fetch_changes()
            return
        self.answers = []
        self.do(f"{prefix}FETCH {words} ({items})", by_number=by_number, allowed=("[EXPUNGEISSUED]",))
        if self.name in SHARED:
            self.check_answered(uids, "not fetched")

    def fetch_changes(self):
        self.earlier = []
        since = self.chance.randint(1, self.view.highest)
        self.do(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since} VANISHED)")
        wrong = set(self.earlier) & set(self.view.uids())
        require(not wrong, f"VANISHED (EARLIER) names messages that are here: {sorted(wrong)}")

    def store(self):
        uids, prefix, words, by_number = self.some()
        mode = self.chance.choice("+-")
        flag = self.chance.choice((*FLAGS, self.word, self.word, self.word, r"\Deleted"))
        if self.name == "Wild" and self.chance.random() < 0.5:
            mode = ""
        if flag == r"\Deleted":
            self.ledger.doom(self.view.box, uids)
        silent = ".SILENT" if self.chance.random() < 0.3 else ""
        unchanged = ""
        if self.kind not in ("rev1", "rev2", "uidonly") and self.view.highest and self.chance.random() < 0.3:
            unchanged = f"(UNCHANGEDSINCE {max(1, self.view.highest - self.chance.choice((0, 0, 5)))}) "
        for uid in uids:
            self.view.mine.pop(uid, None)
        before = {uid: m.flags for uid, m in self.view.known().items()}
        self.answers = []
        lines = self.do(f"{prefix}STORE {words} {unchanged}{mode}FLAGS{silent} ({flag})", by_number=by_number)
        if b" OK " in lines[-1] and self.name in SHARED:
            self.stored(uids, mode, flag, silent, lines[-1], by_number, before)

    def stored(self, uids, mode, flag, silent, answer, by_number, before):
        modified = re.search(rb"\[MODIFIED ([\d:,]+)\]", answer)
        failed = numbers(modified[1]) if modified else []
        if by_number and failed:
            require(max(failed) <= len(self.view.messages), "MODIFIED names no message")
            failed = [self.view.messages[n - 1].uid for n in failed]
        require(set(failed) <= set(uids), f"MODIFIED {failed} of {uids}")
        known = self.view.known()
        done = [uid for uid in uids if uid not in failed and uid in known]
        told = {m.uid for m in self.answers if m.flags is not None}
        for uid in done:
            message = known[uid]
            if silent and message.flags == before[uid] and message.flags is not None:
                message.flags = self.after(message.flags, mode, flag)
            if not silent and uid not in told:
                self.view.suspect([uid], "STORE answered nothing")
            elif flag == self.word and self.name != "Wild":
                self.view.mine[uid] = mode == "+"
                require((flag in message.flags) == (mode == "+"), f"UID {uid}: {mode}{flag} was not done")

    def after(self, flags, mode, flag):
        """What a client that said .SILENT expects."""
        if mode == "":
            return frozenset([flag])
        return flags | {flag} if mode == "+" else flags - {flag}

    def search(self):
        """One's own keyword: nobody else changes it, and so the result is known."""
        by_number = not self.uid_only and self.chance.random() < 0.4
        key = self.chance.choice((f"KEYWORD {self.word}", f"UNKEYWORD {self.word}", "ALL", "FLAGGED"))
        lines = self.do(f"{'' if by_number else 'UID '}SEARCH {key}", by_number=by_number)
        if b" OK " not in lines[-1] or self.name not in SHARED:
            return
        found = self.found(lines)
        if by_number:
            require(not found or max(found) <= len(self.view.messages), "a number that is not there")
            found = {self.view.messages[n - 1].uid for n in found}
        if key.endswith(self.word):
            wanted = {uid for uid, is_set in self.view.mine.items() if is_set == key.startswith("KEYWORD")}
            self.view.suspect(found & (set(self.view.mine) - wanted), f"found by {key}")
            self.view.suspect(wanted - found, f"not found by {key}")

    def found(self, lines):
        """A long result of the old kind comes in several lines."""
        old = [match[1] for line in lines if (match := re.match(rb"\* SEARCH ?([\d ]*)", line))]
        new = [line for line in lines if line.startswith(b"* ESEARCH")]
        require(old or len(new) == 1, "no result of a search")
        if old:
            return set(map(int, b" ".join(old).split()))
        every = re.search(rb" ALL ([\d:,]+)", new[0])
        return set(numbers(every[1])) if every else set()

    def letters(self, count):
        self.serial += 1
        for n in range(count):
            yield f"{self.number}.{self.serial}.{n}"

    def append(self):
        target = self.chance.choice((self.name, *SHARED, *TEMPORARY))
        letters = list(self.letters(self.chance.choice((1, 1, 1, 4))))
        parts = b"".join(b" (%s) {%d+}\r\n%s" % (flags.encode(), len(text), text) for flags, text in
                         ((self.chance.choice(("", r"\Seen", "$Forwarded")), make_letter(ident)) for ident in letters))
        lines = self.do(b"APPEND %s%s" % (target.encode(), parts),
                        allowed=("[TRYCREATE]",) if target in TEMPORARY else ())
        if b" OK " in lines[-1]:
            code = re.search(rb"\[APPENDUID (\d+) ([\d:,]+)\]", lines[-1])
            require(code, "no APPENDUID")
            uids = numbers(code[2])
            require(len(uids) == len(letters), f"{len(uids)} UIDs of {len(letters)} messages")
            if target in SHARED:
                self.ledger.came(self.world.boxes[target], uids, letters)

    def copy(self, verb="COPY"):
        uids, prefix, words, _ = self.some()
        target = self.chance.choice([box for box in (*SHARED, *SHARED, *TEMPORARY) if box != self.name])
        source_box = self.view.box
        if verb == "MOVE":
            self.ledger.doom(source_box, uids)
        lines = self.do(f"{prefix}{verb} {words} {target}",
                        allowed=("[EXPUNGEISSUED]", "no such message") + (("[TRYCREATE]",) * (target in TEMPORARY)))
        code = re.search(rb"\[COPYUID (\d+) ([\d:,]+) ([\d:,]+)\]", b" ".join(lines))
        if b" OK " not in lines[-1] or not code:
            require(b" OK " not in lines[-1], "no COPYUID")
            return
        old, new = numbers(code[2]), numbers(code[3])
        require(len(old) == len(new) and set(old) <= set(uids), f"COPYUID of {uids}")
        if verb == "MOVE":
            left = set(old) & set(self.view.uids())
            require(not left or self.was_deleted(), f"moved and still here: {left}")
        if target in SHARED:
            self.ledger.copied(source_box, self.world.boxes[target], list(zip(old, new)),
                               self.name in SHARED)
        if self.name in SHARED:
            self.view.suspect([uid for uid in uids if uid not in old], f"not copied by {verb}")

    def was_deleted(self):
        """Of a mailbox that went while messages were moved out of it nothing more is told."""
        if self.name not in TEMPORARY:
            return False
        status = self.do(f"STATUS {self.name} (UIDVALIDITY)")
        return f"UIDVALIDITY {self.validity}".encode() not in b" ".join(status)

    def move(self):
        self.copy("MOVE")

    def expunge(self):
        if self.chance.random() < 0.4 and self.view.messages:
            uids = self.some()[0]
            self.do(f"UID EXPUNGE {','.join(map(str, uids))}")
            return
        if self.name in SHARED and len(self.view.messages) > FULL:
            uids = self.chance.sample(self.view.uids(), 10)
            self.ledger.doom(self.view.box, uids)
            self.do(f"UID STORE {','.join(map(str, uids))} +FLAGS (\\Deleted)")
        self.do("EXPUNGE")

    def refused(self):
        """EXAMINE changes nothing."""
        uid = self.view.uids()[0]
        self.do(f"UID {self.chance.choice(('STORE %d +FLAGS (s99)', 'MOVE %d Archive', 'EXPUNGE %d')) % uid}",
                allowed=("read-only",))

    def reselect(self):
        """Leaves in one of four ways; after the first two, the next step selects something."""
        how = self.chance.choice(("CLOSE", "UNSELECT", "SELECT", "same"))
        if how in ("SELECT", "same"):
            self.select(self.name if how == "same" else self.chance.choice(SHARED))
            return
        tag = self.begin(how)
        answer = self.until(tag)[-1]
        self.judge(answer[len(tag):], (), how)
        if b" OK " in answer:
            if how == "CLOSE" and not self.read_only:  # which tells of no expunge: they are known
                self.view.messages = [m for m in self.view.messages if "\\Deleted" not in m.flags]
            self.unselect_by_forgetting()

    def idle(self):
        tag = self.begin("IDLE")
        require(self.read().startswith(b"+"), "IDLE is not accepted")
        end = time.monotonic() + self.chance.uniform(0, 0.4)
        while (left := end - time.monotonic()) > 0:
            if self.has_more(left):
                self.hear(self.read())
        self.send(b"DONE\r\n")
        self.judge(self.until(tag)[-1][len(tag):], (), "IDLE")
        self.view.end_of_command(False)

    def pipeline(self):
        """Several commands at once, answered one after the other."""
        tags = [self.begin(c) for c in ("NOOP", "UID FETCH 1:* (FLAGS)", "NOOP")]
        for tag in tags:
            self.judge(self.until(tag)[-1][len(tag):], (), "a pipeline")
        self.view.end_of_command(False)

    def shape(self):
        """Mailboxes come, change their names and go, also under those who have them selected."""
        a, b = self.chance.sample(TEMPORARY, 2)
        command = self.chance.choice((f"CREATE {a}", f"CREATE {a}", f"RENAME {a} {b}", f"DELETE {a}",
                                      'LIST "" * RETURN (STATUS (MESSAGES UNSEEN))'))
        self.do(command, allowed=("[NONEXISTENT]", "[ALREADYEXISTS]"))

    def status(self):
        name = self.chance.choice(SHARED)
        line = self.do(f"STATUS {name} (MESSAGES UIDNEXT UNSEEN HIGHESTMODSEQ)")[0]
        require(line.startswith(b"* "), line)


def make_letter(ident):
    return (f"From: joe@far.example\r\nTo: {USER}\r\nSubject: letter {ident}\r\nMessage-ID: <{ident}@far.example>\r\n"
            f"X-Letter: {ident}\r\n\r\ntext of {ident}\r\n").encode()


class World:
    """A running system, its sessions and what they know together."""

    def __init__(self, mailrail, count, seed):
        self.mailrail, self.seed = mailrail, seed
        self.imap_port = mailrail.imap_port
        self.ledger = Ledger()
        self.boxes = {}  # MAILBOXID of each shared mailbox
        self.failures = []  # (session, exception)
        self.delivered = 0
        self.commands = 0
        self.prepare()
        self.sessions = [Session(self, i, KINDS[i % len(KINDS)]) for i in range(count)]

    def prepare(self):
        first = Session(self, 99, "rev1")
        for name in SHARED:
            if name not in ("INBOX", "Archive"):
                first.do(f"CREATE {name}")
            first.select(name)
            self.boxes[name] = first.view.box
        first.close()

    # Running.

    def run(self, seconds):
        """All at work for so long, then quiet."""
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=self.guard, args=(session, end), daemon=True) for session in self.sessions]
        threads.append(threading.Thread(target=self.deliver, args=(end,), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failures:
            raise self.failures[0][1]
        self.check()

    def guard(self, session, end):
        try:
            while time.monotonic() < end and not self.failures:
                session.step()
                self.commands += 1
        except Exception as failure:  # of any kind, from any thread
            self.failures.append((session, failure))

    def deliver(self, end):
        chance = random.Random(f"{self.seed} {self.delivered}")
        try:
            with self.mailrail.smtp() as smtp:
                while time.monotonic() < end and not self.failures:
                    self.delivered += 1
                    smtp.sendmail("joe@far.example", [USER], make_letter(f"smtp.{self.delivered}"))
                    self.ledger.came(self.boxes["INBOX"], [0])
                    time.sleep(chance.uniform(0, 0.4))
        except Exception as failure:
            self.failures.append((None, failure))

    # When all is quiet.

    def check(self):
        session = None
        try:
            truth = {name: self.read(name) for name in SHARED}
            for session in self.sessions:
                self.converge(session, truth)
        except Exception as failure:
            self.failures.append((session, failure))
            raise

    def read(self, name):
        """Flags by UID, of a client that knows nothing; compared with STATUS and with what was promised."""
        reader = Session(self, 98, "condstore")
        reader.select(name, read_only=True)
        sizes = re.findall(rb"RFC822.SIZE (\d+)", b"\n".join(
            reader.do("UID FETCH 1:* (RFC822.SIZE FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (X-LETTER)])")))
        there = reader.view.flags()
        line = reader.do(f"STATUS {name} (MESSAGES UNSEEN DELETED UIDNEXT SIZE HIGHESTMODSEQ)")[0]
        status = {k.decode(): int(v) for k, v in re.findall(rb"(\w+) (\d+)", line)}
        counted = {"MESSAGES": len(there), "UNSEEN": sum(r"\Seen" not in f for f in there.values()),
                   "DELETED": sum(r"\Deleted" in f for f in there.values()), "SIZE": sum(map(int, sizes))}
        for what, count in counted.items():
            require(status[what] == count, f"{name}: {what} is {status[what]}, and {count} were counted")
        box = self.boxes[name]
        missing = [uid for uid in range(1, status["UIDNEXT"]) if uid not in there]
        lost = [uid for uid in missing if (box, uid) not in self.ledger.doomed]
        require(not lost, f"{name}: nobody removed UIDs {lost}")
        risen = [uid for uid in there if (box, uid) in self.ledger.vanished]
        require(not risen, f"{name}: UIDs {risen} are there, and were told to be gone")
        require(status["UIDNEXT"] - 1 == self.ledger.created[box],
                f"{name}: UIDNEXT is {status['UIDNEXT']}, and {self.ledger.created[box]} messages came")
        reader.close()
        return there

    def converge(self, session, truth):
        """Its picture becomes the truth. An event may still be under way: NOOP is asked more than once."""
        end = time.monotonic() + 60
        while session.name in SHARED:
            session.do("NOOP")
            if session.view.flags() == truth[session.name]:
                return
            if time.monotonic() > end:
                known, there = session.view.flags(), truth[session.name]
                wrong = {uid: (known.get(uid), there.get(uid)) for uid in known.keys() | there.keys()
                         if known.get(uid) != there.get(uid)}
                raise Fault(f"session {session.number} in {session.name} believes, and there is: {wrong}")
            time.sleep(0.1)

    def report(self, out):
        """The trace of the session that failed, and that of all, by time."""
        session, failure = self.failures[0]
        print(f"seed {self.seed}: {failure!r}", file=out)
        if session:
            print(f"session {session.number} ({session.kind}) in {session.name}, its last lines:", file=out)
            for when, who, line in [*session.trace][-60:]:
                print(f"{when:.4f} {who} {line.decode(errors='replace').rstrip()}", file=out)
        merged = sorted((when, s.number, who, line) for s in self.sessions for when, who, line in s.trace)
        with tempfile.NamedTemporaryFile("w", prefix="sessions-", suffix=".trace", delete=False) as file:
            for when, number, who, line in merged:
                file.write(f"{when:.4f} {number} {who} {line.decode(errors='replace').rstrip()}\n")
        print(f"all sessions: {file.name}", file=out, flush=True)

    def close(self):
        for session in self.sessions:
            with contextlib.suppress(OSError):
                session.close()


def run(mailrail, seconds, seed, count=8, rest=12, progress=print):
    """Random work for so long, with a rest every `rest` seconds in which all is compared."""
    world = World(mailrail, count, seed)
    began = time.monotonic()
    try:
        while (left := began + seconds - time.monotonic()) > 0:
            world.run(min(rest, left))
            progress(f"{time.monotonic() - began:.0f} s: {world.commands} commands, {world.delivered} delivered, "
                     f"{sum(world.ledger.created.values())} came, {len(world.ledger.vanished)} went")
    except Exception:
        if world.failures:
            world.report(sys.stdout)
        raise
    finally:
        world.close()
    return world


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--long", type=float, default=60, help="minutes")
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--sessions", type=int, default=12)
    a = arguments.parse_args()
    print(f"seed {a.seed}", flush=True)
    mailrail = Mailrail(**OPTIONS)
    try:
        mailrail.start()
        mailrail.add_usual()
        run(mailrail, a.long * 60, a.seed, a.sessions, rest=30, progress=lambda text: print(text, flush=True))
        found = mailrail.command("verifydata").stderr
        require(" 0 findings" in found, found)
        require(not FAULT.search(mailrail.log()), "a sanitizer found something")
    except BaseException:
        print(mailrail.log()[-5000:])
        raise
    finally:
        mailrail.destroy()


if __name__ == "__main__":
    sys.exit(main())
