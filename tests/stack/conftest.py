"""Fixtures that start a whole Mailrail, and give clients for it.

    def test_something(mailrail):                   # domain example.org, accounts ann and bob
        with mailrail.smtp() as smtp:
            smtp.sendmail("x@far.example", ["ann@example.org"], "Subject: hi\\r\\n\\r\\nhello\\r\\n")
        with mailrail.imap("ann@example.org") as imap:
            assert imap.select()[1] == [b"1"]

    def test_other(make_mailrail):                  # with options of its own
        mailrail = make_mailrail(smtp_in={"message_size_max": 100000})

A test fails when a service printed a sanitizer's report or BUG, and shows the log when it fails.
"""
import contextlib
import imaplib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MAILRAIL_BUILD", ROOT / "build/sanitize")).resolve()
BIN = BUILD / "bin"
PASSWORD = "correct horse"
FAULT = re.compile(r"Sanitizer|runtime error:|^BUG at ", re.MULTILINE)

ENVIRONMENT = {
    "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin",
    "HOME": os.environ.get("HOME", "/"),
    "LANG": "C.UTF-8",
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "LSAN_OPTIONS": f"suppressions={ROOT}/tests/unit/lsan.supp:print_suppressions=0",
}


def ports_for_tests():
    """Below those that the kernel gives to connections, one of which could take a port just before its server."""
    lowest_of_connections = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(10240, max(lowest_of_connections, 20480))
    begin = os.getpid() * 101 % len(ports)  # another test run begins elsewhere
    return itertools.cycle([*ports[begin:], *ports[:begin]])


PORTS = ports_for_tests()


def is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


def free_ports(count):
    """Ports that nobody uses now, and that were not given out lately."""
    return list(itertools.islice(filter(is_free, PORTS), count))


def wait_until(condition, seconds=10, what="the condition"):
    """Polls; the value of `condition` once it is true."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what} did not come true within {seconds} s"
        time.sleep(0.02)


def as_option(value):
    """A Python value as libconfig writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}L" if value > 2**31 - 1 else str(value)
    if isinstance(value, str):
        return json.dumps(value)
    return "[ " + ", ".join(json.dumps(item) for item in value) + " ]"


class Raw:
    """A line-based client that says and reads exactly what the test writes."""

    def __init__(self, port, tls=False, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        if tls:
            self.start_tls()
        else:
            self.file = self.socket.makefile("rb")

    def start_tls(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        return self.file.readline()

    def reply(self):
        """A whole SMTP reply, of one line or several."""
        lines = [self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(self.line())
        return b"".join(lines)

    def until(self, start):
        """Lines up to and with the first that begins with `start`."""
        lines = [self.line()]
        while lines[-1] and not lines[-1].startswith(start):
            lines.append(self.line())
        return b"".join(lines)

    def at_end(self):
        return self.file.read(1) == b""

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def has_ended(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(") ")[2][0] in "ZX"


class Mailrail:
    """One system under the launcher, in a directory of its own."""

    def __init__(self, **options):
        # Short: the path of a unix socket has at most 107 bytes.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mr-", dir="/tmp"))
        self.config = self.directory / "mailrail.conf"
        self.log_path = self.directory / "log"
        ports = free_ports(5)
        self.smtp_port, self.submission_port, self.submissions_port = ports[:3]
        self.imap_port, self.imaps_port = ports[3:]
        self.process = None
        self.write_config(options)

    # Configuration.

    def write_config(self, options):
        """`options` by group; the key None, or plain values, are for the top level."""
        listen = ["127.0.0.1"]
        groups = {
            None: {
                "hostname": "mail.example.org", "data": "data", "run": "run",
                "tls_certificate": "tls/cert.pem", "tls_key": "tls/key.pem", "localserve": True,
                "log_level": "debug", "drain_ms": 3000,
            },
            "smtp_in": {"listen": listen, "port": self.smtp_port, "limit_connections": False},
            "submission": {"listen": listen, "port": self.submission_port,
                           "tls_port": self.submissions_port, "limit_connections": False},
            "imap": {"listen": listen, "port": self.imap_port, "tls_port": self.imaps_port,
                     "limit_connections": False},
            # Nobody answers there: no test asks the world.
            "dns_resolver": {"forward": ["127.0.0.1@1"]},
        }
        for name, value in options.items():
            if isinstance(value, dict):
                groups.setdefault(name, {}).update(value)
            else:
                groups[None][name] = value
        lines = [f"{k} = {as_option(v)};" for k, v in groups.pop(None).items()]
        for group, values in groups.items():
            lines += [f"{group} = {{", *(f"    {k} = {as_option(v)};" for k, v in values.items()), "};"]
        self.config.write_text("\n".join(lines) + "\n")
        (self.directory / "data").mkdir(exist_ok=True)

    # Running.

    def command(self, *words, stdin=None, check=True):
        """Runs `mailrail WORDS`. Returns the completed process, output as text."""
        options_end = words.index("--") if "--" in words else len(words)
        done = subprocess.run([BIN / "mailrail", *words[:options_end], "--config", self.config,
                               *words[options_end:]], input=stdin, capture_output=True, text=True,
                              timeout=120, env=ENVIRONMENT)
        assert not FAULT.search(done.stderr), done.stderr
        if check:
            assert done.returncode == 0, f"mailrail {' '.join(words)}: {done.stderr}"
        return done

    def list(self, *words):
        return json.loads(self.command(*words, "--json").stdout)

    def launch(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([BIN / "mailrail", "run", "--config", self.config],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=ENVIRONMENT)

    def start(self):
        self.command("certificate", "make")
        self.launch()
        wait_until(self.is_ready, 60, "readiness of all services")

    def is_ready(self):
        assert self.process.poll() is None, f"the launcher ended:\n{self.log()}"
        return self.command("status", check=False).returncode == 0

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(60) == 0, "the launcher failed"

    def destroy(self):
        try:
            self.stop()
        finally:
            if self.process and self.process.poll() is None:
                self.process.kill()
            shutil.rmtree(self.directory, ignore_errors=True)

    def pid_of(self, service):
        """The process of one service under the launcher; None when it is down."""
        return children_of(self.process.pid).get(service)

    def kill(self, service, number=signal.SIGKILL):
        """Gone when it returns: a process that is ending takes requests that it will not answer. One that is down is
        waited for."""
        pid = wait_until(lambda: self.pid_of(service), 60, f"the start of {service}")
        os.kill(pid, number)
        if number == signal.SIGKILL:
            wait_until(lambda: has_ended(pid), 60, f"the end of {service}")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def metrics(self, service):
        """The text that a service shows at /metrics."""
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
            s.connect(str(self.directory / "run" / f"{service}.health"))
            s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            with s.makefile("rb") as answer:
                return answer.read().decode().partition("\r\n\r\n")[2]

    # Domains and accounts.

    def add_domain(self, name, *options):
        self.command("domain", "add", name, *options)

    def add_account(self, name, address, password=PASSWORD):
        self.command("account", "add", name, "--address", address, "--password-stdin",
                     stdin=password + "\n")

    def add_usual(self):
        """Domain example.org with ann and bob."""
        self.add_domain("example.org")
        self.add_account("ann", "ann@example.org")
        self.add_account("bob", "bob@example.org")

    # Clients.

    def smtp(self):
        return smtplib.SMTP("127.0.0.1", self.smtp_port, "client.example", timeout=30)

    def submission(self, user="ann@example.org", password=PASSWORD):
        """Logged in, under STARTTLS."""
        client = smtplib.SMTP("127.0.0.1", self.submission_port, "client.example", timeout=30)
        client.starttls(context=insecure())
        client.login(user, password)
        return client

    def imap(self, user="ann@example.org", password=PASSWORD):
        """Logged in, under TLS."""
        client = imaplib.IMAP4_SSL("127.0.0.1", self.imaps_port, ssl_context=insecure(), timeout=30)
        client.login(user, password)
        return client

    def raw_smtp(self):
        return Raw(self.smtp_port)

    def raw_submission(self, tls=True):
        return Raw(self.submissions_port if tls else self.submission_port, tls)

    def raw_imap(self, tls=False):
        return Raw(self.imaps_port if tls else self.imap_port, tls)

    def deliver(self, recipient="ann@example.org", subject="hello", sender="x@far.example", body="hi"):
        """Delivers one small message to port 25 and returns its bytes."""
        message = (f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {subject}\r\n"
                   f"Message-ID: <{time.monotonic_ns()}@far.example>\r\n"
                   f"Date: Fri, 2 Jan 2026 03:04:05 +0000\r\n\r\n{body}\r\n").encode()
        with self.smtp() as smtp:
            smtp.sendmail(sender, [recipient], message)
        return message


def insecure():
    """TLS that takes our self-signed certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def children_of(pid):
    """Process ids of a launcher's services by name."""
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            program = (stat.parent / "cmdline").read_bytes().split(b"\0")[0].decode()
            if int(fields[1]) == pid and fields[0] != "Z" and "mailrail-" in program:
                found[os.path.basename(program).removeprefix("mailrail-")] = int(stat.parent.name)
    return found


def our_processes():
    """Processes whose program is of this build."""
    found = []
    for exe in pathlib.Path("/proc").glob("[0-9]*/exe"):
        with contextlib.suppress(OSError):
            if os.readlink(exe).startswith(str(BIN)):
                found.append(int(exe.parent.name))
    return found


@pytest.fixture
def make_mailrail(request):
    """Makes systems, started and with the usual accounts, and ends them after the test."""
    made = []

    def make(start=True, usual=True, **options):
        mailrail = Mailrail(**options)
        made.append(mailrail)
        if start:
            mailrail.start()
            if usual:
                mailrail.add_usual()
        return mailrail

    yield make
    finish(made, request)


@pytest.fixture
def mailrail(make_mailrail):
    """A system with domain example.org and the accounts ann and bob."""
    return make_mailrail()


@pytest.fixture(scope="module")
def shared_mailrail(request):
    """The same, once for all tests of a file that leave no trace."""
    system = Mailrail()
    system.start()
    system.add_usual()
    yield system
    finish([system], request)


def finish(made, request):
    """Stops systems; fails for faults in their logs; shows the log of a failed test."""
    faults = []
    for mailrail in made:
        failed = request.node.stash.get(FAILED, False)
        try:
            mailrail.stop()
        except AssertionError as error:
            faults.append(str(error))
        log = mailrail.log()
        found = FAULT.search(log)
        if found:
            faults.append(log[max(0, found.start() - 2000):found.start() + 6000])
        elif failed or faults:
            print(f"\n--- log of {mailrail.directory}\n{log[-30000:]}")
        mailrail.destroy()
    if faults:
        pytest.fail("\n".join(faults), pytrace=False)


FAILED = pytest.StashKey()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.stash[FAILED] = True
        item.parent.stash[FAILED] = True


@pytest.fixture(scope="session", autouse=True)
def no_process_stays():
    before = set(our_processes())
    yield
    left = set(our_processes()) - before
    assert not left, f"processes still run: {left}"


TABLES = pytest.StashKey()


@pytest.fixture(scope="session")
def table(request):
    """table(title, rows) has figures printed at the end of the run; no test depends on them."""
    tables = request.config.stash.setdefault(TABLES, {})
    return lambda title, rows: tables.setdefault(title, []).extend(rows)


def pytest_terminal_summary(terminalreporter, config):
    for title, rows in config.stash.get(TABLES, {}).items():
        terminalreporter.section(title)
        widths = [max(len(str(cell)) for cell in column) for column in zip(*rows)]
        for row in rows:
            terminalreporter.write_line("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def pytest_unconfigure(config):
    """What was left out, and why, is the last that a run says."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    for reason in sorted({report.longrepr[2] for report in skipped if isinstance(report.longrepr, tuple)}):
        print(reason)
