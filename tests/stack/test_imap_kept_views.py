"""Mailboxes that are opened again: what changed meanwhile is there, and names may mean others."""
import re

import pytest

from test_imap_basics import Client

COUNT = 150  # enough for a view to be kept


def letter(number):
    return f"Subject: {number}\r\n\r\nhello\r\n".encode()


def select(client, mailbox):
    """How many messages it has."""
    return int(re.search(rb"\* (\d+) EXISTS", b"\n".join(client(f"SELECT {mailbox}")))[1])


def flags(client):
    lines = client("FETCH 1:* (UID FLAGS)")
    return {int(re.search(rb"UID (\d+)", line)[1]): set(re.search(rb"FLAGS \(([^)]*)\)", line)[1].split())
            for line in lines if b"FLAGS" in line}


@pytest.fixture
def client(mailrail):
    with Client(mailrail.imaps_port, tls=True) as c:
        c("CREATE big")
        for number in range(COUNT):
            c.append("big", letter(number))
        yield c


def test_what_changed_while_nobody_had_it_open_is_there(client, mailrail):
    assert select(client, "big") == COUNT
    client("STORE 3 +FLAGS.SILENT (\\Flagged)")
    client("UNSELECT")
    client.append("big", letter("new"))
    with Client(mailrail.imaps_port, tls=True) as other:
        assert select(other, "big") == COUNT + 1
        other("STORE 5:6 +FLAGS.SILENT (\\Deleted)")
        other("STORE 7 +FLAGS.SILENT (word)")
        other("CLOSE")
    assert select(client, "big") == COUNT - 1
    seen = flags(client)
    assert sorted(seen) == [1, 2, 3, 4, *range(7, COUNT + 2)]
    assert rb"\Flagged" in seen[3] and b"word" in seen[7] and not {rb"\Flagged", b"word"} & seen[COUNT + 1]
    assert b"SEARCH 3" in client("SEARCH FLAGGED")[0]


def test_another_mailbox_under_the_name_is_another_mailbox(client):
    assert select(client, "big") == COUNT
    client("UNSELECT")
    client("RENAME big other")
    client("CREATE big")
    client.append("big", letter("only"))
    assert select(client, "big") == 1
    assert select(client, "other") == COUNT
    client("UNSELECT")
    assert b" OK " in client("DELETE other")[-1]
    assert b" NO " in client("SELECT other")[-1]
    client("CREATE other")
    assert select(client, "other") == 0


def test_it_is_the_same_after_store_was_restarted(client, mailrail):
    assert select(client, "big") == COUNT
    client("UNSELECT")
    mailrail.kill("store")
    with Client(mailrail.imaps_port, tls=True) as other:
        other.append("big", letter("new"))
    assert select(client, "big") == COUNT + 1
    assert len(flags(client)) == COUNT + 1
