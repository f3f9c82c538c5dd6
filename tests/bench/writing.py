#!/usr/bin/python3
"""STORE, COPY, MOVE, EXPUNGE and APPEND beside a peer: seconds of both, and how often ours fits into the peer's.

    unshare -n sh -c 'ip link set lo up && tests/bench/writing.py --messages 100000'

as root: starts Mailrail and Dovecot with the recipes beside this file (`--peer` names another one), fills an INBOX of
each with messages of 4 KiB, and then does each command in turn, first here, then there. `--dir` keeps the mailboxes
for the next run.
"""
import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import processes

HERE = pathlib.Path(__file__).resolve().parent
ACCOUNT = 110
MESSAGE_SIZE = 4096
START_S = 60


def message(number):
    """Like what people send: a few header fields and a text, plain and as HTML."""
    head = (f"Return-Path: <bounce-{number}@lists.far.example>\r\nReceived: from far.example (far.example [192.0.2.7])\r\n"
            f"\tby mail.bench.test with ESMTPS id {number:08x}; Mon, 5 Jan 2026 10:20:30 +0000\r\n"
            f"From: Writer {number % 97} <writer{number % 97}@far.example>\r\nTo: Reader <u{ACCOUNT}@bench.test>\r\n"
            f"Subject: letter {number} about stations\r\nDate: Mon, 5 Jan 2026 10:20:30 +0000\r\n"
            f"Message-ID: <{number}.{os.getpid()}.{time.monotonic_ns()}@far.example>\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/alternative; boundary=\"=_part\"\r\n\r\n"
            "--=_part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
    middle = "\r\n--=_part\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>"
    end = "</p></body></html>\r\n--=_part--\r\n"
    line = f"the mail train of {number} leaves from platform {number % 23} in the morning\r\n"
    room = MESSAGE_SIZE - len(head) - len(middle) - len(end)
    text = line * (room // len(line) // 2)
    return (head + text + middle + text + " " * (room - 2 * len(text)) + end).encode()


class Client:
    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server["imap"]), timeout=600)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray(1 << 20)
        self.socket.recv(4096)
        self.command(f'LOGIN {server["user"] % ACCOUNT} {server["password"]}')

    def command(self, text, want=b"OK"):
        return self.send(b"a " + (text if isinstance(text, bytes) else text.encode()) + b"\r\n", want)

    def send(self, data, want=b"OK"):
        """Until the tagged answer: the seconds that it took. Nothing else of the answer is kept."""
        begin = time.monotonic()
        self.socket.sendall(data)
        last = b""
        while not (last.endswith(b"\r\n") and (b"\r\n" + last).rsplit(b"\r\n", 2)[1].startswith(b"a ")):
            count = self.socket.recv_into(self.buffer)
            if count == 0:
                sys.exit(f"closed after {data[:60]!r}")
            last = (last + bytes(memoryview(self.buffer)[:count]))[-8192:] if count < 8192 else \
                bytes(memoryview(self.buffer)[count - 8192:count])
        seconds = time.monotonic() - begin
        answer = last.rsplit(b"\r\n", 2)[-2]
        if not answer.startswith(b"a " + want):
            sys.exit(f"{data[:60]!r}: {answer!r}")
        return seconds


def append_command(mailbox, first, count):
    """One APPEND of so many messages, without waiting for the server (LITERAL+)."""
    parts = [b"a APPEND " + mailbox.encode()]
    for number in range(first, first + count):
        text = message(number)
        parts.append(b" (\\Seen) {%d+}\r\n%s" % (len(text), text))
    return b"".join(parts) + b"\r\n"


class Server:
    def __init__(self, recipe, directory):
        self.recipe, self.directory = recipe, directory
        self.is_new = not (directory / "server.json").exists()
        directory.mkdir(parents=True, exist_ok=True)
        if self.is_new:
            self.run("init")
        self.run("start")
        self.info = json.loads((directory / "server.json").read_text())
        self.name = self.info["name"]
        self.wait_for_port()
        self.client = Client(self.info)

    def run(self, verb):
        subprocess.run([self.recipe, verb, self.directory], check=True, stdin=subprocess.DEVNULL)

    def wait_for_port(self):
        end = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.info["imap"]), timeout=5).close()
                return
            except OSError:
                if time.monotonic() > end:
                    sys.exit(f"{self.name} does not answer")
                time.sleep(0.05)

    def fill(self, messages):
        for first in range(0, messages if self.is_new else 0, 100):
            self.client.send(append_command("INBOX", first, min(100, messages - first)))

    def cpu_s(self):
        return processes.cpu_s(self.info["pids"])

    def wait_until_quiet(self):
        processes.wait_until_quiet(self.info["pids"], 0.5, 120)


# ---- What is measured: each makes its own mailboxes and leaves the INBOX as it was

def store(client, _run):
    client.command("SELECT INBOX")
    client.command(r"STORE 1:* -FLAGS.SILENT (\Flagged)")
    yield "STORE 1:* +FLAGS", client.command(r"STORE 1:* +FLAGS (\Flagged)")
    client.command(r"STORE 1:* -FLAGS.SILENT (\Flagged)")
    yield "STORE 1:* +FLAGS.SILENT", client.command(r"STORE 1:* +FLAGS.SILENT (\Flagged)")


def transfer(client, run, count):
    for name in "AB":
        client.command(f"CREATE {name}{run}")
    client.command("SELECT INBOX")
    yield f"COPY of {count}", client.command(f"COPY 1:{count} A{run}")
    client.command(f"SELECT A{run}")
    yield f"MOVE of {count}", client.command(f"MOVE 1:{count} B{run}")
    client.command(f"SELECT B{run}")
    client.command(r"STORE 1:* +FLAGS.SILENT (\Deleted)")
    yield f"EXPUNGE of {count}", client.command("EXPUNGE")
    client.command("SELECT INBOX")
    for name in "AB":
        client.command(f"DELETE {name}{run}")


def append(client, run, commands, per_command):
    """Seconds for a thousand messages."""
    mailbox = f"C{run}x{per_command}"
    client.command(f"CREATE {mailbox}")
    texts = [append_command(mailbox, n * per_command, per_command) for n in range(commands)]
    seconds = sum(client.send(text) for text in texts)
    yield f"1000 APPEND, {per_command} a command", seconds * 1000 / commands / per_command
    client.command(f"DELETE {mailbox}")


def works(arguments):
    def transfer_some(client, run):
        return transfer(client, run, min(arguments.transfer, arguments.messages))

    def append_single(client, run):
        return append(client, run, arguments.appends, 1)

    def append_many(client, run):
        return append(client, run, arguments.appends // 25, 50)

    named = {"store": store, "transfer": transfer_some, "append": append_single, "multiappend": append_many}
    return [named[name] for name in arguments.only.split(",")]


def measure(servers, arguments):
    """Seconds by row and server."""
    results = {}
    for work in works(arguments):
        for run in range(arguments.runs):
            for server in servers:
                for other in servers:
                    other.wait_until_quiet()
                before = server.cpu_s()
                for row, seconds in work(server.client, f"{os.getpid()}r{run}"):
                    after = server.cpu_s()
                    results.setdefault(row, {}).setdefault(server.name, []).append((seconds, after - before))
                    before = after
    return results


def print_table(results, servers):
    ours, peer = (server.name for server in servers)
    print(f"| operation | {peer}, ms | {ours}, ms | ratio | CPU {peer}, s | {ours}, s |\n|---|---|---|---|---|---|")
    for row, by_server in results.items():
        there, here = ([statistics.median(column) for column in zip(*by_server[name])] for name in (peer, ours))
        print(f"| {row} | {there[0] * 1000:.1f} | {here[0] * 1000:.1f} | {there[0] / here[0]:.2f} |"
              f" {there[1]:.2f} | {here[1]:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100000, help="in the INBOX")
    parser.add_argument("--transfer", type=int, default=10000, help="messages to copy, move and expunge")
    parser.add_argument("--appends", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="store,transfer,append,multiappend")
    parser.add_argument("--peer", default=HERE / "dovecot.sh", help="recipe of the server to compare with")
    parser.add_argument("--dir", help="keeps the servers' data here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o755)
        directory = pathlib.Path(arguments.dir or scratch).absolute()
        servers = []
        try:
            for recipe, name in ((HERE / "mailrail.sh", "ours"), (arguments.peer, "peer")):
                servers.append(Server(recipe, directory / name))
            for server in servers:
                server.fill(arguments.messages)
            print_table(measure(servers, arguments), servers)
        finally:
            for server in servers:
                server.run("stop")


if __name__ == "__main__":
    main()
