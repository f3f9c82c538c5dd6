"""`deploy/local/up` and `down`, as a newcomer uses them, and the usual mail programs.

The ports are fixed: skipped where something else listens there.
"""
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

import pytest

from conftest import ROOT, ENVIRONMENT

PORTS = (1025, 1587, 1465, 1143, 1993)
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


@pytest.fixture(scope="module")
def local():
    """A system started by `deploy/local/up --detach` in a directory that did not exist."""
    for port in PORTS:
        if is_open(port):
            pytest.skip(f"port {port} is in use")
    home = pathlib.Path(tempfile.mkdtemp(prefix="mr-", dir="/tmp"))
    data = home / "data"
    try:
        done = run(ROOT / "deploy/local/up", "--data", data, "--detach", HOME=str(home))
        assert done.returncode == 0, done.stdout + done.stderr
        yield data, done.stdout
        done = run(ROOT / "deploy/local/down", "--data", data)
        assert done.returncode == 0, done.stderr
        assert not processes_of(data)
        assert [p.name for p in home.iterdir()] == ["data"], "files outside of the data directory"
    finally:
        run(ROOT / "deploy/local/down", "--data", data)
        shutil.rmtree(home)


def mailrail(data, *words):
    return run(ROOT / "build/release/bin/mailrail", *words, "--config", data / "mailrail.conf")


def send(subject):
    done = run("swaks", "--server", "127.0.0.1:1025", "--from", "you@nowhere.example",
               "--to", "me@localhost", "--header", f"Subject: {subject}", "--body", "Hello there.")
    assert done.returncode == 0, done.stdout


def test_up_says_how_to_use_it(local):
    data, said = local
    for word in ("me@localhost", PASSWORD, str(data), *map(str, PORTS)):
        assert word in said
    for port in PORTS:
        assert is_open(port)
    if pathlib.Path("/proc/net/if_inet6").exists() and \
            "0" * 31 + "1" in pathlib.Path("/proc/net/if_inet6").read_text():
        assert is_open(1025, "::1") and is_open(1993, "::1")


def test_the_two_lines_to_try(local):
    _, said = local
    lines = [line.strip() for line in said.splitlines() if " curl " in line]
    assert len(lines) == 2
    for line in lines:
        done = run("bash", "-c", line)
        assert done.returncode == 0, (line, done.stderr)
    assert "Subject: hello" in done.stdout and "Hi." in done.stdout


def test_swaks_sends_and_curl_reads(local):
    send("for curl")
    done = run("curl", "-sk", "--user", f"me@localhost:{PASSWORD}",
               "imaps://127.0.0.1:1993/INBOX?SUBJECT%20%22for%20curl%22")
    found = re.search(r"SEARCH(?: .*)? (\d+)", done.stdout)
    assert done.returncode == 0 and found, (done.stdout, done.stderr)
    done = run("curl", "-sk", "--user", f"me@localhost:{PASSWORD}",
               f"imaps://127.0.0.1:1993/INBOX;MAILINDEX={found[1]}")
    assert "Subject: for curl" in done.stdout and "Hello there." in done.stdout


def test_any_local_part_is_accepted(local):
    done = run("swaks", "--server", "127.0.0.1:1025", "--from", "you@nowhere.example",
               "--to", "whoever@localhost")
    assert done.returncode == 0, done.stdout


def test_submission_with_a_password(local):
    done = run("swaks", "--server", "127.0.0.1:1587", "--tls", "--auth", "PLAIN",
               "--auth-user", "me@localhost", "--auth-password", PASSWORD,
               "--from", "me@localhost", "--to", "me@localhost", "--header", "Subject: to myself")
    assert done.returncode == 0, done.stdout
    wrong = run("swaks", "--server", "127.0.0.1:1587", "--tls", "--auth", "PLAIN",
                "--auth-user", "me@localhost", "--auth-password", "wrong", "--to", "me@localhost")
    assert wrong.returncode != 0


def test_mbsync_fetches(local, tmp_path):
    send("for mbsync")
    done = run("openssl", "x509", "-in", local[0] / "tls/localhost.crt")
    (tmp_path / "cert.pem").write_text(done.stdout)
    (tmp_path / "mail").mkdir()
    (tmp_path / "mbsyncrc").write_text(f"""
IMAPAccount local
Host localhost
Port 1993
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
    send("for neomutt")
    (tmp_path / "muttrc").write_text(f"""
set folder = "imaps://localhost:1993/"
set imap_user = "me@localhost"
set imap_pass = "{PASSWORD}"
set spoolfile = "imaps://localhost:1993/INBOX"
set ssl_usesystemcerts = no
set certificate_file = "{local[0]}/tls/localhost.crt"
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
    data, _ = local
    assert mailrail(data, "status").returncode == 0
    assert mailrail(data, "verifydata").returncode == 0


def test_second_up_changes_nothing(local):
    data, _ = local
    before = (data / "run/mailrail.pid").read_text()
    done = run(ROOT / "deploy/local/up", "--data", data, "--detach")
    assert done.returncode == 0 and PASSWORD in done.stdout
    assert (data / "run/mailrail.pid").read_text() == before


def test_restart_keeps_mail(local):
    data, _ = local
    send("before the restart")
    assert run(ROOT / "deploy/local/down", "--data", data).returncode == 0
    assert not is_open(1025)
    assert run(ROOT / "deploy/local/up", "--data", data, "--detach").returncode == 0
    done = run("curl", "-sk", "--user", f"me@localhost:{PASSWORD}",
               "imaps://127.0.0.1:1993/INBOX?SUBJECT%20%22before%20the%20restart%22")
    assert re.search(r"SEARCH(?: .*)? \d+", done.stdout)
