"""The mailrail command, against a running system."""
import imaplib
import subprocess

import pytest

from conftest import BIN, ENVIRONMENT, PASSWORD


def run(*words, stdin=None):
    return subprocess.run([BIN / "mailrail", *words], input=stdin, capture_output=True, text=True,
                          env=ENVIRONMENT, timeout=60)


def every_command():
    lines = run("help").stdout.splitlines()
    return [line[2:21].strip() for line in lines if line.startswith("  ")]


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
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [
        ["mailrail", "account", verb] for verb in ("add", "list", "remove")]


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
    assert m.command("queue", "kick", check=False).returncode == 1
    assert m.command("queue", "drop", "--all", check=False).returncode == 1
    m.command("queue", "drop", "--all", "--yes")
    assert m.list("queue", "list") == []


def test_verifydata_finds_nothing_and_something(mailrail):
    mailrail.deliver()
    fine = mailrail.command("verifydata")
    assert fine.stdout == "" and "0 findings" in fine.stderr
    [message] = (mailrail.directory / "data/accounts/1/msg").glob("*/*")
    message.write_bytes(message.read_bytes()[:-1])
    found = mailrail.command("verifydata", "--account", "ann", check=False)
    assert found.returncode == 1 and found.stdout != ""


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
