#!/usr/bin/python3
"""SELECT, FETCH and SEARCH of a large mailbox beside Dovecot: milliseconds of both, and how many times as fast we are.

    tests/bench/fetch.py WORKDIR [--messages 100000] [--rounds 5] [--only ROW]

fills one mailbox of each server in WORKDIR (kept there for the next run) and then asks them the same by turns, so that
what else the machine does meets both. Each figure is the median of its rounds. `first` is asked once, of a server that
has just started and has nothing in its caches of such answers. SEARCH is asked when our index is complete. Needs root,
dovecot-imapd and a release build.
"""
import argparse
import json
import pathlib
import random
import socket
import statistics
import subprocess
import sys
import time

import processes

HERE = pathlib.Path(__file__).resolve().parent
RECIPES = {"dovecot": HERE / "dovecot.sh", "mailrail": HERE / "mailrail.sh"}
USER, OTHER = 110, 0
ENVELOPE = "FETCH 1:* (ENVELOPE INTERNALDATE RFC822.SIZE)"
STRUCTURE = "FETCH 1:* (UID BODYSTRUCTURE)"
ROWS = (("FETCH UID FLAGS", "FETCH 1:* (UID FLAGS)", True),
        ("FETCH ENVELOPE, first", ENVELOPE, False), ("FETCH ENVELOPE", ENVELOPE, True),
        ("FETCH BODY.PEEK[HEADER]", "FETCH 1:* (UID BODY.PEEK[HEADER])", True),
        ("FETCH BODY.PEEK[]", "FETCH 1:* (UID BODY.PEEK[])", True),
        ("FETCH BODYSTRUCTURE, first", STRUCTURE, False), ("FETCH BODYSTRUCTURE", STRUCTURE, True),
        ("SEARCH UNSEEN", "SEARCH UNSEEN", True), ("SEARCH FROM", 'SEARCH FROM "dora17@"', True),
        ("SEARCH SUBJECT", 'SEARCH SUBJECT "letter 424"', True), ("SEARCH TEXT", 'SEARCH TEXT "Letter 4242 about"', True))


class Client:
    def __init__(self, port, user=None, password=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=300)
        self.buffer = bytearray(1 << 20)
        self.read_to(b"* OK")
        if user:
            self.run(f'LOGIN "{user}" "{password}"')

    def read_to(self, start):
        """Reads up to the line that begins so; answers keep only what may be that line."""
        tail, view = b"", memoryview(self.buffer)
        while True:
            length = self.socket.recv_into(self.buffer)
            if length == 0:
                raise ConnectionError("the server closed the connection")
            tail = bytes(view[max(0, length - 1000):length]) if length >= 1000 else (tail + view[:length])[-1000:]
            line = tail[tail.rfind(b"\n", 0, -1) + 1:]
            if line.startswith(start) and line.endswith(b"\n"):
                return line

    def run(self, command):
        """Seconds until the whole answer is here."""
        began = time.monotonic()
        self.socket.sendall(b"a " + command.encode() + b"\r\n")
        line = self.read_to(b"a ")
        seconds = time.monotonic() - began
        if not line.startswith(b"a OK"):
            raise RuntimeError(f"{command[:60]}: {line!r}")
        return seconds

    def append(self, messages):
        pieces = [b"a APPEND INBOX"]
        pieces += [b" {%d+}\r\n%s" % (len(message), message) for message in messages]
        self.socket.sendall(b"".join(pieces) + b"\r\n")
        line = self.read_to(b"a ")
        if not line.startswith(b"a OK"):
            raise RuntimeError(repr(line))


def message(number):
    """4 KiB, multipart/alternative, with the headers of a message that came from afar."""
    chance = random.Random(number)
    words = " ".join(chance.choice(("train", "letter", "invoice", "station", "parcel", "window", "Tuesday", "thanks"))
                     for _ in range(420))
    lines = [words[at:at + 72].encode() for at in range(0, len(words), 72)]
    half = len(lines) // 2
    name = chance.choice(("Ann Archer", "Bob Baker", "Cleo Carter", "Dora Dyer"))
    head = (f"Received: from mx{number % 7}.far.example (mx{number % 7}.far.example [192.0.2.{number % 250}])\r\n"
            f"\tby mail.bench.test with ESMTPS id {number:08x}\r\n\tfor <u110@bench.test>; Fri, 2 Jan 2026 03:04:05 +0000\r\n"
            f"From: {name} <{name.split()[0].lower()}{number % 500}@far.example>\r\n"
            f"To: \"Reader, U.\" <u110@bench.test>, list{number % 9}@lists.example\r\n"
            f"Cc: copies@far.example\r\nSubject: Re: letter {number} about {words[:30].strip()}\r\n"
            f"Date: Fri, 2 Jan 2026 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02} +0100\r\n"
            f"Message-ID: <{number:x}.{number * 7919 % 99991}@far.example>\r\nIn-Reply-To: <{number // 2:x}.a@far.example>\r\n"
            f"References: <{number // 4:x}.b@far.example>\r\n <{number // 2:x}.a@far.example>\r\n"
            f"User-Agent: Letters/{number % 12}.0\r\nMIME-Version: 1.0\r\n"
            f"Content-Type: multipart/alternative; boundary=\"=-{number:x}\"\r\n\r\n").encode()
    part = b"--=-%x\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s\r\n"
    body = (part % (number, b"plain", b"\r\n".join(lines[:half])) + part % (number, b"html", b"<br>\r\n".join(lines[half:])))
    return head + body + b"--=-%x--\r\n" % number


class Server:
    def __init__(self, name, directory):
        self.name, self.directory, self.client = name, directory, None
        if not (directory / "server.json").exists():
            directory.mkdir(parents=True, exist_ok=True)
            self.recipe("init")

    def recipe(self, verb):
        subprocess.run([RECIPES[self.name], verb, self.directory], check=True, stdin=subprocess.DEVNULL, timeout=300)

    def start(self):
        """A new process that answers, and whose other parts are awake: another account has logged in."""
        self.recipe("start")
        self.facts = json.loads((self.directory / "server.json").read_text())
        deadline = time.monotonic() + 60
        while True:
            try:
                self.log_in(OTHER)
                break
            except (OSError, RuntimeError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.client = self.log_in(USER)

    def log_in(self, number):
        return Client(self.facts["imap"], self.facts["user"] % number, self.facts["password"])

    def wait_until_indexed(self):
        """Its index is filled some seconds after it has nothing else to do."""
        processes.wait_until_quiet(self.facts["pids"], 8, 600)

    def stop(self):
        if self.client:
            self.client.socket.close()
        self.client = None
        self.recipe("stop")

    def forget(self):
        """What a server keeps of earlier answers; ours keeps nothing."""
        for path in (self.directory / "mail").rglob("dovecot.index.cache"):
            path.unlink()

    def fill(self, count):
        self.start()
        self.client.socket.sendall(b"a STATUS INBOX (MESSAGES)\r\n")
        status = b""
        while b"a OK" not in status:
            status += self.client.socket.recv(4096)
        have = int(status.split(b"(MESSAGES ")[1].split(b")")[0])
        for first in range(have, count, 100):
            self.client.append([message(number) for number in range(first, min(first + 100, count))])
        self.wait_until_indexed()
        self.stop()


def measure_select(server, rounds):
    seconds = []
    for _ in range(rounds):
        server.start()
        seconds.append(server.client.run("SELECT INBOX"))
        server.stop()
    return statistics.median(seconds)


def show(row, seconds):
    ours, theirs = seconds["mailrail"], seconds["dovecot"]
    print(f"{row:28} {theirs * 1000:12.1f} {ours * 1000:12.1f} {theirs / ours:8.2f}x", flush=True)


def measure(servers, rounds, only):
    print(f"{'':28} {'Dovecot ms':>12} {'Mailrail ms':>12} {'ratio':>9}")
    if only in "SELECT, cold process":
        show("SELECT, cold process", {s.name: measure_select(s, rounds) for s in servers})
    for server in servers:
        server.forget()
        server.start()
        server.client.run("SELECT INBOX")
    for row, command, is_repeated in ROWS:
        if only not in row:
            continue
        seconds = {server.name: [] for server in servers}
        for _ in range(rounds + 1 if is_repeated else 1): # the first of many warms up
            for server in servers:
                seconds[server.name].append(server.client.run(command))
        show(row, {name: statistics.median(values[1:] or values) for name, values in seconds.items()})


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("workdir", type=pathlib.Path)
    arguments.add_argument("--messages", type=int, default=100000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--only", default="", help="rows with this text in their names")
    a = arguments.parse_args()
    servers = [Server(name, (a.workdir / name).resolve()) for name in RECIPES]
    try:
        for server in servers:
            server.fill(a.messages)
        measure(servers, a.rounds, a.only)
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
