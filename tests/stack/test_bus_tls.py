"""The bus over TLS: the launcher's services with a certificate each, and a letter through them."""
import re
import socket
import ssl
import subprocess

import pytest

import deployment
from conftest import BIN, ENVIRONMENT, ROOT, free_ports, wait_until

DOOR_TABLE = ROOT / "common/service/door.c"


def doors():
    """door: (opener, services that may knock), as the services compare certificates with."""
    rows = re.findall(r'^    \{"([a-z]+)", \{"([a-z-]+)"\}, \{([^}]*)\}\},$', DOOR_TABLE.read_text(), re.M)
    return {name: (opener, set(re.findall(r'"([a-z-]+)"', knockers))) for name, opener, knockers in rows}


def doors_of_present():
    """The same without services that are still to come."""
    return {name: (opener, knockers & set(deployment.services())) for name, (opener, knockers) in doors().items()}


def test_the_table_of_doors_is_what_the_containers_mount():
    expected = {}
    for container, (opens, knocks, _, _) in deployment.access().items():
        service = "mailrail" if container in deployment.HELPERS else container
        for door in opens:
            expected.setdefault(door, ["", set()])[0] = service
        for door in knocks:
            expected.setdefault(door, ["", set()])[1].add(service)
    assert doors_of_present() == {name: tuple(value) for name, value in expected.items()}
    services = re.search(r"door_services\[\] = \{([^}]*)\}", DOOR_TABLE.read_text())[1]
    assert re.findall(r'"([a-z-]+)"', services) == deployment.services()


@pytest.fixture
def tls_mailrail(make_mailrail, tmp_path):
    subprocess.run([BIN / "mailrail", "bus", "certificates", "--directory", tmp_path / "bus"], check=True,
                   env=ENVIRONMENT)
    ports = dict(zip(doors(), free_ports(len(doors()))))
    mailrail = make_mailrail(
        bus="tls+tcp://127.0.0.1:1/%s", bus_ca=str(tmp_path / "bus/ca.pem"),
        bus_certificate=str(tmp_path / "bus/%s.pem"), bus_key=str(tmp_path / "bus/%s.key"),
        bus_doors=[f"{door}=tls+tcp://127.0.0.1:{port}" for door, port in ports.items()])
    mailrail.door_ports = ports
    mailrail.bus = tmp_path / "bus"
    return mailrail


def test_a_letter_goes_through_and_imap_hears_of_it(tls_mailrail):
    with tls_mailrail.imap("ann@example.org") as imap:
        imap.select()
        with tls_mailrail.smtp() as smtp:
            smtp.sendmail("x@far.example", ["ann@example.org"], "Subject: over TLS\r\n\r\nhello\r\n")
        wait_until(lambda: imap.noop() and imap.untagged_responses.get("EXISTS", [b"0"])[-1] == b"1" or
                   imap.select()[1] == [b"1"], what="the letter")
    assert not list((tls_mailrail.directory / "run").glob("*.sock"))


def test_a_restarted_store_is_found_again(tls_mailrail):
    for _ in range(3):
        tls_mailrail.kill("store")
        wait_until(tls_mailrail.is_ready, 60, "readiness")
        tls_mailrail.deliver()


def shake_hands(port, bus, service):
    """What a door says to the certificate of a service: None, or the error. (In TLS 1.3 a client knows that it is
    refused when it reads; nng's greeting is 8 bytes.)"""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(bus / "ca.pem")
    if service:
        context.load_cert_chain(bus / f"{service}.pem", bus / f"{service}.key")
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            with context.wrap_socket(plain) as s:
                s.sendall(b"\0SP\0\0\x30\0\0")
                return None if s.recv(8)[:3] == b"\0SP" else "closed"
    except OSError as error:
        return str(error)


def test_every_door_admits_those_of_the_table_and_nobody_else(tls_mailrail):
    admitted = {door: set() for door in doors()}
    for door, port in tls_mailrail.door_ports.items():
        for service in deployment.services():
            if shake_hands(port, tls_mailrail.bus, service) is None:
                admitted[door].add(service)
        assert shake_hands(port, tls_mailrail.bus, None), f"{door} admits visitors without certificate"
    assert admitted == {door: knockers for door, (_, knockers) in doors_of_present().items()}
    assert tls_mailrail.is_ready()


@pytest.mark.parametrize("change, said", [
    (lambda bus, options: options.pop("bus_key"), "bus_key: a door at tls+tcp:// needs it"),
    (lambda bus, options: (bus / "store.key").unlink(), "store.key: No such file or directory"),
    (lambda bus, options: (bus / "store.key").write_bytes((bus / "imap.key").read_bytes()),
     "store.key: no key in PEM form for the certificate: key values mismatch"),
    (lambda bus, options: options.update(bus_certificate=str(bus / "imap.pem"), bus_key=str(bus / "imap.key")),
     "imap.pem: is not for the service store"),
])
def test_what_cannot_work_is_said_at_start(change, said, tmp_path):
    bus = tmp_path / "bus"
    subprocess.run([BIN / "mailrail", "bus", "certificates", "--directory", bus], check=True, env=ENVIRONMENT)
    options = {"hostname": "mail.example.org", "data": str(tmp_path), "run": str(tmp_path / "run"),
               "bus": f"tls+tcp://127.0.0.1:{free_ports(1)[0]}/%s", "bus_ca": str(bus / "ca.pem"),
               "bus_certificate": str(bus / "%s.pem"), "bus_key": str(bus / "%s.key")}
    change(bus, options)
    (tmp_path / "mailrail.conf").write_text("".join(f'{name} = "{value}";\n' for name, value in options.items()))
    done = subprocess.run([BIN / "mailrail-store", "--config", tmp_path / "mailrail.conf"], timeout=60,
                          capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode != 0 and said in done.stdout + done.stderr, done
