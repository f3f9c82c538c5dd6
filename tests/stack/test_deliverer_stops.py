"""A deliverer that is told to stop while other servers are slow: what nobody has taken goes to the next
deliverer at once and counts no attempt; what may have been taken stays with its lease."""
import contextlib
import signal
import socket
import tempfile
import threading
import time

import pytest

import far
from conftest import PASSWORD, free_ports, wait_until

ANN = "ann@example.org"
IP = "127.0.0.19"
# So long takes an attempt that is counted, and a lease that runs out.
LONG_MS = 600000


def letter(number, size=0):
    return (f"From: <{ANN}>\r\nTo: undisclosed-recipients:;\r\nSubject: letter {number}\r\n"
            f"Date: Fri, 2 Jan 2026 03:04:05 +0000\r\nMessage-ID: <{number}@example.org>\r\n\r\nhello\r\n"
            + f"{'x' * 96}\r\n" * (size // 98)).encode()


class Slow:
    """Takes all mail. Its first connection stops at one place, "data" (before it asks for the text),
    "text" (in its middle) or "dot" (before it answers), of the transaction that `stop_in` counts."""

    def __init__(self, port, place, stop_in=1, limits=b""):
        self.place, self.stop_in, self.limits = place, stop_in, limits
        self.taken, self.reached, self.go = [], threading.Event(), threading.Event()
        self.server = far.Misbehaving(IP, port, self.behave)

    def behave(self, client, number):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        file = client.makefile("rb")
        client.sendall(b"220 mx.far.example hello\r\n")
        transactions, recipients = 0, []
        while line := file.readline():
            verb = line.split()[0].upper()
            if verb == b"RCPT":
                recipients.append(line.split(b"<")[1].split(b">")[0].decode())
            client.sendall({b"EHLO": b"250-mx.far.example\r\n" + self.limits + b"250 PIPELINING\r\n", b"DATA": b"",
                            b"QUIT": b"221 bye\r\n"}.get(verb, b"250 2.0.0 ok\r\n"))
            if verb == b"DATA":
                transactions += 1
                self.take(client, file, recipients, number == 1 and transactions == self.stop_in)
                recipients = []

    def take(self, client, file, recipients, slow):
        self.wait_at("data", slow)
        client.sendall(b"354 go on\r\n")
        text = [file.readline()]
        self.wait_at("text", slow)
        while text[-1] != b".\r\n":
            text.append(file.readline())
            if not text[-1]:
                return  # the connection ended before the text
        self.taken += [(recipient, b"".join(text)) for recipient in recipients]
        self.wait_at("dot", slow)
        client.sendall(b"250 2.0.0 taken\r\n")

    def wait_at(self, place, slow):
        if slow and place == self.place:
            self.reached.set()
            self.go.wait(60)

    def recipients(self):
        return sorted(recipient for recipient, _ in self.taken)

    def stop(self):
        self.go.set()
        self.server.stop()


@pytest.fixture
def outside():
    port, dns_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="mr-") as directory:
        zone = far.SignedZone(directory, dns_port, "far.example", ["@ MX 10 mx", f"mx A {IP}"])
        try:
            yield port, zone
        finally:
            zone.stop()


@contextlib.contextmanager
def slow(port, *words, **options):
    server = Slow(port, *words, **options)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def system(outside, make_mailrail):
    port, zone = outside
    return make_mailrail(store={"queue_retry_ms": LONG_MS}, dns_resolver=zone.options(),
                         queue_deliverer={"port": port, "lease_ms": LONG_MS, "idle_connection_ms": 0})


def submit(system, recipients, count=1, size=0):
    with far.Submission(system.submission_port, ANN, PASSWORD) as client:
        for number in range(count):
            client.send(ANN, recipients, letter(number, size))


def stop_deliverer(system):
    """The launcher starts another one. Seconds that the first one took to end."""
    pid, begin = system.pid_of("queue-deliverer"), time.monotonic()
    system.kill("queue-deliverer", signal.SIGTERM)
    wait_until(lambda: system.pid_of("queue-deliverer") != pid, 10, "the end of the deliverer")
    seconds = time.monotonic() - begin
    wait_until(lambda: system.pid_of("queue-deliverer"), 10, "a new deliverer")
    return seconds


def wait_for_empty_queue(system, seconds=10):
    wait_until(lambda: not system.list("queue", "list"), seconds, "an empty queue")
    lines = [line for line in system.log().splitlines() if '"delivery attempt"' in line and "=delivered" in line]
    assert all(" attempt=1 " in line for line in lines), "what was given back is no attempt"
    return len(lines)


def test_nobody_tells_addresses(outside, system):
    """The resolver hangs: nobody was talked to, so that nothing is waited for."""
    resolver = system.pid_of("dns-resolver")
    with slow(outside[0], "nowhere") as server:
        system.kill("dns-resolver", signal.SIGSTOP)
        try:
            submit(system, ["someone@far.example"], 3)
            wait_until(lambda: all(row["attempts"] == "1/8" for row in system.list("queue", "list")), 10, "leases")
            assert stop_deliverer(system) < 2
        finally:
            system.kill("dns-resolver", signal.SIGCONT)
        assert system.pid_of("dns-resolver") == resolver
        assert wait_for_empty_queue(system) == 3
        assert len(server.taken) == 3


# The long text has no room in the buffers of the connection: its end waits for the server to go on reading.
@pytest.mark.parametrize("place, size", [("data", 0), ("text", 8_000_000)])
def test_before_the_final_dot(outside, system, place, size):
    with slow(outside[0], place) as server:
        submit(system, ["someone@far.example", "other@far.example"], size=size)
        assert server.reached.wait(20)
        assert 1 < stop_deliverer(system) < 5, "it may end what it began, for drain_ms"
        assert wait_for_empty_queue(system, 30) == 2
        server.go.set()
        time.sleep(1)
        assert server.recipients() == ["other@far.example", "someone@far.example"], "once each"


def test_after_the_final_dot(outside, system):
    """Nobody knows whether it was taken: it stays with its lease, and is not sent twice while that lasts."""
    with slow(outside[0], "dot") as server:
        submit(system, ["someone@far.example"])
        assert server.reached.wait(20)
        assert stop_deliverer(system) < 5
        server.go.set()
        submit(system, ["other@far.example"])
        wait_until(lambda: server.recipients() == ["other@far.example", "someone@far.example"], 20, "the other")
        time.sleep(2)
        assert len(server.taken) == 2
        assert [row["attempts"] for row in system.list("queue", "list")] == ["1/8"]


def test_a_slow_answer_in_time_counts(outside, system):
    with slow(outside[0], "dot") as server:
        submit(system, ["someone@far.example"])
        assert server.reached.wait(20)
        threading.Timer(1, server.go.set).start()
        assert 0.9 < stop_deliverer(system) < 2.5
        assert wait_for_empty_queue(system) == 1
        assert len(server.taken) == 1


def test_recipients_of_one_letter_part(outside, system):
    """The server takes one recipient at a time. It has the first when the deliverer ends in the second
    transaction: only that one is given back."""
    with slow(outside[0], "data", stop_in=2, limits=b"250-LIMITS RCPTMAX=1\r\n") as server:
        submit(system, [f"{name}@far.example" for name in "abc"])
        assert server.reached.wait(20)
        assert 1 < stop_deliverer(system) < 5
        wait_for_empty_queue(system)
        assert server.recipients() == [f"{name}@far.example" for name in "abc"]
