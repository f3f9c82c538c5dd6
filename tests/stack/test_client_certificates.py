"""Logging in with the key of a TLS client certificate: EXTERNAL, PREAUTH, and sending without AUTH."""
import base64
import ssl
import subprocess

import pytest

from conftest import PASSWORD, Mailrail, Raw, finish, insecure, wait_until

USER = "ann@example.org"
SECOND = "second@example.org"
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
ALGORITHMS = {"rsa-2048": ["rsa:2048"], "ecdsa-256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
              "ed25519": ["ed25519"]}


@pytest.fixture(scope="module")
def system(request):
    mailrail = Mailrail()
    mailrail.start()
    mailrail.add_usual()
    mailrail.command("address", "add", SECOND, "ann")
    yield mailrail
    finish([mailrail], request)


class Key:
    """A key with a self-signed certificate, as openssl makes them."""

    def __init__(self, directory, algorithm="ed25519", name="laptop"):
        self.key, self.certificate = directory / f"{name}.key", directory / f"{name}.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", *ALGORITHMS[algorithm], "-nodes", "-days", "1",
                        "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate],
                       check=True, capture_output=True, timeout=60)

    def register(self, mailrail, account="ann", *options):
        done = mailrail.command("account", "tlspubkey", "add", *options, account, str(self.certificate))
        self.fingerprint = done.stdout.strip()
        return self

    def remove(self, mailrail):
        mailrail.command("account", "tlspubkey", "remove", "--", self.fingerprint)

    def context(self, version=None):
        context = insecure()
        if version:
            context.minimum_version = context.maximum_version = version
        context.load_cert_chain(self.certificate, self.key)
        return context


@pytest.fixture
def key(tmp_path):
    """A key that nobody has registered."""
    return Key(tmp_path)


@pytest.fixture
def known(key, system):
    key.register(system)
    yield key
    listed = [k["fingerprint"] for k in system.list("account", "tlspubkey", "list")]
    if key.fingerprint in listed:
        key.remove(system)


def b64(text):
    return base64.b64encode(text.encode()).decode()


# The doors, each with a client that has said hello under TLS.

class Door(Raw):
    def wrap(self, context, session=None):
        self.socket = context.wrap_socket(self.socket, session=session)
        self.file = self.socket.makefile("rb")


class Submissions(Door):
    right, wrong = b"235 2.7.0", b"535 5.7.8"
    greets_users = False

    def __init__(self, mailrail, context, session=None):
        super().__init__(mailrail.submissions_port)
        self.wrap(context, session)
        self.reply()
        self.hello()

    def hello(self):
        self.send("EHLO client.example\r\n")
        self.mechanisms = next(line for line in self.reply().splitlines() if b"AUTH" in line).split()[1:]
        self.offers_external = b"EXTERNAL" in self.mechanisms

    def external(self, identity=""):
        self.send(f"AUTH EXTERNAL {b64(identity) or '='}\r\n")
        return self.reply()

    def plain(self, user=USER, password=PASSWORD):
        self.send(f"AUTH PLAIN {b64(chr(0) + user + chr(0) + password)}\r\n")
        return self.reply()


class Submission(Submissions):
    def __init__(self, mailrail, context, session=None):
        Raw.__init__(self, mailrail.submission_port)
        self.reply()
        self.send("EHLO client.example\r\n")
        assert b"EXTERNAL" not in self.reply()
        self.send("STARTTLS\r\n")
        self.reply()
        self.wrap(context, session)
        self.hello()


class Imaps(Door):
    right, wrong = b"a OK", b"a NO [AUTHENTICATIONFAILED]"
    greets_users = True

    def __init__(self, mailrail, context, session=None):
        super().__init__(mailrail.imaps_port)
        self.wrap(context, session)
        self.greeting = self.line()
        self.offers_external = b" AUTH=EXTERNAL " in self.greeting

    def command(self, text):
        self.send(f"a {text}\r\n")
        return self.until(b"a ").splitlines()[-1]

    def external(self, identity=""):
        return self.command(f"AUTHENTICATE EXTERNAL {b64(identity) or '='}")

    def plain(self, user=USER, password=PASSWORD):
        return self.command(f"AUTHENTICATE PLAIN {b64(chr(0) + user + chr(0) + password)}")


class Imap(Imaps):
    greets_users = False

    def __init__(self, mailrail, context, session=None):
        Raw.__init__(self, mailrail.imap_port)
        assert b"EXTERNAL" not in self.line()
        assert self.command("STARTTLS").startswith(b"a OK")
        self.wrap(context, session)
        self.send("c CAPABILITY\r\n")
        self.offers_external = b" AUTH=EXTERNAL " in self.until(b"c OK")


DOORS = [Submissions, Submission, Imaps, Imap]


@pytest.fixture(params=DOORS, ids=lambda door: door.__name__.lower())
def door(request, system):
    made = []

    def connect(context, session=None):
        made.append(request.param(system, context, session))
        return made[-1]

    connect.kind = request.param
    yield connect
    for client in made:
        client.close()


def no_preauth(mailrail, key):
    mailrail.command("account", "tlspubkey", "set", "--imap-preauth", "no", "--", key.fingerprint)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_known_key_logs_in(door, system, tmp_path, version, algorithm):
    key = Key(tmp_path, algorithm).register(system, "ann", "--no-imap-preauth", "--name", "phone")
    listed = next(k for k in system.list("account", "tlspubkey", "list", "--account", "ann")
                  if k["fingerprint"] == key.fingerprint)
    assert listed["algorithm"] == algorithm and listed["login"] == USER and listed["name"] == "phone"
    client = door(key.context(VERSIONS[version]))
    assert client.socket.version().replace("v", " ") == version
    assert client.offers_external
    assert client.external().startswith(client.right)
    key.remove(system)


def test_preauth_is_spelled_alike_wherever_it_is_set(system, tmp_path):
    def is_on(key):
        return next(k["imap_preauth"] for k in system.list("account", "tlspubkey", "list")
                    if k["fingerprint"] == key.fingerprint)

    key = Key(tmp_path)
    for off in ("--imap-preauth", "no"), ("--imap-preauth=no",), ("--no-imap-preauth",):
        key.register(system, "ann", *off)
        assert not is_on(key)
        system.command("account", "tlspubkey", "set", "--imap-preauth", "yes", "--", key.fingerprint)
        assert is_on(key)
        system.command("account", "tlspubkey", "set", *off, "--", key.fingerprint)
        assert not is_on(key)
        key.remove(system)
    refused = system.command("account", "tlspubkey", "add", "--no-imap-preauth", "--imap-preauth", "yes", "ann",
                             str(key.certificate), check=False)
    assert refused.returncode == 2 and "exclude each other" in refused.stderr
    key.register(system, "ann", "--imap-preauth", "yes")
    assert is_on(key)
    key.remove(system)


def test_the_identity_must_be_of_the_account(door, system, known):
    no_preauth(system, known)
    for identity, ends in [("", "right"), (USER, "right"), (SECOND, "right"), ("bob@example.org", "wrong"),
                           ("nobody@example.org", "wrong"), ("ann", "wrong")]:
        client = door(known.context())
        assert client.external(identity).startswith(getattr(client, ends)), identity


@pytest.mark.parametrize("version", VERSIONS)
def test_an_unknown_key_changes_nothing(door, key, version):
    client = door(key.context(VERSIONS[version]))
    assert not client.offers_external
    assert client.external().startswith(client.wrong)
    assert client.plain().startswith(client.right)


def test_beside_a_key_only_its_account_logs_in(door, system, known):
    no_preauth(system, known)
    client = door(known.context())
    answer = client.plain("bob@example.org")
    assert answer.startswith((b"535 5.7.8", b"a NO [AUTHORIZATIONFAILED]"))
    assert client.plain().startswith(client.right)


def test_without_a_certificate_nothing_is_offered(door):
    client = door(insecure())
    assert not client.offers_external
    assert client.external().startswith(client.wrong)


def test_external_needs_tls(system):
    with Raw(system.imap_port) as imap:
        imap.line()
        imap.send("a AUTHENTICATE EXTERNAL =\r\n")
        assert imap.line().startswith(b"a NO [PRIVACYREQUIRED]")
    with Raw(system.submission_port) as submission:
        submission.reply()
        submission.send("EHLO client.example\r\n")
        submission.reply()
        submission.send("AUTH EXTERNAL =\r\n")
        assert submission.reply().startswith(b"538 5.7.11")


# IMAP greets users.

def test_imap_greets_a_known_key_as_logged_in(system, known):
    with Imaps(system, known.context()) as client:
        assert client.greeting.startswith(b"* PREAUTH [CAPABILITY IMAP4rev2 ")
        assert not client.offers_external
        assert client.command("SELECT INBOX").startswith(b"a OK")
        assert client.external().startswith(b"a NO")
    no_preauth(system, known)
    with Imaps(system, known.context()) as client:
        assert client.greeting.startswith(b"* OK ") and client.offers_external


def test_under_starttls_even_such_a_key_must_ask(system, known):
    with Imap(system, known.context()) as client:
        assert client.command("SELECT INBOX").startswith(b"a NO")
        assert client.external().startswith(client.right)
        assert client.command("SELECT INBOX").startswith(b"a OK")


def test_an_account_can_have_it_hidden(system, tmp_path):
    system.add_account("dan", "dan@example.org")
    key = Key(tmp_path).register(system, "dan")
    system.command("account", "set", "dan", "--capabilities-disabled", "AUTH=EXTERNAL,IDLE")
    with Imaps(system, key.context()) as client:
        assert client.greeting.startswith(b"* OK ") and not client.offers_external
        assert client.external().startswith(b"a NO [CANNOT]")
        assert client.plain("dan@example.org").startswith(client.right)
    key.remove(system)


# Submission sends for a known key.

@pytest.mark.parametrize("kind", [Submissions, Submission])
def test_a_known_key_sends_without_auth(system, known, kind):
    with kind(system, known.context()) as client:
        for line, code in [(f"MAIL FROM:<{USER}>", b"250"), ("RCPT TO:<bob@example.org>", b"250"), ("RSET", b"250"),
                           ("MAIL FROM:<bob@example.org>", b"550")]:
            client.send(line + "\r\n")
            assert client.reply().startswith(code), line


@pytest.mark.parametrize("kind", [Submissions, Submission])
def test_an_unknown_key_does_not(system, key, kind):
    with kind(system, key.context()) as client:
        client.send(f"MAIL FROM:<{USER}>\r\n")
        assert client.reply().startswith(b"530")


# What ends.

def is_sent_away(smtp):
    """At once, or, when the same sender was asked about a moment ago, before the message is taken."""
    for line in (f"MAIL FROM:<{USER}>", f"RCPT TO:<{USER}>", "DATA", "Subject: x\r\n\r\nx\r\n."):
        smtp.send(line + "\r\n")
        reply = smtp.reply()
        if reply.startswith(b"421"):
            return True
        assert reply[:1] in b"23" and not (line.endswith(".") and reply.startswith(b"2")), reply
    return False


def test_a_key_that_is_removed_ends_what_it_began(system, known):
    imap = Imaps(system, known.context())
    smtp = Submissions(system, known.context())
    waiting = Imap(system, known.context())
    with imap, smtp, waiting:
        assert imap.command("SELECT INBOX").startswith(b"a OK")
        assert smtp.external().startswith(smtp.right)
        assert waiting.offers_external
        known.remove(system)
        assert imap.command("STATUS INBOX (UIDNEXT)").startswith(b"* BYE ")
        assert is_sent_away(smtp)
        assert waiting.external().startswith(waiting.wrong)
        assert waiting.plain().startswith(waiting.right)
    with Imaps(system, known.context()) as again:
        assert again.greeting.startswith(b"* OK ") and not again.offers_external


def test_a_key_that_is_removed_ends_sessions_that_wait(system, known):
    """At once, though others of the account, whose sessions go on, show the same mailboxes."""
    waiting = [Imaps(system, known.context()) for _ in range(4)]
    others = [Imaps(system, insecure()) for _ in range(2)]
    try:
        assert all(client.plain().startswith(client.right) for client in others)
        for client in (waiting[0], others[0]):
            assert client.command("SELECT INBOX").startswith(b"a OK")
        assert waiting[2].command("NOTIFY NONE").startswith(b"a OK")
        for client in (*others, *waiting[:3]):
            client.send("i IDLE\r\n")
            assert client.line().startswith(b"+ ")
        known.remove(system)
        for client in waiting[:3]:
            client.socket.settimeout(10)
            assert client.line().startswith(b"* BYE ")
        assert waiting[3].command("NOOP").startswith(b"* BYE ")
        for client in others:
            client.send("DONE\r\n")
            assert client.line().startswith(b"i OK")
            assert client.command("NOOP").startswith(b"a OK")
    finally:
        for client in (*waiting, *others):
            client.close()


def test_a_new_password_ends_all_sessions_but_no_key(system, known):
    with Imaps(system, known.context()) as client:
        system.command("password", "set", "ann", stdin=PASSWORD + "\n")
        assert client.command("SELECT INBOX").startswith(b"* BYE ")
    with Imaps(system, known.context()) as client:
        assert client.greeting.startswith(b"* PREAUTH ")


def test_a_barred_account_hears_why(system, known):
    system.command("account", "set", "ann", "--login-disabled", "call 100")
    try:
        with Imaps(system, known.context()) as client:
            assert client.greeting.startswith(b"* OK ") and client.offers_external
            assert client.external() == b"a NO call 100"
        with Submissions(system, known.context()) as client:
            assert client.external().startswith(b"525 5.7.13 call 100")
    finally:
        system.command("account", "set", "ann", "--login-disabled", "")


# Resumption.

@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", DOORS)
def test_a_second_connection_has_the_key_too(system, known, kind, version):
    """Submission resumes sessions, IMAP never does: the key is known either way, until it is removed."""
    no_preauth(system, known)
    context = known.context(VERSIONS[version])
    with kind(system, context) as first:
        assert first.offers_external
        session = first.socket.session
    with kind(system, context, session) as second:
        assert second.socket.session_reused == issubclass(kind, Submissions)
        assert second.offers_external
        assert second.external().startswith(second.right)
    known.remove(system)
    with kind(system, context, session) as third:
        assert not third.offers_external
        assert third.external().startswith(third.wrong)


# Counting and configuration.

def test_attempts_are_logged_and_counted(system, known):
    no_preauth(system, known)
    with Imaps(system, known.context()) as client:
        assert client.external("bob@example.org").startswith(client.wrong)
        assert client.external().startswith(client.right)

    def logged(result):
        return [line for line in system.log().splitlines()
                if known.fingerprint in line and "mechanism=EXTERNAL" in line and f"result={result}" in line]
    wait_until(lambda: logged("badcreds") and logged("ok"), 30, "the log lines of both attempts")
    metrics = system.metrics("store")
    for result in ["badcreds", "ok"]:
        assert f'mailrail_store_logins_total{{mechanism="EXTERNAL",result="{result}"}}' in metrics


def test_clients_need_not_be_asked(make_mailrail, tmp_path):
    mailrail = make_mailrail(imap={"client_certificates": False}, submission={"client_certificates": False})
    key = Key(tmp_path).register(mailrail)
    with Imaps(mailrail, key.context()) as client:
        assert client.greeting.startswith(b"* OK ") and not client.offers_external
    with Submissions(mailrail, key.context()) as client:
        assert not client.offers_external


def test_keys_outlive_a_restart(make_mailrail, tmp_path):
    mailrail = make_mailrail()
    key = Key(tmp_path).register(mailrail)
    mailrail.stop()
    mailrail.start()
    with Imaps(mailrail, key.context()) as client:
        assert client.greeting.startswith(b"* PREAUTH ")


# The commands.

def test_commands(system, tmp_path):
    laptop, phone = Key(tmp_path, name="laptop"), Key(tmp_path, name="phone")
    laptop.register(system)
    phone.register(system, "bob", "--name", "Bob's phone")
    try:
        assert [k["account"] for k in system.list("account", "tlspubkey", "list")] == ["ann", "bob"]
        assert [k["name"] for k in system.list("account", "tlspubkey", "list", "--account", "bob")] == ["Bob's phone"]
        system.command("account", "tlspubkey", "set", "--login", SECOND.upper(), "--name", "x", "--",
                       laptop.fingerprint)
        changed = system.list("account", "tlspubkey", "list", "--account", "ann")[0]
        assert changed["login"] == SECOND and changed["name"] == "x" and changed["imap_preauth"]
        with Imaps(system, laptop.context()) as client:
            assert client.greeting.startswith(b"* PREAUTH ")
        for words, complaint in [
            (["add", "bob", str(laptop.certificate)], "registered already"),
            (["add", "bob", str(laptop.key)], "CERTIFICATE"),
            (["add", "bob", str(tmp_path / "missing")], "missing"),
            (["add", "nobody", str(laptop.certificate)], "no account nobody"),
            (["set", "--login", "bob@example.org", "--", laptop.fingerprint], "no address of the account"),
            (["remove", "AAAA"], "no TLS key"),
            (["list", "--account", "nobody"], "no account nobody"),
        ]:
            done = system.command("account", "tlspubkey", *words, check=False)
            assert done.returncode == 1 and complaint in done.stderr, done.stderr
    finally:
        laptop.remove(system)
        phone.remove(system)


# Other people's clients.

def curl(*arguments):
    return subprocess.run(["curl", "--silent", "--show-error", "--insecure", "--max-time", "60", *arguments],
                          capture_output=True, text=True, timeout=90)


def test_curl(system, known, tmp_path):
    certificate = ["--cert", str(known.certificate), "--key", str(known.key)]
    user = ["--user", f"{USER}:", "--login-options", "AUTH=EXTERNAL"]
    done = curl(f"imaps://localhost:{system.imaps_port}/INBOX", *certificate, *user, "--request", "NOOP", "--verbose")
    assert done.returncode == 0 and "* PREAUTH" in done.stderr, done.stderr
    no_preauth(system, known)
    for url, more in [(f"imaps://localhost:{system.imaps_port}/INBOX", []),
                      (f"imap://localhost:{system.imap_port}/INBOX", ["--ssl-reqd"])]:
        done = curl(url, *more, *certificate, *user, "--request", "STATUS INBOX (UIDNEXT)")
        assert done.returncode == 0, done.stderr
        assert "UIDNEXT" in done.stdout
    refused = curl(f"imaps://localhost:{system.imaps_port}/INBOX", *user, "--request", "NOOP")
    assert refused.returncode != 0
    message = tmp_path / "message"
    message.write_text(f"From: <{USER}>\r\nTo: <bob@example.org>\r\nSubject: by key\r\n\r\nhello\r\n")
    done = curl(f"smtps://localhost:{system.submissions_port}", *certificate, *user, "--mail-from", USER,
                "--mail-rcpt", "bob@example.org", "--upload-file", str(message))
    assert done.returncode == 0, done.stderr
