"""Certificates are read again on SIGHUP; connections that stand keep what they have."""
import hashlib
import shutil
import signal
import ssl

import pytest

from conftest import Raw, wait_until


def fingerprint(certificate):
    return hashlib.sha256(certificate).hexdigest()


def on_disk(mailrail):
    return fingerprint(ssl.PEM_cert_to_DER_cert((mailrail.directory / "tls/cert.pem").read_text()))


def connect(mailrail, service):
    """A connection under TLS: implicit, or after STARTTLS."""
    raw = Raw({"smtp-in": mailrail.smtp_port, "submission": mailrail.submissions_port,
               "imap": mailrail.imaps_port}[service], tls=service != "smtp-in")
    raw.line()
    if service == "smtp-in":
        raw.send("EHLO client.example\r\n")
        raw.reply()
        raw.send("STARTTLS\r\n")
        assert raw.reply().startswith(b"220 ")
        raw.start_tls()
    return raw


def shown(mailrail, service):
    with connect(mailrail, service) as raw:
        return fingerprint(raw.socket.getpeercert(binary_form=True))


def replace_certificate(mailrail):
    for name in ("cert.pem", "key.pem"):
        (mailrail.directory / "tls" / name).unlink()
    mailrail.command("certificate", "make")
    return on_disk(mailrail)


@pytest.mark.parametrize("service", ["smtp-in", "submission", "imap"])
def test_sighup_takes_the_new_certificate(mailrail, service):
    old = on_disk(mailrail)
    assert shown(mailrail, service) == old
    with connect(mailrail, service) as standing:
        new = replace_certificate(mailrail)
        assert new != old and shown(mailrail, service) == old, "not before it is told"
        mailrail.kill(service, signal.SIGHUP)
        wait_until(lambda: shown(mailrail, service) == new, 5, "the new certificate")
        standing.send("a NOOP\r\n" if service == "imap" else "NOOP\r\n")
        assert standing.line().startswith(b"a OK" if service == "imap" else b"250 ")


def test_sighup_to_the_launcher_reaches_all_services(mailrail):
    new = replace_certificate(mailrail)
    mailrail.process.send_signal(signal.SIGHUP)
    for service in ("smtp-in", "submission", "imap"):
        wait_until(lambda: shown(mailrail, service) == new, 5, f"the new certificate of {service}")


def test_a_bad_certificate_is_named_and_the_old_one_stays(mailrail):
    old = shown(mailrail, "imap")
    certificate = mailrail.directory / "tls/cert.pem"
    shutil.copy(certificate, certificate.with_suffix(".kept"))
    certificate.write_text("nonsense\n")
    mailrail.kill("imap", signal.SIGHUP)
    wait_until(lambda: "cannot reload" in mailrail.log(), 5, "the complaint")
    [line] = [line for line in mailrail.log().splitlines() if "cannot reload" in line]
    assert " l=error " in line and "tls/cert.pem" in line
    assert shown(mailrail, "imap") == old
