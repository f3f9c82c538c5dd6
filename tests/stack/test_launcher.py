"""The launcher: starts, restarts, drains, and leaves nothing."""
import contextlib
import os
import pathlib
import signal
import smtplib
import sqlite3
import subprocess
import threading
import time

from conftest import BIN, ENVIRONMENT, children_of, our_processes, wait_until

SERVICES = {"store", "dns-resolver", "queue-deliverer", "smtp-in", "submission", "imap"}


def test_starts_all_and_says_so(mailrail):
    assert set(children_of(mailrail.process.pid)) == SERVICES
    status = {row["service"]: row["ready"] for row in mailrail.list("status")}
    assert status == {name: True for name in SERVICES | {"launcher"}}
    assert 'm="all services ready"' in mailrail.log()
    assert int((mailrail.directory / "run/mailrail.pid").read_text()) == mailrail.process.pid


def test_nng_has_two_threads_for_tasks_everywhere(mailrail):  # docs/decisions/0016
    for name in SERVICES:
        tasks = pathlib.Path(f"/proc/{mailrail.pid_of(name)}/task").glob("*/comm")
        assert [task.read_text().strip() for task in tasks].count("nng:task") == 2, name


def health(mailrail, service):
    """What a probe asks: exit status, and what is said."""
    done = subprocess.run([BIN / f"mailrail-{service}", "--config", mailrail.config, "--health"], env=ENVIRONMENT,
                          capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stdout + done.stderr


def test_health_is_not_good_while_a_door_is_away(mailrail):
    for name in SERVICES:
        assert health(mailrail, name) == (0, "ready\n"), name
    [door] = mailrail.directory.glob("run/delivery*")
    door.rename(door.with_name("away"))
    mailrail.kill("smtp-in")  # the new one finds no door
    wait_until(lambda: health(mailrail, "smtp-in")[0] == 1 and "delivery" in health(mailrail, "smtp-in")[1], 20,
               "smtp-in that is not ready")
    assert health(mailrail, "imap")[0] == 0
    door.with_name("away").rename(door)
    wait_until(lambda: health(mailrail, "smtp-in")[0] == 0, 20, "smtp-in that is ready")


def test_health_of_what_does_not_run(mailrail):
    mailrail.stop()
    for name in SERVICES:
        status, said = health(mailrail, name)
        assert status == 1 and f"{name}.health" in said, said


def test_restarts_what_dies_and_counts_it(mailrail):
    first = mailrail.pid_of("imap")
    mailrail.kill("imap")
    wait_until(lambda: mailrail.pid_of("imap") not in (None, first), what="a new imap")
    wait_until(mailrail.is_ready, 30, "readiness")
    assert 'm="service ended, starting it again" pkg=launcher service=imap how="signal 9 (Killed)"' \
        in mailrail.log()
    assert 'mailrail_launcher_exits_total{service="imap",how="signal"} 1' in mailrail.metrics("launcher")
    assert 'mailrail_launcher_exits_total{service="store",how="signal"} 0' in mailrail.metrics("launcher")
    with mailrail.imap() as imap:
        assert imap.noop()[0] == "OK"


def test_drains_and_leaves_nothing(mailrail):
    mine = set(children_of(mailrail.process.pid).values())
    mailrail.stop()
    assert not mine & set(our_processes())
    assert not list((mailrail.directory / "run").glob("*.pid"))
    assert not list((mailrail.directory / "run").glob("*.health"))
    assert "killed" not in mailrail.log()


def submit_in_vain(mailrail):
    with contextlib.suppress(smtplib.SMTPException, OSError), mailrail.submission() as client:
        client.sendmail("ann@example.org", ["bob@example.org"], "From: <ann@example.org>\r\nSubject: x\r\n\r\nx\r\n")


def test_a_service_ends_in_time_while_calls_still_run(make_mailrail):
    """Somebody else holds the queue, and a call takes longer than store may drain: it leaves as it is."""
    mailrail = make_mailrail(drain_ms=200)
    submitting = threading.Thread(target=submit_in_vain, args=[mailrail])
    with contextlib.closing(sqlite3.connect(mailrail.directory / "data/queue.db", isolation_level=None)) as queue:
        queue.execute("BEGIN IMMEDIATE")
        submitting.start()
        wait_until(lambda: "verb=RCPT code=250" in mailrail.log(), what="a letter on its way")
        time.sleep(0.5)
        began = time.monotonic()
        mailrail.kill("store", signal.SIGTERM)
        wait_until(lambda: 'm="left work unfinished" pkg=store' in mailrail.log(), 3, "the end of store")
        assert time.monotonic() - began < 2
    wait_until(mailrail.is_ready, 60, "readiness")
    submitting.join(60)
    ends = [line for line in mailrail.log().splitlines() if 'm="service ended' in line and "service=store" in line]
    assert ends and all('how="exit status 0"' in line for line in ends), ends
    mailrail.deliver()


def test_killed_launcher_takes_its_services_along(mailrail):
    mine = set(children_of(mailrail.process.pid).values())
    mailrail.process.kill()
    mailrail.process.wait()
    mailrail.launch()  # at once: it waits for the orphans
    wait_until(mailrail.is_ready, 60, "readiness of the second")
    assert not mine & set(our_processes())
    mailrail.deliver()


def test_waits_longer_before_each_restart(make_mailrail):
    mailrail = make_mailrail(usual=False)
    for _ in range(3):
        pid = wait_until(lambda: mailrail.pid_of("dns-resolver"), what="dns-resolver")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: mailrail.pid_of("dns-resolver") != pid)
    pauses = [int(line.split("pause_ms=")[1]) for line in mailrail.log().splitlines()
              if "pause_ms=" in line and "service=dns-resolver" in line]
    assert pauses == sorted(pauses) and pauses[-1] > pauses[0], pauses
    wait_until(mailrail.is_ready, 30)


def test_metrics_over_tcp(make_mailrail):
    import urllib.request
    from conftest import free_ports
    port = free_ports(1)[0]
    mailrail = make_mailrail(usual=False, imap={"metrics_listen": f"127.0.0.1:{port}"})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        assert b"mailrail_log_lines" in answer.read()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
        assert answer.status == 200


