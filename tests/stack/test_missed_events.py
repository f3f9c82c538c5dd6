"""Events that nobody hears, since the way to the door of events is cut for a moment: who hears again looks for
itself, at once, and not when its own patience ends (smtp-in after 10 s, queue-deliverer after 30 s)."""
import contextlib
import socket
import threading
import time

import far
from conftest import PASSWORD, wait_until

ANN, BOB = "ann@example.org", "bob@example.org"
SMTP_IN_KEEPS_S, DELIVERER_LOOKS_S = 10, 30


class Way:
    """Stands between a door of events and one service, and can be cut."""

    def __init__(self, system, door, service):
        self.path = system.directory / "run" / f"{door}.sock"
        self.door = self.path.with_suffix(".door")
        self.ends, self.count = [], 0
        self.path.rename(self.door)
        self.heal()
        before = system.pid_of(service)
        system.kill(service)  # it has a connection to the door itself
        wait_until(lambda: system.pid_of(service) not in (None, before) and self.count > 0, 20, "a connection")
        wait_until(system.is_ready, 30, "readiness")

    def heal(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near = listener.accept()[0]
                far_end = socket.socket(socket.AF_UNIX)
                far_end.connect(str(self.door))
                self.ends += [near, far_end]
                for source, sink in ((near, far_end), (far_end, near)):
                    threading.Thread(target=self.carry, args=(source, sink), daemon=True).start()
                self.count += 1

    @staticmethod
    def carry(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        self.path.unlink()
        for end in (self.listener, *self.ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self.ends.clear()


def test_the_receiver_forgets_what_it_kept(mailrail):
    mailrail.command("address", "add", "short@example.org", "ann")
    way = Way(mailrail, "notices", "smtp-in")
    with mailrail.raw_smtp() as raw:
        raw.reply()
        raw.send("EHLO far.example\r\n")
        raw.reply()

        def answer():
            raw.send("MAIL FROM:<x@far.example>\r\nRCPT TO:<short@example.org>\r\nRSET\r\n")
            return [raw.reply() for _ in range(3)][1]

        way.cut()
        begin = time.monotonic()
        assert answer().startswith(b"250 ")
        mailrail.command("address", "remove", "short@example.org")
        assert answer().startswith(b"250 "), "it cannot have heard"
        way.heal()
        wait_until(lambda: answer().startswith(b"550 "), SMTP_IN_KEEPS_S, "a refusal")
        assert time.monotonic() - begin < SMTP_IN_KEEPS_S - 1, "only its patience ended"


def test_the_deliverer_looks_for_work(mailrail):
    way = Way(mailrail, "queueevents", "queue-deliverer")

    def submit():
        letter = (f"From: <{ANN}>\r\nTo: <{BOB}>\r\nSubject: hi\r\nDate: Fri, 2 Jan 2026 03:04:05 +0000\r\n"
                  f"Message-ID: <{time.monotonic_ns()}@example.org>\r\n\r\nhello\r\n").encode()
        with far.Submission(mailrail.submission_port, ANN, PASSWORD) as client:
            client.send(ANN, [BOB], letter)

    submit()
    wait_until(lambda: not mailrail.list("queue", "list"), 20, "an empty queue")
    begin = time.monotonic()
    way.cut()
    submit()
    time.sleep(1)
    assert mailrail.list("queue", "list"), "it cannot have heard"
    way.heal()
    wait_until(lambda: not mailrail.list("queue", "list"), DELIVERER_LOOKS_S, "an empty queue")
    assert time.monotonic() - begin < DELIVERER_LOOKS_S - 8, "only its patience ended"
