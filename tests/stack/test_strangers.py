"""What strangers may cost who connect and never log in: the limits act before the TLS handshake."""
import contextlib
import re
import socket

import pytest

from conftest import PASSWORD, insecure, wait_until

MANY = 200
OPEN_PER_ADDRESS = 30  # spec 10 A2
SILENT = b""
PART_OF_CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
LIMITS = {"limit_connections": True, "sessions_max": 100}
DOORS = {"submission": ("submissions_port", b"220 ", f"AUTH PLAIN {{plain}}\r\n", b"235 "),
         "imap": ("imaps_port", b"* OK ", f"a LOGIN ann@example.org \"{PASSWORD}\"\r\n", b"a OK ")}
PLAIN = "AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl"  # ann@example.org, PASSWORD


def connect(port, source):
    return socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))


def sessions(mailrail, service):
    return int(re.search(rf'^mailrail_sessions{{protocol="{service}"}} (\d+)', mailrail.metrics(service), re.M)[1])


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"^VmRSS:\s+(\d+)", status.read(), re.M)[1])


def is_closed(connection):
    """By the server, and without a word."""
    connection.settimeout(0.01)
    with contextlib.suppress(TimeoutError):
        return connection.recv(1) == b""
    return False


def log_in(door, port, source):
    _, greeting, command, welcome = DOORS[door]
    with insecure().wrap_socket(connect(port, source)) as tls, tls.makefile("rb") as answers:
        assert answers.readline().startswith(greeting)
        if door == "submission":
            tls.sendall(b"EHLO client.example\r\n")
            while answers.readline()[3:4] == b"-":
                pass
        tls.sendall(command.format(plain=PLAIN).encode())
        assert answers.readline().startswith(welcome)


@pytest.mark.parametrize("words", [SILENT, PART_OF_CLIENT_HELLO], ids=["silent", "half_a_hello"])
@pytest.mark.parametrize("door", list(DOORS))
def test_strangers_before_the_handshake_do_not_keep_others_out(make_mailrail, door, words):
    mailrail = make_mailrail(localserve=False, submission=LIMITS, imap=LIMITS)
    port = getattr(mailrail, DOORS[door][0])
    log_in(door, port, "127.0.0.3")
    before_kib = rss_kib(mailrail.pid_of(door))
    with contextlib.ExitStack() as held:
        strangers = [held.enter_context(connect(port, "127.0.0.2")) for _ in range(MANY)]
        for stranger in strangers:
            with contextlib.suppress(ConnectionError):
                stranger.sendall(words)
        log_in(door, port, "127.0.0.3")
        wait_until(lambda: sessions(mailrail, door) <= OPEN_PER_ADDRESS, what="refusals")
        assert rss_kib(mailrail.pid_of(door)) - before_kib < 8 * 1024
        if words == SILENT:
            assert sum(map(is_closed, strangers)) == MANY - OPEN_PER_ADDRESS
    wait_until(lambda: sessions(mailrail, door) == 0, what="the end of all")
    log_in(door, port, "127.0.0.2")
    assert "too many open connections" in mailrail.log()


def test_very_many_messages_that_come_at_a_time_do_not_fill_the_memory(make_mailrail):
    """The first 1,024 may have 64 KiB each in memory, further ones become files early."""
    mailrail = make_mailrail()
    spool = mailrail.directory / "data" / "spool" / "smtp-in"
    part = b"0123456789abcdef\r\n" * 1000
    with contextlib.ExitStack() as held:
        senders = [held.enter_context(connect(mailrail.smtp_port, "127.0.0.2")) for _ in range(1100)]
        answers = [held.enter_context(sender.makefile("rb")) for sender in senders]
        for sender, answer in zip(senders, answers):
            sender.settimeout(120)
            assert answer.readline().startswith(b"220 ")
            sender.sendall(b"EHLO x.example\r\nMAIL FROM:<x@far.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
            while not (line := answer.readline()).startswith(b"354"):
                assert line[:3] == b"250", line
        for sender in senders:
            sender.sendall(b"Subject: many\r\n\r\n" + part)
        wait_until(lambda: len(list(spool.glob("*"))) >= 1100 - 1024, seconds=60, what="files")
        # Nearly in the order in which they came: the files are those of the last ones.
        for sender, answer in (*zip(senders[:2], answers), *zip(senders[-200:], answers[-200:])):
            sender.sendall(b".\r\n")
            assert answer.readline().startswith(b"250 ")
        assert len(list(spool.glob("*"))) < 20
    wait_until(lambda: not list(spool.glob("*")), seconds=60, what="an empty spool")
