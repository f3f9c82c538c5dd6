#!/usr/bin/python3
"""What a large account costs in time and memory: PSS of imap and store before, during and after each command.

    tests/bench/big_account.py --messages 100000 --mailbox 100000 --size 4096
    tests/bench/big_account.py --messages 1000000 --mailbox 1000000 --no-index

imports messages, so many in each mailbox, waits for the text index, and then does the commands of a client in the first
mailbox. MAILRAIL_BUILD names the build (use the release). With `--mailbox` at two sizes one sees what grows. Searches
that read texts are left out without an index.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "stack"))
from conftest import BIN, ENVIRONMENT, PASSWORD, Mailrail, Raw

USER = "ann@example.org"
SERVICES = ("imap", "store")
TEXTS = ("SEARCH TEXT seldom", "SEARCH TEXT 77777", "SEARCH BODY often", "SEARCH FROM rare", "SEARCH FROM joe",
         "SEARCH SUBJECT 77777", "SEARCH SUBJECT letter")
COMMANDS = (
    "SELECT Box0", "STATUS Box0 (MESSAGES UNSEEN SIZE)", "FETCH 1:* FLAGS", "FETCH 1:* (UID FLAGS)",
    "FETCH 1:* (ENVELOPE INTERNALDATE RFC822.SIZE)", "FETCH 1:* BODYSTRUCTURE", "FETCH 1:* BODY.PEEK[HEADER]",
    "SEARCH ALL", "SEARCH UNSEEN", *TEXTS,
    "SORT (ARRIVAL) UTF-8 ALL", "SORT (SUBJECT) UTF-8 ALL", "SORT (FROM DATE) UTF-8 ALL",
    "THREAD ORDEREDSUBJECT UTF-8 ALL", "THREAD REFERENCES UTF-8 ALL",
    r"STORE 1:* +FLAGS.SILENT (\Flagged)", r"STORE 1:* -FLAGS (\Flagged)", "COPY 1:10000 Copies", "MOVE 1:10000 Moved",
    r"STORE 1:10000 +FLAGS.SILENT (\Deleted)", "EXPUNGE", 'LIST "" * RETURN (STATUS (MESSAGES UNSEEN SIZE))', "CLOSE",
    "NOOP")


def pss(pid):
    """In MiB."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1]) / 1024


class Peak:
    """The highest PSS of each process while it is open."""

    def __init__(self, pids):
        self.pids, self.highest, self.stop = pids, [0.0] * len(pids), threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.stop.wait(0.01):
            self.highest = [max(old, pss(pid)) for old, pid in zip(self.highest, self.pids)]

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def write_mbox(path, first, count, size):
    """One in 500 is from somebody rare, one in 1000 has a seldom word; every second one answers the one before."""
    with open(path, "w", encoding="ascii") as file:
        for n in range(first, first + count):
            sender = "rare" if n % 500 == 0 else f"joe{n % 3000}"
            head = (f"From: {sender}@far.example\nTo: {USER}\nSubject: {'Re: ' if n % 2 else ''}letter {n // 2}\n"
                    f"Message-ID: <{n}@far.example>\nDate: Fri, 2 Jan 2026 03:04:05 +0000\n"
                    + (f"References: <{n - 1}@far.example>\n" if n % 2 else ""))
            text = f"{'seldom' if n % 1000 == 7 else 'often'} text {n}\n"
            more = f"{n * 7919 % 100003} words of number {n} fill this line, and the others, {n % 977}\n"
            repeats = max(0, size - len(head) - len(text)) // len(more)
            file.write(f"From joe Fri Jan  2 03:04:05 2026\n{head}\n{text}{more * repeats}\n")


def prepare_index(mailrail, wanted):
    """Seconds until it is whole."""
    began = time.monotonic()
    if not wanted:
        mailrail.command("account", "textindex", "ann", "off")
    while wanted and (state := mailrail.list("account", "textindex", "ann")[0])["indexed"] < state["messages"]:
        time.sleep(1)
    return time.monotonic() - began


def run(client, command):
    """Bytes of the answer, none of which is kept, and its last line."""
    client.send(f"a {command}\r\n")
    received, tail = 0, b""
    while not re.search(rb"(^|\n)a (OK|NO|BAD)[^\n]*\n$", tail):
        data = client.socket.recv(1 << 20)
        received += len(data)
        tail = (tail + data)[-1000:]
    assert b"a OK" in tail, tail
    return received


def measure(mailrail, commands):
    pids = [mailrail.pid_of(service) for service in SERVICES]
    client = Raw(mailrail.imap_port, timeout=3600)
    client.line()
    run(client, f'LOGIN {USER} "{PASSWORD}"')
    for name in ("Copies", "Moved"):
        run(client, f"CREATE {name}")
    print(f"{'command':52} {'s':>7} {'MB sent':>8} {'imap MiB: before peak after':>28} {'store MiB':>28}")
    for command in commands:
        before = [pss(pid) for pid in pids]
        began = time.monotonic()
        with Peak(pids) as peak:
            sent = run(client, command)
        seconds = time.monotonic() - began
        after = [pss(pid) for pid in pids]
        memory = "".join(f"{b:10.1f} {max(b, p):9.1f} {a:8.1f}" for b, p, a in zip(before, peak.highest, after))
        print(f"{command:52} {seconds:7.2f} {sent / 1e6:8.1f} {memory}", flush=True)
    client.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--messages", type=int, default=1000000)
    arguments.add_argument("--mailbox", type=int, default=100000)
    arguments.add_argument("--size", type=int, default=0, help="bytes of a message; the smallest has 200")
    arguments.add_argument("--no-index", dest="index", action="store_false")
    a = arguments.parse_args()
    mailrail = Mailrail(imap={"cleartext_auth": True}, log_level="info")
    try:
        mailrail.start()
        mailrail.add_usual()
        for number, first in enumerate(range(0, a.messages, a.mailbox)):
            path = mailrail.directory / f"Box{number}.mbox"
            write_mbox(path, first, a.mailbox, a.size)
            began = time.monotonic()
            with Peak([mailrail.pid_of("store")]) as peak:
                subprocess.run([BIN / "mailrail", "import", "ann", path, "--config", mailrail.config], check=True,
                               env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            path.unlink()
            print(f"{path.stem}: {a.mailbox} messages in {time.monotonic() - began:.1f} s, store at most "
                  f"{peak.highest[0]:.1f} MiB, now {pss(mailrail.pid_of('store')):.1f}", flush=True)
        print(f"text index: {prepare_index(mailrail, a.index):.0f} s after the import", flush=True)
        some = str(min(10000, a.mailbox // 4))
        measure(mailrail, [command.replace("10000", some) for command in COMMANDS if a.index or command not in TEXTS])
    finally:
        mailrail.destroy()


if __name__ == "__main__":
    sys.exit(main())
