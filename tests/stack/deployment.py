"""What the deployment files say, for tests: services, doors, mounts, networks."""
import pathlib
import re
import runpy
import types

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCKER = ROOT / "deploy/docker"
# The program that makes the seccomp profiles.
derive = types.SimpleNamespace(**runpy.run_path(str(DOCKER / "seccomp/derive")))
# What has no image of a service: programs that end by themselves.
HELPERS = {"mailrail-prepare", "mailrail-setup"}


def version():
    return re.search(r"project\(mailrail VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]


def services():
    """The folders of services/: each is one program and one image."""
    return sorted(path.parent.name for path in ROOT.glob("services/*/main.c"))


def compose():
    return yaml.safe_load((DOCKER / "compose.yaml").read_text())


def without_variables(text):
    """${NAME:-default} as its default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def mounts(service):
    """(source, target, may write) of each volume."""
    for text in service.get("volumes", []):
        source, target, *mode = without_variables(text).split(":")
        yield source, target, mode != ["ro"]


def access():
    """For each service of compose.yaml what it reaches: doors it opens, knocks at, parts of the data
    with "rw" or "r", networks."""
    table = {}
    for name, service in compose()["services"].items():
        opens, knocks, data = [], [], {}
        for source, target, writes in mounts(service):
            if target.startswith("/bus/"):
                (opens if writes else knocks).append(target.removeprefix("/bus/"))
            elif target == "/data" or target.startswith("/data/"):
                data[target.removeprefix("/data").removeprefix("/") or "all"] = "rw" if writes else "r"
        networks = service.get("networks") or []
        table[name] = (sorted(opens), sorted(knocks), data, networks)
    return table


def access_table():
    """The same as Markdown: the table of docs/containers.md."""
    lines = ["| container | opens doors | knocks at doors | data | network |", "|---|---|---|---|---|"]
    for name, (opens, knocks, data, networks) in sorted(access().items()):
        parts = ", ".join(f"{part} ({mode})" for part, mode in sorted(data.items()))
        cells = [f"`{name}`", ", ".join(opens), ", ".join(knocks), parts, ", ".join(networks) or "none"]
        lines.append("| " + " | ".join(cell or "-" for cell in cells) + " |")
    return "\n".join(lines) + "\n"
