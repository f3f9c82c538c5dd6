"""A Mailrail in containers, as compose.yaml makes it, with the clients of conftest.Mailrail.

    def test_something(make_containers):
        mailrail = make_containers()              # domain example.org, accounts ann and bob
        mailrail.kill("store")                    # SIGKILL; Docker starts it again
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import FAILED, Mailrail, free_ports, wait_until
from deployment import DOCKER, HELPERS, ROOT, compose, derive
from engine import OURS, PATH, run

# Daemons of compose.yaml: what runs until it is stopped.
DAEMONS = [name for name in compose()["services"] if name not in HELPERS and name != "mailrail"]


def as_variable(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list) else str(value)


class Containers(Mailrail):
    """One project of docker-compose. Options are those of conftest.Mailrail, given by the environment;
    `images` is the version of all images, or one for each service and for the rest (None). In a
    world, its network is `out`, and smtp-in has `address` in it.

    Seccomp profiles end a process at a call that they do not allow, from its first moment on, so that no
    refusal stays unnoticed; `seccomp` names others."""

    count = 0

    def __init__(self, images, world=None, address=None, hostname="mail.example.org", data=None,
                 published_at="127.0.0.1", seccomp=None, **options):
        Containers.count += 1
        self.process = None  # there is no launcher
        self.project = f"{OURS}x{Containers.count}"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mr-", dir="/tmp"))
        self.data = pathlib.Path(data or self.directory / "data")
        self.data.mkdir(exist_ok=True)
        ports = free_ports(5)
        self.smtp_port, self.submission_port, self.submissions_port = ports[:3]
        self.imap_port, self.imaps_port = ports[3:]
        self.hostname, self.images, self.published_at = hostname, images, published_at
        self.seccomp = seccomp or self.write_strict_profiles()
        self.write_settings()
        self.write_override(world, address, options)

    def write_strict_profiles(self):
        directory = self.directory / "seccomp"
        directory.mkdir()
        for name in derive.PROGRAMS:
            profile = derive.profile(name) | {"defaultAction": "SCMP_ACT_KILL_PROCESS", "defaultErrnoRet": None}
            (directory / f"{name}.json").write_text(json.dumps(profile))
        return directory

    def write_settings(self):
        named = {"SMTP": self.smtp_port, "SUBMISSION": self.submission_port, "IMAP": self.imap_port,
                 "SUBMISSIONS": self.submissions_port, "IMAPS": self.imaps_port}
        settings = {"HOSTNAME": self.hostname, "DOMAIN": self.hostname.partition(".")[2],
                    "DATA_DIR": self.data, "SECCOMP": self.seccomp,
                    **{f"PORT_{name}": f"{self.published_at}:{port}" for name, port in named.items()}}
        (self.directory / ".env").write_text("".join(f"MAILRAIL_{k}={v}\n" for k, v in settings.items()))

    def write_override(self, world, address, options):
        environment = {"MAILRAIL_LOG_LEVEL": "debug"}
        groups = {"smtp_in": {"limit_connections": False}, "submission": {"limit_connections": False},
                  "imap": {"limit_connections": False}, "queue_deliverer": {}, "store": {}, "dns_resolver": {}}
        for part in (world.options() if world else {"smtp_in": {"check_sender_domain": False}}, options):
            for group, values in part.items():
                groups[group].update(values)
        for group, values in groups.items():
            for key, value in values.items():
                environment[f"MAILRAIL_{group}_{key}".upper()] = as_variable(value)
        services = {}
        for name, service in compose()["services"].items():
            version = self.images if isinstance(self.images, str) else self.images.get(name, self.images[None])
            image = service["image"].partition(":")[0]
            services[name] = {"image": f"{image}:{version}", "environment": environment}
        override = {"services": services}
        if world:
            override["networks"] = {"out": {"external": True, "name": world.name}}
        if address:
            services["smtp-in"]["networks"] = {"in": {}, "out": {"ipv4_address": address}}
        # JSON is YAML.
        (self.directory / "override.yaml").write_text(json.dumps(override, indent=1))

    # Running.

    def compose_words(self, *words):
        return ["docker-compose", "--project-name", self.project, "--project-directory", DOCKER,
                "--env-file", self.directory / ".env", "-f", DOCKER / "compose.yaml",
                "-f", self.directory / "override.yaml", *words]

    def compose(self, *words, check=True):
        return run(*self.compose_words(*words), check=check, cwd=ROOT)

    def start(self, *options):
        self.compose("up", "--detach", "--no-build", *options)
        wait_until(self.is_ready, 60, "health of all containers")

    def stop(self):
        self.compose("stop")

    def destroy(self):
        self.compose("down", "--volumes", "--timeout", "2", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def command(self, *words, stdin=None, check=True):
        done = subprocess.run(self.compose_words("run", "--rm", "-T", "mailrail", *words), input=stdin,
                              capture_output=True, text=True, timeout=120, env={**os.environ, "PATH": PATH},
                              cwd=ROOT, check=False)
        assert not check or done.returncode == 0, f"mailrail {' '.join(words)}: {done.stderr}"
        return done

    # Containers.

    def containers(self, service):
        """Names of the containers of a service, by number."""
        names = run("docker", "ps", "--all", "--format", "{{.Names}}", "--filter",
                    f"label=com.docker.compose.project={self.project}", "--filter",
                    f"label=com.docker.compose.service={service}", "--filter",
                    "label=com.docker.compose.oneoff=False").split()
        return sorted(names, key=lambda name: int(re.search(r"(\d+)$", name)[1]))

    def inspect(self, container):
        return json.loads(run("docker", "inspect", container))[0]

    def state(self, service, number=0):
        return self.inspect(self.containers(service)[number])["State"]

    def is_healthy(self, service):
        return all(self.inspect(name)["State"].get("Health", {}).get("Status") == "healthy"
                   for name in self.containers(service))

    def is_ready(self):
        return all(self.is_healthy(name) for name in DAEMONS)

    def is_running(self):
        return all(self.state(name)["Running"] for name in DAEMONS)

    def pid_of(self, service, number=0):
        """The process of a service, on this host; None when it is down."""
        return self.state(service, number)["Pid"] or None

    def kill(self, service, number=signal.SIGKILL):
        """Not `docker kill`, after which Docker does not start the container again."""
        os.kill(self.pid_of(service), number)

    @contextlib.contextmanager
    def without_doors(self, *names):
        """Who connects meanwhile finds no door of store there; connections that stand do."""
        doors = [pathlib.Path(f"/proc/{self.pid_of('store')}/root/bus/{name}/door") for name in names]
        for door in doors:
            os.rename(door, door.with_name("away"))
        try:
            yield
        finally:
            for door in doors:
                os.rename(door.with_name("away"), door)

    def address_of(self, service, network):
        networks = self.inspect(self.containers(service)[0])["NetworkSettings"]["Networks"]
        return networks[network]["IPAddress"]

    def log(self):
        return self.compose("logs", "--no-color", check=False)

    def proportional_size(self, service):
        """PSS in kB of all containers of a service."""
        total = 0
        for number in range(len(self.containers(service))):
            text = pathlib.Path(f"/proc/{self.pid_of(service, number)}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
        return total


@contextlib.contextmanager
def systems(images, request):
    """Yields a function that makes systems; ends them, and shows their logs when a test failed."""
    made = []

    def make(start=True, usual=True, version=None, **options):
        system = Containers(version or images, **options)
        made.append(system)
        if start:
            system.start()
            if usual:
                system.add_account("ann", "ann@example.org")
                system.add_account("bob", "bob@example.org")
        return system

    try:
        yield make
    finally:
        for system in made:
            if request.node.stash.get(FAILED, False):
                print(f"\n--- {system.project}\n{system.log()[-20000:]}")
            system.destroy()


@pytest.fixture
def make_containers(images, request):
    with systems(images, request) as make:
        yield make


@pytest.fixture(scope="module")
def make_shared_containers(images, request):
    with systems(images, request) as make:
        yield make
