"""`mailrail message`: one message delivered from standard input, or parsed from a file."""
import json
import re
import subprocess

import pytest

from conftest import BIN, ENVIRONMENT

LETTER = b"From: Bob <bob@far.example>\nTo: ann@example.org\nMessage-ID: <One@far.example>\nSubject: Re: hello\n\nfirst\nlast"


def message(mailrail, *words, stdin=b"", check=True):
    done = subprocess.run([BIN / "mailrail", "message", *words, "--config", mailrail.directory / "mailrail.conf"],
                          input=stdin, capture_output=True, env=ENVIRONMENT, timeout=60)
    assert not check or done.returncode == 0, done.stderr
    return done


def fetch(mailrail, number=1, mailbox="INBOX", user="ann@example.org"):
    with mailrail.imap(user) as imap:
        assert imap.select(mailbox)[0] == "OK"
        return imap.fetch(str(number), "(BODY.PEEK[])")[1][0][1]


@pytest.mark.parametrize("text", [LETTER, LETTER.replace(b"\n", b"\r\n"), LETTER + b"\n"])
def test_a_message_is_delivered_with_trace_headers_and_line_ends(mailrail, text):
    done = message(mailrail, "deliver", "ann@example.org", "--from", "bob@far.example", stdin=text)
    assert done.stdout == b"delivered to ann, mailbox Inbox, UID 1\n"
    prefix, letter = re.fullmatch(rb"(.*?\r\n)(From: Bob.*)", fetch(mailrail), re.DOTALL).groups()
    assert letter == LETTER.replace(b"\n", b"\r\n") + b"\r\n"
    assert prefix.startswith(b"Return-Path: <bob@far.example>\r\nDelivered-To: ann@example.org\r\nReceived: from localhost")
    with mailrail.imap() as imap:
        imap.select()
        assert imap.fetch("1", "(ENVELOPE)")[1][0].count(b'"Re: hello"') == 1
    assert "0 findings" in mailrail.command("verifydata").stderr


def test_a_large_message_goes_through_the_spool(mailrail):
    large = LETTER + b"\n" + b"x" * 70 + b"\n" + b"line of text\n" * 100000
    message(mailrail, "deliver", "ann@example.org", stdin=large)
    text = fetch(mailrail)
    assert text.startswith(b"Return-Path: <>\r\n") and text.endswith(large.replace(b"\n", b"\r\n"))
    assert not list((mailrail.directory / "data/spool/mailrail").iterdir())
    assert "0 findings" in mailrail.command("verifydata").stderr


def test_the_address_decides_as_for_smtp(mailrail):
    mailrail.command("address", "add", "sales@example.org", "bob")
    assert b"delivered to bob, mailbox Inbox" in message(mailrail, "deliver", "Sales@Example.ORG", stdin=LETTER).stdout
    assert b"Delivered-To: Sales@example.org\r\n" in fetch(mailrail, user="bob@example.org")
    for address, status, why in (("nobody@example.org", 1, "no such address"),
                                 ("ann@far.example", 1, "not one of our domains"),
                                 ("ann@", 2, "address \"ann@\""), ("", 2, "an argument is empty, needs ADDRESS")):
        refused = message(mailrail, "deliver", address, stdin=LETTER, check=False)
        assert refused.returncode == status and why in refused.stderr.decode(), refused.stderr
    refused = message(mailrail, "deliver", "ann@example.org", "--from", "bob@", stdin=LETTER, check=False)
    assert refused.returncode == 2 and b'sender "bob@"' in refused.stderr
    refused = message(mailrail, "deliver", "ann@example.org", check=False)
    assert refused.returncode == 1 and b"standard input is empty" in refused.stderr


def test_the_quota_counts(mailrail):
    mailrail.command("account", "set", "ann", "--quota", "200")
    refused = message(mailrail, "deliver", "ann@example.org", stdin=LETTER, check=False)
    assert refused.returncode == 1 and b"quota" in refused.stderr
    with mailrail.imap() as imap:
        assert imap.select()[1] == [b"0"]


MULTIPART = b"""From: =?utf-8?q?J=C3=BCrgen?= <j@far.example>, none of these@
To: friends: a@x.example, b@x.example;
Subject: [list] Re: parts\x1b[31m
Message-ID: <Two@far.example>
References: <one@far.example> <Two@far.example>
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: multipart/alternative; boundary=c

--c

plain text
--c
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PGI+aGVsbG88L2I+
--c--
--b
Content-Type: message/rfc822

Subject: inside
Content-Type: multipart/mixed; boundary=d

--d

deep
--d--
--b
Content-Type: application/pdf
Content-Disposition: attachment; filename*=utf-8''gr%C3%B6%C3%9Fe.pdf
Content-Transfer-Encoding: x-unknown

pdf
--b--
"""


def parse(*words, stdin=b""):
    return subprocess.run([BIN / "mailrail", "message", "parse", *words], input=stdin, capture_output=True, env=ENVIRONMENT,
                          timeout=60)


def test_the_structure_is_shown(tmp_path):
    (tmp_path / "letter.eml").write_bytes(MULTIPART)
    done = parse(str(tmp_path / "letter.eml"))
    assert done.returncode == 0 and b"\x1b" not in done.stdout
    for line in (r"subject +\[list\] Re: parts", r"base of the subject +parts", "subject is an answer +yes",
                 "message-id, canonical +<?two@far.example", "to +friends:"):
        assert re.search("(?m)^" + line, done.stdout.decode()), (line, done.stdout.decode())
    parts = json.loads(parse("-", "--json", stdin=MULTIPART).stdout)
    assert [(part["section"], part["type"]) for part in parts] == [
        ("TEXT", "MULTIPART/MIXED"), ("1", "MULTIPART/ALTERNATIVE"), ("1.1", "(TEXT/PLAIN)"), ("1.2", "TEXT/HTML"),
        ("2", "MESSAGE/RFC822"), ("2.TEXT", "MULTIPART/MIXED"), ("2.1", "(TEXT/PLAIN)"), ("3", "APPLICATION/PDF")]
    html, pdf = parts[3], parts[7]
    assert html["charset"] == "utf-8" and html["encoding"] == "BASE64" and html["decoded"] == 12
    assert pdf["filename"] == "größe.pdf" and pdf["disposition"] == "ATTACHMENT"
    text = MULTIPART.replace(b"\n", b"\r\n")
    assert text[pdf["body"]:pdf["body"] + pdf["size"]] == b"pdf"
    assert text[html["header"]:].startswith(b"Content-Type: text/html")


def test_sections_are_those_of_imap(mailrail):
    message(mailrail, "deliver", "ann@example.org", stdin=MULTIPART)
    parts = json.loads(parse("-", "--json", stdin=MULTIPART).stdout)
    text = MULTIPART.replace(b"\n", b"\r\n")
    with mailrail.imap() as imap:
        imap.select()
        for part in parts:
            found = imap.fetch("1", f"(BODY.PEEK[{part['section']}])")[1][0][1]
            assert found == text[part["body"]:part["body"] + part["size"]], part


def test_what_cannot_be_parsed_says_why(tmp_path):
    missing = parse(str(tmp_path / "none.eml"))
    assert missing.returncode == 1 and b"none.eml: No such file" in missing.stderr
    assert b"standard input is empty" in parse("-").stderr
    (tmp_path / "empty.eml").write_bytes(b"")
    assert b"empty.eml is empty" in parse(str(tmp_path / "empty.eml")).stderr
    broken = parse("-", "--json", stdin=b"\x00\xff\xfe nothing: at all")
    assert broken.returncode == 0 and len(json.loads(broken.stdout)) == 1
