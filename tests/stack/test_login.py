"""Logging in over submission and IMAP, with every mechanism, against clients of our own."""
import base64
import hashlib
import hmac
import imaplib
import os
import smtplib
import ssl
import unicodedata

import pytest

from conftest import PASSWORD, Raw, insecure, wait_until

USER = "ann@example.org"


# A SCRAM client (RFC 5802), which can also misbehave.

def b64(data):
    return base64.b64encode(data).decode()


class Scram:
    def __init__(self, mechanism, user=USER, password=PASSWORD, flag="n", binding=b""):
        self.hash = "sha256" if "256" in mechanism else "sha1"
        self.password, self.binding = password, binding
        self.header = f"{flag},,"
        self.first_bare = f"n={user},r={b64(os.urandom(12))}"

    def first(self):
        return (self.header + self.first_bare).encode()

    def hmac(self, key, text):
        return hmac.new(key, text.encode(), self.hash).digest()

    def final(self, challenge):
        server_first = challenge.decode()
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        without_proof = f"c={b64(self.header.encode() + self.binding)},r={fields['r']}"
        message = f"{self.first_bare},{server_first},{without_proof}"
        salted = hashlib.pbkdf2_hmac(self.hash, self.password.encode(), base64.b64decode(fields["s"]),
                                     int(fields["i"]))
        key = self.hmac(salted, "Client Key")
        signature = self.hmac(hashlib.new(self.hash, key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        self.verifier = "v=" + b64(self.hmac(self.hmac(salted, "Server Key"), message))
        return f"{without_proof},p={b64(proof)}".encode()


# The two protocols as one: start with or without an initial response, answer, read.

class Submission:
    right, wrong = b"235", b"535"

    def __init__(self, mailrail, context=None):
        self.raw = Raw(mailrail.submissions_port)
        self.raw.socket = (context or insecure()).wrap_socket(self.raw.socket)
        self.raw.file = self.raw.socket.makefile("rb")
        self.raw.reply()
        self.raw.send("EHLO client.example\r\n")
        self.raw.reply()

    def start(self, mechanism, response=None):
        initial = "" if response is None else " " + (b64(response) or "=")
        self.raw.send(f"AUTH {mechanism}{initial}\r\n")
        return self.read()

    def answer(self, response):
        self.raw.send(b64(response) + "\r\n")
        return self.read()

    def read(self):
        """The decoded challenge, or the first word of the end."""
        line = self.raw.reply()
        return base64.b64decode(line[4:]) if line.startswith(b"334") else line[:3]

    def close(self):
        self.raw.close()


class Imap(Submission):
    right, wrong = b"OK", b"NO"

    def __init__(self, mailrail, context=None):
        self.raw = Raw(mailrail.imaps_port)
        self.raw.socket = (context or insecure()).wrap_socket(self.raw.socket)
        self.raw.file = self.raw.socket.makefile("rb")
        self.raw.line()

    def start(self, mechanism, response=None):
        initial = "" if response is None else " " + (b64(response) or "=")
        self.raw.send(f"a AUTHENTICATE {mechanism}{initial}\r\n")
        return self.read()

    def read(self):
        line = self.raw.line()
        if line.startswith(b"+"):
            return base64.b64decode(line[2:])
        while line.startswith(b"*"):
            line = self.raw.line()
        return line.split()[1]


@pytest.fixture(params=[Submission, Imap], ids=["submission", "imap"])
def door(request, shared_mailrail):
    made = []

    def connect(context=None):
        made.append(request.param(shared_mailrail, context))
        return made[-1]

    yield connect
    for client in made:
        client.close()


def plain(user=USER, password=PASSWORD, authzid=""):
    return f"{authzid}\0{user}\0{password}".encode()


def run_scram(client, mechanism, scram, initial=True):
    """Returns what ends the exchange, and the last challenge."""
    challenge = client.start(mechanism, scram.first() if initial else None)
    if not initial:
        assert challenge == b""
        challenge = client.answer(scram.first())
    if not challenge.startswith(b"r="):
        return challenge, None
    last = client.answer(scram.final(challenge))
    return client.answer(b""), last


@pytest.mark.parametrize("initial", [True, False])
def test_plain(door, initial):
    client = door()
    if initial:
        assert client.start("PLAIN", plain()) == client.right
    else:
        assert client.start("PLAIN") == b""
        assert client.answer(plain()) == client.right


@pytest.mark.parametrize("message", [
    plain(password="wrong horse"), plain(user="nobody@example.org"), plain(user="ann"),
    plain(authzid="bob@example.org"),
])
def test_plain_refused(door, message):
    client = door()
    assert client.start("PLAIN", message) == client.wrong


def test_any_variant_of_the_address_and_of_the_password_will_do(door, shared_mailrail):
    shared_mailrail.command("password", "set", "bob", stdin="Å korrekt häst\n")
    password = unicodedata.normalize("NFD", "Å\u2003korrekt\u00a0häst")
    client = door()
    assert client.start("PLAIN", plain("Bob+shop@EXAMPLE.org", password)) == client.right


@pytest.mark.parametrize("initial", [True, False])
def test_login(door, initial):
    client = door()
    if initial:
        assert client.start("LOGIN", USER.encode()) == b"Password:"
    else:
        assert client.start("LOGIN") == b"Username:"
        assert client.answer(USER.encode()) == b"Password:"
    assert client.answer(PASSWORD.encode()) == client.right


def test_login_refused(door):
    client = door()
    assert client.start("LOGIN", USER.encode()) == b"Password:"
    assert client.answer(b"wrong horse") == client.wrong


def test_cram_md5(door):
    for password, end in [(PASSWORD, "right"), ("wrong horse", "wrong")]:
        client = door()
        challenge = client.start("CRAM-MD5")
        assert challenge.startswith(b"<") and challenge.endswith(b">")
        digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
        assert client.answer(f"{USER} {digest}".encode()) == getattr(client, end)


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-1"])
def test_scram(door, mechanism, initial):
    client = door()
    scram = Scram(mechanism)
    end, verifier = run_scram(client, mechanism, scram, initial)
    assert verifier.decode() == scram.verifier, "the server knows the password too"
    assert end == client.right


@pytest.mark.parametrize("user, password", [(USER, "wrong horse"), ("nobody@example.org", PASSWORD)])
def test_scram_refused_after_the_proof(door, user, password):
    client = door()
    end, last = run_scram(client, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", user, password))
    assert last == b"e=invalid-proof" and end == client.wrong


def test_scram_flag_y_is_a_downgrade(door):
    client = door()
    end, last = run_scram(client, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", flag="y"))
    assert last is None and end in (b"455", b"NO")


@pytest.mark.parametrize("message", [b"n,,m=foo,n=%s,r=0123456789" % USER.encode(), b"n,,n=%s,r=123" % USER.encode()])
def test_scram_refuses_what_it_cannot_do_and_goes_on(door, message):
    client = door()
    assert client.start("SCRAM-SHA-256", message) in (b"455", b"NO")
    assert run_scram(client, "SCRAM-SHA-256", Scram("SCRAM-SHA-256"))[0] == client.right


# Python's ssl module knows tls-unique only, which ends with TLS 1.2.

def tls12():
    context = insecure()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256"])
def test_scram_bound_to_the_connection(door, mechanism):
    client = door(tls12())
    binding = client.raw.socket.get_channel_binding("tls-unique")
    scram = Scram(mechanism, flag="p=tls-unique", binding=binding)
    end, verifier = run_scram(client, mechanism, scram)
    assert verifier.decode() == scram.verifier and end == client.right


def test_scram_bound_to_another_connection(door):
    client, other = door(tls12()), door(tls12())
    binding = other.raw.socket.get_channel_binding("tls-unique")
    scram = Scram("SCRAM-SHA-256-PLUS", flag="p=tls-unique", binding=binding)
    end, last = run_scram(client, "SCRAM-SHA-256-PLUS", scram)
    assert last == b"e=channel-bindings-dont-match" and end == client.wrong


def test_clients_of_the_standard_library(shared_mailrail):
    with smtplib.SMTP_SSL("127.0.0.1", shared_mailrail.submissions_port, context=insecure()) as smtp:
        assert smtp.login(USER, PASSWORD)[0] == 235
    with imaplib.IMAP4_SSL("127.0.0.1", shared_mailrail.imaps_port, ssl_context=insecure()) as imap:
        assert imap.login_cram_md5(USER, PASSWORD)[0] == "OK"


def test_failures_are_logged_with_the_address(mailrail):
    with mailrail.raw_imap(tls=True) as raw:
        raw.line()
        raw.send(f"a login {USER} wrong\r\n")
        assert raw.line().startswith(b"a NO [AUTHENTICATIONFAILED] ")
    [line] = [line for line in mailrail.log().splitlines() if 'm="failed login"' in line]
    assert f"username={USER} ip=127.0.0.1" in line


def test_a_new_password_ends_old_logins(make_mailrail):
    mailrail = make_mailrail()
    imap, idling = mailrail.imap(USER), mailrail.imap(USER)
    assert imap.select()[0] == "OK" and idling.select()[0] == "OK"
    idling.send(b"i IDLE\r\n")
    assert idling.readline().startswith(b"+")
    mailrail.command("password", "set", "ann", stdin="another horse\n")
    assert idling.readline().startswith(b"* BYE"), "an idling session ends at once"
    with pytest.raises(imaplib.IMAP4.abort):
        imap.create("Late")
    idling.shutdown()
    client = Imap(mailrail)
    assert client.start("PLAIN", plain()) == b"NO"
    assert client.start("PLAIN", plain(password="another horse")) == b"OK"
    client.close()


def test_what_no_mechanism_says_is_the_clients_failure(mailrail):
    """Not an outage of ours: it is counted, and the answer is permanent."""
    for mechanism, response in (("PLAIN", b"abc"), ("SCRAM-SHA-256", b"garbage")):
        client = Submission(mailrail)
        assert client.start(mechanism, response) == b"501", mechanism
        client.close()
    assert "cannot check a login" not in mailrail.log()


def test_a_restart_of_store_ends_no_login(make_mailrail):
    mailrail = make_mailrail()
    client = Submission(mailrail)
    scram = Scram("SCRAM-SHA-256")
    challenge = client.start("SCRAM-SHA-256", scram.first())
    mailrail.kill("store")
    wait_until(lambda: mailrail.pid_of("store"), 20, "a new store")
    wait_until(mailrail.is_ready, 20, "readiness")
    last = client.answer(scram.final(challenge))
    assert last.decode() == scram.verifier
    assert client.answer(b"") == b"235"
    client.close()
