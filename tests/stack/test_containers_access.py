"""What each container may reach, tried from inside: a program that stands in the place of the service
tries every door, every part of the data, the network, and system calls. What the table of
docs/containers.md allows works, and nothing else."""
import itertools
import signal
import socket
import subprocess
import time

import pytest

import deployment
import far
from conftest import PASSWORD, wait_until
from containers import DAEMONS, make_shared_containers  # noqa: F401
from deployment import derive
from engine import engine, images, run  # noqa: F401
from test_containers_addresses import CLIENT, outside  # noqa: F401
from test_far_delivery import make_message
from world import make_world  # noqa: F401

ACCESS = deployment.access()
DOORS = sorted({door for opens, *_ in ACCESS.values() for door in opens})
PARTS = ["accounts", "keys", "queue", "tls", "spool/imap", "spool/mailrail", "spool/queue-deliverer", "spool/smtp-in", "spool/submission"]
FORBIDDEN = ["fork", "CLONE_NEWUSER", "ptrace", "mount", "umount2", "unshare", "setns", "chroot", "pivot_root",
             "keyctl", "add_key", "bpf", "perf_event_open", "io_uring_setup", "userfaultfd", "personality",
             "process_vm_readv", "open_by_handle_at", "memfd_create", "kill", "setuid", "mknodat",
             "AF_PACKET", "AF_NETLINK", "AF_VSOCK", "AF_ALG"]
WITH_NETWORK = {name for name, (*_, networks) in ACCESS.items() if networks}
WITHOUT_SOCKETS = {"mailrail-prepare"}


@pytest.fixture(scope="module")
def world(make_world):
    return make_world({"far.example": "@ MX 10 mx\nmx A {40}\n"})


@pytest.fixture(scope="module")
def system(world, make_shared_containers):  # in this order: a world ends after those in it
    return make_shared_containers(world=world, seccomp=deployment.DOCKER / "seccomp")


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    program = tmp_path_factory.mktemp("probe") / "probe"
    run("gcc", "-O1", "-static", "-o", program, deployment.ROOT / "tests/stack/probe.c")
    program.parent.chmod(0o755)
    return program


def attempt(system, probe, service, attempts):
    """The results of the probe in a container that differs from the service's in its program only."""
    probe.chmod(0o755)
    done = subprocess.run(
        system.compose_words("run", "--rm", "--no-deps", "-T", "-v", f"{probe}:/probe:ro",
                             "--entrypoint", "/probe", service, *attempts),
        capture_output=True, text=True, cwd=deployment.ROOT, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())


def expected_of_doors(service):
    opens, knocks, _, _ = ACCESS[service]
    for door in DOORS:
        yield f"connect:/bus/{door}/door", ("EPERM" if service in WITHOUT_SOCKETS else
                                            "ok" if door in opens + knocks else "ENOENT")
        yield f"write:/bus/{door}/probe", ("ok" if door in opens else
                                           "EROFS" if door in knocks else "ENOENT")


def expected_of_files(service):
    _, _, data, _ = ACCESS[service]
    for part in PARTS:
        mode = data.get(part) or data.get("all")
        yield f"list:/data/{part}", "ok" if mode else "ENOENT"
        yield f"write:/data/{part}/probe", {"rw": "ok", "r": "EROFS", None: "ENOENT"}[mode]
    for path in ("/probe-file", "/etc/mailrail/probe", "/usr/bin/probe"):
        yield f"write:{path}", "EROFS"
    yield "write:/run/mailrail/probe", "ok"


def expected_of_calls(service):
    for name in FORBIDDEN:
        yield f"call:{name}", "EPERM"
    yield "call:clone3", "ENOSYS"
    yield "call:getpid", "ok"
    yield "call:AF_UNIX", "EPERM" if service in WITHOUT_SOCKETS else "ok"
    for name in ("AF_INET", "AF_INET6"):
        yield f"call:{name}", "ok" if service in WITH_NETWORK else "EPERM"


def expected_of_network(service, *addresses):
    networks = ACCESS[service][3]
    for address in addresses:
        yield f"tcp:{address}", "ok" if "out" in networks else "timeout" if networks else "EPERM"


@pytest.fixture(scope="module")
def internet(outside):  # noqa: F811
    """A host that answers, and knows the way to no container."""
    with outside(lambda: socket.create_server((CLIENT, 2525))):
        yield f"{CLIENT}:2525"


@pytest.mark.parametrize("service", sorted(ACCESS))
def test_a_container_reaches_what_the_table_allows(system, world, internet, probe, service, table):
    expected = dict(itertools.chain(expected_of_doors(service), expected_of_files(service), expected_of_calls(service),
                                    expected_of_network(service, f"{world.address(53)}:53", internet)))
    found = attempt(system, probe, service, list(expected))
    wrong = {what: (found.get(what), "instead of", wanted) for what, wanted in expected.items()
             if found.get(what) != wanted}
    assert not wrong
    refused = sum(result != "ok" for result in found.values())
    table("Access: attempts from inside", [(service, f"{len(found) - refused} worked", f"{refused} refused")])


# System calls.

def traffic(system):
    for size in (0, 70000):
        with far.Submission(system.submission_port, "ann@example.org", PASSWORD) as client:
            client.send("ann@example.org", ["bob@example.org"], make_message("bob@example.org", size, size),
                        " BODY=8BITMIME")
    system.deliver("bob@example.org")

    def arrived():
        with system.imap("bob@example.org") as imap:
            imap.select()
            imap.uid("SEARCH", "TEXT", "hello")
            imap.append("INBOX", "", None, b"Subject: kept\r\n\r\nkept\r\n")
            return int(imap.select()[1][0]) >= 3
    wait_until(arrived, 30, "the letters")


def test_services_call_what_their_profiles_are_made_of(system, tmp_path, table):
    """Traced under traffic and until their end: no call is refused, and each was seen when the profiles were made, or
    is in the margin."""
    tracers = []
    for name in DAEMONS:
        tracers.append(subprocess.Popen(["strace", "-f", "-qq", "-o", tmp_path / name, "-p", str(system.pid_of(name))],
                                        stderr=subprocess.DEVNULL))
    time.sleep(1)
    traffic(system)
    system.kill("imap", signal.SIGHUP)
    system.stop()
    for tracer in tracers:
        tracer.wait(60)
    for name, seen in derive.read_seen().items():
        margin = set(derive.read_margin(name)) - seen
        now = "-"
        if name in DAEMONS:
            trace = (tmp_path / name).read_text(errors="replace").splitlines()
            calls = [line for line in map(derive.LINE.match, trace) if line and line[2]]
            called = {derive.with_argument(call[2], call[3]) for call in calls}
            refused = [call[0] for call in calls if call[3].endswith("= -1 EPERM (Operation not permitted)")]
            assert len(called) > 10 and not refused, f"{name}: {refused[:3]}"
            assert called <= seen | margin, f"{name}: {called - seen - margin}"
            now = f"{len(called)} called now"
        table("System calls", [(name, now, f"{len(seen)} seen in all tests", f"{len(margin)} more as a margin",
                                f"{len(seen | margin)} allowed")])
