"""Two hosts, and a network between them that fails: store here, a deliverer and an IMAP server there, the bus
over TCP. While it is away packets vanish and nobody is told. Callers see temporary failures only, all goes on
within seconds after the network is back, nothing is lost, nothing is twice in a mailbox, and twice at a server of
others only what that one took while nobody could be told."""
import collections
import contextlib
import itertools
import os
import random
import re
import signal
import subprocess
import threading
import time

import pytest

import chaos
import far
from conftest import BIN, ENVIRONMENT, PASSWORD, free_ports, wait_until
from engine import OURS, run
from test_bus_tls import doors
from world import in_namespace

ANN, BOB, JOE = "ann@example.org", "bob@example.org", "joe@far.example"
LEASE_MS = 4000
RECOVERY_S = 8  # at most, after the network is back
THERE = ("queue-deliverer", "imap")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make networks")


class Network:
    """The namespace `there`, one hop away: between it and us is a router, which can stop to forward."""

    def __init__(self):
        self.undo = contextlib.ExitStack()
        self.router, self.there = f"{OURS}r", f"{OURS}t"
        net = f"10.78.{random.randrange(256)}"
        self.here_address = f"{net}.1"
        for name in (self.router, self.there):
            run("ip", "netns", "add", name)
            self.undo.callback(run, "ip", "netns", "delete", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "link", "add", self.router, "type", "veth", "peer", "name", "here", "netns", self.router)
        self.undo.callback(run, "ip", "link", "delete", self.router)
        run("ip", "-n", self.router, "link", "add", "there", "type", "veth", "peer", "name", "eth0",
            "netns", self.there)
        run("ip", "address", "add", f"{net}.1/30", "dev", self.router)
        for namespace, device, address in ((self.router, "here", f"{net}.2/30"), (self.router, "there", f"{net}.5/30"),
                                           (self.there, "eth0", f"{net}.6/30")):
            run("ip", "-n", namespace, "address", "add", address, "dev", device)
            run("ip", "-n", namespace, "link", "set", device, "up")
        run("ip", "link", "set", self.router, "up")
        run("ip", "route", "add", f"{net}.4/30", "via", f"{net}.2")
        run("ip", "-n", self.there, "route", "add", "default", "via", f"{net}.5")
        self.heal()

    def forward(self, does):
        run("ip", "netns", "exec", self.router, "sysctl", "-q", f"net.ipv4.ip_forward={does}")

    def cut(self):
        self.forward(0)

    def heal(self):
        self.forward(1)

    def inside(self, make):
        return in_namespace(self.there, make)

    def start(self, *words, log):
        return subprocess.Popen(["ip", "netns", "exec", self.there, *words], stdin=subprocess.DEVNULL,
                                stdout=log, stderr=log, env=ENVIRONMENT)


@pytest.fixture(scope="module")
def network():
    made = Network()
    with made.undo:
        yield made


class FarServer:
    """A server of others, beside the deliverer: `taken` says when it took each letter."""

    def __init__(self, network):
        self.taken = collections.defaultdict(list)
        [self.port] = network.inside(lambda: free_ports(1))
        self.listener = network.inside(lambda: far.Misbehaving("127.0.0.1", self.port, self.converse))

    def converse(self, client, _number):
        with client.makefile("rwb", buffering=0) as file:
            file.write(b"220 far.example hello\r\n")
            while verb := file.readline()[:4].upper():
                if verb == b"DATA":
                    file.write(b"354 go on\r\n")
                    letter = b"".join(iter(file.readline, b".\r\n"))
                    self.taken[re.search(rb"Message-ID: <([^>]+)>", letter)[1].decode()].append(time.monotonic())
                file.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")

    def doubled(self):
        """When those that came again came first."""
        return [times[0] for times in self.taken.values() if len(times) > 1]


class Hosts:
    """A system whose services are in two places."""

    def __init__(self, mailrail, network, far_server):
        self.mailrail, self.network, self.far = mailrail, network, far_server
        self.log = open(mailrail.log_path, "ab")
        self.processes = {name: network.start(BIN / f"mailrail-{name}", "--config", mailrail.config, log=self.log)
                          for name in THERE}
        wait_until(lambda: all(self.is_ready(name) for name in THERE), 60, "readiness of the other host")

    def is_ready(self, name):
        return subprocess.run([BIN / f"mailrail-{name}", "--config", self.mailrail.config, "--health"],
                              capture_output=True, env=ENVIRONMENT, check=False).returncode == 0

    def imap(self, user):
        return self.network.inside(lambda: chaos.Imap(self.mailrail.imap_port, user, PASSWORD))

    def recorded(self):
        """How often the deliverer has told what became of letters."""
        found = re.findall(r'^mailrail_rpc_calls_total\{door="queue",method="Finish",result="ok"\} (\d+)',
                           self.mailrail.metrics("store"), re.M)
        return int(found[0]) if found else 0

    def connections(self):
        """How many store has, at all doors, in the eyes of the other host."""
        return len(run("ip", "netns", "exec", self.network.there, "ss", "-Htn").splitlines())

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        ended = {name: process.wait(30) for name, process in self.processes.items()}
        self.log.close()
        assert ended == dict.fromkeys(THERE, 0)


def bus_options(network, tls, directory):
    scheme = "tls+tcp" if tls else "tcp"
    urls = [f"{door}={scheme}://{network.here_address}:{port}" for door, port in zip(doors(), free_ports(len(doors())))]
    options = {"bus_doors": urls}
    if tls:
        subprocess.run([BIN / "mailrail", "bus", "certificates", "--directory", directory], check=True, env=ENVIRONMENT)
        options |= {"bus_ca": str(directory / "ca.pem"), "bus_certificate": str(directory / "%s.pem"),
                    "bus_key": str(directory / "%s.key")}
    return options


@pytest.fixture
def hosts(request, make_mailrail, network, tmp_path):
    far_server = FarServer(network)
    mailrail = make_mailrail(
        start=False, **bus_options(network, request.param == "tls", tmp_path / "bus"),
        launcher={"services": ["store", "dns-resolver", "smtp-in", "submission"]},
        submission={"cleartext_auth": True}, imap={"cleartext_auth": True}, store={"queue_retry_ms": 500},
        queue_deliverer={"lease_ms": LEASE_MS, "relay": f"127.0.0.1:{far_server.port}"})
    mailrail.start()
    mailrail.add_usual()
    made = Hosts(mailrail, network, far_server)
    made.bus = request.param
    yield made
    network.heal()
    made.stop()
    far_server.listener.stop()


class Submitter:
    """Letters from ann, ten a second, through the queue, by turns to bob and to joe, who is far away. Tries another
    after a temporary failure."""

    def __init__(self, mailrail):
        self.mailrail, self.codes = mailrail, collections.Counter()
        self.accepted = {BOB: [], JOE: []}
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        client = None
        for serial in itertools.count():
            if self.stop.wait(0.1):
                return
            recipient = (BOB, JOE)[serial % 2]
            letter = f"Message-ID: <{serial}@example.org>\r\nFrom: <{ANN}>\r\nSubject: x\r\n\r\nx".encode()
            try:
                client = client or chaos.Smtp(self.mailrail.submission_port, ANN, PASSWORD, self.codes)
                if client.send(ANN, recipient, letter):
                    self.accepted[recipient].append(f"{serial}@example.org")
            except OSError:
                client = None

    def total(self):
        return sum(map(len, self.accepted.values()))

    def finish(self):
        self.stop.set()
        self.thread.join(90)
        permanent = {code: count for code, count in self.codes.items() if code >= 500}
        assert not permanent, f"permanent errors: {permanent}"


class Idle:
    """A session that waits for mail, and does nothing else."""

    def __init__(self, imap):
        self.imap, self.heard = imap, collections.OrderedDict()
        imap.command("SELECT INBOX")
        imap.write(b"i IDLE\r\n")
        assert imap.read().startswith(b"+")
        imap.socket.settimeout(120)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError, ConnectionError, ValueError):
            while True:
                exists = re.match(rb"\* (\d+) EXISTS", self.imap.read())
                if exists:
                    self.heard[int(exists[1])] = time.monotonic()

    def knows(self, count):
        return any(known >= count for known in self.heard)


def letters(hosts, user):
    imap = hosts.imap(user)
    imap.command("SELECT INBOX")
    lines = imap.command("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    imap.close()
    found = [ident.decode() for line in lines for ident in re.findall(rb"Message-ID: <([^>]+)>", line)]
    return collections.Counter(found)


def measure(since, **recoveries):
    """How long after `since` each of them came true."""
    after = {}
    while len(after) < len(recoveries):
        assert time.monotonic() < since + 120, f"no recovery; what recovered: {after}"
        after |= {what: time.monotonic() - since for what, is_well in recoveries.items()
                  if what not in after and is_well()}
        time.sleep(0.02)
    return after


def check_letters(hosts, load, cut, healed):
    """Each that was accepted has come, once, and nobody was told of a failure. How many came to a server of others
    again."""
    time.sleep(1)
    load.finish()
    wait_until(lambda: not hosts.mailrail.list("queue", "list"), 60, "the end of the queue")
    found = letters(hosts, BOB)
    assert not set(load.accepted[BOB]) - set(found) and not set(load.accepted[JOE]) - set(hosts.far.taken), "lost"
    assert max(found.values()) == 1, f"there twice: {found}"
    again = hosts.far.doubled()
    assert all(cut - 1 < first < healed + 1 for first in again), "the answer could have been recorded"
    assert all(ident.endswith("@far.example") for ident in letters(hosts, ANN)), "ann got a bounce"
    return len(again)


def nothing(_mailrail):
    pass


def lose_store(mailrail):
    """What it says at its end, nobody hears; its successor knows nothing of old connections."""
    mailrail.kill("store")
    wait_until(mailrail.is_ready, 60, "the next store")


@pytest.fixture(scope="module")
def figures(table):
    title = "The network between store and others is away"
    table(title, [("bus", "fault", "away", "accepted", "deliveries go on after", "IDLE hears after",
                   "at others again")])
    return lambda *row: table(title, [row])


@pytest.mark.parametrize("hosts, fault, seconds, meanwhile", [
    ("tcp", "shorter than a lease", LEASE_MS / 2000, nothing),
    ("tcp", "longer than a lease", 30, nothing),
    ("tcp", "store's host dies and comes back", 15, lose_store),
    ("tls", "store's host dies and comes back", 15, lose_store),
], indirect=["hosts"])
def test_the_network_fails(hosts, figures, fault, seconds, meanwhile):
    """In the middle of deliveries, while an idle session waits for mail."""
    mailrail = hosts.mailrail
    idle, load = Idle(hosts.imap(ANN)), Submitter(mailrail)
    mailrail.deliver(ANN)
    wait_until(lambda: idle.knows(1) and hosts.recorded() > 5, 20, "a system at work")

    hosts.network.cut()
    cut = time.monotonic()
    meanwhile(mailrail)
    mailrail.deliver(ANN)
    time.sleep(max(0, cut + seconds - time.monotonic()))
    assert not idle.knows(2), "the network is not away"
    before = hosts.recorded()
    hosts.network.heal()
    healed = time.monotonic()

    after = measure(healed, deliveries=lambda: hosts.recorded() > before, IDLE=lambda: idle.knows(2))
    again = check_letters(hosts, load, cut, healed)
    figures(hosts.bus, fault, f"{healed - cut:.0f} s", load.total(), f"{after['deliveries']:.1f} s",
            f"{after['IDLE']:.1f} s", again)
    assert max(after.values()) < RECOVERY_S


@pytest.mark.parametrize("hosts", ["tcp"], indirect=True)
def test_store_stands_still(hosts, figures):
    """Its kernel still answers: those who wait do not besiege it."""
    load = Submitter(hosts.mailrail)
    wait_until(lambda: hosts.recorded() > 5, 20, "a system at work")
    connections, before = hosts.connections(), hosts.recorded()
    hosts.mailrail.kill("store", signal.SIGSTOP)
    began = time.monotonic()
    time.sleep(15)
    besieged = hosts.connections()
    hosts.mailrail.kill("store", signal.SIGCONT)
    goes_on = time.monotonic()
    after = measure(goes_on, deliveries=lambda: hosts.recorded() > before)
    again = check_letters(hosts, load, began, goes_on)
    figures(hosts.bus, "store stands still", f"{goes_on - began:.0f} s", load.total(), f"{after['deliveries']:.1f} s",
            "-", again)
    assert after["deliveries"] < RECOVERY_S
    assert besieged < 2 * connections, "connections of those who do not wait"
