"""More deliverers deliver more: 1, 2 and 4 of them against a server that takes 200 ms for each command."""
import collections
import re
import threading
import time

import pytest

import far
from conftest import PASSWORD, wait_until
from containers import make_shared_containers  # noqa: F401
from engine import engine, images, run  # noqa: F401
from world import SMTP_PORT, make_world  # noqa: F401

SLOW, DOMAINS, EACH = 50, 12, 6
CONNECTIONS = 2  # to a domain at a time, over all deliverers
COMMAND_S = 0.2


class SlowServer:
    """Notes which messages came, and how many transactions of a domain ran at a time."""

    def __init__(self, world):
        self.lock = threading.Lock()
        self.messages = collections.Counter()
        self.now, self.most = collections.Counter(), collections.Counter()
        self.server = world.inside(lambda: far.Misbehaving(world.address(SLOW), SMTP_PORT, self.behave))

    def behave(self, client, _number):
        file = client.makefile("rwb", buffering=0)
        file.write(b"220 slow.example\r\n")
        lines = client.makefile("rb")
        domain = None
        try:
            while line := lines.readline():
                time.sleep(COMMAND_S)
                verb = line[:4].upper()
                if verb == b"RCPT":
                    domain = self.begin(line)
                elif verb == b"DATA":
                    file.write(b"354 go on\r\n")
                    self.take(b"".join(iter(lines.readline, b".\r\n")))
                    time.sleep(COMMAND_S)
                    domain = self.end(domain)
                file.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
        finally:
            self.end(domain)

    def begin(self, line):
        domain = re.search(rb"@([^>]+)>", line)[1].decode()
        with self.lock:
            self.now[domain] += 1
            self.most[domain] = max(self.most[domain], self.now[domain])
        return domain

    def end(self, domain):
        with self.lock:
            if domain:
                self.now[domain] -= 1

    def take(self, text):
        with self.lock:
            self.messages[re.search(rb"Message-ID: <([^>]+)>", text)[1].decode()] += 1


@pytest.fixture(scope="module")
def world(make_world):
    names = "".join(f"d{n} MX 10 mx\n" for n in range(DOMAINS))
    return make_world({"slow.example": f"{names}mx A {{{SLOW}}}\n"})


@pytest.fixture(scope="module")
def system(world, make_shared_containers):  # in this order: a world ends after those in it
    return make_shared_containers(
        world=world, store={"queue_connections_per_domain": CONNECTIONS},
        queue_deliverer={"port": SMTP_PORT, "threads": 4, "messages_max": 8})


def scale(system, count):
    system.compose("up", "--detach", "--no-build", "--no-recreate", "--scale", f"queue-deliverer={count}")


def submit(system, prefix):
    """Message ids of what waits now."""
    sent = []
    with far.Submission(system.submission_port, "ann@example.org", PASSWORD) as client:
        for number in range(DOMAINS * EACH):
            ident, recipient = f"{prefix}.{number}@example.org", f"x@d{number % DOMAINS}.slow.example"
            client.send("ann@example.org", [recipient],
                        f"From: <ann@example.org>\r\nTo: <{recipient}>\r\nSubject: x\r\nMessage-ID: <{ident}>\r\n"
                        "Date: Fri, 2 Jan 2026 03:04:05 +0000\r\n\r\nx\r\n".encode())
            sent.append(ident)
    return sent


def test_deliverers_share_the_queue(system, world, table):
    rows, server = [], SlowServer(world)
    for count in (1, 2, 4):
        scale(system, 0)
        sent = submit(system, count)
        scale(system, count)
        wait_until(lambda: server.messages, 30, "the first message")
        began = time.monotonic()
        wait_until(lambda: len(server.messages) == len(sent), 120, "all messages")
        seconds = time.monotonic() - began
        wait_until(lambda: not system.list("queue", "list"), 20, "an empty queue")
        assert server.messages == dict.fromkeys(sent, 1)
        assert max(server.most.values()) <= CONNECTIONS, server.most
        rows.append((count, len(sent), f"{len(sent) / seconds:.1f}", max(server.most.values())))
        server.messages.clear()
    server.server.stop()
    table(f"Deliverers, {COMMAND_S * 1000:.0f} ms for each command of the other side",
          [("deliverers", "messages", "messages/s", "most at a time to a domain"), *rows])
