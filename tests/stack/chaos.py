#!/usr/bin/python3
"""Kills services at random moments under load, and proves that nothing acknowledged was lost.

Senders deliver over SMTP, some of them as users through the queue, readers move and flag over IMAP, and in
each round one service, or all of them at once, dies by SIGKILL; the launcher starts it again. At the end,
when all is quiet and the queue empty:

- every message whose end of data was answered with 250 is in its account exactly once;
- a message that was not acknowledged is there at most once, and nothing else is there;
- the counts that STATUS gives are those of the messages there;
- `mailrail verifydata` finds nothing.

    tests/stack/chaos.py --rounds 2000          (a system of its own; 20 minutes)

MAILRAIL_BUILD names the build (default: build/sanitize). The short form, tests/stack/test_chaos.py, runs the same with
few rounds.
"""
import argparse
import base64
import collections
import dataclasses
import os
import random
import re
import signal
import socket
import sys
import threading
import time
import typing

from conftest import PASSWORD, Mailrail, children_of

SERVICES = ("store", "smtp-in", "imap", "submission", "queue-deliverer", "dns-resolver")
MAILBOXES = ("INBOX", "Archive", "Trash")
FLAGS = (r"\Seen", r"\Flagged", r"\Answered", "$Forwarded", "chaos")


class Line:
    """A line-based client that gives up after a time; one class for SMTP and IMAP."""

    def __init__(self, port, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.file = self.socket.makefile("rb")

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("closed")
        return line.rstrip(b"\r\n")

    def write(self, data):
        self.socket.sendall(data)

    def close(self):
        self.file.close()
        self.socket.close()


class Smtp(Line):
    def __init__(self, port, user=None, password=None, codes=None):
        super().__init__(port)
        self.codes = collections.Counter() if codes is None else codes  # of all replies
        self.expect(220)
        self.command("EHLO chaos.example", 250)
        if user:
            self.command("AUTH PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode(), 235)

    def reply(self):
        while True:
            line = self.read()
            if line[3:4] != b"-":
                self.codes[int(line[:3])] += 1
                return int(line[:3])

    def expect(self, code):
        got = self.reply()
        if got != code:
            raise ConnectionError(f"{got} instead of {code}")

    def command(self, text, code):
        self.write(text.encode() + b"\r\n")
        self.expect(code)

    def send(self, sender, recipient, message):
        """True when it was acknowledged. Raises before the end of data when nothing was."""
        self.command(f"MAIL FROM:<{sender}>", 250)
        self.command(f"RCPT TO:<{recipient}>", 250)
        self.command("DATA", 354)
        self.write(message + b"\r\n.\r\n")
        return self.reply() == 250


class Imap(Line):
    def __init__(self, port, user, password):
        super().__init__(port)
        self.user = user
        self.tags = 0
        self.tagged = b""  # the last answer
        self.read()
        self.command(f'LOGIN "{user}" "{password}"')

    def command(self, text):
        """The untagged lines; ConnectionError unless the answer is OK."""
        self.tags += 1
        tag = b"c%d " % self.tags
        self.write(tag + (text if isinstance(text, bytes) else text.encode()) + b"\r\n")
        lines = []
        while True:
            line = self.read()
            while True:  # a literal belongs to its line
                literal = re.search(rb"\{(\d+)\}$", line)
                if not literal:
                    break
                line += b"\r\n" + self.file.read(int(literal[1])) + self.read()
            if line.startswith(tag):
                self.tagged = line
                if not line.startswith(tag + b"OK"):
                    raise ConnectionError(line.decode(errors="replace"))
                return lines
            lines.append(line)


@dataclasses.dataclass
class System:
    """What chaos needs to know of a running system."""

    launcher: int  # process id
    smtp: int
    imap: int
    submission: int
    users: list  # addresses that log in and receive
    queued: typing.Callable  # says how many messages are in the queue
    password: str = PASSWORD
    import_mbox: typing.Callable = None  # of a path into a user's mailbox Imported; True when it succeeded


class Ledger:
    """What was promised: message ids by account, acknowledged or only attempted."""

    def __init__(self):
        self.lock = threading.Lock()
        self.attempted = collections.defaultdict(set)
        self.acknowledged = collections.defaultdict(set)

    def attempt(self, user, ident):
        with self.lock:
            self.attempted[user].add(ident)

    def acknowledge(self, user, ident):
        with self.lock:
            self.acknowledged[user].add(ident)

    def total(self):
        with self.lock:
            return sum(len(s) for s in self.acknowledged.values())


class Crew:
    """Threads that run until they are told to stop, or one of them fails."""

    def __init__(self, targets):
        self.stop = threading.Event()
        self.failure = None  # the first
        self.threads = []
        self.add(targets)

    def add(self, targets):
        self.threads += [threading.Thread(target=self.guard, args=target, daemon=True) for target in targets]

    def start(self):
        for thread in self.threads:
            thread.start()

    def finish(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(120)
        if self.failure:
            raise self.failure

    def guard(self, run, number):
        try:
            run(number)
        except Exception as failure:  # a fault of this program, or an answer that must not be
            self.failure = self.failure or failure
            self.stop.set()


class Load(Crew):
    def __init__(self, system, senders, readers, seed, pause, reader_pause=0.0):
        super().__init__([(self.sender, i) for i in range(senders)] + [(self.reader, i) for i in range(readers)])
        self.system = system
        self.ledger = Ledger()
        self.actions = 0
        self.submitted = 0
        self.refused = 0  # attempts of senders that ended without an acknowledgement
        self.codes = collections.Counter()  # of replies to senders
        self.seed = seed
        self.pause = pause  # of each sender between two messages, on average, in seconds
        self.reader_pause = reader_pause

    def sender(self, number):
        """Every fourth one is a user, whose mail goes through the queue: there, what is above 64 KiB waits in
        another place."""
        chance = random.Random(f"{self.seed} sender {number}")
        serial, smtp = 0, None
        is_user = number % 4 == 3
        address = self.system.users[number % len(self.system.users)] if is_user else f"sender{number}@chaos.example"
        pause = max(self.pause, 0.05) if is_user else self.pause
        while not self.stop.is_set():
            serial += 1
            time.sleep(chance.uniform(0, 2 * pause))
            ident = f"{number}.{serial}@chaos.example"
            user = chance.choice(self.system.users)
            lines = chance.choice([1, 1, 1, 100]) if is_user else 1
            message = (f"From: {address}\r\nTo: {user}\r\nSubject: chaos {serial}\r\n"
                       f"Message-ID: <{ident}>\r\nDate: Fri, 2 Jan 2026 03:04:05 +0000\r\n\r\n"
                       + ("x" * 800 + "\r\n") * lines + "x" * chance.randrange(10, 9000)).encode()
            try:
                smtp = smtp or self.connect(address if is_user else None)
                self.ledger.attempt(user, ident)
                if smtp.send(address, user, message):
                    self.ledger.acknowledge(user, ident)
                    self.submitted += is_user
                else:
                    self.refused += 1
                    smtp.command("RSET", 250)
            except (OSError, ConnectionError, ValueError):
                self.refused += 1
                if smtp:
                    smtp.close()
                smtp = None
                time.sleep(0.02)

    def connect(self, user):
        if user:
            return Smtp(self.system.submission, user, self.system.password, self.codes)
        return Smtp(self.system.smtp, codes=self.codes)

    def reader(self, number):
        chance = random.Random(f"{self.seed} reader {number}")
        imap = None
        user = self.system.users[number % len(self.system.users)]
        while not self.stop.is_set():
            time.sleep(chance.uniform(0, 2 * self.reader_pause))
            try:
                imap = imap or Imap(self.system.imap, user, self.system.password)
                self.read_once(imap, chance)
                self.actions += 1
            except (OSError, ConnectionError, ValueError):
                if imap:
                    imap.close()
                imap = None
                time.sleep(0.02)

    def read_once(self, imap, chance):
        box = chance.choice(MAILBOXES)
        imap.command(f"SELECT {box}")
        uids = [int(u) for line in imap.command("UID SEARCH ALL") for u in re.findall(rb"\d+", line)
                if line.startswith((b"* SEARCH", b"* ESEARCH"))]
        if not uids:
            return
        some = ",".join(str(u) for u in chance.sample(uids, min(len(uids), 5)))
        imap.command(f"UID STORE {some} {chance.choice('+-')}FLAGS ({chance.choice(FLAGS)})")
        target = chance.choice([b for b in MAILBOXES if b != box])
        imap.command(f"UID MOVE {some} {target}")


def kill_round(system, chance, number):
    children = children_of(system.launcher)
    everybody = number % 10 == 9
    names = list(children) if everybody else [SERVICES[number % len(SERVICES)]]
    for name in names:
        if name in children:
            try:
                os.kill(children[name], signal.SIGKILL)
            except ProcessLookupError:
                pass
    return "all" if everybody else names[0]


def wait_until_answering(system, seconds=60):
    end = time.monotonic() + seconds
    while True:
        try:
            Smtp(system.smtp).close()
            imap = Imap(system.imap, system.users[0], system.password)
            imap.command("NOOP")
            imap.close()
            return
        except (OSError, ConnectionError, ValueError):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def wait_for_the_queue(system, seconds=120):
    end = time.monotonic() + seconds
    while count := system.queued():
        assert time.monotonic() < end, f"{count} messages stay in the queue"
        time.sleep(0.2)


def messages_of(imap, box):
    """UIDs and message ids of a mailbox, after checking its counts against its messages."""
    status = b" ".join(imap.command(f"STATUS {box} (MESSAGES UNSEEN UIDNEXT)"))
    counts = {k: int(v) for k, v in re.findall(rb"(MESSAGES|UNSEEN|UIDNEXT) (\d+)", status)}
    imap.command(f"SELECT {box}")
    lines = imap.command("FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])") if counts[b"MESSAGES"] else []
    found, unseen, uids = [], 0, []
    for line in lines:
        ident = re.search(rb"Message-ID: <([^>]+)>", line)
        uid = re.search(rb"UID (\d+)", line)
        if ident and uid:
            found.append(ident[1].decode())
            uids.append(int(uid[1]))
            unseen += b"\\Seen" not in line
    assert len(found) == counts[b"MESSAGES"], f"{box}: {len(found)} messages, STATUS says {counts}"
    assert unseen == counts[b"UNSEEN"], f"{box}: {unseen} unseen, STATUS says {counts}"
    assert uids == sorted(set(uids)), f"{box}: UIDs not ascending"
    assert not uids or uids[-1] < counts[b"UIDNEXT"], f"{box}: UIDNEXT {counts}"
    return found


def check(system, ledger):
    """Raises AssertionError with what is wrong; returns how many messages are there."""
    total = 0
    for user in system.users:
        imap = Imap(system.imap, user, system.password)
        there = collections.Counter(i for box in MAILBOXES for i in messages_of(imap, box))
        imap.close()
        total += sum(there.values())
        doubled = [i for i, n in there.items() if n > 1]
        lost = ledger.acknowledged[user] - set(there)
        unknown = set(there) - ledger.attempted[user]
        assert not lost, f"{user}: {len(lost)} acknowledged messages are lost, such as {sorted(lost)[:3]}"
        assert not doubled, f"{user}: {len(doubled)} messages are there twice, such as {doubled[:3]}"
        assert not unknown, f"{user}: messages that nobody sent: {sorted(unknown)[:3]}"
    return total


def run(system, rounds, senders=20, readers=5, seed=1, pause=0.0, progress=print, make_load=Load, check=check):
    """The whole program; raises when a promise was broken."""
    chance = random.Random(seed)
    load = make_load(system, senders, readers, seed, pause)
    killed = collections.Counter()
    load.start()
    began = time.monotonic()
    for number in range(rounds):
        time.sleep(chance.uniform(0.05, 1.0))
        killed[kill_round(system, chance, number)] += 1
        if load.stop.is_set():
            break
        if (number + 1) % 100 == 0:
            progress(f"round {number + 1}: {load.ledger.total()} acknowledged, {load.actions} reader rounds, "
                     f"{time.monotonic() - began:.0f} s")
    wait_until_answering(system)
    time.sleep(1)  # some load on a system that has recovered
    load.finish()
    wait_until_answering(system)
    wait_for_the_queue(system)
    total = check(system, load.ledger)
    progress(f"{rounds} rounds, killed {dict(killed)}: {load.ledger.total()} acknowledged ({load.submitted} through "
             f"the queue), {total} there, {load.actions} reader rounds")
    assert min(load.ledger.total(), load.submitted) > rounds and load.actions > 0, "there was hardly any load"


def make_system(mailrail, accounts=3):
    """The accounts that chaos uses, in a running system that allows logins without TLS."""
    users = [f"user{i}@example.org" for i in range(accounts)]
    mailrail.add_domain("example.org")
    for i, user in enumerate(users):
        mailrail.command("account", "add", f"user{i}", "--address", user, "--password-stdin",
                         "--outgoing-per-day", "1000000", stdin=PASSWORD + "\n")

    def import_mbox(user, path):
        words = ("import", user.partition("@")[0], path, "--mailbox", "Imported")
        return mailrail.command(*words, check=False).returncode == 0

    return System(mailrail.process and mailrail.process.pid, mailrail.smtp_port, mailrail.imap_port,
                  mailrail.submission_port, users, lambda: len(mailrail.list("queue", "list")), import_mbox=import_mbox)


OPTIONS = {"imap": {"cleartext_auth": True}, "submission": {"cleartext_auth": True}, "log_level": "info",
           # A lease that died with its deliverer, or with the answer, costs an attempt.
           "store": {"queue_retry_ms": 100, "queue_max_attempts": 32}, "queue_deliverer": {"lease_ms": 2000},
           # Who is killed every few seconds must not be kept away for long: there would be nothing to kill.
           "launcher": {"restart_pause_max_ms": 500}}


def main(run=run, description=__doc__):
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=2000)
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--pause", type=float, default=0.1, help="of each sender between messages, in seconds")
    a = arguments.parse_args()
    print(f"seed {a.seed}", flush=True)
    mailrail = Mailrail(**OPTIONS)
    print(f"in {mailrail.directory}", flush=True)
    mailrail.start()
    run(make_system(mailrail), a.rounds, seed=a.seed, pause=a.pause, progress=lambda text: print(text, flush=True))
    print(mailrail.command("verifydata").stdout)
    mailrail.destroy()


if __name__ == "__main__":
    sys.exit(main())
