"""Local test mode, configured as deploy/local/mailrail.conf does: nothing leaves the machine, and
addresses ask for failures."""
import re
import socket
import time

import pytest

from conftest import ROOT, wait_until

ME = "me@localhost"


def options_of_deploy():
    """The lines of deploy/local/mailrail.conf that this is about."""
    text = (ROOT / "deploy/local/mailrail.conf").read_text()
    return {name: re.search(rf"\b{name} = (.*);", text)[1]
            for name in ("localserve", "catch_all_address", "steering", "relay", "route")}


def local_mode(system):
    own_port = f"127.0.0.1:{system.smtp_port}"
    system.write_config({
        "smtp_in": {"catch_all_address": ME, "steering": True},
        "submission": {"steering": True},
        "queue_deliverer": {"relay": own_port, "route": [f"localhost={own_port}"]},
    })
    system.start()
    system.add_domain("localhost")
    system.add_account("me", ME)
    system.command("domain", "set", "localhost", "--accept-any", "yes", "--any-account", "me")
    return system


@pytest.fixture(scope="module")
def local(request):
    from conftest import Mailrail, finish
    system = Mailrail()
    local_mode(system)
    yield system
    finish([system], request)


@pytest.fixture
def own_local(make_mailrail):
    return local_mode(make_mailrail(start=False))


def subjects(system):
    with system.imap(ME) as imap:
        imap.select()
        _, found = imap.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        return [part[1].decode().partition(":")[2].strip() for part in found if isinstance(part, tuple)]


def submit(system, recipient, subject):
    with system.submission(ME) as client:
        client.sendmail(ME, [recipient], f"From: <{ME}>\r\nSubject: {subject}\r\n\r\nhello\r\n")


def test_deploy_local_sets_what_is_tested_here():
    assert options_of_deploy() == {"localserve": "true", "catch_all_address": f'"{ME}"',
                                   "steering": "true", "relay": '"127.0.0.1:@PORT_25@"',
                                   "route": '[ "localhost=127.0.0.1:@PORT_25@" ]'}


@pytest.mark.parametrize("recipient", ["a@example.org", "b@[192.0.2.7]", "c@no-such.invalid", ME])
def test_all_that_is_submitted_comes_back(local, recipient):
    submit(local, recipient, f"to {recipient}")
    wait_until(lambda: f"to {recipient}" in subjects(local), 20, "the letter in the inbox")
    wait_until(lambda: local.list("queue", "list") == [], 20, "an empty queue")


def test_nobody_asks_the_dns_for_it(local):
    lookups = r'mailrail_dns_lookups_total\{type="(MX|A|AAAA)"[^}]*\} [1-9]'
    submit(local, "a@somewhere.example", "without DNS")
    wait_until(lambda: "without DNS" in subjects(local), 20, "the letter in the inbox")
    assert not re.search(lookups, local.metrics("dns-resolver"))


def test_mail_for_others_from_outside_is_caught(local):
    local.deliver("whoever@example.net", subject="caught")
    assert "caught" in subjects(local)


@pytest.mark.parametrize("sender, recipient, replies", [
    ("x@far.example", "x550@anything.example", (250, 250, 550)),
    ("x@far.example", "xtemperror@anything.example", (250, 250, 451)),
    ("x@far.example", "xpermerror@localhost", (250, 250, 550)),
    ("x@far.example", "rcptto451@anything.example", (250, 451)),
    ("mailfrom452@far.example", "x@anything.example", (452,)),
    ("x@far.example", "x399@anything.example", (250, 250, 250)),
    ("x550@far.example", "x@anything.example", (250, 250, 250)),
])
@pytest.mark.parametrize("door", ["smtp", "submission"])
def test_addresses_ask_for_failures(local, door, sender, recipient, replies):
    if door == "submission":
        sender = sender.replace("far.example", "localhost")
    with (local.smtp() if door == "smtp" else local.submission(ME)) as client:
        client.ehlo()
        heard = [client.mail(sender)[0]]
        if heard[-1] == 250:
            heard.append(client.rcpt(recipient)[0])
        if heard[-1] == 250 and len(heard) == 2:
            heard.append(client.data(f"From: <{ME}>\r\nSubject: x\r\n\r\nx\r\n")[0])
        assert tuple(heard) == replies
        assert client.noop()[0] == 250


def test_failure_in_the_queue(local):
    """Submission takes it, and the sender hears of the failure by mail."""
    submit(local, "queue550@example.org", "too bad")
    wait_until(lambda: any("deliver" in s.lower() for s in subjects(local)), 20, "the notice")
    assert "too bad" not in subjects(local)


def test_failure_for_now_in_the_queue(local):
    submit(local, "queue451@localhost", "later")
    entry = wait_until(lambda: [row for row in local.list("queue", "list") if row["last_error"]], 20,
                       "the first attempt")[0]
    assert "as the local part of the address asked for" in entry["last_error"]
    assert entry["attempts"].startswith("1/")
    local.command("queue", "drop", "--all", "--yes")


@pytest.mark.parametrize("command", ["mail", "rcpt", "data"])
def test_silence_ends_with_the_server(own_local, command):
    """Others are served meanwhile, and a stop does not wait for the hour to pass."""
    with own_local.raw_smtp() as client:
        client.reply()
        client.send("EHLO far.example\r\n")
        client.reply()
        sender = "mailfromtimeout@far.example" if command == "mail" else "x@far.example"
        recipient = {"rcpt": "rcpttotimeout@far.example"}.get(command, "timeout@far.example")
        client.send(f"MAIL FROM:<{sender}>\r\n")
        if command != "mail":
            assert client.reply().startswith(b"250")
            client.send(f"RCPT TO:<{recipient}>\r\n")
        if command == "data":
            assert client.reply().startswith(b"250")
            client.send("DATA\r\n")
            assert client.reply().startswith(b"354")
            client.send("Subject: x\r\n\r\nx\r\n.\r\n")
        client.socket.settimeout(2)
        with pytest.raises(socket.timeout):
            client.socket.recv(1)
        own_local.deliver("b@example.net")
        began = time.monotonic()
        own_local.stop()
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("group, options, want", [
    ("smtp_in", {"steering": True}, "smtp_in.steering: is for tests on a laptop: needs localserve = true"),
    ("submission", {"steering": True}, "submission.steering: is for tests on a laptop"),
    ("smtp_in", {"catch_all_address": ME}, "smtp_in.catch_all_address: would take everybody's mail"),
])
def test_refused_outside_localserve(make_mailrail, group, options, want):
    system = make_mailrail(start=False, localserve=False, **{group: options})
    done = system.command("config", "check", check=False)
    assert done.returncode == 1 and want in done.stderr


def test_catch_all_must_be_an_address(make_mailrail):
    system = make_mailrail(start=False, smtp_in={"catch_all_address": "me"})
    done = system.command("config", "check", check=False)
    assert done.returncode == 1 and 'smtp_in.catch_all_address: "me" is not an address' in done.stderr
