"""Accepted means on disk: what is synced before each acknowledgement, as the kernel sees it.

A killed process loses nothing that the kernel has, so no other test would notice a missing sync.
"""
import re
import signal
import subprocess
import time

import pytest

USER = "ann@example.org"
MESSAGE = b"From: <ann@example.org>\r\nTo: <bob@far.example>\r\nSubject: durable\r\n\r\nhello\r\n"


class Traced:
    """strace on some services; afterwards `events`: what ended when, in order."""

    def __init__(self, mailrail, *services):
        self.path = mailrail.directory / "strace"
        words = ["strace", "-f", "-y", "-s", "200", "-e", "trace=fsync,fdatasync,sendto,write", "-o", str(self.path)]
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
                if resumed[2] in ("fsync", "fdatasync") and resumed[3] == "0" and text:
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
    for pattern in wanted:
        assert any(re.search(pattern, path) for path in paths), f"{pattern} was not synced: {paths}"


# The first message makes directories; a later one only uses them.
@pytest.mark.parametrize("earlier", [0, 1])
def test_a_delivery(mailrail, earlier):
    for _ in range(earlier):
        mailrail.deliver(USER)
    with Traced(mailrail, "store", "smtp-in") as traced:
        mailrail.deliver(USER)
    paths = synced_before(traced, "250 2.2.0")
    check(paths, r"/spool/smtp-in-", r"/accounts/1/msg/0$", r"/accounts/1/index\.db-wal$")
    if not earlier:
        check(paths, r"/accounts/1/msg$", r"/accounts/1$")


def test_append_and_copy(mailrail):
    with mailrail.imap(USER) as imap:
        with Traced(mailrail, "store", "imap") as traced:
            assert imap.append("Inbox", None, None, MESSAGE)[0] == "OK"
        # The answer leaves encrypted: the store's reply on the bus stands for it.
        paths = [p for call, text in traced.events() if call == "sync" for p in re.findall(r"<([^<>]+)>", text)]
        check(paths, r"/spool/imap-", r"/accounts/1/msg/0$", r"/accounts/1/index\.db-wal$")
        imap.select()
        with Traced(mailrail, "store") as traced:
            assert imap.copy("1", "Archive")[0] == "OK"
        paths = [p for call, text in traced.events() if call == "sync" for p in re.findall(r"<([^<>]+)>", text)]
        check(paths, r"/accounts/1/msg/0$", r"/accounts/1/index\.db-wal$")


def test_a_submission(make_mailrail):
    mailrail = make_mailrail(submission={"cleartext_auth": True})
    with mailrail.raw_submission(tls=False) as client:
        client.reply()
        for command in ("EHLO client", "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl",
                        f"MAIL FROM:<{USER}>", "RCPT TO:<bob@example.org>"):
            client.send(command + "\r\n")
            assert client.reply()[:1] == b"2", command
        with Traced(mailrail, "store", "submission") as traced:
            client.send("DATA\r\n")
            assert client.reply()[:3] == b"354"
            client.send(MESSAGE + b".\r\n")
            assert client.reply()[:3] == b"250"
    check(synced_before(traced, "250 2.2.0"), r"/spool/submission-", r"/queue/msg/0$", r"/queue\.db-wal$",
          r"/queue/msg$", r"/queue$")
