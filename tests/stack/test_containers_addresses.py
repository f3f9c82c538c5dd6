"""Whose address the doors see: behind published ports, behind a proxy of the host, behind a load
balancer that speaks the PROXY protocol. And that no address is trusted for what it is."""
import contextlib
import os
import re
import smtplib
import subprocess

import pytest

import far
from conftest import Raw, free_ports, wait_until
from containers import make_containers, make_shared_containers  # noqa: F401
from engine import OURS, PATH, engine, images, run  # noqa: F401
from test_containers import inbox
from world import in_namespace

HOST, CLIENT = "203.0.113.1", "203.0.113.2"  # RFC 5737: addresses as on the internet


@pytest.fixture(scope="module")
def outside(engine):
    """A host beside ours, on a link of its own; a function that connects from there."""
    name = f"{OURS}a"
    with contextlib.ExitStack() as undo:
        run("ip", "netns", "add", name)
        undo.callback(run, "ip", "netns", "delete", name)
        run("ip", "link", "add", f"{name}p", "type", "veth", "peer", "name", "eth0", "netns", name)
        undo.callback(run, "ip", "link", "delete", f"{name}p", check=False)
        run("ip", "address", "add", f"{HOST}/30", "dev", f"{name}p")
        run("ip", "link", "set", f"{name}p", "up")
        run("ip", "-n", name, "address", "add", f"{CLIENT}/30", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        yield lambda make: in_namespace(name, make)


@pytest.fixture(scope="module")
def system(outside, make_shared_containers):
    """Published at all addresses of the host, as by default."""
    return make_shared_containers(published_at="0.0.0.0")


def send(host, port, subject):
    with smtplib.SMTP(host, port, "client.example", timeout=20) as smtp:
        smtp.sendmail("x@far.example", ["ann@example.org"], f"Subject: {subject}\r\n\r\nx\r\n")


def received_from(system, subject):
    """The client's address, as the trace header has it."""
    [letter] = [letter for letter in inbox(system) if f"Subject: {subject}\r\n".encode() in letter]
    return re.search(rb"Received: from client\.example \(\[([^]]+)\]\)", letter)[1].decode()


def test_published_ports_keep_the_address_of_a_client_elsewhere(system, outside):
    outside(lambda: send(HOST, system.smtp_port, "elsewhere"))
    assert received_from(system, "elsewhere") == CLIENT
    assert re.search(rf"first client with such.*class=public ip={CLIENT}", system.log())


def test_a_client_on_the_host_has_the_address_of_the_gateway(system):
    send("127.0.0.1", system.smtp_port, "same host")
    assert re.search(rf"first client with such.*class=private ip={received_from(system, 'same host')}", system.log())


def test_a_private_address_may_not_relay(system):
    """Nor send without logging in: the gateway's address stands for everybody."""
    with smtplib.SMTP("127.0.0.1", system.smtp_port, "client.example", timeout=20) as smtp:
        smtp.ehlo()
        smtp.mail("ann@example.org")
        code, text = smtp.rcpt("someone@far.example")
        assert code == 550 and b"no mail for that domain here" in text, text
    with Raw(system.submissions_port, tls=True) as raw:
        raw.reply()
        raw.send("EHLO client.example\r\nMAIL FROM:<ann@example.org>\r\n")
        raw.reply()
        assert raw.reply().startswith(b"530 ")


@contextlib.contextmanager
def haproxy(directory, port, backend, options):
    config = directory / "haproxy.cfg"
    config.write_text("defaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n"
                      f"listen smtp\n bind {HOST}:{port}\n server mailrail 127.0.0.1:{backend} {options}\n")
    process = subprocess.Popen(["haproxy", "-db", "-f", config], env={"PATH": PATH},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        far.wait_for_port(HOST, port)
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2"])
def test_behind_a_load_balancer(outside, make_containers, tmp_path, options):
    system = make_containers(smtp_in={"proxy_networks": ["172.16.0.0/12", "10.0.0.0/8", "192.168.0.0/16"]})
    [port] = free_ports(1)
    with haproxy(tmp_path, port, system.smtp_port, options):
        outside(lambda: send(HOST, port, "balanced"))
    assert received_from(system, "balanced") == CLIENT
    with Raw(system.smtp_port) as raw:  # from the gateway's address, and not as a proxy
        raw.send("EHLO client.example\r\n")
        assert raw.at_end()
    wait_until(lambda: "bad PROXY header" in system.log(), 5, "the complaint")
