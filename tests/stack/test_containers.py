"""The system of compose.yaml: a first start, letters through it, what it costs, and its end."""
import re
import subprocess

import pytest

import far
from conftest import PASSWORD, wait_until
from containers import DAEMONS, make_containers, make_shared_containers  # noqa: F401
from deployment import services
from engine import engine, images, run  # noqa: F401
from test_far_delivery import make_message, without_trace

IDLE_GOAL_KB = 150_000


@pytest.fixture(scope="module")
def system(make_shared_containers):
    return make_shared_containers()


def inbox(system, user="ann@example.org", password=PASSWORD):
    with system.imap(user, password) as imap:
        count = int(imap.select("INBOX", readonly=True)[1][0])
        return [imap.fetch(str(n), "BODY.PEEK[]")[1][0][1] for n in range(1, count + 1)]


def test_setup_prints_what_logs_in(system):
    logs = system.compose("logs", "--no-color", "mailrail-setup")
    user = re.search(r"user +(\S+)", logs)[1]
    password = re.search(r"password +(\S+)", logs)[1]
    assert user == "admin@example.org"
    assert inbox(system, user, password) == []


def test_a_letter_from_outside(system):
    message = system.deliver("bob@example.org")
    [received] = inbox(system, "bob@example.org")
    assert without_trace(received.replace(b"\r\n", b"\n")) == message.replace(b"\r\n", b"\n")


@pytest.mark.parametrize("size", [0, 70000])
def test_a_letter_between_users(system, size):
    """A small one waits in the database of the queue, a large one as a file."""
    message = make_message("ann@example.org", size, size)
    before = len(inbox(system))
    with far.Submission(system.submission_port, "ann@example.org", PASSWORD) as client:
        client.send("ann@example.org", ["ann@example.org"], message, " BODY=8BITMIME")
    received = wait_until(lambda: inbox(system)[before:], 20, "the delivery")
    assert len(received) == 1 and received[0].endswith(message)
    wait_until(lambda: not list(system.data.glob("queue/msg/*/*")), 10, "an empty queue")
    assert not [path for path in system.data.glob("spool/**/*") if path.is_file()]


@pytest.mark.parametrize("name", services())
def test_an_image_has_no_shell(images, name):
    for shell in ("/bin/sh", "/bin/bash", "/usr/bin/env", "/usr/bin/perl"):
        done = subprocess.run(["docker", "run", "--rm", "--network", "none", "--entrypoint", shell,
                               f"mailrail/{name}:{images}"], capture_output=True, text=True, check=False)
        assert done.returncode == 127, done.stderr


def test_idle_memory(make_containers, table):
    system = make_containers(usual=False)
    sizes = {name: system.proportional_size(name) for name in DAEMONS}
    total = sum(sizes.values())
    table("Idle memory (PSS), kB", [*sizes.items(), ("together", total), ("goal", IDLE_GOAL_KB)])
    assert total < IDLE_GOAL_KB, sizes


def test_a_crash_after_a_reload_is_mended(system):
    """`docker-compose kill -s HUP` is how certificates are renewed; Docker must not take it for the end."""
    system.compose("kill", "-s", "HUP", "imap")
    wait_until(lambda: "m=reloaded pkg=imap" in system.log(), 20, "the reload")
    before = system.pid_of("imap")
    system.kill("imap")
    wait_until(lambda: system.pid_of("imap") not in (None, before), 30, "a new imap")
    wait_until(system.is_ready, 30, "health of all containers")
    inbox(system)


def last_check(system, service):
    """Exit status of Docker's last check of health, and what it said."""
    checks = system.state(service)["Health"]["Log"] or [{"ExitCode": None, "Output": ""}]
    return checks[-1]["ExitCode"], checks[-1]["Output"]


def test_a_container_is_not_healthy_while_a_door_is_away(system):
    assert last_check(system, "smtp-in") == (0, "ready\n")
    with system.without_doors("delivery"):
        system.kill("smtp-in")  # the new one finds no door
        wait_until(lambda: last_check(system, "smtp-in")[0] == 1, 30, "a check that fails")
        assert "delivery" in last_check(system, "smtp-in")[1]
        assert last_check(system, "imap")[0] == 0
    wait_until(lambda: last_check(system, "smtp-in")[0] == 0, 30, "a check that succeeds")


def test_sigterm_ends_what_runs(make_containers):
    """A transaction comes to its end, an idle session gets BYE, and everybody ends with status 0."""
    system = make_containers()
    smtp, imap = system.raw_smtp(), system.raw_imap(tls=True)
    smtp.reply()
    for command in ("EHLO client.example", "MAIL FROM:<x@far.example>", "RCPT TO:<ann@example.org>"):
        smtp.send(f"{command}\r\n")
        assert smtp.reply().startswith(b"250")
    smtp.send("DATA\r\nSubject: one\r\n\r\n")
    assert smtp.reply().startswith(b"354")
    imap.line()
    imap.send(f'a LOGIN ann@example.org "{PASSWORD}"\r\nb SELECT INBOX\r\nc IDLE\r\n')
    imap.until(b"+")
    stop = subprocess.Popen(system.compose_words("stop", "smtp-in", "imap"), stderr=subprocess.DEVNULL)
    assert b"* BYE" in imap.until(b"* BYE")
    smtp.send("the end\r\n.\r\n")
    assert smtp.reply().startswith(b"250")
    assert stop.wait(60) == 0
    smtp.close()
    imap.close()
    system.stop()
    assert {name: system.state(name)["ExitCode"] for name in DAEMONS} == dict.fromkeys(DAEMONS, 0)
    system.start()
    assert len(inbox(system)) == 1
