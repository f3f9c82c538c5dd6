"""Ports 465 and 587 of a running system: logging in, and what users may send."""
import base64
import re
import smtplib
import ssl
import time

import pytest

from conftest import PASSWORD, Raw, insecure, wait_until
from sasl import Scram

ANN = "ann@example.org"
LETTER = (f"From: Ann <{ANN}>\r\nTo: <bob@example.org>\r\nSubject: hi\r\n"
          "Date: Fri, 2 Jan 2026 03:04:05 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nhello\r\n")


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def plain(user=ANN, password=PASSWORD):
    return "AUTH PLAIN " + b64(f"\0{user}\0{password}") + "\r\n"


def hello(raw):
    assert raw.reply().startswith(b"220 ")
    raw.send("EHLO client\r\n")
    return raw.reply()


def say(raw, line):
    raw.send(line + "\r\n")
    return raw.reply().decode().rstrip("\r\n")


def challenge(reply):
    assert reply.startswith("334 "), reply
    return base64.b64decode(reply[4:])


def queue(mailrail):
    return mailrail.list("queue", "list")


def refusal(smtp, letter, sender=ANN, recipients=("you@far.example",)):
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        smtp.sendmail(sender, recipients, letter)
    smtp.rset()
    return refused.value.smtp_code, refused.value.smtp_error.decode()[:5]


# Logging in.

def test_nothing_secret_without_tls(shared_mailrail):
    with shared_mailrail.raw_submission(tls=False) as raw:
        assert b"250-AUTH\r\n" in hello(raw)
        assert say(raw, plain().strip()).startswith("538 5.7.11")
        assert say(raw, "AUTH SCRAM-SHA-256-PLUS").startswith("538 5.7.11")
        assert say(raw, f"MAIL FROM:<{ANN}>").startswith("530 5.7.0")


@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "PLAIN", "LOGIN"])
def test_mechanisms_of_python(shared_mailrail, mechanism):
    with smtplib.SMTP_SSL("127.0.0.1", shared_mailrail.submissions_port, context=insecure()) as smtp:
        smtp.ehlo()
        smtp.user, smtp.password = ANN, PASSWORD
        authobject = getattr(smtp, "auth_" + mechanism.lower().replace("-", "_"))
        assert smtp.auth(mechanism, authobject)[0] == 235


@pytest.mark.parametrize("mechanism,digest", [("SCRAM-SHA-256", "sha256"), ("SCRAM-SHA-1", "sha1")])
def test_scram(shared_mailrail, mechanism, digest):
    with shared_mailrail.raw_submission() as raw:
        hello(raw)
        scram = Scram(ANN, PASSWORD, digest)
        first = challenge(say(raw, f"AUTH {mechanism} {b64(scram.first())}"))
        assert scram.is_right(challenge(say(raw, b64(scram.final(first)))))
        assert say(raw, "").startswith("235 2.7.0")
        assert say(raw, f"AUTH {mechanism}").startswith("503 5.5.1")


def raw_tls12(mailrail):
    """Python knows the channel binding of TLS 1.2 only."""
    raw = Raw(mailrail.submissions_port)
    context = insecure()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    raw.socket = context.wrap_socket(raw.socket)
    raw.file = raw.socket.makefile("rb")
    return raw


def test_scram_plus_binds_the_channel(shared_mailrail):
    with raw_tls12(shared_mailrail) as raw:
        hello(raw)
        scram = Scram(ANN, PASSWORD, flag="p=tls-unique",
                      binding=raw.socket.get_channel_binding("tls-unique"))
        first = challenge(say(raw, f"AUTH SCRAM-SHA-256-PLUS {b64(scram.first())}"))
        assert scram.is_right(challenge(say(raw, b64(scram.final(first)))))
        assert say(raw, "").startswith("235 2.7.0")


def test_scram_plus_notices_somebody_in_the_middle(shared_mailrail):
    with raw_tls12(shared_mailrail) as other, raw_tls12(shared_mailrail) as raw:
        hello(raw)
        scram = Scram(ANN, PASSWORD, flag="p=tls-unique",
                      binding=other.socket.get_channel_binding("tls-unique"))
        first = challenge(say(raw, f"AUTH SCRAM-SHA-256-PLUS {b64(scram.first())}"))
        assert challenge(say(raw, b64(scram.final(first)))).startswith(b"e=")
        assert say(raw, "").startswith("535 5.7.7")


def test_scram_with_a_wrong_password(shared_mailrail):
    with shared_mailrail.raw_submission() as raw:
        hello(raw)
        scram = Scram(ANN, "wrong password")
        first = challenge(say(raw, f"AUTH SCRAM-SHA-256 {b64(scram.first())}"))
        assert challenge(say(raw, b64(scram.final(first)))) == b"e=invalid-proof"
        assert say(raw, "").startswith("535 5.7.8")


def test_failures_are_logged_in_one_line(mailrail):
    with mailrail.raw_submission() as raw:
        hello(raw)
        assert say(raw, plain(password="wrong").strip()).startswith("535 5.7.8")
        assert say(raw, plain(user="nobody@example.org").strip()).startswith("535 5.7.8")
        assert say(raw, plain().strip()).startswith("235 2.7.0")
    lines = [line for line in mailrail.log().splitlines() if 'm="failed login"' in line]
    assert len(lines) == 2
    assert "username=ann@example.org" in lines[0] and "ip=127.0.0.1" in lines[0]
    assert PASSWORD not in mailrail.log() and b64(PASSWORD) not in mailrail.log()


def test_the_trace_hides_secrets(make_mailrail):
    mailrail = make_mailrail(log_level="trace")
    with mailrail.raw_submission() as raw:
        hello(raw)
        assert say(raw, plain().strip()).startswith("235 ")
        raw.send(f"MAIL FROM:<{ANN}>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
        for _ in range(3):
            raw.reply()
        raw.send(LETTER.replace("hello", "very private words") + ".\r\n")
        assert raw.reply().startswith(b"250 ")
    log = mailrail.log()
    assert "MAIL FROM" in log, "lines are traced"
    assert plain().split()[-1] not in log and PASSWORD not in log
    assert "very private words" not in log


def test_ten_failed_logins_at_both_doors_close_both(make_mailrail):
    mailrail = make_mailrail(localserve=False, submission={"limit_connections": True},
                             imap={"limit_connections": True}, smtp_in={"limit_connections": True})
    # The window is a minute of the clock: not across its end.
    if time.time() % 60 > 35:
        time.sleep(61 - time.time() % 60)
    forgiving = mailrail.raw_submission()
    hello(forgiving)
    for _ in range(5):
        with mailrail.raw_submission() as raw:
            hello(raw)
            assert say(raw, plain(password="wrong").strip()).startswith("535 ")
        with mailrail.raw_imap(tls=True) as raw:
            raw.line()
            raw.send(f"a login {ANN} wrong\r\n")
            assert raw.line().startswith(b"a NO [AUTHENTICATIONFAILED] ")

    def greetings():
        with mailrail.raw_submission(tls=False) as smtp, mailrail.raw_imap() as imap:
            return smtp.reply()[:10], imap.line()[:5]
    closed = (b"421 4.7.0 ", b"* BYE")
    wait_until(lambda: greetings() == closed, 5, "both doors closed")
    for door in (mailrail.raw_submission, mailrail.raw_imap):
        with pytest.raises(OSError):  # no handshake is spent on them
            door(tls=True)
    with mailrail.raw_smtp() as raw:
        assert raw.reply().startswith(b"220 ")
    assert say(forgiving, plain().strip()).startswith("235 ")
    wait_until(lambda: greetings() == (b"220 mail.e", b"* OK "), 5, "both doors open again")
    forgiving.close()


# Sending.

def test_a_letter_to_a_local_user(mailrail):
    with mailrail.submission() as smtp:
        smtp.sendmail(ANN, ["bob@example.org"], LETTER)

    def arrived():
        with mailrail.imap("bob@example.org") as imap:
            imap.select(readonly=True)
            return imap.uid("fetch", "1:*", "(BODY.PEEK[])")[1][0]
    message = wait_until(arrived, 20, "the letter in the mailbox")[1]
    assert message.endswith(LETTER.encode())
    received = [line for line in re.sub(rb"\r\n[ \t]+", b" ", message).split(b"\r\n")
                if line.startswith(b"Received:")]
    assert re.match(rb"Received: from mail\.example\.org by mail\.example\.org via tcp with ESMTPSA "
                    rb"id [\w-]{22} \(TLS1\.3 \S+\) for <bob@example\.org>; ", received[-1])
    assert b"127.0.0.1" not in received[-1], "where the user sits is not told"


def letter_of(size, recipient):
    """With so many bytes, of which the last lines begin with dots."""
    head = (f"From: Ann <{ANN}>\r\nTo: <{recipient}>\r\nSubject: {size}\r\n"
            f"Date: Fri, 2 Jan 2026 03:04:05 +0000\r\nMessage-ID: <{size}@example.org>\r\n\r\n")
    tail = "\r\n.\r\n..\r\n"
    lines = "".join(f"{n:077}\r\n" for n in range((size - len(head) - len(tail)) // 79))
    return head + lines + "x" * (size - len(head) - len(lines) - len(tail)) + tail


@pytest.mark.parametrize("size", [65535, 65536, 65537, 200000])
def test_letters_of_all_sizes_arrive_unchanged(shared_mailrail, size):
    """Up to 64 KiB they are rows of the queue, above files; neither is seen from outside."""
    letter = letter_of(size, "bob@example.org").encode()
    assert len(letter) == size
    with shared_mailrail.submission() as smtp:
        smtp.sendmail(ANN, ["bob@example.org"], letter, ["HOLDFOR=600"])
    entry = queue(shared_mailrail)[0]
    files = list((shared_mailrail.directory / "data/queue/msg").glob("*/*"))
    assert len(files) == (size > 65536) and entry["size"] > size
    assert not list(shared_mailrail.directory.glob("data/spool/*/*"))
    shared_mailrail.command("verifydata")
    shared_mailrail.command("queue", "kick", "--all")

    def arrived():
        with shared_mailrail.imap("bob@example.org") as imap:
            imap.select(readonly=True)
            found = imap.uid("search", f'HEADER Message-ID "<{size}@example.org>"')[1][0]
            return found and imap.uid("fetch", found.decode(), "(BODY.PEEK[])")[1][0]
    assert wait_until(arrived, 20, "the letter in the mailbox")[1].endswith(letter)
    wait_until(lambda: not queue(shared_mailrail), 10, "an empty queue")
    wait_until(lambda: not list((shared_mailrail.directory / "data/queue/msg").glob("*/*")), 10,
               "the end of the file")


def test_more_text_than_one_lease_carries(mailrail):
    """150 letters of nearly 64 KiB are due at the same moment."""
    letter = letter_of(65000, "bob@example.org")
    with mailrail.submission() as smtp:
        for number in range(150):
            smtp.sendmail(ANN, ["bob@example.org"], letter.replace("<65000@", f"<{number}@"), ["HOLDFOR=600"])
    mailrail.command("queue", "kick", "--all")
    wait_until(lambda: not queue(mailrail), 90, "an empty queue")
    with mailrail.imap("bob@example.org") as imap:
        assert imap.select(readonly=True)[1] == [b"150"]
        found = imap.uid("search", "SMALLER 65000")[1][0]
    assert not found
    attempts = [line for line in mailrail.log().splitlines() if '"delivery attempt"' in line]
    assert len(attempts) == 150 and all(" result=delivered " in line for line in attempts)


def test_a_letter_of_many_parts_to_many_people(mailrail):
    """Its structure, a megabyte, would not fit the bus once for each recipient."""
    mailrail.command("domain", "set", "example.org", "--accept-any", "yes", "--any-account", "bob")
    part = f'--b\r\nContent-Type: text/plain; name="{"n" * 100}"\r\n\r\n'
    letter = (f"From: {ANN}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
              + part * 9000 + "--b--\r\n")
    with mailrail.submission() as smtp:
        smtp.sendmail(ANN, [f"u{n}@example.org" for n in range(100)], letter)
        smtp.sendmail(ANN, ["bob@example.org"], LETTER)

    def count():
        with mailrail.imap("bob@example.org") as imap:
            return int(imap.select(readonly=True)[1][0])
    wait_until(lambda: count() == 101, 60, "all copies, and the letter behind")
    wait_until(lambda: mailrail.list("queue", "list") == [], 10, "an empty queue")


def test_what_is_missing_is_added(mailrail):
    with mailrail.submission() as smtp:
        smtp.sendmail(ANN, ["bob@example.org"], f"From: {ANN}\r\nSubject: bare\r\n\r\nhello\r\n")

    def arrived():
        with mailrail.imap("bob@example.org") as imap:
            imap.select(readonly=True)
            return imap.uid("fetch", "1:*", "(BODY.PEEK[HEADER] ENVELOPE)")[1][0]
    found = wait_until(arrived, 20, "the letter in the mailbox")
    assert re.search(rb"\r\nMessage-ID: <[\w-]{22}@mail\.example\.org>\r\nDate: ", found[1])


def test_senders_and_from(shared_mailrail):
    with shared_mailrail.submission() as smtp:
        assert refusal(smtp, LETTER, "bob@example.org") == (550, "5.7.1")
        assert refusal(smtp, LETTER, "x@far.example") == (550, "5.7.1")
        assert refusal(smtp, LETTER.replace(f"<{ANN}>", "<bob@example.org>")) == (550, "5.7.1")
        assert refusal(smtp, "From: a@b.example\r\n" + LETTER) == (550, "5.6.0")
        assert refusal(smtp, LETTER.partition("\r\n")[2]) == (550, "5.6.0")
        assert refusal(smtp, f"From: {ANN}\r\n") == (554, "5.6.0")
        assert refusal(smtp, LETTER + "a\0b\r\n") == (554, "5.6.0")


def test_recipients(shared_mailrail):
    with shared_mailrail.submission() as smtp:
        smtp.mail(ANN)
        assert smtp.rcpt("nobody@example.org")[0] == 550
        assert smtp.rcpt("you@far.example")[0] == 250
        assert smtp.rcpt("you@[192.0.2.1]")[0] == 250
        smtp.rset()


def test_a_domain_is_known_as_soon_as_it_is_ours(mailrail):
    """Not only when what was learned of it before has expired."""
    with mailrail.submission() as smtp:
        def code():
            smtp.rset()
            smtp.mail(ANN)
            return smtp.rcpt("nobody@late.example")[0]
        assert code() == 250
        began = time.monotonic()
        mailrail.command("domain", "add", "late.example")
        wait_until(lambda: code() == 550)
        assert time.monotonic() - began < 5
        mailrail.command("domain", "remove", "late.example")
        wait_until(lambda: code() == 250)


def test_future_release(mailrail):
    with mailrail.submission() as smtp:
        assert "5184000" in smtp.esmtp_features["futurerelease"] or smtp.ehlo()[0] == 250
        assert smtp.docmd("MAIL", f"FROM:<{ANN}> HOLDUNTIL=2001-01-01T00:00:00Z")[0] == 554
        smtp.sendmail(ANN, ["you@far.example", "me@far.example"], LETTER, ["HOLDFOR=600"])
    entries = queue(mailrail)
    assert len(entries) == 2
    for entry in entries:
        assert "600" not in entry["recipient"] and entry["sender"] == ANN


def test_outgoing_limits(mailrail):
    mailrail.command("account", "add", "shy", "--address", "shy@example.org", "--password-stdin",
                     "--outgoing-per-day", "3", "--new-recipients-per-day", "2",
                     stdin=PASSWORD + "\n")
    letter = LETTER.replace(ANN, "shy@example.org")
    with mailrail.submission("shy@example.org") as smtp:
        def send(recipient):
            try:
                smtp.sendmail("shy@example.org", [recipient], letter, ["HOLDFOR=600"])
                return 250
            except smtplib.SMTPResponseException as refused:
                return refused.smtp_code
        assert [send("b@far.example"), send("c@far.example")] == [250, 250]
        assert send("d@far.example") == 451, "a third new recipient"
        assert send("b@far.example") == 250
        assert send("b@far.example") == 451, "a fourth message"


def test_store_is_killed_and_comes_back(mailrail):
    """A login outlives store, and what was refused for now can be sent again."""
    with mailrail.raw_submission() as raw:
        hello(raw)
        raw.socket.settimeout(60)
        assert say(raw, plain().strip()).startswith("235 ")
        mailrail.kill("store")

        def is_accepted():
            raw.send(f"MAIL FROM:<{ANN}> HOLDFOR=600\r\nRCPT TO:<you@far.example>\r\nDATA\r\n")
            if [raw.reply()[:3] for _ in range(3)] != [b"250", b"250", b"354"]:
                assert say(raw, "RSET").startswith("250 ")
                return False
            raw.send(LETTER + ".\r\n")
            return raw.reply().startswith(b"250 2.2.0 ")
        wait_until(is_accepted, 30, "store being back")
    assert len(queue(mailrail)) == 1
