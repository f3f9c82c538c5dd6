"""OBJECTID (RFC 8474) and PREVIEW (RFC 8970) over the whole system: names that stay."""
import re

import pytest

from test_imap_basics import Client


def objects(client, uid="1:*"):
    """EMAILID and THREADID of messages."""
    lines = client(f"UID FETCH {uid} (EMAILID THREADID)")
    return [re.search(rb"EMAILID \(([^)]+)\) THREADID \(([^)]+)\)", line).groups()
            for line in lines if b"EMAILID" in line]


def mailbox_id(client, mailbox):
    return re.search(rb"MAILBOXID \(([^)]+)\)", client(f"STATUS {mailbox} (MAILBOXID)")[0]).group(1)


@pytest.fixture
def client(mailrail):
    with Client(mailrail.imaps_port, tls=True) as c:
        yield c


def test_copies_and_moved_messages_keep_their_names(client):
    client("CREATE one")
    client("CREATE two")
    letter = b"Message-ID: <first@x>\r\nSubject: s\r\n\r\nhello\r\n"
    reply = b"In-Reply-To: <first@x>\r\nReferences: <first@x>\r\nSubject: Re: s\r\n\r\nhi\r\n"
    client.append("one", letter)
    client.append("one", reply)
    client.append("one", b"Subject: another\r\n\r\nhello\r\n")
    client("SELECT one")
    first, answer, other = objects(client)
    assert len({first[0], answer[0], other[0]}) == 3
    assert first[1] == answer[1] != other[1]
    assert b" OK " in client("COPY 1:2 two")[-1]
    assert b" OK " in client("MOVE 3 two")[-1]
    client("SELECT two")
    assert objects(client) == [first, answer, other]
    assert b" OK " in client("COPY 1 one")[-1]  # a copy of a copy
    assert client(b"SEARCH EMAILID " + answer[0])[0] == b"* SEARCH 2"
    assert client(b"SEARCH THREADID " + first[1])[0] == b"* SEARCH 1 2"
    client("SELECT one")
    assert objects(client) == [first, answer, first]
    assert client(b"SEARCH EMAILID " + first[0])[0] == b"* SEARCH 1 3"


def test_a_mailbox_keeps_its_name_when_it_is_renamed(client):
    created = client("CREATE old")[-1]
    name = mailbox_id(client, "old")
    assert b"[MAILBOXID (" + name + b")]" in created
    client("RENAME old new")
    assert mailbox_id(client, "new") == name
    assert b"* OK [MAILBOXID (" + name + b")]" in b"\n".join(client("EXAMINE new"))
    client("CREATE old")
    assert mailbox_id(client, "old") not in (name, mailbox_id(client, "INBOX"))


def test_preview(client):
    client("CREATE previews")
    client.append("previews", b"Subject: x\r\n\r\n" + b"word " * 60 + b"\r\n")
    client.append("previews", b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n")
    client("EXAMINE previews")
    lines = client("FETCH 1:2 (PREVIEW (LAZY))")
    text = re.search(rb'PREVIEW "(.*)"', lines[0]).group(1)
    assert text == (b"word " * 40).strip()
    assert lines[1] == b'* 2 FETCH (UID 2 PREVIEW "")'
