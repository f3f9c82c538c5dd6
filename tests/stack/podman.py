"""Rendered Kubernetes pods, run by `podman kube play`. What podman 4.3 cannot do is translated:

- StatefulSets, Deployments and Jobs: one Pod each, of their template
- the claim and its subPaths, Secrets, emptyDir: directories of this host, owned by the pods' user as fsGroup does
- Services: the address of the pod, by name in /etc/hosts; ports are those of the pods
- probes (podman would run curl in the container): the test asks /healthz and /readyz itself
- containerPorts (podman would publish them on this host): left out, a pod's ports are open on its network
- preStop, spreading, seccompProfile: left out; NetworkPolicies: nobody enforces them

ConfigMaps, environment, users, capabilities, read-only roots, limits and init containers are podman's.
"""
import contextlib
import copy
import os
import pathlib
import re
import resource
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

import pytest
import yaml

import k8s
from conftest import wait_until
from deployment import services
from engine import PATH, is_test_run, run

OWNER = 10000
ATTEMPTS = 3
SUBNET = "10.77.{}"
CGROUPS = pathlib.Path("/sys/fs/cgroup")
ADDRESSES = {name: number for number, name in enumerate(
    ["store", "dns-resolver", "queue-deliverer", "smtp-in", "submission", "imap", "mailrail-setup", "mailrail"], 10)}


def remove_groups(at):
    """Those that podman leaves: as long as there are any, the controller stays where it is."""
    for group in sorted(at.glob("**/"), reverse=True):
        if group != at:
            group.rmdir()


def mount_controller(name, undo):
    """As version 1 has it, until `undo`."""
    at = CGROUPS / name
    if not at.is_dir():
        at.mkdir()
        undo.callback(at.rmdir)
    run("mount", "-t", "cgroup", "-o", name, "cgroup", at)
    undo.callback(run, "umount", at, check=False)
    undo.callback(remove_groups, at)


@contextlib.contextmanager
def one_version_of_cgroups():
    """crun refuses hosts that have both versions, as long as a controller belongs to version 2: those that no one has
    mounted as version 1, hugetlb for one. They are mounted meanwhile."""
    controllers = CGROUPS / "unified/cgroup.controllers"
    with contextlib.ExitStack() as undo:
        for name in controllers.read_text().split() if controllers.exists() else []:
            mount_controller(name, undo)
        yield


def give(path):
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, OWNER, OWNER)
    return path


class Pods:
    """The pods of one set of objects, on a network of their own."""

    def __init__(self, objects, images, secrets):
        self.objects, self.images = objects, images
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mr-pods-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.name = f"mrp{os.getpid()}"
        self.subnet = SUBNET.format(os.getpid() % 256)
        give(self.directory / "data")
        for secret, files in secrets.items():
            for file, content in files.items():
                path = give(self.directory / "secrets" / secret) / file
                path.write_bytes(content)
                os.chown(path, OWNER, OWNER)
        self.remove_leftovers()
        self.podman("network", "create", "--subnet", self.subnet + ".0/24", self.name)

    def podman(self, *words, check=True):
        done = self.podman_status(*words)
        assert not check or done.returncode == 0, f"podman {' '.join(map(str, words))}: {done.stdout[-4000:]}"
        return done.stdout

    def podman_status(self, *words):
        settings = self.directory / "containers.conf"
        if not settings.exists():
            files = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
            settings.write_text(f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]\n'
                                'log_driver = "k8s-file"\n[engine]\nevents_logger = "file"\n')
        return subprocess.run(["podman", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=120, env={**os.environ, "PATH": PATH, "CONTAINERS_CONF": str(settings)})

    def remove_leftovers(self):
        """Networks, and the pods in them, of test runs that are no more."""
        for name in re.findall(r"mrp(\d+)", self.podman("network", "ls", "--format", "{{.Name}}")):
            if not is_test_run(name):
                self.podman("network", "rm", "--force", f"mrp{name}", check=False)

    def address(self, name):
        return f"{self.subnet}.{ADDRESSES[name]}"

    def volume(self, name, volume):
        if "configMap" in volume:
            return volume
        if "secret" in volume:
            path = self.directory / "secrets" / volume["secret"]["secretName"]
            assert path.exists(), f"{name} waits for a Secret that is not there: {path.name}"
        else:
            path = give(self.directory / ("run/" + name if "emptyDir" in volume else "data"))
        return {"name": volume["name"], "hostPath": {"path": str(path)}}

    def translate(self, name, workload, args=None, secret=None):
        spec = copy.deepcopy(k8s.pod(workload))
        if secret:
            [bus] = [v for v in spec["volumes"] if v["name"] == "bus"]
            bus["secret"]["secretName"] = secret
        volumes = {v["name"]: self.volume(name, v) for v in spec["volumes"]}
        for container in spec["containers"] + spec.get("initContainers", []):
            container["image"] = f"localhost/{container['image'].partition(':')[0]}:{self.images}"
            for key in ("startupProbe", "readinessProbe", "livenessProbe", "lifecycle", "ports"):
                container.pop(key, None)
            for mount in container["volumeMounts"]:
                part = mount.pop("subPath", None)
                if part:
                    path = self.directory / "data"
                    for name_of_part in part.split("/"):
                        path = give(path / name_of_part)
                    mount["name"] = part.replace("/", "-")
                    volumes[mount["name"]] = {"name": mount["name"], "hostPath": {"path": str(path)}}
        if args:
            spec["containers"][0]["args"] = args
        used = {m["name"] for c in spec["containers"] + spec.get("initContainers", []) for m in c["volumeMounts"]}
        spec["volumes"] = [v for v in volumes.values() if v["name"] in used]
        if args:
            spec["restartPolicy"] = "Never"  # as deploy/k8s/mailrail has it
        spec["hostAliases"] = [{"ip": self.address(s), "hostnames": [s]} for s in k8s.of_kind(self.objects, "Service")]
        for key in ("topologySpreadConstraints", "affinity"):
            spec.pop(key, None)
        # "always", since podman sometimes fails to remove one that is there "once".
        metadata = {"name": f"{self.name}-{name}", "annotations": {"io.podman.annotations.init.container.type": "always"}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def play(self, name, args=None, secret=None):
        """Starts a pod of a workload."""
        workload = k8s.workloads(self.objects)[name]
        maps = list(k8s.of_kind(self.objects, "ConfigMap").values())
        file = self.directory / f"{name}.yaml"
        file.write_text(yaml.safe_dump_all(maps + [self.translate(name, workload, args, secret)]))
        # The address and the MAC stay when a pod is replaced, as the address of a Service does.
        words = ["kube", "play", "--network", self.name, "--ip", self.address(name),
                 "--mac-address", f"02:4d:52:00:00:{ADDRESSES[name]:02x}", file]
        for _ in range(ATTEMPTS - 1):
            begun = self.podman_status(*words)
            if begun.returncode == 0:
                return
            print(f"podman did not make the pod {name}, once more: {begun.stdout}")
            self.remove(name)
        self.podman(*words)

    def stop(self, name):
        # As kubelet does it: the network goes after the service, whose peers must hear of its end.
        self.podman("stop", "--time", "30", f"{self.name}-{name}-mailrail")
        self.podman("pod", "stop", "--time", "30", f"{self.name}-{name}")

    def remove(self, name):
        """As kubelet, podman 4.3 may have to be asked again: what it makes or ends at the moment stays."""
        pod = f"{self.name}-{name}"
        for _ in range(ATTEMPTS):
            if self.podman_status("pod", "exists", pod).returncode:
                return
            said = self.podman("pod", "rm", "--force", "--time", "5", pod, check=False)
        assert self.podman_status("pod", "exists", pod).returncode, f"the pod {pod} stays: {said}"

    def state(self, name):
        """("running" or so, exit status) of the container of a pod."""
        status, code = self.podman("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}",
                                   f"{self.name}-{name}-mailrail").split()
        return status, int(code)

    def logs(self, name):
        return self.podman("logs", f"{self.name}-{name}-mailrail", check=False)

    def health(self, name, path="/readyz"):
        """The status of an answer of a pod to its probes; None when there is none."""
        try:
            with urllib.request.urlopen(f"http://{self.address(name)}:9100{path}", timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def metrics(self, name):
        with urllib.request.urlopen(f"http://{self.address(name)}:9100/metrics", timeout=5) as answer:
            return answer.read().decode()

    def run_to_end(self, name, *args, secret=None):
        """A pod that ends by itself: exit status and output."""
        self.play(name, list(args) or None, secret)
        wait_until(lambda: self.state(name)[0] == "exited", 60, f"the end of {name}")
        end = self.state(name)[1], self.logs(name)
        self.remove(name)
        return end

    def destroy(self):
        for name in ADDRESSES:
            self.remove(name)
        self.podman("network", "rm", "--force", self.name, check=False)
        for name in k8s.of_kind(self.objects, "ConfigMap"):
            self.podman("volume", "rm", "--force", name, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture(scope="session")
def podman_images(images):
    """The images of the Docker engine, in podman's store as well; their version."""
    if not shutil.which("podman"):
        pytest.skip("podman is not installed")
    names = [f"mailrail/{name}:{images}" for name in services()]
    save = subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE)
    loaded = subprocess.run(["podman", "load"], stdin=save.stdout, capture_output=True, text=True, timeout=300)
    assert save.wait() == 0 and loaded.returncode == 0, loaded.stderr
    with one_version_of_cgroups():
        yield images
    run("podman", "rmi", "--force", *(f"localhost/{name}" for name in names), check=False)
