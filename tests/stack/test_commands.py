"""The mailrail command, against a running system."""
import imaplib
import os
import re
import smtplib
import sqlite3
import subprocess

import pytest

from conftest import BIN, ENVIRONMENT, PASSWORD, wait_until


def run(*words, stdin=None):
    return subprocess.run([BIN / "mailrail", *words], input=stdin, capture_output=True, text=True,
                          env=ENVIRONMENT, timeout=60)


def every_command():
    lines = run("help").stdout.splitlines()
    return [re.split("  +", line.strip())[0] for line in lines if line.startswith("  ")]


def test_help_lists_commands_and_each_has_a_manual_page():
    commands = every_command()
    assert {"run", "domain add", "queue kick", "verifydata", "password set"} <= set(commands)
    for command in commands:
        page = run(*command.split(), "--help")
        assert page.returncode == 0
        for part in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS"):
            assert part in page.stdout.split("\n"), command
        assert max(map(len, page.stdout.splitlines())) <= 100, command


@pytest.mark.parametrize("words, want", [
    ((), "try: mailrail help"),
    (("domian", "add"), 'did you mean "domain add"?'),
    (("domain", "add"), "needs DOMAIN"),
    (("domain", "add", "a", "b"), 'unexpected "b"'),
    (("domain", "add", "a", "--disbled", "yes"), "did you mean --disabled?"),
    (("domain", "add", "a", "--disabled"), "--disabled needs a value"),
    (("domain",), "mailrail domain list"),
])
def test_wrong_usage(words, want):
    done = run(*words)
    assert done.returncode == 2
    assert want in done.stderr and done.stdout == ""


@pytest.mark.parametrize("words", [("help", "account"), ("account", "--help")])
def test_half_a_command_asks_for_the_commands_that_begin_so(words):
    done = run(*words)
    assert done.returncode == 0 and done.stderr == ""
    commands = [command for command in every_command() if command.startswith("account ")]
    assert [re.split("  +", line.strip())[0] for line in done.stdout.splitlines()] == [
        f"mailrail {command}" for command in commands]
    assert {"account add", "account remove", "account tlspubkey add"} <= set(commands)


def test_prepare_makes_what_is_missing_and_leaves_what_is_there(make_mailrail):
    mailrail = make_mailrail(start=False)
    data = mailrail.directory / "data"
    mailrail.command("prepare")
    key, certificate = data / "keys/received-id.key", mailrail.directory / "tls/cert.pem"
    made = key.read_bytes(), certificate.read_bytes()
    assert {path.name for path in data.iterdir()} == {"accounts", "queue", "spool", "keys", "tls"}
    (data / "spool/imap").rmdir()
    mailrail.command("prepare")
    assert (key.read_bytes(), certificate.read_bytes()) == made
    assert (data / "spool/imap").is_dir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_prepare_gives_what_it_makes_to_an_owner(make_mailrail):
    mailrail = make_mailrail(start=False)
    mailrail.command("prepare", "--owner", "10000:10001")
    for path in ("data", "data/spool", "data/spool/imap", "data/keys", "data/keys/received-id.key", "tls/key.pem"):
        stat = (mailrail.directory / path).stat()
        assert (stat.st_uid, stat.st_gid) == (10000, 10001), path
    done = mailrail.command("prepare", "--owner", "mail", check=False)
    assert done.returncode == 2 and "--owner must be two numbers" in done.stderr


def test_setup_makes_the_first_account_once(make_mailrail):
    mailrail = make_mailrail(usual=False)
    said = mailrail.command("setup", "--account", "ann").stdout
    assert "set up for example.org" in said, "the domain of the host mail.example.org"
    assert "example.org.  MX   10 mail.example.org." in said
    password = re.search(r"^  password  (\S{20})$", said, re.M)[1]
    with mailrail.imap("ann@example.org", password) as imap:
        assert imap.select()[0] == "OK"
    again = mailrail.command("setup", "--account", "bob").stdout
    assert "set up already: 1 account" in again and "does not receive" not in again
    again = mailrail.command("setup", "--account", "bob", "--domain", "example.net").stdout
    assert "mailrail password set ann\n" in again and "does not receive mail for example.net" in again
    assert len(mailrail.list("account", "list")) == len(mailrail.list("domain", "list")) == 1


def test_what_setup_advises_later_works(make_mailrail):
    """Its commands, as they are printed."""
    mailrail = make_mailrail(usual=False)
    mailrail.command("setup", "--account", "ann")
    advice = mailrail.command("setup", "--domain", "example.net").stdout
    commands = [line.split()[1:] for line in advice.splitlines() if line.startswith("  mailrail ")]
    assert [words[:2] for words in commands] == [["password", "set"], ["domain", "add"], ["address", "add"]]
    for words in commands:
        mailrail.command(*words, stdin="a new password\n")
    mailrail.deliver("ann@example.net")
    with mailrail.imap("ann@example.net", "a new password") as imap:
        assert imap.select()[1] == [b"1"]
    assert "does not receive" not in mailrail.command("setup", "--domain", "example.net").stdout


def test_a_new_host_name_gets_a_certificate_of_its_own(make_mailrail):
    """Unless the operator has installed one: then it is said that it does not fit."""
    mailrail = make_mailrail(start=False)
    certificate = mailrail.directory / "tls/cert.pem"
    mailrail.command("prepare")
    mailrail.config.write_text(mailrail.config.read_text().replace("mail.example.org", "mx.example.org"))
    assert mailrail.command("prepare").stderr == ""
    subprocess.run(["openssl", "verify", "-verify_hostname", "mx.example.org", "-CAfile", certificate, certificate],
                   check=True, capture_output=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other.example",
                    "-keyout", mailrail.directory / "tls/key.pem", "-out", certificate], check=True, capture_output=True)
    theirs = certificate.read_bytes()
    assert "tls/cert.pem is not for the host name mx.example.org" in mailrail.command("prepare").stderr
    assert certificate.read_bytes() == theirs


def test_nobody_answers(make_mailrail):
    mailrail = make_mailrail(start=False)
    done = mailrail.command("domain", "list", check=False)
    assert done.returncode == 1
    assert "directory.sock: is Mailrail running?" in done.stderr


def test_domains(shared_mailrail):
    m = shared_mailrail
    m.add_domain("Sales.Example", "--description", "the \"shop\"")
    m.command("domain", "set", "sales.example", "--separators", "+,-", "--disabled", "yes")
    row = next(d for d in m.list("domain", "list") if d["name"] == "sales.example")
    assert row == {"name": "sales.example", "disabled": True, "case_sensitive": False,
                   "separators": "+,-", "any_account": "", "description": "the \"shop\""}
    again = m.command("domain", "add", "sales.example", check=False)
    assert again.returncode == 1 and "sales.example" in again.stderr
    m.command("domain", "remove", "sales.example")
    assert "sales.example" not in [d["name"] for d in m.list("domain", "list")]
    gone = m.command("domain", "remove", "sales.example", check=False)
    assert gone.returncode == 1
    assert m.command("domain", "set", "nowhere.example", check=False).returncode == 1


def test_accounts_addresses_and_passwords(shared_mailrail):
    m = shared_mailrail
    m.add_account("carl", "carl@example.org")
    m.command("address", "add", "c@example.org", "carl", "--mailbox", "Archive")
    assert [a["address"] for a in m.list("address", "list", "--account", "carl")] \
        == ["c@example.org", "carl@example.org"]
    m.imap("carl@example.org").logout()
    m.command("password", "set", "carl", stdin="another horse\n")
    with pytest.raises(imaplib.IMAP4.error):
        m.imap("carl@example.org", PASSWORD)
    m.imap("carl@example.org", "another horse").logout()
    short = m.command("password", "set", "carl", stdin="short\n", check=False)
    assert short.returncode == 1 and "short" not in m.log().replace("too short", "")
    assert "another horse" not in m.log()
    refused = m.command("account", "remove", "carl", check=False)
    assert refused.returncode == 1 and "--yes" in refused.stderr
    m.command("account", "remove", "carl", "--yes")
    assert "carl" not in [a["name"] for a in m.list("account", "list")]
    assert "carl@example.org" not in [a["address"] for a in m.list("address", "list")]
    unknown = m.command("address", "list", "--account", "carl", check=False)
    assert unknown.returncode == 1 and "carl" in unknown.stderr


def account(m, name):
    """Its row in `account list`."""
    return next(a for a in m.list("account", "list") if a["name"] == name)


def test_account_set_changes_what_is_given_and_leaves_the_rest(shared_mailrail):
    m = shared_mailrail
    m.add_account("dora", "dora@example.org")
    want = account(m, "dora")
    assert want == {
        "name": "dora", "id": want["id"], "used_bytes": 0, "quota_bytes": "default",
        "outgoing_per_day": 1000, "new_recipients_per_day": 200, "capabilities_disabled": "",
        "login_disabled": "", "description": ""}
    for option, value, column, shown in (
            ("--description", "Dora, s\u00e4les", "description", "Dora, s\u00e4les"),
            ("--quota", "5000000", "quota_bytes", "5000000"),
            ("--quota", "-1", "quota_bytes", "none"),
            ("--outgoing-per-day", "5000", "outgoing_per_day", 5000),
            ("--new-recipients-per-day", "0", "new_recipients_per_day", 200),
            ("--new-recipients-per-day", "300", "new_recipients_per_day", 300),
            ("--capabilities-disabled", "IDLE,MOVE", "capabilities_disabled", "IDLE,MOVE"),
            ("--login-disabled", "call 100", "login_disabled", "call 100"),
            ("--login-disabled", "", "login_disabled", ""),
            ("--outgoing-per-day", "0", "outgoing_per_day", 1000)):
        m.command("account", "set", "dora", option, value)
        want[column] = shown
        assert account(m, "dora") == want, (option, value)
    m.command("account", "set", "dora", "--quota", "0", "--capabilities-disabled", "", "--description", "")
    assert account(m, "dora") == {**want, "quota_bytes": "default", "capabilities_disabled": "",
                                  "description": ""}
    assert account(m, "ann")["new_recipients_per_day"] == 200
    heading = m.command("account", "list").stdout.splitlines()[0]
    assert "OUTGOING" in heading and "RECIPIENTS" in heading


def test_a_quota_that_is_set_counts_at_the_next_delivery(mailrail):
    mailrail.command("account", "set", "ann", "--quota", "1")
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        mailrail.deliver()
    assert refused.value.smtp_code == 452
    mailrail.command("account", "set", "ann", "--quota", "1000000")
    mailrail.deliver()


def test_a_limit_that_was_hit_is_raised_and_the_next_message_goes(mailrail):
    m = mailrail
    m.command("account", "set", "ann", "--outgoing-per-day", "3", "--new-recipients-per-day", "1")
    with m.submission() as smtp:
        def send(recipient):
            """None, or the refusal."""
            try:
                smtp.sendmail("ann@example.org", [recipient], "From: ann@example.org\r\n\r\nx\r\n",
                              ["HOLDFOR=600"])
            except smtplib.SMTPResponseException as refused:
                return refused.smtp_code, " ".join(refused.smtp_error.decode().split())

        def raise_what_is_named(refusal, limit):
            """Does what the refusal tells administrators."""
            code, text = refusal
            assert code == 451 and limit in text
            words = re.search(r"mailrail (account set NAME --\S+) N\b", text.replace("4.7.1 ", ""))[1]
            m.command(*words.replace("NAME", "ann").split(), "10")

        assert send("a@far.example") is None
        raise_what_is_named(send("b@far.example"), "more than 1 first-time recipients in 24 hours")
        assert send("b@far.example") is None and send("a@far.example") is None
        raise_what_is_named(send("a@far.example"), "more than 3 recipients in 24 hours")
        assert send("a@far.example") is None
    assert len(m.list("queue", "list")) == 4


def test_disabled_login_is_refused_with_its_text_until_it_is_allowed_again(mailrail):
    m = mailrail
    m.command("account", "set", "ann", "--login-disabled", "call 100, your key was found")
    with pytest.raises(imaplib.IMAP4.error, match="call 100, your key was found"):
        m.imap()
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        m.submission()
    assert refused.value.smtp_code == 525
    assert b"call 100, your key was found" in refused.value.smtp_error
    with pytest.raises(imaplib.IMAP4.error) as guessed:
        m.imap(password="another horse")
    assert "call 100" not in str(guessed.value), "only to whoever knows the password"
    m.imap("bob@example.org").logout()
    m.deliver()
    m.command("account", "set", "ann", "--login-disabled", "")
    with m.imap() as imap:
        assert imap.select()[1] == [b"1"], "mail came all the time"
    m.submission().quit()


def test_capabilities_are_hidden_from_one_account(mailrail):
    mailrail.command("account", "set", "ann", "--capabilities-disabled", "IDLE,move")
    with mailrail.imap() as ann, mailrail.imap("bob@example.org") as bob:
        hidden = set(bob.capability()[1][0].split()) - set(ann.capability()[1][0].split())
    assert hidden == {b"IDLE", b"MOVE"}
    mailrail.command("account", "set", "ann", "--capabilities-disabled", "condstore")
    with mailrail.imap() as ann, mailrail.imap("bob@example.org") as bob:
        hidden = set(bob.capability()[1][0].split()) - set(ann.capability()[1][0].split())
        ann.enable("QRESYNC")
        assert ann.response("ENABLED")[1] == [b""], "it would bring CONDSTORE back"
    assert hidden == {b"CONDSTORE", b"QRESYNC"}


def test_all_capabilities_but_imap4rev1_can_be_hidden(mailrail):
    """Of those that are shown after login; and what cannot be is refused with the names that can."""
    with mailrail.imap() as ann:
        shown = {word.split(b"APPENDLIMIT=")[0].decode() or "APPENDLIMIT"
                 for word in ann.capability()[1][0].split()}
    shown -= {"IMAP4rev1"}
    mailrail.command("account", "set", "ann", "--capabilities-disabled", ",".join(sorted(shown)))
    for name in ("IMAP4rev1", "BOGUSCAP"):
        refused = mailrail.command("account", "set", "ann", "--capabilities-disabled", f"IDLE,{name}", check=False)
        assert refused.returncode == 2 and f'"{name}" is none that can be hidden' in refused.stderr
        assert "IMAP4rev2" in refused.stderr and "WITHIN" in refused.stderr
    for names in (",IDLE", "IDLE,,MOVE", "IDLE,", ","):
        refused = mailrail.command("account", "set", "ann", "--capabilities-disabled", names, check=False)
        assert refused.returncode == 2 and "one of the names is empty" in refused.stderr
    with mailrail.imap() as ann:
        assert b"IMAP4rev1" in ann.capability()[1][0].split()
        assert ann.select()[0] == "OK"


def flags_of_append(mailrail, mailbox):
    """Those of junk that a message has which came into the mailbox just now, with $Junk."""
    with imaplib.IMAP4_SSL("127.0.0.1", mailrail.imaps_port) as client:
        client.login("ann@example.org", PASSWORD)
        client.append(mailbox, "($Junk)", None, b"Subject: x\r\n\r\ny\r\n")
        client.select(mailbox)
        return set(re.findall(rb"\$\w+", client.fetch("*", "(FLAGS)")[1][0]))


def test_junk_rules_are_set_and_count_at_once(mailrail):
    rules = ("account", "junkrules", "ann")
    before = {"on": True, "junk": "^(junk|spam)", "not_junk": "",
              "neutral": "^(inbox|introbox|neutral|postmaster|dmarc|tlsrpt|rejects)"}
    assert mailrail.list(*rules) == [before]
    assert flags_of_append(mailrail, "Archive") == {b"$NotJunk"}
    assert mailrail.list(*rules, "--junk", "^archive$", "--not-junk", "^inbox$") == [
        before | {"junk": "^archive$", "not_junk": "^inbox$"}]
    assert flags_of_append(mailrail, "Archive") == {b"$Junk"}

    # A bad one is named, and changes nothing.
    refused = mailrail.command(*rules, "off", "--neutral", "^(inbox", check=False)
    assert refused.returncode == 1 and '"^(inbox" is no regular expression' in refused.stderr
    neither = mailrail.command(*rules, "sometimes", check=False)
    assert neither.returncode == 2 and neither.stderr.endswith("sometimes: on or off\n")
    assert flags_of_append(mailrail, "Archive") == {b"$Junk"}

    # One alone says nothing of the rest; the set of rules outlives a start.
    mailrail.command(*rules, "--junk", "", "--neutral", "")
    mailrail.stop()
    mailrail.launch()
    wait_until(mailrail.is_ready, 60)
    assert mailrail.list(*rules) == [{"on": True, "junk": "", "neutral": "", "not_junk": "^inbox$"}]
    assert flags_of_append(mailrail, "INBOX") == {b"$NotJunk"}
    assert flags_of_append(mailrail, "Archive") == {b"$Junk"}
    mailrail.command(*rules, "off")
    assert flags_of_append(mailrail, "INBOX") == {b"$Junk"}


def test_junk_rules_that_are_not_followed_are_seen_and_can_be_switched_off(mailrail):
    """Kept by a version that read them otherwise."""
    rules = ("account", "junkrules", "ann")
    assert flags_of_append(mailrail, "Archive") == {b"$NotJunk"}
    mailrail.stop()
    for path in (mailrail.directory / "data/accounts").glob("*/index.db"):
        database = sqlite3.connect(path)
        with database:
            assert database.execute("UPDATE account SET junk_pattern = '(((a{1,200}){1,200}){1,200})'").rowcount == 1
        database.close()
    mailrail.launch()
    wait_until(mailrail.is_ready, 60)
    shown = mailrail.command(*rules)
    assert shown.stderr.startswith('None of these rules is followed: junk rule "(((a{1,200}'), shown.stderr
    refused = mailrail.command(*rules, "--neutral", "^x", check=False)
    assert refused.returncode == 1 and "is no regular expression" in refused.stderr
    mailrail.command(*rules, "off")
    assert mailrail.command(*rules).stderr == ""
    mailrail.command(*rules, "on", "--junk", "^archive$")
    assert mailrail.command(*rules).stderr == ""
    assert flags_of_append(mailrail, "Archive") == {b"$Junk"}


def test_password_set_takes_password_stdin(mailrail):
    for options in ((), ("--password-stdin",)):
        word = f"another horse {len(options)}"
        mailrail.command("password", "set", "ann", *options, stdin=word + "\n")
        mailrail.imap(password=word).logout()


@pytest.mark.parametrize("words, want", [
    ("domain add example.org", "the domain example.org exists"),
    ("domain remove nosuch.example", "there is no domain nosuch.example"),
    ("account add ann --address x@example.org --password-stdin", "the account ann exists"),
    ("account add a! --address x@example.org --password-stdin", 'the account name "a!" is not 1 to '),
    ("account set nobody --quota 5", "there is no account nobody"),
    ("export nobody /tmp/nowhere", "there is no account nobody"),
    ("account set ann --login-disabled \u03c9", "reason why login is barred: "),
    ("account remove nobody --yes", "there is no account nobody"),
    ("address remove q@example.org", "there is no address q@example.org"),
    ("address list --account nobody", "there is no account nobody"),
    ("verifydata --account nobody", "no such account: nobody"),
])
def test_errors_are_for_people(shared_mailrail, words, want):
    """They name what was wanted, not how services ask each other."""
    words = words.split()
    done = shared_mailrail.command(*words, stdin="long enough 1\n", check=False)
    command = " ".join(words[:1] if words[0] in ("verifydata", "export") else words[:2])
    assert done.returncode == 1
    assert done.stderr.startswith(f"mailrail {command}: {want}"), done.stderr


@pytest.mark.parametrize("words, want", [
    ("account set ann", "needs an option that says what to set; try --help"),
    ("account set ann --quota many", "--quota must be a number of bytes, or -1"),
    ("account set ann --outgoing-per-day -1", "--outgoing-per-day must be a number up to 4294967295"),
    ("domain set example.org --disabled maybe", "--disabled must be yes or no"),
    ("dns lookup BOGUS localhost", "unknown record type BOGUS"),
])
def test_what_a_command_cannot_read_is_wrong_usage(shared_mailrail, words, want):
    words = words.split()
    done = shared_mailrail.command(*words, check=False)
    assert done.returncode == 2
    assert done.stderr == f"mailrail {words[0]} {words[1]}: {want}\n"


def test_password_may_not_be_an_argument():
    assert run("password", "set", "ann", "secret").returncode == 2


def test_queue_hold_kick_release_drop(make_mailrail):
    # Nobody listens there: a temporary failure.
    m = make_mailrail(queue_deliverer={"route": ["unreachable.example=127.0.0.1:1"]})
    with m.submission() as smtp:
        smtp.sendmail("ann@example.org", ["someone@unreachable.example"],
                      b"From: ann@example.org\r\nSubject: far\r\n\r\nx\r\n")
    [entry] = m.list("queue", "list")
    assert entry["recipient"] == "someone@unreachable.example" and entry["subject"] == "far"
    ident = str(entry["id"])
    assert m.command("queue", "hold", ident).stdout == "1 changed\n"
    assert m.list("queue", "list")[0]["next"] in ("held", "being tried")
    assert m.command("queue", "release", "--all", "--sender", "ann@").stdout == "1 changed\n"
    assert m.command("queue", "kick", "--all", "--recipient", "nobody@").stdout == "0 changed\n"
    assert m.command("queue", "kick", check=False).returncode == 2
    for command in ("kick", "hold", "release", "drop"):
        missing = m.command("queue", command, ident, "999", check=False)
        assert missing.returncode == 1 and missing.stdout == ""
        assert missing.stderr == f"mailrail queue {command}: no message in the queue has the ID 999; " \
                                 "nothing was changed\n"
    assert len(m.list("queue", "list")) == 1
    assert m.command("queue", "drop", "--all", check=False).returncode == 1
    m.command("queue", "drop", "--all", "--yes")
    assert m.list("queue", "list") == []


def test_verifydata_finds_nothing_and_something(mailrail):
    mailrail.deliver()
    fine = mailrail.command("verifydata")
    assert fine.stdout == "OK\n" and "0 findings" in fine.stderr
    [message] = (mailrail.directory / "data/accounts/1/msg").glob("*/*")
    message.write_bytes(message.read_bytes()[:-1])
    found = mailrail.command("verifydata", "--account", "ann", check=False)
    assert found.returncode == 1 and found.stdout != ""


def test_the_key_of_ids_moves_from_its_former_place_and_another_is_named(mailrail):
    data = mailrail.directory / "data"
    key, former = data / "keys/received-id.key", data / "received-id.key"
    mailrail.stop()
    bytes_before = key.read_bytes()
    key.rename(former)
    mailrail.launch()
    wait_until(mailrail.is_ready, 60)
    assert key.read_bytes() == bytes_before and not former.exists()
    assert mailrail.command("verifydata").stdout == "OK\n"

    former.write_bytes(b"another" * 3 + b"key")
    checked = mailrail.command("verifydata")
    assert "received-id.key is not in use" in checked.stdout and checked.stdout.endswith("OK\n")
    assert former.exists() and key.read_bytes() == bytes_before


def test_config_print_is_a_configuration(shared_mailrail, tmp_path):
    m = shared_mailrail
    printed = m.command("config", "print").stdout
    again = tmp_path / "again.conf"
    again.write_text(printed)
    assert run("config", "print", "--config", str(again)).stdout == printed
    assert "fine" in run("config", "check", "--config", str(again)).stdout


def test_config_check_lists_all_errors(tmp_path):
    path = tmp_path / "mailrail.conf"
    path.write_text('hostname = "h";\nimap = { port = 0x1ffff; };\nsmtp_in = { prt = 1; };\n')
    done = run("config", "check", "--config", str(path))
    assert done.returncode == 1
    assert "mailrail.conf:2: imap.port" in done.stderr
    assert "mailrail.conf:3: smtp_in.prt" in done.stderr
