"""The text index over the whole system: a search finds the same with it, without it, and while it is made; it is switched,
made anew, follows what comes and goes, and survives kill -9."""
import time

import pytest

from conftest import wait_until
from test_imap_basics import Client


@pytest.fixture
def client(mailrail):
    with Client(mailrail.imaps_port, tls=True) as c:
        yield c


def letter(number):
    return (f"From: sender{number % 7}@example.org\r\nSubject: =?utf-8?q?caf=C3=A9?= {number}\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\n\r\nword{number} straße {'rare' if number == 5 else ''}\r\n"
            ).encode()


SEARCHES = ["TEXT word1", "BODY STRASSE", "FROM sender3", "SUBJECT CAFÉ", "NOT BODY rare", "OR BODY rare FROM sender1",
            "SUBJECT ca", "HEADER Content-Type plain", "NOT FROM sender2 NOT TEXT word4", "BODY nothing"]


def hits(client, keys):
    keys = keys.encode()
    lines = [line for line in client(b"UID SEARCH CHARSET UTF-8 " + keys) if line.startswith(b"* SEARCH")]
    assert lines
    return [int(number) for line in lines for number in line.split()[2:]]


def answers(client):
    return [hits(client, keys) for keys in SEARCHES]


def index(mailrail, *action):
    return mailrail.list("account", "textindex", "ann", *action)[0]


def wait_for(mailrail, count):
    deadline = time.monotonic() + 60
    while (state := index(mailrail))["indexed"] != count:
        assert time.monotonic() < deadline, state
        time.sleep(0.2)


def fill(client, name, count=20):
    client(f"CREATE {name}")
    for number in range(count):
        text = letter(number)
        client(b"APPEND %s {%d+}\r\n%s" % (name.encode(), len(text), text))
    client(f"SELECT {name}")
    return count


def test_an_index_changes_no_answer(mailrail, client):
    index(mailrail, "off")
    wait_for(mailrail, 0)
    before = index(mailrail)["messages"]
    fill(client, "same")
    plain = answers(client)
    assert plain[0] == [2] + list(range(11, 21)) and plain[1] == list(range(1, 21)) and plain[4] != plain[1]
    assert index(mailrail)["bytes"] == 0
    index(mailrail, "on")
    assert answers(client) == plain
    wait_for(mailrail, before + 20)
    assert answers(client) == plain
    index(mailrail, "rebuild")
    assert answers(client) == plain
    wait_for(mailrail, before + 20)
    assert answers(client) == plain


def test_what_comes_and_goes(mailrail, client):
    index(mailrail, "on")
    fill(client, "goes")
    wait_for(mailrail, index(mailrail)["messages"])
    plain = answers(client)
    client("UID STORE 1:6 +FLAGS (\\Deleted)")
    client("EXPUNGE")
    assert answers(client) == [[uid for uid in found if uid > 6] for found in plain]
    text = letter(105)
    client(b"APPEND goes {%d+}\r\n%s" % (len(text), text))
    client("NOOP")
    assert hits(client, "BODY word105") == [21]
    wait_for(mailrail, index(mailrail)["messages"])
    assert hits(client, "BODY word105") == [21]


def test_killed_while_it_is_made(mailrail):
    with Client(mailrail.imaps_port, tls=True) as client:
        fill(client, "killed")
        plain = answers(client)
    index(mailrail, "rebuild")
    mailrail.kill("store")
    wait_until(mailrail.is_ready, 60, "readiness of all services")
    with Client(mailrail.imaps_port, tls=True) as client:
        client("SELECT killed")
        assert answers(client) == plain
        wait_for(mailrail, index(mailrail)["messages"])
        assert answers(client) == plain
