"""The deployment files fit the services and each other. Nothing is started here."""
import json
import re

import pytest

import deployment
from deployment import DOCKER, ROOT, compose, derive, mounts, services, without_variables
from test_bus_tls import doors_of_present

SERVICES = services()


def stages():
    text = (DOCKER / "Dockerfile").read_text()
    return {name: body for name, body in re.findall(r"^FROM base AS (\S+)\n(.*?)(?=^FROM|\Z)", text, re.M | re.S)}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_an_image_and_a_container(name):
    assert name in stages(), "no target in deploy/docker/Dockerfile"
    assert name in compose()["services"], "no entry in deploy/docker/compose.yaml"
    container = compose()["services"][name]
    assert without_variables(container["image"]) == f"mailrail/{name}:{deployment.version()}"
    if name != "mailrail":
        assert re.search(r'^HEALTHCHECK --interval=3s .*\\\n  CMD \["/usr/bin/mailrail-' + name + r'", "--health"\]$',
                         stages()[name], re.M), "no check of its health"
        assert "healthcheck" not in container, "the one of the image is changed"


def test_no_image_or_container_is_of_a_service_that_is_gone():
    assert set(stages()) == set(SERVICES)
    assert set(compose()["services"]) - deployment.HELPERS == set(SERVICES)


@pytest.mark.parametrize("name", compose()["services"])
def test_every_container_is_confined(name):
    container = compose()["services"][name]
    assert container["read_only"] is True and container["cap_drop"] == ["ALL"]
    assert container["pids_limit"] > 0 and container["mem_limit"]
    assert "no-new-privileges:true" in container["security_opt"]
    [profile] = [without_variables(option) for option in container["security_opt"] if option.startswith("seccomp:")]
    program = "mailrail" if name == "mailrail-setup" else name
    assert profile == f"seccomp:deploy/docker/seccomp/{program}.json"
    assert not container.get("privileged") and container.get("network_mode") in (None, "none")
    assert not any("docker.sock" in source for source, *_ in mounts(container))
    if name == "mailrail-prepare":
        assert container["cap_add"] == ["CHOWN", "DAC_OVERRIDE"] and container["network_mode"] == "none"
    else:
        assert container["user"] == "10000:10000" and "cap_add" not in container


def drain_s(configuration):
    """How long services drain at most: by a file of configuration, or by default."""
    documented = (ROOT / "docs/configuration.md").read_text()
    found = re.search(r"^drain_ms = (\d+);", configuration, re.M) or \
        re.search(r"^\| `drain_ms` \|[^|]*\| `(\d+)` \|", documented, re.M)
    return int(found[1]) / 1000


@pytest.mark.parametrize("name", compose()["services"])
def test_a_daemon_is_started_again_and_has_time_to_drain(name):
    container = compose()["services"][name]
    is_daemon = name not in deployment.HELPERS | {"mailrail"}
    assert container["restart"] == ("always" if is_daemon else "no")
    assert int(re.fullmatch(r"(\d+)s", container["stop_grace_period"])[1]) >= \
        drain_s((DOCKER / "mailrail.conf").read_text()) + 5


# Profiles for system calls.

DANGEROUS = {"ptrace", "process_vm_readv", "process_vm_writev", "mount", "umount2", "pivot_root", "chroot", "unshare",
             "setns", "bpf", "keyctl", "add_key", "request_key", "perf_event_open", "userfaultfd", "io_uring_setup",
             "io_uring_enter", "io_uring_register", "kill", "fork", "vfork", "clone3", "memfd_create", "execveat",
             "init_module", "finit_module", "kexec_load", "open_by_handle_at", "mknod", "mknodat", "setuid", "setgid"}


@pytest.mark.parametrize("name", derive.PROGRAMS)
def test_a_profile_allows_what_was_seen_and_the_margin(name):
    text = (DOCKER / f"seccomp/{name}.json").read_text()
    assert text == derive.profile_text(name), "not current: deploy/docker/seccomp/derive profiles"
    profile = json.loads(text)
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    rules = [rule for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW"]
    allowed = {call for rule in rules for call in rule["names"]}
    assert len(allowed) < 100 and not allowed & DANGEROUS
    # Without a condition these would be sockets of all kinds, processes, and all that ioctl can do.
    assert all("args" in rule for rule in rules if set(rule["names"]) & set(derive.ARGUMENTS))


def test_calls_are_noted_by_program():
    """Threads whose clone returns late, numbers of another namespace, what is none of ours and what only seems so."""
    log = """1 execve("/usr/bin/python3", ["python3"], 0x7f /* 6 vars */) = 0
1 clone(child_stack=NULL, flags=CLONE_VM|CLONE_VFORK <unfinished ...>
2 dup2(3, 4) = 4
2 execve("/usr/bin/mailrail-imap", ["/usr/bin/mailrail-imap", "--health"], 0x7f /* 6 vars */ <unfinished ...>
1 <... clone resumed>) = 2
1 chdir("/") = 0
2 <... execve resumed>) = 0
2 clone3({flags=CLONE_VM|CLONE_THREAD} <unfinished ...>
3 socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0 <unfinished ...>
2 <... clone3 resumed> => {parent_tid=[3]}, 88) = 5 /* 3 in strace's PID NS */
3 <... socket resumed>) = 4
3 ioctl(1, TCGETS, {c_iflag=ICRNL}) = 0
3 kill(7, SIGKILL <unfinished ...>
3 +++ killed by SIGKILL +++
3 execve("/build/mailrail", ["/build/mailrail", "run", "--config", "x"], 0x7f /* 6 vars */) = 0
3 kill(2, SIGTERM) = 0
4 execve("/usr/bin/mailrail", ["/usr/bin/mailrail", "prepare"], 0x7f /* 6 vars */) = 0
4 lchown("/data", 10000, 10000) = 0
"""
    assert derive.calls_of(log.splitlines()) == {
        "imap": {"clone(CLONE_THREAD)", "socket(AF_UNIX)", "ioctl(TCGETS)"}, "mailrail-prepare": {"lchown"}}


def test_there_is_no_profile_of_a_program_that_is_gone():
    assert {path.stem for path in (DOCKER / "seccomp").glob("*.json")} == set(derive.PROGRAMS)


def test_the_margin_names_what_was_not_seen():
    seen = derive.read_seen()
    wanted = [(call, names) for call, names, _ in derive.rows("margin", 3) if names not in ("arm64", "ENOSYS")]
    for call, names in wanted:
        programs = derive.PROGRAMS if names == "all" else names.split(",")
        assert not all(call in seen[name] for name in programs), f"{call} was seen in all of {names}"


def test_ports_are_those_of_the_configuration():
    configured = set(re.findall(r"port = (\d+);", (DOCKER / "mailrail.conf").read_text()))
    published = {without_variables(port).split(":")[-1]
                 for container in compose()["services"].values() for port in container.get("ports", [])}
    assert published == configured


def test_each_door_is_opened_by_one_container():
    openers = {}
    for name, (opens, _, _, _) in deployment.access().items():
        for door in opens:
            openers.setdefault(door, []).append(name)
    assert all(len(names) == 1 for names in openers.values()), openers
    knocked = {door for _, knocks, _, _ in deployment.access().values() for door in knocks}
    assert knocked == set(openers) - {door for door, (_, knockers) in doors_of_present().items() if not knockers}


def test_the_table_of_access_is_the_documented_one():
    documented = (ROOT / "docs/containers.md").read_text()
    assert deployment.access_table() in documented, f"docs/containers.md should say:\n{deployment.access_table()}"


def test_the_example_of_settings_names_all_variables_with_their_defaults():
    used = dict(re.findall(r"\$\{(MAILRAIL_\w+):-([^}]*)\}", (DOCKER / "compose.yaml").read_text()))
    example = dict(re.findall(r"^(MAILRAIL_\w+)=(.*)$", (DOCKER / ".env.example").read_text(), re.M))
    assert example == used
