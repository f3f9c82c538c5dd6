"""The Kubernetes manifests: valid, confined, and in accord with the services. Nothing is started here."""
import copy
import re

import pytest

import deployment
import k8s
from conftest import wait_until
from k8s import OVERLAYS, config, containers, of_kind, pod, render, service_of, workloads
from test_bus_tls import doors, doors_of_present

SERVICES = deployment.services()


@pytest.fixture(params=OVERLAYS)
def objects(request):
    return render(request.param)


def test_objects_fit_the_published_schemas():
    assert k8s.schema_errors([o for overlay in OVERLAYS for o in render(overlay)]) == ""


def test_the_schemas_notice_mistakes():
    store = workloads(render("base"))["store"]
    wrong_field, wrong_value = copy.deepcopy(store), copy.deepcopy(store)
    pod(wrong_field)["containers"][0]["imagePolicy"] = "Always"
    pod(wrong_value)["terminationGracePeriodSeconds"] = "soon"
    assert "imagePolicy" in k8s.schema_errors([wrong_field])
    assert "terminationGracePeriodSeconds" in k8s.schema_errors([wrong_value])


# What runs.

def test_every_service_is_there_with_the_image_of_this_version(objects):
    assert {service_of(w) for w in workloads(objects).values()} == set(SERVICES)
    for name, workload in workloads(objects).items():
        assert pod(workload)["containers"][0]["image"] == f"mailrail/{service_of(workload)}:{deployment.version()}"
        for container in containers(workload):
            assert container["image"].endswith(":" + deployment.version()), name


def test_store_is_one(objects):
    store = of_kind(objects, "StatefulSet")["store"]
    assert store["spec"]["replicas"] == 1


def test_every_pod_is_restricted(objects):
    """Pod Security Standards, profile "restricted", and a little more."""
    [namespace] = of_kind(objects, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, workload in workloads(objects).items():
        spec = pod(workload)
        assert spec["securityContext"] == {
            "runAsNonRoot": True, "runAsUser": 10000, "runAsGroup": 10000, "fsGroup": 10000,
            "fsGroupChangePolicy": "OnRootMismatch", "seccompProfile": {"type": "RuntimeDefault"}}, name
        assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert all(set(v) <= {"name", "configMap", "emptyDir", "persistentVolumeClaim", "secret"}
                   for v in spec["volumes"])
        for container in containers(workload):
            assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                    "capabilities": {"drop": ["ALL"]}}, name
            assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]
            assert not any("hostPort" in port for port in container.get("ports", []))
            assert all(port["containerPort"] > 1024 for port in container.get("ports", []))


def serving(objects):
    return {name: w for name, w in of_kind(objects, "StatefulSet", "Deployment").items() if name != "mailrail"}


def test_every_serving_pod_is_probed_drained_and_spread(objects):
    drain_s = int(re.search(r"drain_ms = (\d+);", config(objects, "mailrail-config")["mailrail.conf"])[1]) / 1000
    budgets = of_kind(objects, "PodDisruptionBudget")
    for name, workload in serving(objects).items():
        [container] = pod(workload)["containers"]
        probes = {p: container[p + "Probe"]["httpGet"]["path"] for p in ("startup", "readiness", "liveness")}
        assert probes == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
        pause_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod(workload)["terminationGracePeriodSeconds"] >= drain_s + pause_s + 5, name
        assert budgets[name]["spec"]["selector"] == workload["spec"]["selector"]
        [spread] = pod(workload)["topologySpreadConstraints"]
        assert spread["topologyKey"] == "kubernetes.io/hostname"


# Who reaches what.

def parts(workload):
    """Parts of the data that a pod mounts, as deployment.access() has them."""
    mounted = {}
    for mount in pod(workload)["containers"][0]["volumeMounts"]:
        if mount["name"] == "data":
            mounted[mount.get("subPath", "all")] = "r" if mount.get("readOnly") else "rw"
    return mounted


def test_pods_mount_what_containers_of_compose_mount(objects):
    for name, workload in workloads(objects).items():
        _, _, data, _ = deployment.access()[name]
        mounted = parts(workload)
        if any(v.get("secret", {}).get("secretName") == "mailrail-tls" for v in pod(workload)["volumes"]):
            mounted["tls"] = "r"  # a Secret here
        assert mounted == data, name
        for mount in pod(workload)["containers"][0]["volumeMounts"]:
            if "subPath" in mount:
                assert mount["mountPath"] == "/data/" + mount["subPath"]


def policies(objects):
    return of_kind(objects, "NetworkPolicy")


def selected(selector, labels):
    return (all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and
            all(e["operator"] == "In" and labels.get(e["key"]) in e["values"]
                for e in selector.get("matchExpressions", [])))


def ports_of(workload):
    return {port["name"]: port["containerPort"]
            for port in pod(workload)["containers"][0].get("ports", [])}


def admitted(objects, workload):
    """port name: services admitted by NetworkPolicies, or "world" or "monitoring"."""
    labels = workload["spec"]["template"]["metadata"]["labels"]
    table = {}
    for policy in policies(objects).values():
        if not selected(policy["spec"]["podSelector"], labels):
            continue
        for rule in policy["spec"].get("ingress", []):
            who = set() if "from" in rule else {"world"}
            for peer in rule.get("from", []):
                if "namespaceSelector" in peer:
                    who.add(peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"])
                else:
                    who |= {service for service in SERVICES if selected(peer["podSelector"], {
                        "app.kubernetes.io/name": service, "app.kubernetes.io/part-of": "mailrail"})}
            for port in rule["ports"]:
                table.setdefault(port["port"], set()).update(who)
    return table


def test_nobody_is_admitted_by_default(objects):
    assert policies(objects)["default-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in policies(objects).values():
        assert all("ports" in rule for rule in policy["spec"].get("ingress", []))


def test_network_policies_are_the_doors(objects):
    expected = {door: knockers for door, (_, knockers) in doors_of_present().items()}
    opened = {}
    for name, workload in serving(objects).items():
        for port, who in admitted(objects, workload).items():
            if port in expected:
                assert doors()[port][0] == name
                opened[port] = who
    assert opened == expected


def test_every_port_is_covered(objects):
    world = {"smtp-in": {"smtp"}, "submission": {"submission", "submissions"}, "imap": {"imap", "imaps"}}
    for name, workload in serving(objects).items():
        table = admitted(objects, workload)
        assert set(ports_of(workload)) <= set(table), f"{name} has a port that no NetworkPolicy names"
        assert {port for port, who in table.items() if "world" in who} == world.get(name, set())
        assert table["health"] == {"monitoring"}


def test_only_deliverer_and_resolver_reach_out(objects):
    out = {}
    for policy in policies(objects).values():
        for rule in policy["spec"].get("egress", []):
            if "to" not in rule:
                [who] = policy["spec"]["podSelector"]["matchLabels"].values()
                out[who] = {port["port"] for port in rule["ports"]}
    assert out == {"queue-deliverer": {25}, "dns-resolver": {53}}


def test_services_lead_to_ports_of_their_pods(objects):
    for name, service in of_kind(objects, "Service").items():
        pods = ports_of(workloads(objects)[name])
        assert service["spec"]["selector"] == {"app.kubernetes.io/name": name}
        assert all(port["targetPort"] in pods for port in service["spec"]["ports"])
    usual = {port["port"] for name in ("smtp-in", "submission", "imap")
             for port in of_kind(objects, "Service")[name]["spec"]["ports"]}
    assert usual == {25, 465, 587, 143, 993}


def test_doors_are_where_the_settings_say(objects):
    urls = dict(item.split("=") for item in config(objects, "mailrail-settings")["MAILRAIL_BUS_DOORS"].split(","))
    assert set(urls) == set(doors())
    for door, (opener, _) in doors().items():
        host, port = re.fullmatch(r"(?:tls\+)?tcp://(\S+):(\d+)", urls[door]).groups()
        service = of_kind(objects, "Service")[host]
        assert host == opener
        assert {"name": door, "port": int(port), "targetPort": door} in service["spec"]["ports"]
        assert ports_of(workloads(objects)[host])[door] == int(port)


def test_the_table_of_ports_is_the_documented_one(objects):
    cells = re.findall(r"\| (\d+)(?:, of `([a-z-]+)`)? \| ([a-z]+) (?=\|)", (deployment.ROOT / "docs/kubernetes.md").read_text())
    documented = {door: (opener or "store", int(port)) for port, opener, door in cells}
    assert documented == {door: (opener, ports_of(workloads(objects)[opener])[door])
                          for door, (opener, _) in doors().items()}


# What overlays change.

def test_ports_are_those_of_the_configuration(objects):
    configured = {int(port) for port in
                  re.findall(r"port = (\d+);", config(objects, "mailrail-config")["mailrail.conf"])}
    assert configured == {port["containerPort"] for name in ("smtp-in", "submission", "imap")
                          for port in pod(workloads(objects)[name])["containers"][0]["ports"]} - {9100}


def test_a_single_node_needs_no_shared_volume():
    assert of_kind(render("base"), "PersistentVolumeClaim")["mailrail-data"]["spec"]["accessModes"] == \
        ["ReadWriteMany"]
    objects = render("single-node")
    assert of_kind(objects, "PersistentVolumeClaim")["mailrail-data"]["spec"]["accessModes"] == ["ReadWriteOnce"]
    for name, workload in of_kind(objects, "Deployment").items():
        [term] = pod(workload)["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["labelSelector"]["matchLabels"] == {"app.kubernetes.io/name": "store"}, name


def test_deliverers_scale_with_the_queue(mailrail):
    [scaler] = of_kind(render("scaled"), "HorizontalPodAutoscaler").values()
    assert scaler["spec"]["scaleTargetRef"]["name"] == "queue-deliverer"
    [metric] = scaler["spec"]["metrics"]
    wanted = metric["external"]["metric"]
    labels = ",".join(f'{key}="{value}"' for key, value in wanted["selector"]["matchLabels"].items())
    series = f"{wanted['name']}{{{labels}}}"
    wait_until(lambda: re.search(rf"^{re.escape(series)} \d+$", mailrail.metrics("store"), re.M), 15, f"{series} of store")
    assert series in (deployment.ROOT / "docs/kubernetes.md").read_text()


def test_with_tls_every_pod_has_the_certificate_of_its_service():
    objects = render("tls-bus")
    settings = config(objects, "mailrail-settings")
    assert all("=tls+tcp://" in item for item in settings["MAILRAIL_BUS_DOORS"].split(","))
    for name, workload in workloads(objects).items():
        [secret] = [v["secret"]["secretName"] for v in pod(workload)["volumes"] if v["name"] == "bus"]
        assert secret == f"mailrail-bus-{service_of(workload)}", name
        mount = {"name": "bus", "mountPath": "/bus", "readOnly": True}
        assert mount in pod(workload)["containers"][0]["volumeMounts"]
    assert {settings[key] for key in ("MAILRAIL_BUS_CA", "MAILRAIL_BUS_CERTIFICATE", "MAILRAIL_BUS_KEY")} == \
        {"/bus/ca.crt", "/bus/tls.crt", "/bus/tls.key"}
