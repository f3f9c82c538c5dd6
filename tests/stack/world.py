"""The outside world of containers: a Docker network, and in it a host with a network namespace of its
own, where nsd serves a signed root, and peers run that are no containers.

    world.inside(make)      calls make() in the namespace: what it starts and opens is there
"""
import concurrent.futures
import contextlib
import ctypes
import os
import pathlib
import random
import re
import subprocess
import tempfile

import pytest

import far
from engine import OURS, PATH, run

CLONE_NEWNET = 0x40000000
SMTP_PORT = 2525  # of all mail servers in this world: nobody needs a right to bind


def in_namespace(name, make):
    """The result of make(), called in a thread that has entered the network namespace."""
    def enter():
        with open(f"/run/netns/{name}", "rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        return make()

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(enter).result()


class World:
    count = 0

    def __init__(self, zones):
        """`zones`: records by the name of a zone below a top level domain, with {N} for our N-th address."""
        World.count += 1
        self.undo = contextlib.ExitStack()
        self.name = f"{OURS}w{World.count}"  # an interface has at most 15 bytes
        try:
            self.make_network()
            self.make_host()
            self.directory = pathlib.Path(self.undo.enter_context(tempfile.TemporaryDirectory(prefix="mr-")))
            self.anchor = self.serve_names(zones)
        except BaseException:
            self.undo.close()
            raise

    def address(self, number):
        return f"{self.prefix}.{number}"

    def make_network(self):
        for _ in range(20):
            self.prefix = f"10.77.{random.randrange(256)}"
            made = subprocess.run(["docker", "network", "create", "--subnet", f"{self.prefix}.0/24",
                                   "--ip-range", f"{self.prefix}.128/25", "--gateway", self.address(1),
                                   "--opt", f"com.docker.network.bridge.name={self.name}", self.name],
                                  capture_output=True, text=True, check=False)
            if made.returncode == 0:
                break
        assert made.returncode == 0, made.stderr
        self.undo.callback(run, "docker", "network", "rm", self.name)

    def make_host(self):
        """The addresses .32 to .63 belong to it."""
        run("ip", "netns", "add", self.name)
        self.undo.callback(run, "ip", "netns", "delete", self.name)
        inner = ("ip", "-n", self.name)
        run("ip", "link", "add", f"{self.name}p", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        self.undo.callback(run, "ip", "link", "delete", f"{self.name}p")  # also when something stays in the namespace
        run("ip", "link", "set", f"{self.name}p", "master", self.name, "up")
        for number in range(32, 64):
            run(*inner, "address", "add", f"{self.address(number)}/24", "dev", "eth0")
        run(*inner, "link", "set", "lo", "up")
        run(*inner, "link", "set", "eth0", "up")

    def inside(self, make):
        return in_namespace(self.name, make)

    # Names.

    def serve_names(self, zones):
        """Signs and serves zones, their top level domains, and the root; returns the root's anchor."""
        served, delegations = {}, {".": ""}
        for name, records in zones.items():
            top = name.partition(".")[2]
            records = re.sub(r"\{(\d+)\}", lambda found: self.address(int(found[1])), records)
            delegations.setdefault(top, "")
            delegations[top] += self.delegate(name, self.sign(name, records, served))
        for top in [top for top in delegations if top != "."]:
            delegations["."] += self.delegate(top, self.sign(top, delegations[top], served))
        anchor = self.sign(".", delegations["."], served)
        config = self.directory / "nsd.conf"
        config.write_text(
            f'server:\n  ip-address: {self.address(53)}\n  username: ""\n  zonesdir: "{self.directory}"\n'
            f'  pidfile: "{self.directory}/nsd.pid"\n  xfrdir: "{self.directory}"\n  server-count: 1\n  database: ""\n'
            f'  xfrdfile: "{self.directory}/xfrd.state"\n  zonelistfile: "{self.directory}/zone.list"\n'
            "remote-control:\n  control-enable: no\n"
            + "".join(f'zone:\n  name: "{name}"\n  zonefile: "{file}"\n' for name, file in served.items()))
        nsd = self.inside(lambda: subprocess.Popen(["nsd", "-d", "-c", config], env={"PATH": PATH},
                                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        self.undo.callback(nsd.wait, 20)
        self.undo.callback(nsd.terminate)
        self.inside(lambda: far.wait_for_port(self.address(53), 53))
        return anchor

    def delegate(self, name, ds):
        return f"{name}. NS ns.{name}.\nns.{name}. A {self.address(53)}\n{ds}\n"

    def sign(self, name, records, served):
        """Adds the zone to `served`, and returns its DS record."""
        origin = name if name == "." else f"{name}."
        own = "ns.root." if name == "." else f"ns.{name}."
        file = f"zone-{name}"
        (self.directory / file).write_text(f"$ORIGIN {origin}\n$TTL 60\n@ SOA {own} hostmaster.{own} 1 3600 600 86400 60\n"
                                           f"@ NS {own}\n{own} A {self.address(53)}\n{records}")
        key = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "-r", "/dev/urandom", name, cwd=self.directory).strip()
        run("ldns-signzone", "-o", origin, "-f", f"{file}.signed", file, key, cwd=self.directory)
        served[origin] = f"{file}.signed"
        return (self.directory / f"{key}.ds").read_text().strip()

    def options(self):
        """What a Mailrail must know to live in this world."""
        return {"dns_resolver": {"stub_zones": [f".={self.address(53)}@53"], "trust_anchors": [self.anchor]},
                "queue_deliverer": {"port": SMTP_PORT}}

    def close(self):
        self.undo.close()


@pytest.fixture(scope="module")
def make_world(engine):
    """make_world(zones) makes a world for a file of tests."""
    with contextlib.ExitStack() as worlds:
        yield lambda zones: worlds.enter_context(contextlib.closing(World(zones)))
