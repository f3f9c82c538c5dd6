"""SCRAM bound to TLS 1.3 (tls-exporter, RFC 9266), as GNU SASL does it: Python's ssl cannot."""
import subprocess

import pytest

from conftest import PASSWORD

USER = "ann@example.org"


@pytest.fixture
def mailrail(make_mailrail):
    """Under the name that gsasl can reach it by, since it checks the certificate."""
    return make_mailrail(hostname="localhost")


def gsasl(mailrail, protocol, port, mechanism, password=PASSWORD):
    return subprocess.run(
        ["gsasl", f"--{protocol}", "--mechanism", mechanism, "--authentication-id", USER, "--password", password,
         "--quality-of-protection=qop-auth", f"--x509-ca-file={mailrail.directory}/tls/cert.pem",
         "localhost", str(port)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"])
@pytest.mark.parametrize("protocol", ["imap", "smtp"])
def test_gnu_sasl_logs_in_with_a_bound_mechanism(mailrail, protocol, mechanism):
    port = mailrail.imap_port if protocol == "imap" else mailrail.submission_port
    done = gsasl(mailrail, protocol, port, mechanism)
    assert done.returncode == 0, done.stdout + done.stderr
    # It proves to the client, too, that the server knows the secret.
    assert "server trusted" in done.stdout + done.stderr
    assert f"mechanism={mechanism}" in mailrail.log()


def test_a_wrong_password_fails(mailrail):
    done = gsasl(mailrail, "imap", mailrail.imap_port, "SCRAM-SHA-256-PLUS", "something else")
    assert done.returncode != 0
    assert "server trusted" not in done.stdout + done.stderr
