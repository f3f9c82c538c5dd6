"""The launcher: starts, restarts, drains, and leaves nothing."""
import os
import signal

from conftest import children_of, our_processes, wait_until

SERVICES = {"store", "dns-resolver", "queue-deliverer", "smtp-in", "submission", "imap"}


def test_starts_all_and_says_so(mailrail):
    assert set(children_of(mailrail.process.pid)) == SERVICES
    status = {row["service"]: row["ready"] for row in mailrail.list("status")}
    assert status == {name: True for name in SERVICES | {"launcher"}}
    assert 'm="all services ready"' in mailrail.log()
    assert int((mailrail.directory / "run/mailrail.pid").read_text()) == mailrail.process.pid


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


