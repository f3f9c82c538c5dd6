"""A user's letter to another domain: submitted over 587, found through signed DNS, taken by a real
Postfix; and what becomes of it when the other side is down, greylists, drops the connection, or never
takes it."""
import email
import email.policy
import random
import signal
import tempfile
import threading
import time

import pytest

import far
from conftest import PASSWORD, free_ports, wait_until

RETRY_MS = 150

GREY_IP, DROP_IP, DEAD_IP, REFUSING_IP, NOBODY_IP = (f"127.0.0.{n}" for n in (14, 15, 16, 17, 13))

RECORDS = [
    "@ MX 10 mx2",
    f"mx2 A {far.POSTFIX_IP}",
    "down MX 10 nobody.far.example.", "down MX 20 mx2", f"nobody A {NOBODY_IP}",
    "grey MX 10 mx-grey", f"mx-grey A {GREY_IP}",
    "drop MX 10 mx-drop", f"mx-drop A {DROP_IP}",
    "dead MX 10 mx-dead", f"mx-dead A {DEAD_IP}",
    "refusing MX 10 mx-refusing", f"mx-refusing A {REFUSING_IP}",
    "null MX 0 .",
    f"address A {far.POSTFIX_IP}",
]
DOMAINS = [f"{name}far.example" for name in ("", "down.", "grey.", "drop.", "address.")]


@pytest.fixture(scope="module")
def outside():
    """The port that other mail servers listen on, with all of them, and the zone."""
    port, dns_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="mr-") as zone, tempfile.TemporaryDirectory(prefix="mr-") as box:
        servers = []
        try:
            servers.append(far.SignedZone(zone, dns_port, "far.example", RECORDS))
            servers.append(far.Postfix(box, port, DOMAINS))
            yield port, *servers
        finally:
            for server in servers:
                server.stop()


@pytest.fixture
def system(outside, make_mailrail):
    port, zone, _ = outside
    return make_mailrail(store={"queue_retry_ms": RETRY_MS, "queue_max_attempts": 6},
                         queue_deliverer={"port": port, "idle_connection_ms": 0},
                         dns_resolver=zone.options())


def make_message(recipient, number, size=0):
    """With everything that a careless relay changes: dots, long lines, blanks at ends, 8-bit text;
    at least `size` bytes."""
    return (f"From: Ann <ann@example.org>\r\nTo: <{recipient}>\r\nSubject: far {number}\r\n"
            f"Date: Fri, 2 Jan 2026 03:04:05 +0000\r\nMessage-ID: <far-{number}@example.org>\r\n"
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n"
            f".\r\n..two\r\n.one\r\nGr\u00fc\u00dfe \r\n\t\r\n{'x' * 900}\r\n\r\n"
            + "".join(f"{n:096}\r\n" for n in range(size // 98 + 1))).encode()


# Up to 64 KiB a message waits as a row of the queue's database, a larger one as a file.
SMALL, LARGE = 0, 70000


def submit(system, recipient, number, size=SMALL):
    message = make_message(recipient, number, size)
    with far.Submission(system.submission_port, "ann@example.org", PASSWORD) as client:
        client.send("ann@example.org", [recipient], message, " BODY=8BITMIME")
    return message


def without_trace(message):
    """What stands behind the header fields that servers put in front."""
    trace = (b"return-path:", b"x-original-to:", b"delivered-to:", b"received:", b" ", b"\t")
    lines = message.split(b"\n")
    while lines[0].lower().startswith(trace):
        lines.pop(0)
    return b"\n".join(lines)


def arrived(postfix, message):
    wanted = message.replace(b"\r\n", b"\n")
    return [m for m in postfix.messages() if without_trace(m) == wanted]


def wait_for_arrival(system, postfix, message, seconds=30):
    found = wait_until(lambda: arrived(postfix, message), seconds, "the arrival")
    wait_until(lambda: not system.list("queue", "list"), 10, "an empty queue")
    assert len(found) == 1
    return found[0]


def inbox(system):
    with system.imap("ann@example.org") as imap:
        count = int(imap.select("INBOX", readonly=True)[1][0])
        texts = [imap.fetch(str(n), "BODY.PEEK[]")[1][0][1] for n in range(1, count + 1)]
    return [email.message_from_bytes(text, policy=email.policy.default) for text in texts]


def wait_for_dsns(system, count, seconds=40):
    return wait_until(lambda: (lambda found: len(found) >= count and found)(inbox(system)), seconds,
                      f"{count} DSNs")


def status_of(dsn):
    """The fields about the recipient."""
    return list(dsn.walk())[2].get_payload()[1]


@pytest.mark.parametrize("number,size", [(1, SMALL), (31, LARGE)])
def test_arrives_as_it_was_sent(system, outside, number, size):
    """Also over TLS, which Postfix offers; and the queue is empty afterwards."""
    _, _, postfix = outside
    message = submit(system, "someone@far.example", number, size)
    stored = wait_for_arrival(system, postfix, message)
    assert b"from mail.example.org" in stored
    assert b"with ESMTPS" in stored.partition(b"Subject:")[0]
    assert not list(system.directory.glob("data/spool/*/*"))


def test_no_mx_means_the_address(system, outside):
    _, _, postfix = outside
    wait_for_arrival(system, postfix, submit(system, "someone@address.far.example", 2))


def test_first_mx_is_down(system, outside):
    _, _, postfix = outside
    wait_for_arrival(system, postfix, submit(system, "someone@down.far.example", 3))


def test_greylisting(system, outside):
    port, _, postfix = outside

    def behave(client, number):
        if number > 2:
            return (far.POSTFIX_IP, port)
        return far.refusing(b"451 4.7.1 greylisted, come back")(client, number)

    server = far.Misbehaving(GREY_IP, port, behave)
    try:
        wait_for_arrival(system, postfix, submit(system, "someone@grey.far.example", 4))
        assert server.connections == 3
    finally:
        server.stop()


def test_dropped_connections(system, outside):
    """At once, after the greeting, and in the middle of the dialogue."""
    port, _, postfix = outside

    def behave(client, number):
        if number == 1:
            return None
        if number == 2:
            client.sendall(b"220 hi\r\n")
            return None
        if number == 3:
            client.sendall(b"220 hi\r\n")
            client.recv(1000)
            client.sendall(b"250-hi\r\n250 PIPELINING\r\n")
            client.recv(1000)
            return None
        return (far.POSTFIX_IP, port)

    server = far.Misbehaving(DROP_IP, port, behave)
    try:
        wait_for_arrival(system, postfix, submit(system, "someone@drop.far.example", 5))
    finally:
        server.stop()


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_dsn_after_the_last_attempt(system, outside, size):
    port, _, _ = outside
    server = far.Misbehaving(DEAD_IP, port, far.refusing(b"450 4.2.0 mailbox busy"))
    try:
        submit(system, "someone@dead.far.example", 6, size)
        delayed, failed = wait_for_dsns(system, 2)
        assert server.connections == 6
    finally:
        server.stop()
    for dsn, action in ((delayed, "delayed"), (failed, "failed")):
        assert dsn.get_content_type() == "multipart/report"
        assert dsn["References"] == "<far-6@example.org>"
        assert dsn["Return-Path"] == "<>"
        status = status_of(dsn)
        assert status["Action"] == action
        assert status["Final-Recipient"] == "rfc822; someone@dead.far.example"
        assert status["Diagnostic-Code"] == "smtp; 450 4.2.0 mailbox busy"
        assert status["Remote-MTA"] == f"dns; mx-dead.far.example ({DEAD_IP})"
        assert list(dsn.walk())[-1].get_payload(decode=True).find(b"Subject: far 6") >= 0
    assert status_of(delayed)["Status"] == "4.2.0" and status_of(delayed)["Will-Retry-Until"]
    assert status_of(failed)["Status"] == "5.2.0"
    wait_until(lambda: not system.list("queue", "list"), 10, "an empty queue")
    assert len(inbox(system)) == 2


def test_permanent_refusals(system, outside):
    """A DSN after the first attempt, for a reply and for a domain that takes no mail."""
    port, _, _ = outside
    server = far.Misbehaving(REFUSING_IP, port, far.refusing(b"550 5.1.1 nobody of that name"))
    try:
        submit(system, "nobody@refusing.far.example", 7)
        refused = wait_for_dsns(system, 1)[0]
        assert server.connections == 1
    finally:
        server.stop()
    assert status_of(refused)["Status"] == "5.1.1"
    assert status_of(refused)["Diagnostic-Code"] == "smtp; 550 5.1.1 nobody of that name"
    submit(system, "someone@null.far.example", 8)
    null = wait_for_dsns(system, 2)[1]
    assert status_of(null)["Status"].startswith("5.1.10")
    assert status_of(null)["Diagnostic-Code"] is None
    submit(system, "someone@none.far.example", 9)
    assert status_of(wait_for_dsns(system, 3)[2])["Status"].startswith("5.1.2")


def test_a_stopped_deliverer_gives_back_what_waits(outside, make_mailrail):
    """What waits, for its turn or for a greeting, is not counted as an attempt."""
    port, zone, postfix = outside
    system = make_mailrail(store={"queue_connections_per_domain": 1}, dns_resolver=zone.options(),
                           queue_deliverer={"port": port})

    def behave(_client, number):
        if number == 1:
            time.sleep(1)
        return (far.POSTFIX_IP, port)

    server = far.Misbehaving(DROP_IP, port, behave)
    recipient = "someone@drop.far.example"
    try:
        with far.Submission(system.submission_port, "ann@example.org", PASSWORD) as client:
            for number in range(20, 25):
                client.send("ann@example.org", [recipient], make_message(recipient, number),
                            " BODY=8BITMIME")
        wait_until(lambda: server.connections == 1, 10, "the connection")
        system.kill("queue-deliverer", signal.SIGTERM)
        wait_until(lambda: not system.list("queue", "list"), 30, "an empty queue")
    finally:
        server.stop()
    assert all(arrived(postfix, make_message(recipient, n)) for n in range(20, 25))
    attempts = [line for line in system.log().splitlines() if '"delivery attempt"' in line]
    assert len(attempts) == 5 and all(" attempt=1 " in line for line in attempts)


def test_requiretls_is_returned_at_once(system):
    """RFC 8689 4.2.1: no policy vouches for any server yet, so none is connected to."""
    with far.Submission(system.submission_port, "ann@example.org", PASSWORD) as client:
        client.send("ann@example.org", ["someone@far.example"],
                    make_message("someone@far.example", 13), " BODY=8BITMIME REQUIRETLS")
    status = status_of(wait_for_dsns(system, 1)[0])
    assert status["Status"].startswith("5.7.30") and status["Diagnostic-Code"] is None


def test_the_postmaster_hears_when_the_sender_is_gone(system, outside):
    port, _, _ = outside
    system.add_account("carol", "carol@example.org")
    server = far.Misbehaving(DEAD_IP, port, far.refusing(b"450 4.2.0 mailbox busy"))
    try:
        with far.Submission(system.submission_port, "carol@example.org", PASSWORD) as client:
            client.send("carol@example.org", ["someone@dead.far.example"],
                        make_message("someone@dead.far.example", 12).replace(b"Ann <ann@", b"<carol@"),
                        " BODY=8BITMIME")
        system.command("account", "remove", "carol", "--yes")
        delayed, failed = wait_for_dsns(system, 2)
    finally:
        server.stop()
    assert [status_of(dsn)["Action"] for dsn in (delayed, failed)] == ["delayed", "failed"]
    assert failed["To"] == "carol@example.org"
    wait_until(lambda: not system.list("queue", "list"), 10, "an empty queue")


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_local_recipients_need_no_network(system, size):
    message = submit(system, "ann@example.org", 10, size)
    received = wait_until(lambda: inbox(system), 20, "the delivery")[0]
    assert received["Return-Path"] == "<ann@example.org>"
    assert received["Delivered-To"] == "ann@example.org"
    with system.imap("ann@example.org") as imap:
        imap.select("INBOX")
        text = imap.fetch("1", "BODY.PEEK[]")[1][0][1]
    assert text.endswith(message)


def mixed(recipient, number):
    return make_message(recipient, number, LARGE if number % 3 == 0 else SMALL)


@pytest.mark.parametrize("recipient", ["someone@far.example", "bob@example.org"])
def test_a_killed_deliverer_loses_nothing(outside, make_mailrail, recipient):
    """And what is delivered here is delivered once: a second attempt has the key of the first."""
    port, zone, postfix = outside
    count, first = 30, 1000 if recipient.endswith("far.example") else 2000
    system = make_mailrail(store={"queue_retry_ms": RETRY_MS}, dns_resolver=zone.options(),
                           queue_deliverer={"port": port, "lease_ms": 2000})
    with far.Submission(system.submission_port, "ann@example.org", PASSWORD) as client:
        for number in range(first, first + count):
            client.send("ann@example.org", [recipient], mixed(recipient, number), " BODY=8BITMIME")
            if number % 6 == 5 and system.pid_of("queue-deliverer"):
                system.kill("queue-deliverer")
                time.sleep(0.05)
    wait_until(lambda: not system.list("queue", "list"), 60, "an empty queue")
    if recipient.endswith("far.example"):
        for number in range(first, first + count):
            wait_until(lambda: arrived(postfix, mixed(recipient, number)), 20, "the arrival")
    else:
        with system.imap("bob@example.org") as imap:
            assert imap.select("INBOX")[1] == [str(count).encode()]
    assert not [dsn for dsn in inbox(system) if dsn.get_content_type() == "multipart/report"]
    wait_until(lambda: not list(system.directory.glob("data/queue/msg/*/*")), 10, "no file being left")


def test_a_killed_store_loses_nothing(outside, make_mailrail):
    """What was acknowledged is there: as a row or as a file, whatever was being written."""
    port, zone, postfix = outside
    recipient, accepted = "someone@far.example", []
    system = make_mailrail(store={"queue_retry_ms": RETRY_MS}, dns_resolver=zone.options(),
                           queue_deliverer={"port": port, "lease_ms": 2000})
    with far.Submission(system.submission_port, "ann@example.org", PASSWORD) as client:
        for number in range(3000, 3040):
            try:
                client.send("ann@example.org", [recipient], mixed(recipient, number), " BODY=8BITMIME")
                accepted.append(number)
            except AssertionError:  # not now, while store is away
                client.ask("RSET")
                time.sleep(0.2)
            if number % 8 == 7 and system.pid_of("store"):
                threading.Timer(random.uniform(0, 0.02), system.kill, ["store"]).start()
    assert len(accepted) > 10
    wait_until(lambda: system.command("queue", "list", check=False).returncode == 0, 30, "store")
    wait_until(lambda: not system.list("queue", "list"), 60, "an empty queue")
    for number in accepted:
        wait_until(lambda: arrived(postfix, mixed(recipient, number)), 20, "the arrival")
    system.command("verifydata")
