"""Containers are killed, paused, cut off and restarted under load: clients see temporary failures only,
everything recovers by itself, and nothing that was acknowledged is lost or there twice."""
import contextlib
import errno
import signal
import time

import pytest

import chaos
import steady
from containers import DAEMONS, make_containers  # noqa: F401
from engine import engine, images, run  # noqa: F401
from world import make_world  # noqa: F401

GROUPS = ("imap", "submission", "store", "queue_deliverer")
DATA_MB = 300
OUTAGE_S = 10
RATE, SESSIONS, USERS = 50, 50, 5


@pytest.fixture
def data(tmp_path):
    """A small file system for the data."""
    run("mount", "-t", "tmpfs", "-o", f"size={DATA_MB}m", "mailrail-test", tmp_path)
    yield tmp_path
    run("umount", "--lazy", tmp_path)


@pytest.fixture(scope="module")
def world(make_world):
    """Where senders' domains are looked up."""
    return make_world({name: "@ MX 10 mx\nmx A {40}\n" for name in ("chaos.example", "example.org")})


@pytest.fixture
def system(make_containers, data, world):
    return make_containers(data=data, hostname="mail.setup.example", usual=False, world=world,
                           **{group: chaos.OPTIONS[group] for group in GROUPS})


# Faults: each returns when it is over.

def stop(system, service):
    system.kill(service, signal.SIGSTOP)
    time.sleep(OUTAGE_S)
    system.kill(service, signal.SIGCONT)


def freeze(system, service):
    [name] = system.containers(service)
    run("docker", "pause", name)
    time.sleep(OUTAGE_S)
    run("docker", "unpause", name)


def fill(data):
    """Leaves no room at all for some seconds."""
    with open(data / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
    end = time.monotonic() + OUTAGE_S / 2
    with open(data / "filler2", "wb", buffering=0) as file:
        while time.monotonic() < end:  # what others remove is taken at once
            try:
                file.write(bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC
                time.sleep(0.01)
    (data / "filler").unlink()
    (data / "filler2").unlink()


def cut_off(system):
    """A deliverer that was connected to store dies, and its successor finds no way there."""
    with system.without_doors("queue", "delivery"):
        system.kill("queue-deliverer")
        time.sleep(OUTAGE_S)


def faults(system, data):
    for name in DAEMONS:
        yield f"kill -9 {name}", lambda name=name: system.kill(name)
    yield f"SIGSTOP of store, {OUTAGE_S} s", lambda: stop(system, "store")
    yield f"dns-resolver is frozen, {OUTAGE_S} s", lambda: freeze(system, "dns-resolver")
    yield f"the data volume is full, {OUTAGE_S // 2} s", lambda: fill(data)
    yield f"deliverer is cut off, {OUTAGE_S} s", lambda: cut_off(system)


# The load, and what must be true after it.

@contextlib.contextmanager
def under_load(system, table, name):
    there = chaos.make_system(system, accounts=USERS)
    load = steady.Load(there, rate=RATE, watchers=SESSIONS)
    load.start()
    time.sleep(2)
    yield there, load
    accepted, seconds = load.ledger.total(), time.monotonic() - load.began
    load.finish()
    chaos.wait_until_answering(there)
    chaos.wait_for_the_queue(there)
    assert chaos.check(there, load.ledger) >= load.ledger.total()
    permanent = {code: count for code, count in load.codes.items() if code >= 500}
    assert not permanent, f"permanent errors: {permanent}"
    assert accepted / seconds > RATE / 2 and load.submitted > 10 and load.reconnections >= SESSIONS, "hardly any load"
    table("Load", [(name, f"{accepted / seconds:.1f} of {RATE} messages/s", f"{load.looks / seconds:.0f} looks/s",
                    f"{load.reconnections} reconnections of {SESSIONS} sessions")])
    assert "0 findings" in (lambda done: done.stdout + done.stderr)(system.command("verifydata"))


def figures(system, there, load, event):
    """Accepted and refused while it happened, and the time until all was well again."""
    accepted, refused = load.ledger.total(), load.refused
    event()
    over = time.monotonic()
    chaos.wait_until_answering(there)
    acknowledged = load.ledger.total()
    while load.ledger.total() == acknowledged or not system.is_running():
        assert time.monotonic() < over + 60, "no recovery"
        time.sleep(0.05)
    took = time.monotonic() - over
    time.sleep(2)
    return load.ledger.total() - accepted, load.refused - refused, f"{took:.1f}"


def test_faults_are_survived(system, data, table):
    rows = []
    with under_load(system, table, "faults") as (there, load):
        for name, event in faults(system, data):
            rows.append((name, *figures(system, there, load, event)))
    table("Faults under load", [("fault", "accepted", "refused", "recovered after s"), *rows])


def test_a_rolling_restart_is_survived(system, table):
    rows = []
    with under_load(system, table, "rolling restart") as (there, load):
        for name in DAEMONS:
            began = time.monotonic()
            figure = figures(system, there, load, lambda name=name: system.compose("restart", name))
            rows.append((name, *figure, f"{time.monotonic() - began:.1f}"))
    table("Restarts under load", [("service", "accepted", "refused", "well after s", "in all s"), *rows])
