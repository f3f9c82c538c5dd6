"""The rendered pods, run for real: setup, a letter in and one between users, restarts, and who is refused."""
import imaplib
import os
import re
import smtplib
import subprocess

import pytest

import k8s
from conftest import BIN, ENVIRONMENT, insecure, wait_until
from engine import engine, images  # noqa: F401
from podman import Pods, podman_images  # noqa: F401
from deployment import services

SERVING = ["store", "dns-resolver", "queue-deliverer", "smtp-in", "submission", "imap"]
OVERLAY = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: mailrail
resources: [{k8s}/single-node]
components: [{components}]
configMapGenerator:
  - name: mailrail-settings
    behavior: merge
    literals:
      - MAILRAIL_SMTP_IN_CHECK_SENDER_DOMAIN=false
      - MAILRAIL_SMTP_IN_LIMIT_CONNECTIONS=false
      - MAILRAIL_SUBMISSION_LIMIT_CONNECTIONS=false
      - MAILRAIL_IMAP_LIMIT_CONNECTIONS=false
"""


def own_overlay(directory, tls):
    """An overlay as an operator writes one: a single node, with TLS on the bus or without."""
    relative = os.path.relpath(k8s.K8S, directory)
    components = f"{relative}/components/tls-bus" if tls else ""
    (directory / "kustomization.yaml").write_text(OVERLAY.format(k8s=relative, components=components))
    return k8s.render(directory)


def make_secrets(directory):
    """As docs/kubernetes.md says: the users' certificate, and those of the bus."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                    "/CN=mail.example.org", "-keyout", directory / "key.pem", "-out", directory / "cert.pem"],
                   check=True, capture_output=True)
    subprocess.run([BIN / "mailrail", "bus", "certificates", "--directory", directory / "bus"], check=True,
                   env=ENVIRONMENT)
    secrets = {"mailrail-tls": {"tls.crt": (directory / "cert.pem").read_bytes(),
                                "tls.key": (directory / "key.pem").read_bytes()}}
    for name in services():
        secrets[f"mailrail-bus-{name}"] = {"ca.crt": (directory / "bus/ca.pem").read_bytes(),
                                           "tls.crt": (directory / f"bus/{name}.pem").read_bytes(),
                                           "tls.key": (directory / f"bus/{name}.key").read_bytes()}
    return secrets


@pytest.fixture(scope="module", params=["tcp", "tls"])
def pods(request, podman_images, tmp_path_factory):  # noqa: F811
    directory = tmp_path_factory.mktemp("overlay")
    pods = Pods(own_overlay(directory, request.param == "tls"), podman_images, make_secrets(directory))
    pods.has_tls = request.param == "tls"
    try:
        for name in SERVING:
            pods.play(name)
        wait_until(lambda: all(pods.health(name) == 200 for name in SERVING), 60, "readiness of all pods")
        status, said = pods.run_to_end("mailrail-setup")
        assert status == 0, said
        pods.user, pods.password = (re.search(rf"{key} +(\S+)", said)[1] for key in ("user", "password"))
        yield pods
        for name in SERVING:
            print(f"--- {name}\n{pods.logs(name)[-3000:]}")
    finally:
        pods.destroy()


def inbox(pods):
    with imaplib.IMAP4_SSL(pods.address("imap"), 2993, ssl_context=insecure()) as imap:
        imap.login(pods.user, pods.password)
        count = int(imap.select("INBOX")[1][0])
        return [imap.fetch(str(n), "BODY[HEADER.FIELDS (SUBJECT)]")[1][0][1] for n in range(1, count + 1)]


def wait_for(pods, subject):
    wait_until(lambda: any(subject.encode() in header for header in inbox(pods)), 30, f"the letter {subject}")


def test_a_letter_from_outside(pods):
    with smtplib.SMTP(pods.address("smtp-in"), 2525, timeout=30) as smtp:
        smtp.sendmail("x@far.example", [pods.user], "Subject: from outside\r\n\r\nhello\r\n")
    wait_for(pods, "from outside")


def submit(pods, recipient, subject, size=10):
    text = ("x" * 70 + "\r\n") * (size // 72 + 1)
    with smtplib.SMTP_SSL(pods.address("submission"), 2465, timeout=30, context=insecure()) as smtp:
        smtp.login(pods.user, pods.password)
        smtp.sendmail(pods.user, [recipient], f"From: {pods.user}\r\nSubject: {subject}\r\n\r\n{text}")


@pytest.mark.parametrize("size", [10, 100000])
def test_a_letter_between_users(pods, size):
    """Through the queue and queue-deliverer; a large one as a file of the shared volume."""
    submit(pods, pods.user, f"of {size}", size)
    wait_for(pods, f"of {size}")


def test_processes_are_confined(pods):
    for name in SERVING:
        said = pods.podman("inspect", "--format", "{{.HostConfig.ReadonlyRootfs}} {{.EffectiveCaps}} {{.Config.User}} "
                           "{{.HostConfig.SecurityOpt}} {{.HostConfig.Memory}}", f"{pods.name}-{name}-mailrail").split()
        limit = (2 if name in ("store", "imap") else 0.5) * 2**30
        assert said == ["true", "[]", "10000:10000", "[no-new-privileges]", str(int(limit))], name


def test_the_operators_command(pods):
    status, said = pods.run_to_end("mailrail", "account", "list")
    assert status == 0 and "admin" in said, said


def test_a_pod_with_the_certificate_of_another_service_says_so(pods):
    if not pods.has_tls:
        pytest.skip("without TLS the doors are kept by NetworkPolicies, which podman has not")
    status, said = pods.run_to_end("mailrail", "account", "list", secret="mailrail-bus-imap")
    assert status != 0 and "is not for the service mailrail" in said, said


def test_store_is_replaced_and_nothing_is_lost(pods):
    """As an upgrade does it: the pod ends, a new one comes to its address; the others stay."""
    pods.stop("store")
    assert pods.state("store")[1] == 0, pods.logs("store")
    assert pods.health("smtp-in", "/healthz") == 200
    wait_until(lambda: pods.health("smtp-in") == 503, 20, "smtp-in not ready")
    with smtplib.SMTP(pods.address("smtp-in"), 2525, timeout=60) as smtp, \
            pytest.raises(smtplib.SMTPException) as refused:
        smtp.sendmail("x@far.example", [pods.user], "Subject: lost\r\n\r\nhello\r\n")
    assert re.search(r"\b4\d\d\b", str(refused.value)), refused.value
    pods.remove("store")
    pods.play("store")
    wait_until(lambda: all(pods.health(name) == 200 for name in SERVING), 60, "readiness")
    submit(pods, pods.user, "after the restart")
    wait_for(pods, "after the restart")
    assert len(inbox(pods)) >= 2


def test_the_length_of_the_queue_is_a_metric(pods):
    submit(pods, "x@far.example", "far")
    wait_until(lambda: re.search(r'^mailrail_queue_messages\{state="(due|later)"\} 1$', pods.metrics("store"), re.M), 30,
               "a message in the queue")


def test_pods_drain(pods):
    for name in SERVING[1:]:
        pods.stop(name)
        assert pods.state(name)[1] == 0, pods.logs(name)
