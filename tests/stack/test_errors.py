"""What goes wrong at the start, or in the middle, is said in one clear line that names the thing,
and clients get a temporary failure."""
import contextlib
import os
import shutil
import signal
import smtplib
import socket
import sqlite3
import stat
import subprocess
import time

import pytest

from conftest import BIN, ENVIRONMENT, Mailrail, free_ports, wait_until


@pytest.fixture
def mailrail_down():
    """Configured, not started."""
    system = Mailrail()
    system.command("certificate", "make")
    yield system
    system.destroy()


def start_service(system, service, **environment):
    """Runs one service in the foreground until it fails; its error lines."""
    done = subprocess.run([BIN / f"mailrail-{service}", "--config", system.config],
                          capture_output=True, text=True, timeout=30, env=ENVIRONMENT | environment)
    assert done.returncode in (1, 2), done
    return done.returncode, [line for line in (done.stderr + done.stdout).splitlines() if " l=info " not in line]


def one_error(system, service, **environment):
    status, lines = start_service(system, service, **environment)
    assert len(lines) == 1, lines
    return status, lines[0]


@pytest.mark.parametrize("text, want", [
    ("hostname = \"h\"; imap = { port = 70000; };", "mailrail.conf:1: imap.port: 70000 is above 65535"),
    ("hostname = \"h\";\nimap = { prot = 1; };", 'mailrail.conf:2: imap.prot: unknown option, did you mean "port"?'),
    ("hostname = \"h\"\nimap = {", "mailrail.conf:2: syntax error"),
    ("hostnmae = \"h\";", 'mailrail.conf:1: hostnmae: unknown option, did you mean "hostname"?'),
    ("data = \"x\";", "hostname: must be set"),
    ("\nhostname = \"a b\";", 'mailrail.conf:2: hostname: not a domain name: domain "a b": character that'),
])
def test_wrong_configuration(mailrail_down, text, want):
    mailrail_down.config.write_text(text)
    status, line = one_error(mailrail_down, "imap")
    assert status == 2
    assert line.startswith("mailrail-imap: ") and want in line


CERTIFICATE = 'tls_certificate = "c"; tls_key = "k";'


@pytest.mark.parametrize("service, text, want", [
    ("imap", "imap = {\n tls_port = 9993; port = 0; };",
     "mailrail.conf:3: imap.tls_port: TLS on port 9993 needs a certificate: "
     "set tls_certificate and tls_key, or tls_port = 0"),
    ("imap", "imap = { port = 0; };", "mailrail.conf: imap.tls_port: TLS on port 993 needs a certificate"),
    ("imap", "imap = { tls_port = 0; };", "mailrail.conf: imap.port: nobody can log in on port 143 without TLS"),
    ("submission", "submission = { tls_port = 9465;\n cleartext_auth = true; };",
     "mailrail.conf:2: submission.tls_port: TLS on port 9465 needs a certificate"),
    ("submission", "submission = { port = 9587; tls_port = 0; };",
     "mailrail.conf:2: submission.port: nobody can log in on port 9587 without TLS"),
    ("smtp-in", "smtp_in = { tls_needed = true; };", "mailrail.conf:2: smtp_in.tls_needed: nobody can send"),
    ("smtp-in", "smtp_in = { listen = \"here\"; };",
     "mailrail.conf:2: smtp_in.listen: \"here\" is not an IP address"),
    ("imap", CERTIFICATE + "\nimap = { proxy_networks = [ \"10.0.0.1/8\" ]; };",
     "mailrail.conf:3: imap.proxy_networks:"),
    ("dns-resolver", "dns_resolver = { forward = [ \"192.0.2.1:53\" ]; };",
     "mailrail.conf:2: dns_resolver.forward: \"192.0.2.1:53\" is not ADDRESS or ADDRESS@PORT"),
    ("dns-resolver", "dns_resolver = { stub_zones = \"x.test\"; };",
     "mailrail.conf:2: dns_resolver.stub_zones: \"x.test\" is not ZONE=ADDRESS"),
    ("store", "store = { metrics_listen = \"8010\"; };",
     "mailrail.conf:2: store.metrics_listen: \"8010\" is not address:port"),
    ("store", "store = { mailbox_junk = \"Trash\"; };",
     "mailrail.conf: store.mailbox_trash: \"Trash\" cannot be a first mailbox: mailbox_junk names it, too"),
    ("store", "store = { mailboxes = [ \"inbox\" ]; };",
     "mailrail.conf:2: store.mailboxes: \"Inbox\" cannot be a first mailbox: that is another mailbox"),
    ("store", "store = { mailboxes = [ \"a//b\" ]; };", "store.mailboxes: \"a//b\" cannot be a first mailbox: "),
    ("store", "bus = \"tcp://x\";", "mailrail.conf:2: bus: needs %s"),
    ("store", "log_levels = [ \"imap=loud\" ];",
     "mailrail.conf:2: log_levels: \"imap=loud\" is not package=level"),
    ("queue-deliverer", "queue_deliverer = { route = [ \"x.test\" ]; };",
     "mailrail.conf:2: queue_deliverer.route: \"x.test\" is not DOMAIN=HOST[:PORT]"),
])
def test_options_that_cannot_work(mailrail_down, service, text, want):
    """Refused by the service itself, by `config check`, and before the launcher starts anything."""
    system = mailrail_down
    system.config.write_text(f'hostname = "h.example"; data = "data"; run = "run";\n{text}\n')
    status, line = one_error(system, service)
    assert status == 2 and line.startswith(f"mailrail-{service}: ") and want in line
    launcher = f'launcher = {{ services = [ "{service}" ]; }};\n'
    system.config.write_text(system.config.read_text() + launcher)
    checked = system.command("config", "check", check=False)
    assert checked.returncode == 1 and len(checked.stderr.splitlines()) == 1 and want in checked.stderr
    started = system.command("run", check=False)
    assert started.returncode == 2 and started.stderr == checked.stderr


@pytest.mark.parametrize("text, want", [
    ("imap = { prot = 1; };", 'mailrail.conf:2: imap.prot: unknown option, did you mean "port"?'),
    ("smptin = { port = 1; };", 'mailrail.conf:2: smptin: no service reads this group, did you mean "smtp_in"?'),
    ("launcher = { services = [ \"imapp\" ]; };",
     'mailrail.conf:2: launcher.services: there is no service "imapp", did you mean "imap"?'),
    ("launcher = { grace = 1; };", "mailrail.conf:2: launcher.grace: unknown option"),
    ("tls_key = \"x\";", "mailrail.conf:2: tls_key: needs its certificate"),
])
def test_launcher_starts_nothing_with_a_wrong_configuration(mailrail_down, text, want):
    """However early in the list of services the good ones are."""
    system = mailrail_down
    tls = "" if "tls_key" in text else 'tls_certificate = "tls/cert.pem"; tls_key = "tls/key.pem";'
    system.config.write_text(f'hostname = "h.example"; data = "data"; run = "run"; {tls}\n{text}\n')
    system.launch()
    assert system.process.wait(60) == 2
    assert len(system.log().splitlines()) == 1 and want in system.log()
    assert not (system.directory / "run").exists()
    assert not list((system.directory / "data").iterdir())


def test_config_check_alone_in_a_container(mailrail_down, tmp_path):
    """Where no other program is, it says what it cannot check."""
    shutil.copy(BIN / "mailrail", tmp_path)
    done = subprocess.run([tmp_path / "mailrail", "config", "check", "--config", mailrail_down.config],
                          capture_output=True, text=True, timeout=30, env=ENVIRONMENT)
    assert done.returncode == 0 and "only what all read was checked" in done.stderr
    done = subprocess.run([tmp_path / "mailrail", "run", "--config", mailrail_down.config],
                          capture_output=True, text=True, timeout=30, env=ENVIRONMENT)
    assert done.returncode == 1 and f"{tmp_path}/mailrail-store: No such file" in done.stdout


def test_missing_configuration(mailrail_down):
    mailrail_down.config.unlink()
    status, line = one_error(mailrail_down, "imap")
    assert status == 2
    assert f"{mailrail_down.config}: No such file or directory" in line


@pytest.mark.parametrize("service", ["store", "imap", "smtp-in", "submission", "queue-deliverer"])
def test_missing_data_directory(mailrail_down, service):
    os.rmdir(mailrail_down.directory / "data")
    status, line = one_error(mailrail_down, service)
    assert status == 1
    assert f"data: {mailrail_down.directory}/data: No such file or directory" in line


def test_data_is_a_file(mailrail_down):
    os.rmdir(mailrail_down.directory / "data")
    (mailrail_down.directory / "data").touch()
    _, line = one_error(mailrail_down, "store")
    assert f"data: {mailrail_down.directory}/data: is not a directory" in line


@pytest.mark.parametrize("service", ["imap", "smtp-in", "submission"])
def test_port_in_use(mailrail_down, service):
    port = {"imap": mailrail_down.imap_port, "smtp-in": mailrail_down.smtp_port,
            "submission": mailrail_down.submission_port}[service]
    with socket.create_server(("127.0.0.1", port)):
        status, line = one_error(mailrail_down, service)
    assert status == 1
    assert str(port) in line and "Address already in use" in line


@pytest.mark.parametrize("service", ["imap", "submission"])
def test_missing_certificate(mailrail_down, service):
    (mailrail_down.directory / "tls/cert.pem").unlink()
    status, line = one_error(mailrail_down, service)
    assert status == 1
    assert "tls/cert.pem" in line and "No such file or directory" in line


@pytest.mark.skipif(os.geteuid() != 0, reason="root gives up its rights")
@pytest.mark.parametrize("path, service", [("data", "store"), ("run", "imap"), ("tls/key.pem", "imap")])
def test_wrong_permission(mailrail_down, path, service):
    """As a user who may not use the path: the line names it."""
    system = mailrail_down
    (system.directory / "run").mkdir(exist_ok=True)
    for name in (".", "data", "run", "tls", "tls/cert.pem", "tls/key.pem", "mailrail.conf"):
        os.chown(system.directory / name, 65534, 65534)
    (system.directory / path).chmod(0)
    os.chown(system.directory / path, 0, 0)
    done = subprocess.run([BIN / f"mailrail-{service}", "--config", system.config], user=65534,
                          group=65534, extra_groups=[], capture_output=True, text=True, timeout=30,
                          env=ENVIRONMENT)
    lines = [line for line in (done.stderr + done.stdout).splitlines() if " l=info " not in line]
    assert done.returncode == 1 and len(lines) == 1, done
    assert f"{system.directory}/{path}" in lines[0] and "Permission denied" in lines[0]


def test_run_directory_is_private(mailrail):
    assert stat.S_IMODE((mailrail.directory / "run").stat().st_mode) == 0o700


def test_second_instance_is_refused(mailrail):
    _, line = one_error(mailrail, "imap")
    assert "imap.health: another process is serving it" in line


def test_launcher_stops_all_when_a_service_cannot_start(mailrail_down):
    with socket.create_server(("127.0.0.1", mailrail_down.imap_port)):
        mailrail_down.launch()
        assert mailrail_down.process.wait(60) == 1
    log = mailrail_down.log()
    assert 'm="service cannot start, stopping all" pkg=launcher service=imap' in log
    assert "Address already in use" in log
    last = log.splitlines()[-1]
    assert "l=error" in last and "see its line with l=error above" in last and "service=imap" in last
    assert not [line for line in log.splitlines() if "pkg=launcher" in line and "kind=" in line]


def test_port_of_metrics_in_use(mailrail_down):
    port = free_ports(1)[0]
    with socket.create_server(("127.0.0.1", port)):
        _, line = one_error(mailrail_down, "imap", MAILRAIL_IMAP_METRICS_LISTEN=f"127.0.0.1:{port}")
    assert "metrics_listen" in line and str(port) in line


# While it runs.


def code_of(refused):
    """The reply that smtplib makes an exception of."""
    if isinstance(refused, smtplib.SMTPRecipientsRefused):
        return next(iter(refused.recipients.values()))[0]
    return refused.smtp_code


def test_store_away_is_temporary_for_clients(mailrail):
    """While the store dies again and again, senders hear 4xx or 250, and 250 is true."""
    began = time.monotonic()
    accepted = refused = 0
    while time.monotonic() < began + (3 if refused else 30):
        pid = mailrail.pid_of("store")
        if pid:
            os.kill(pid, signal.SIGKILL)
        try:
            mailrail.deliver()
            accepted += 1
        except smtplib.SMTPResponseException as answer:
            assert 400 <= answer.smtp_code < 500, answer
            refused += 1
        except smtplib.SMTPRecipientsRefused as answer:
            assert 400 <= code_of(answer) < 500, answer
            refused += 1
    assert refused > 0
    wait_until(mailrail.is_ready, 60)
    mailrail.deliver()
    with mailrail.imap() as imap:
        assert int(imap.select()[1][0]) >= accepted + 1


def test_locked_database_is_temporary(mailrail):
    """Somebody else holds the lock of an account's database: later, not lost, and not for others."""
    mailrail.deliver()
    with contextlib.closing(sqlite3.connect(mailrail.directory / "data/accounts/1/index.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises((smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)) as refused:
            mailrail.deliver("ann@example.org")
        assert 400 <= code_of(refused.value) < 500
        mailrail.deliver("bob@example.org")
        other.rollback()
    mailrail.deliver("ann@example.org")
    with mailrail.imap() as imap:
        assert imap.select()[1] == [b"2"]
    path = mailrail.directory / "data/accounts/1/index.db"
    assert f"account ann (1): {path}: database is locked" in mailrail.log()


def damage(path):
    """Leaves the first page, as a disk may. Returns what was there."""
    good = path.read_bytes()
    path.write_bytes(good[:4096] + b"\xff" * (len(good) - 4096))
    return good


def test_damaged_account_is_named_and_others_go_on(mailrail):
    mailrail.deliver("ann@example.org")
    mailrail.stop()
    path = mailrail.directory / "data/accounts/1/index.db"
    damage(path)
    mailrail.launch()
    wait_until(mailrail.is_ready, 60)
    with pytest.raises((smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused)) as refused:
        mailrail.deliver("ann@example.org")
    assert 400 <= code_of(refused.value) < 500
    mailrail.deliver("bob@example.org")
    want = f"account ann (1): {path}: database disk image is malformed"
    assert want in mailrail.log()
    found = mailrail.command("verifydata", check=False)
    assert found.returncode == 1 and want in found.stdout
    assert "3 checked, 1 findings" in found.stderr  # the others, too


def test_damaged_directory_ends_the_start_at_once(mailrail):
    mailrail.stop()
    path = mailrail.directory / "data/directory.db"
    damage(path)
    before = len(mailrail.log())
    began = time.monotonic()
    mailrail.launch()
    assert mailrail.process.wait(60) == 1
    assert time.monotonic() - began < 4
    errors = [line for line in mailrail.log()[before:].splitlines() if "l=error" in line or "l=warn" in line]
    assert f'm="cannot start" pkg=store err="{path}: database disk image is malformed"' in errors[0]
    assert all("pkg=launcher" in line for line in errors[1:]), errors


def submit_until_refused(system, size):
    """How many were accepted, because the queue's log had room for them."""
    with system.submission() as smtp:
        for accepted in range(100):
            try:
                smtp.sendmail("ann@example.org", ["bob@example.org"],
                              f"From: ann@example.org\r\n\r\n{'y' * 70}\r\n" * (size // 100))
            except smtplib.SMTPDataError as refused:
                assert (refused.smtp_code, refused.smtp_error[:6]) == (452, b"4.3.1 "), size
                return accepted
    raise AssertionError(f"messages of {size} bytes never filled the disk")


def test_full_disk_is_temporary(make_mailrail, tmp_path):
    """A small file system for the data: senders get 4xx, nothing is half there, and mail goes on
    when there is room again."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    system = make_mailrail(start=False)
    data = system.directory / "data"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", data],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount: {done.stderr}")
    try:
        system.start()
        system.add_usual()
        with open(data / "filler", "wb") as filler:
            try:
                while True:
                    filler.write(b"x" * 65536)
                    filler.flush()
            except OSError:
                pass
        with pytest.raises(smtplib.SMTPDataError) as refused:
            system.deliver(body="y" * 100000)
        assert (refused.value.smtp_code, refused.value.smtp_error[:6]) == (452, b"4.3.1 ")
        accepted = sum(submit_until_refused(system, size) for size in (500, 60000, 70000))
        assert "No space left" in system.log() or "full" in system.log()
        with system.imap() as imap:
            answer = imap.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"y" * 100000)
            assert answer[0] == "NO" and b"[UNAVAILABLE] the server has no space left" in answer[1][0]
            assert imap.noop()[0] == "OK"
        (data / "filler").unlink()
        system.deliver(body="y" * 100000)
        with system.imap() as imap:
            assert imap.select()[1] == [b"1"]
        system.command("queue", "kick", "--all")
        with system.imap("bob@example.org") as imap:
            wait_until(lambda: imap.select()[1] == [str(accepted).encode()], 30, "what was accepted")
        assert system.command("verifydata").returncode == 0
        system.stop()
    finally:
        system.stop()
        subprocess.run(["umount", "-l", data], check=True)
