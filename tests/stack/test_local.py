"""`deploy/local/up` and `down`, as a newcomer uses them, and the usual mail programs.

Its ports are the usual ones plus 1000, or plus more where something else listens there.
"""
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
from typing import NamedTuple

import pytest

from conftest import ROOT, ENVIRONMENT, wait_until

PASSWORD = "mailrail-local"


def run(*words, **more):
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=1200,
                          env=ENVIRONMENT | more)


def is_open(port, host="127.0.0.1"):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        return s.connect_ex((host, port)) == 0


def processes_of(directory):
    """Processes whose command line names the directory."""
    return [path for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")
            if str(directory).encode() in read(path)]


def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


class Ports:
    """The ports of one `--port-offset`."""

    def __init__(self, offset):
        self.offset = offset
        self.smtp, self.submission, self.submissions, self.imap, self.imaps = (
            offset + usual for usual in (25, 587, 465, 143, 993))

    def all(self):
        return (self.smtp, self.submission, self.submissions, self.imap, self.imaps)


class Local(NamedTuple):
    data: pathlib.Path
    said: str
    ports: Ports


def free_ports_of_deploy():
    for offset in range(1000, 20000, 1000):
        ports = Ports(offset)
        if not any(is_open(port) for port in ports.all()):
            return ports
    raise AssertionError("something listens on some port of every --port-offset up to 20000")


@pytest.fixture(scope="module")
def local():
    """A system started by `deploy/local/up --detach` in a directory that did not exist."""
    home = pathlib.Path(tempfile.mkdtemp(prefix="mr-", dir="/tmp"))
    data = home / "data"
    try:
        ports = free_ports_of_deploy()
        offset = [] if ports.offset == 1000 else ["--port-offset", ports.offset]
        done = run(ROOT / "deploy/local/up", "--data", data, *offset, "--detach", HOME=str(home))
        assert done.returncode == 0, done.stdout + done.stderr
        yield Local(data, done.stdout, ports)
        done = run(ROOT / "deploy/local/down", "--data", data)
        assert done.returncode == 0, done.stderr
        assert not processes_of(data)
        assert [p.name for p in home.iterdir()] == ["data"], "files outside of the data directory"
    finally:
        run(ROOT / "deploy/local/down", "--data", data)
        shutil.rmtree(home)


def mailrail(data, *words):
    return run(ROOT / "build/release/bin/mailrail", *words, "--config", data / "mailrail.conf")


def send(local, subject):
    done = run("swaks", "--server", f"127.0.0.1:{local.ports.smtp}", "--from", "you@nowhere.example",
               "--to", "me@localhost", "--header", f"Subject: {subject}", "--body", "Hello there.")
    assert done.returncode == 0, done.stdout


def test_up_says_how_to_use_it(local):
    for word in ("me@localhost", PASSWORD, str(local.data), *map(str, local.ports.all())):
        assert word in local.said
    for port in local.ports.all():
        assert is_open(port)
    has_ipv6 = "0" * 31 + "1" in read(pathlib.Path("/proc/net/if_inet6")).decode()
    assert ("runs, on 127.0.0.1 and ::1." if has_ipv6 else "runs, on 127.0.0.1.") in local.said
    assert not has_ipv6 or all(is_open(port, "::1") for port in local.ports.all())


def test_the_two_lines_to_try(local):
    lines = [line.strip() for line in local.said.splitlines() if " curl " in line]
    assert len(lines) == 2
    for line in lines:
        done = run("bash", "-c", line)
        assert done.returncode == 0, (line, done.stderr)
    assert "Subject: hello" in done.stdout and "Hi." in done.stdout


def test_swaks_sends_and_curl_reads(local):
    send(local, "for curl")
    done = run("curl", "-sk", "--user", f"me@localhost:{PASSWORD}",
               f"imaps://127.0.0.1:{local.ports.imaps}/INBOX?SUBJECT%20%22for%20curl%22")
    found = re.search(r"SEARCH(?: .*)? (\d+)", done.stdout)
    assert done.returncode == 0 and found, (done.stdout, done.stderr)
    done = run("curl", "-sk", "--user", f"me@localhost:{PASSWORD}",
               f"imaps://127.0.0.1:{local.ports.imaps}/INBOX;MAILINDEX={found[1]}")
    assert "Subject: for curl" in done.stdout and "Hello there." in done.stdout


def test_any_local_part_is_accepted(local):
    done = run("swaks", "--server", f"127.0.0.1:{local.ports.smtp}", "--from", "you@nowhere.example",
               "--to", "whoever@localhost")
    assert done.returncode == 0, done.stdout


def test_submission_with_a_password(local):
    done = run("swaks", "--server", f"127.0.0.1:{local.ports.submission}", "--tls", "--auth", "PLAIN",
               "--auth-user", "me@localhost", "--auth-password", PASSWORD,
               "--from", "me@localhost", "--to", "me@localhost", "--header", "Subject: to myself")
    assert done.returncode == 0, done.stdout
    wrong = run("swaks", "--server", f"127.0.0.1:{local.ports.submission}", "--tls", "--auth", "PLAIN",
                "--auth-user", "me@localhost", "--auth-password", "wrong", "--to", "me@localhost")
    assert wrong.returncode != 0


def test_what_is_submitted_for_others_stays_here(local):
    """The letter goes through the queue, comes back to port 1025, and is in the inbox."""
    done = run("swaks", "--server", f"127.0.0.1:{local.ports.submission}", "--tls", "--auth", "PLAIN",
               "--auth-user", "me@localhost", "--auth-password", PASSWORD,
               "--from", "me@localhost", "--to", "a@example.org", "--header", "Subject: for the world")
    assert done.returncode == 0, done.stdout
    search = ("curl", "-sk", "--user", f"me@localhost:{PASSWORD}",
              f"imaps://127.0.0.1:{local.ports.imaps}/INBOX?SUBJECT%20%22for%20the%20world%22")
    wait_until(lambda: re.search(r"SEARCH(?: .*)? \d+", run(*search).stdout), 20, "the letter")


def test_addresses_ask_for_failures(local):
    done = run("swaks", "--server", f"127.0.0.1:{local.ports.smtp}", "--from", "you@nowhere.example",
               "--to", "rcptto452@example.org")
    assert done.returncode != 0 and "<** 452 4.0.0" in done.stdout


def test_mbsync_fetches(local, tmp_path):
    send(local, "for mbsync")
    done = run("openssl", "x509", "-in", local.data / "tls/localhost.crt")
    (tmp_path / "cert.pem").write_text(done.stdout)
    (tmp_path / "mail").mkdir()
    (tmp_path / "mbsyncrc").write_text(f"""
IMAPAccount local
Host localhost
Port {local.ports.imaps}
User me@localhost
Pass {PASSWORD}
SSLType IMAPS
SystemCertificates no
CertificateFile {tmp_path}/cert.pem

IMAPStore far
Account local

MaildirStore near
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
SyncState *
""")
    done = run("mbsync", "-c", tmp_path / "mbsyncrc", "-a", HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    letters = [path.read_text() for path in (tmp_path / "mail/INBOX").glob("*/*") if path.is_file()]
    assert any("Subject: for mbsync" in letter for letter in letters)


def test_neomutt_reads(local, tmp_path):
    send(local, "for neomutt")
    (tmp_path / "muttrc").write_text(f"""
set folder = "imaps://localhost:{local.ports.imaps}/"
set imap_user = "me@localhost"
set imap_pass = "{PASSWORD}"
set spoolfile = "imaps://localhost:{local.ports.imaps}/INBOX"
set ssl_usesystemcerts = no
set certificate_file = "{local.data}/tls/localhost.crt"
set quit = yes
set header_cache = ""
set wait_key = no
set pipe_decode = yes
push "<limit>~s 'for neomutt'<enter><pipe-message>cat >{tmp_path}/read<enter><exit>"
""")
    subprocess.run(["script", "-qec", f"neomutt -n -F {tmp_path}/muttrc", "/dev/null"], timeout=60,
                   stdin=subprocess.DEVNULL, capture_output=True,
                   env=ENVIRONMENT | {"HOME": str(tmp_path), "TERM": "xterm"})
    assert "Hello there." in (tmp_path / "read").read_text()


def test_status_and_data(local):
    data = local.data
    assert mailrail(data, "status").returncode == 0
    assert mailrail(data, "verifydata").stdout == "OK\n", "no warning of what up puts there"


def test_second_up_changes_nothing(local):
    data = local.data
    before = (data / "run/mailrail.pid").read_text()
    done = run(ROOT / "deploy/local/up", "--data", data, "--detach")
    assert done.returncode == 0 and PASSWORD in done.stdout
    assert (data / "run/mailrail.pid").read_text() == before


def test_ports_of_a_directory_stay(local):
    done = run(ROOT / "deploy/local/down", "--data", local.data)
    assert done.returncode == 0, done.stderr
    done = run(ROOT / "deploy/local/up", "--data", local.data, "--port-offset", "3000", "--detach")
    assert done.returncode == 1 and f"are in {local.data}/mailrail.conf: change them there" in done.stderr
    assert run(ROOT / "deploy/local/up", "--data", local.data, "--detach").returncode == 0


def test_log_goes_on_and_is_put_aside_when_large(local):
    log = local.data / "mailrail.log"

    def restart():
        assert run(ROOT / "deploy/local/down", "--data", local.data).returncode == 0
        assert run(ROOT / "deploy/local/up", "--data", local.data, "--detach").returncode == 0

    before = log.read_text()
    restart()
    assert log.read_text().startswith(before) and len(log.read_text()) > len(before)
    with open(log, "a") as file:
        file.write("x" * 10_000_000 + "\n")
    restart()
    assert log.stat().st_size < 1_000_000
    assert (local.data / "mailrail.log.1").read_text().startswith(before)


def test_failed_start_says_why(local):
    """Only what this start said, and only its errors."""
    assert run(ROOT / "deploy/local/down", "--data", local.data).returncode == 0
    with socket.create_server(("127.0.0.1", local.ports.imap)):
        done = run(ROOT / "deploy/local/up", "--data", local.data, "--detach")
    assert done.returncode == 1
    assert f"127.0.0.1:{local.ports.imap}" in done.stderr and "Address already in use" in done.stderr
    assert " l=info " not in done.stderr and len(done.stderr.splitlines()) < 6
    config = local.data / "mailrail.conf"
    good = config.read_text()
    config.write_text(good + "hostnmae = \"x\";\n")
    done = run(ROOT / "deploy/local/up", "--data", local.data, "--detach")
    config.write_text(good)
    assert done.returncode == 1 and 'unknown option, did you mean "hostname"?' in done.stderr
    assert "Address already in use" not in done.stderr
    assert run(ROOT / "deploy/local/up", "--data", local.data, "--detach").returncode == 0


def test_says_when_mail_leaves_the_machine(local):
    """With a configuration of an earlier release, or a changed one."""
    assert "Nothing leaves this machine" in local.said
    config = local.data / "mailrail.conf"
    good = config.read_text()
    config.write_text(re.sub(r"relay = .*;", "", good))
    done = run(ROOT / "deploy/local/up", "--data", local.data, "--detach")
    config.write_text(good)
    assert "Mail for other domains LEAVES this machine" in done.stdout


def test_restart_keeps_mail(local):
    data = local.data
    send(local, "before the restart")
    assert run(ROOT / "deploy/local/down", "--data", data).returncode == 0
    assert not is_open(local.ports.smtp)
    assert run(ROOT / "deploy/local/up", "--data", data, "--detach").returncode == 0
    done = run("curl", "-sk", "--user", f"me@localhost:{PASSWORD}",
               f"imaps://127.0.0.1:{local.ports.imaps}/INBOX?SUBJECT%20%22before%20the%20restart%22")
    assert re.search(r"SEARCH(?: .*)? \d+", done.stdout)
