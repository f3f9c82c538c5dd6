"""Accepted means on disk: what is synced before each acknowledgement, as the kernel sees it.

A killed process loses nothing that the kernel has, so no other test would notice a missing sync.
"""
import re
import signal
import subprocess
import time

import pytest

from conftest import wait_until

USER = "ann@example.org"
MESSAGE = b"From: <ann@example.org>\r\nTo: <bob@far.example>\r\nSubject: durable\r\n\r\nhello\r\n"


class Traced:
    """strace on some services; afterwards `events`: what ended when, in order."""

    def __init__(self, mailrail, *services):
        self.path = mailrail.directory / "strace"
        words = ["strace", "-f", "-y", "-s", "200", "-e", "trace=fsync,fdatasync,syncfs,sendto,write", "-o", str(self.path)]
        for service in services:
            words += ["-p", str(mailrail.pid_of(service))]
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        # It says "attached" for each process, with all threads.
        assert "attached" in self.process.stderr.readline()
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        time.sleep(0.3)
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)

    def events(self):
        """Pairs of call and text, ordered by when the call ended; for writes, by when it began."""
        pending, events = {}, []
        for line in self.path.read_text(errors="replace").splitlines():
            started = re.match(r"(\d+) +(\w+)\((.*)", line)
            resumed = re.match(r"(\d+) +<\.\.\. (\w+) resumed>.*= (-?\d+)", line)
            if resumed:
                text = pending.pop(resumed[1], None)
                if resumed[2] in ("fsync", "fdatasync", "syncfs") and resumed[3] == "0" and text:
                    events.append(("sync", text))
            elif started and started[2] in ("sendto", "write"):
                events.append(("write", started[3]))
            elif started and "<unfinished" in line:
                pending[started[1]] = started[3]
            elif started and line.rstrip().endswith("= 0"):
                events.append(("sync", started[3]))
        return events


def synced_before(traced, acknowledgement):
    """Paths that were synced before the bytes of the acknowledgement were written."""
    paths = []
    for call, text in traced.events():
        if call == "write" and acknowledgement in text:
            return paths
        if call == "sync":
            paths += re.findall(r"<([^<>]+)>", text)
    pytest.fail(f"no {acknowledgement} was seen")


def check(paths, *wanted):
    """All of these were synced, in this order."""
    last = -1
    for pattern in wanted:
        found = [i for i, path in enumerate(paths) if re.search(pattern, path)]
        assert found and found[-1] > last, f"{pattern} was not synced, or too early: {paths}"
        last = found[0]


# A small message comes to store in the call, which writes its file; a large one is a file before.
SMALL, LARGE = "hi", "0123456789abc\r\n" * 5000


# The first message makes directories; a later one only uses them.
@pytest.mark.parametrize("body, written", [(SMALL, r"/accounts/1/msg/0/\d+$"), (LARGE, r"/spool/smtp-in/")],
                         ids=["small", "large"])
@pytest.mark.parametrize("earlier", [0, 1])
def test_a_delivery(mailrail, earlier, body, written):
    for _ in range(earlier):
        mailrail.deliver(USER)
    with Traced(mailrail, "store", "smtp-in") as traced:
        mailrail.deliver(USER, body=body)
    paths = synced_before(traced, "250 2.2.0")
    check(paths, written, r"/accounts/1/msg/0$", r"/accounts/1/index\.db-wal$")
    if not earlier:
        check(paths, r"/accounts/1/msg$", r"/accounts/1$")


@pytest.mark.parametrize("body, written", [(SMALL, r"/accounts/1/msg/0/\d+$"), (LARGE, r"/spool/imap/")],
                         ids=["small", "large"])
def test_append_and_copy(mailrail, body, written):
    with mailrail.imap(USER) as imap:
        with Traced(mailrail, "store", "imap") as traced:
            assert imap.append("Inbox", None, None, MESSAGE + body.encode() + b"\r\n")[0] == "OK"
        # The answer leaves encrypted: the store's reply on the bus stands for it.
        paths = [p for call, text in traced.events() if call == "sync" for p in re.findall(r"<([^<>]+)>", text)]
        check(paths, written, r"/accounts/1/msg/0$", r"/accounts/1/index\.db-wal$")
        imap.select()
        with Traced(mailrail, "store") as traced:
            assert imap.copy("1", "Archive")[0] == "OK"
        paths = [p for call, text in traced.events() if call == "sync" for p in re.findall(r"<([^<>]+)>", text)]
        check(paths, r"/accounts/1/msg/0$", r"/accounts/1/index\.db-wal$")


def submit(mailrail, message, recipient="bob@example.org", services=("store", "submission")):
    """What was synced, in order, before the message was acknowledged, and all of it."""
    with mailrail.raw_submission(tls=False) as client:
        client.reply()
        for command in ("EHLO client", "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl",
                        f"MAIL FROM:<{USER}>", f"RCPT TO:<{recipient}>"):
            client.send(command + "\r\n")
            assert client.reply()[:1] == b"2", command
        with Traced(mailrail, *services) as traced:
            client.send("DATA\r\n")
            assert client.reply()[:3] == b"354"
            client.send(message + b".\r\n")
            assert client.reply()[:3] == b"250"
            wait_until(lambda: not mailrail.list("queue", "list"), 30, "an empty queue")
    return traced


def all_synced(traced):
    return [p for call, text in traced.events() if call == "sync" for p in re.findall(r"<([^<>]+)>", text)]


def first(paths, pattern):
    return next(i for i, path in enumerate(paths) if re.search(pattern, path))


def test_a_small_submission(make_mailrail):
    """One sync, of the queue's database, in which the message is."""
    mailrail = make_mailrail(submission={"cleartext_auth": True})
    traced = submit(mailrail, MESSAGE, services=("store", "submission", "queue-deliverer"))
    paths = synced_before(traced, "250 2.2.0")
    check(paths, r"/queue\.db-wal$")
    assert not [path for path in paths if "/spool/" in path or "/queue/msg" in path]
    # To a mailbox it goes as a file.
    paths = all_synced(traced)
    check(paths, r"/accounts/2/msg/0/\d+$", r"/accounts/2/msg/0$", r"/accounts/2/index\.db-wal$")


def test_a_large_submission(make_mailrail):
    mailrail = make_mailrail(submission={"cleartext_auth": True})
    traced = submit(mailrail, MESSAGE + b"0123456789abc\r\n" * 5000)
    paths = synced_before(traced, "250 2.2.0")
    check(paths, r"/spool/submission/", r"/queue/msg/0$", r"/queue\.db-wal$")
    check(paths, r"/queue/msg$", r"/queue$")


def mbox_of(mailrail, count):
    path = mailrail.directory / "some.mbox"
    path.write_text("".join(f"From x@far.example Fri Jan  2 03:04:05 2026\nSubject: {i}\n\nnumber {i}\n\n"
                            for i in range(count)))
    return str(path)


# The texts, the directory that names them, the rows that count them; then the same of the account.
STAGED = r"/import/[0-9a-f]{32}/1$", r"/import/[0-9a-f]{32}/staging\.db-wal$"
COMMITTED = r"/accounts/1/msg/0$", r"/accounts/1/index\.db-wal$"


def test_an_import_of_few_messages(mailrail):
    path = mbox_of(mailrail, 2)
    with Traced(mailrail, "store") as traced:
        mailrail.command("import", "ann", path)
    paths = all_synced(traced)
    check(paths, r"/import/[0-9a-f]{32}/1$", r"/import/[0-9a-f]{32}/2$", r"/import/[0-9a-f]{32}$", STAGED[1],
          *COMMITTED)


def test_an_import_of_many_messages(mailrail):
    """One sync of the file system, by the first text, stands for all texts."""
    path = mbox_of(mailrail, 40)
    with Traced(mailrail, "store") as traced:
        mailrail.command("import", "ann", path)
    assert any(call == "sync" and re.search(STAGED[0], text.partition(">")[0]) for call, text in traced.events())
    check(all_synced(traced), *STAGED, *COMMITTED)


def test_a_restore(mailrail):
    mailrail.deliver(USER)
    backup = str(mailrail.directory / "backup")
    mailrail.command("backup", backup)
    with mailrail.imap(USER) as imap:
        imap.select()
        imap.store("1", "+FLAGS", "\\Deleted")
        imap.expunge()
    with Traced(mailrail, "store") as traced:
        mailrail.command("restore", backup, "ann")
    check(all_synced(traced), *STAGED, *COMMITTED)


def test_a_backup(mailrail):
    """Its file system is synced before the file that says that it is whole."""
    mailrail.deliver(USER)
    backup = mailrail.directory / "backup"
    with Traced(mailrail, "store") as traced:
        mailrail.command("backup", str(backup))
    lines = traced.path.read_text(errors="replace").splitlines()

    def seen(pattern):
        return [i for i, line in enumerate(lines) if re.search(pattern, line)]

    name = re.escape(str(backup))
    whole = seen(rf"syncfs\(\d+<{name}>")
    version = seen(rf"sync\(\d+<{name}/[^/>]*version")
    named = seen(rf" fsync\(\d+<{name}>")
    assert whole and version and named and whole[0] < version[0] < named[-1]
