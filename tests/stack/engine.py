"""A Docker engine for tests: the one that runs, or one of our own, and the images of this tree.

An engine of our own keeps images in build/docker, as a cache; everything else that it made, such as
its bridges, their rules of iptables and cgroup mounts, is gone when it has ended. A run of tests that
was killed leaves things in the kernel: the next run removes them. What belongs to another engine stays."""
import contextlib
import fcntl
import os
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import time

import pytest

from deployment import DOCKER, ROOT, services

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
# Interfaces and network namespaces of tests are called so, and then by what they are for.
OURS = f"mrt{os.getpid()}"
# What an engine adds to iptables: rules that name a bridge of its, and these chains, which engines share.
TABLES = ("filter", "nat", "raw")
CHAIN = re.compile(r"DOCKER(-[A-Z0-9-]+)?")
BRIDGE = re.compile(r" -[io] (mrt\d+\w+|br-[0-9a-f]{12})\b")
FORWARDING = pathlib.Path("/proc/sys/net/ipv4/ip_forward")


def run(*words, check=True, seconds=900, **options):
    """Output and errors of a command, which must succeed unless `check` is False."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds,
                          env={**os.environ, "PATH": PATH, "DOCKER_BUILDKIT": "0"}, check=False, **options)
    assert not check or done.returncode == 0, f"{' '.join(map(str, words))}: {done.stdout[-4000:]}"
    return done.stdout


def read_or_empty(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""


def remove_leftovers():
    """Removes interfaces and network namespaces of test runs that are no more."""
    for listing, remove in (("/run/netns", ("ip", "netns", "delete")), ("/sys/class/net", ("ip", "link", "delete"))):
        for name in os.listdir(listing) if os.path.isdir(listing) else []:
            pid = re.match(r"mr[tp](\d+)", name)
            if pid and not is_test_run(pid[1]):
                run(*remove, name, check=False)


def is_test_run(pid):
    return b"pytest" in read_or_empty(pathlib.Path(f"/proc/{pid}/cmdline"))


def rules_of(table):
    """The words of each rule, as `iptables -S` has them."""
    lines = run("iptables", "-t", table, "-S", check=False).splitlines()
    return [line.split() for line in lines if line.startswith("-")]


def bridges_of(words):
    return set(BRIDGE.findall(" ".join(words)))


def an_engine_runs():
    return any(read_or_empty(path) == b"dockerd\n" for path in pathlib.Path("/proc").glob("[0-9]*/comm"))


def remove_rules():
    """Removes rules of engines that are no more, and the chains when no engine needs them. An engine
    that starts makes its own anew; those of another would let containers out that must not get out."""
    there = set(os.listdir("/sys/class/net")) if an_engine_runs() else set()
    for table in TABLES:
        for words in rules_of(table):
            if bridges_of(words) - there:
                run("iptables", "-t", table, "-D", *words[1:], check=False)
    if is_used_by_engines():
        return
    for table in TABLES:
        rules = rules_of(table)
        for words in rules:
            if words[0] == "-A" and CHAIN.fullmatch(words[-1]):
                run("iptables", "-t", table, "-D", *words[1:], check=False)
        chains = [words[1] for words in rules if words[0] == "-N" and CHAIN.fullmatch(words[1])]
        for option in ("-F", "-X"):
            for chain in chains:
                run("iptables", "-t", table, option, chain, check=False)


def is_used_by_engines():
    """Any engine has a rule for its bridge in the shared chains."""
    return any(CHAIN.fullmatch(words[1]) and ("-i" in words or "-o" in words)
               for table in TABLES for words in rules_of(table))


class Engine:
    """Uses the engine that DOCKER_HOST or the usual socket leads to, or starts one. With
    MAILRAIL_TEST_ENGINE=own it starts one, for all files of the run, whatever runs."""

    has_started = False

    def __init__(self):
        self.process = None
        own = os.environ.get("MAILRAIL_TEST_ENGINE") == "own" and not Engine.has_started
        if not own and "Server:" in self.version():
            return
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mr-docker-", dir="/tmp"))
        self.undo = contextlib.ExitStack()
        self.undo.callback(shutil.rmtree, self.directory, ignore_errors=True)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @staticmethod
    def version():
        return run("docker", "version", check=False)

    def start(self):
        if os.geteuid() != 0:
            pytest.skip("no Docker engine runs, and only root can start one")
        self.wait_for_other_runs()
        self.keep_forwarding()
        if not os.path.ismount("/sys/fs/cgroup"):
            run("cgroupfs-mount")
            self.undo.callback(run, "cgroupfs-umount", check=False)
        remove_leftovers()
        remove_rules()
        bridge = f"{OURS}d"
        run("ip", "link", "add", bridge, "type", "bridge")
        self.undo.callback(run, "ip", "link", "delete", bridge, check=False)
        run("ip", "address", "add", f"10.76.{random.randrange(256)}.1/24", "dev", bridge)
        run("ip", "link", "set", bridge, "up")
        address = f"unix://{self.directory}/socket"
        log = self.directory / "log"
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                ["dockerd", "--data-root", ROOT / "build/docker", "--exec-root", self.directory / "run",
                 "--pidfile", self.directory / "pid", "-H", address, "--bridge", bridge],
                stdout=output, stderr=output, env={**os.environ, "PATH": PATH})
        os.environ["DOCKER_HOST"] = address
        self.undo.callback(os.environ.pop, "DOCKER_HOST", None)
        end = time.monotonic() + 60
        while "Server:" not in self.version():
            if self.process.poll() is not None or time.monotonic() > end:
                reason = log.read_text(errors="replace").strip().rpartition("\n")[2]
                pytest.skip(f"this kernel cannot run containers: {reason}")
            time.sleep(0.2)
        self.remove_containers()
        Engine.has_started = True

    def wait_for_other_runs(self):
        """An engine that starts makes the shared chains of iptables anew: one at a time."""
        lock = self.undo.enter_context(open("/run/lock/mailrail-test-engine", "w", encoding="ascii"))
        fcntl.flock(lock, fcntl.LOCK_EX)

    @staticmethod
    def remove_containers():
        """What a killed run left in build/docker would start again with the engine."""
        if containers := run("docker", "container", "ls", "--all", "--quiet").split():
            run("docker", "container", "rm", "--force", "--volumes", *containers)
        run("docker", "network", "prune", "--force")
        run("docker", "volume", "prune", "--force")

    def keep_forwarding(self):
        """Forwarding is as before when the last engine has ended."""
        [policy] = [words[2] for words in rules_of("filter") if words[:2] == ["-P", "FORWARD"]] or ["ACCEPT"]
        forwarding = FORWARDING.read_text()

        def put_back():
            if not is_used_by_engines():
                run("iptables", "-P", "FORWARD", policy)
                FORWARDING.write_text(forwarding)

        self.undo.callback(put_back)
        self.undo.callback(remove_rules)

    def stop(self):
        if hasattr(self, "undo"):
            if self.process and self.process.poll() is None:
                try:
                    self.remove_containers()  # and with them networks and their rules
                finally:
                    self.process.terminate()
                    self.process.wait(60)
            self.undo.close()


def build_images(version, root=ROOT):
    """Builds the images of the tree at `root` as mailrail/SERVICE:VERSION; the table that build prints."""
    env = {**os.environ, "PATH": PATH, "DOCKER_BUILDKIT": "0", "VERSION": version}
    done = subprocess.run([root / "deploy/docker/build"], env=env, capture_output=True, text=True, timeout=900,
                          check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout[done.stdout.index("\nimage"):]


def remove_images(version):
    run("docker", "image", "rm", *(f"mailrail/{name}:{version}" for name in services()), check=False)


@pytest.fixture(scope="session")
def engine():
    """A Docker engine with the image that images are built in."""
    engine = Engine()
    try:
        run(DOCKER / "make-base")
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def images(engine, table):
    """The version of the images of this tree, as built now; MAILRAIL_TEST_IMAGES names one that is there."""
    if "MAILRAIL_TEST_IMAGES" in os.environ:
        yield os.environ["MAILRAIL_TEST_IMAGES"]
        return
    version = f"test-{os.getpid()}"
    try:
        lines = build_images(version).replace(f":{version}", "").splitlines()[2:]
        table("Sizes of images, kB", [line.split()[:2] for line in lines])
        yield version
    finally:
        remove_images(version)


@pytest.fixture(scope="module")
def previous_images(engine, tmp_path_factory):
    """The version of the images of the commit before the last that changed programs."""
    version, root = f"test-{os.getpid()}-before", tmp_path_factory.mktemp("before") / "tree"
    commit = run("git", "-C", ROOT, "log", "-1", "--format=%P", "--", "common", "proto", "services", check=False).strip()
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        pytest.skip(f"no commit before this one is here: {commit}")
    run("git", "-C", ROOT, "worktree", "add", "--detach", root, commit)
    try:
        build_images(version, root)
        yield version
    finally:
        run("git", "-C", ROOT, "worktree", "remove", "--force", root)
        remove_images(version)
