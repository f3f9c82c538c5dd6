"""Mail on its way while a service of our own is away: that is no attempt, and costs seconds, not the step
of minutes that a server of others gets."""
import contextlib
import tempfile

import pytest

import far
from conftest import PASSWORD, free_ports, wait_until

ANN, BOB = "ann@example.org", "bob@example.org"
LETTER = (f"From: <{ANN}>\r\nTo: <{BOB}>\r\nSubject: hi\r\nDate: Fri, 2 Jan 2026 03:04:05 +0000\r\n"
          "Message-ID: <1@example.org>\r\n\r\nhello\r\n").encode()
# So long takes an attempt that is counted.
RETRY_MS = 600000


@contextlib.contextmanager
def door_away(system, name):
    """Nobody finds the door: what ends is not there to be connected to again, but all else goes on."""
    door = system.directory / "run" / f"{name}.sock"
    hidden = door.with_suffix(".away")
    deliverer = system.pid_of("queue-deliverer")
    door.rename(hidden)
    system.kill("queue-deliverer")  # it has a connection
    wait_until(lambda: system.pid_of("queue-deliverer") not in (None, deliverer), 10, "a new deliverer")
    yield
    hidden.rename(door)


def attempts(system):
    """Result and number of each."""
    lines = [line for line in system.log().splitlines() if '"delivery attempt"' in line]
    return [tuple(word.partition("=")[2] for word in line.split() if word.startswith(("result=", "attempt=")))
            for line in lines]


def submit(system, recipient):
    with far.Submission(system.submission_port, ANN, PASSWORD) as client:
        client.send(ANN, [recipient], LETTER)


def wait_for_postponements(system, count):
    wait_until(lambda: len(attempts(system)) >= count, 60, "attempts")
    wait_until(lambda: "does not answer" in system.list("queue", "list")[0]["last_error"], 10, "the reason")
    assert system.list("queue", "list")[0]["attempts"] in ("0/8", "1/8"), "1 while it is leased"


def check_attempts(system):
    *away, last = attempts(system)
    assert last == ("delivered", "1")
    assert set(away) == {("postponed", "1")}
    assert len(away) < 12, "pauses grow"


def test_store_away_between_lease_and_mailbox(make_mailrail):
    system = make_mailrail(store={"queue_retry_ms": RETRY_MS})
    with door_away(system, "delivery"):
        submit(system, BOB)
        wait_for_postponements(system, 2)
    wait_until(lambda: not system.list("queue", "list"), 15, "an empty queue")
    with system.imap(BOB) as imap:
        assert imap.select()[1] == [b"1"]
    check_attempts(system)


@pytest.fixture
def outside():
    port, dns_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="mr-") as directory:
        zone = far.SignedZone(directory, dns_port, "far.example", ["@ MX 10 mx", "mx A 127.0.0.18"])
        taken = []
        server = far.Misbehaving("127.0.0.18", port, accepting(taken))
        try:
            yield port, zone, taken
        finally:
            server.stop()
            zone.stop()


def accepting(taken):
    """A server that takes everything."""
    def behave(client, _number):
        file = client.makefile("rwb", buffering=0)
        file.write(b"220 mx.far.example hello\r\n")
        while line := file.readline():
            verb = line.split()[0].upper()
            file.write({b"EHLO": b"250-mx.far.example\r\n250 PIPELINING\r\n", b"DATA": b"354 go on\r\n",
                        b"QUIT": b"221 bye\r\n"}.get(verb, b"250 2.0.0 ok\r\n"))
            if verb == b"DATA":
                taken.append(b"".join(iter(file.readline, b".\r\n")))
                file.write(b"250 2.0.0 taken\r\n")
            if verb == b"QUIT":
                break
    return behave


def test_resolver_away(outside, make_mailrail):
    port, zone, taken = outside
    system = make_mailrail(store={"queue_retry_ms": RETRY_MS}, dns_resolver=zone.options(),
                           queue_deliverer={"port": port})
    with door_away(system, "dns"):
        submit(system, "someone@far.example")
        wait_for_postponements(system, 1)
    wait_until(lambda: not system.list("queue", "list"), 20, "an empty queue")
    assert len(taken) == 1
    check_attempts(system)
