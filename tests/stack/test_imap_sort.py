"""SORT and THREAD over the whole system (RFC 5256, 5957, 5267): keys come from store."""
import re

import pytest

from test_imap_basics import Client

LETTERS = (
    b"Date: Thu, 1 Jan 2004 00:00:00 +0000\r\nSubject: Re: banana\r\nFrom: Zoe <anton@x>\r\n\r\nx",
    b"Date: Thu, 1 Jan 2004 01:00:00 +0200\r\nSubject: Apple\r\nFrom: berta@x\r\n\r\nx",
    b"Subject: =?utf-8?q?=C3=A4pfel?=\r\nFrom: =?utf-8?q?=C3=84nne?= <cesar@x>\r\n\r\nx",
    b"Date: Fri, 2 Jan 2004 00:00:00 +0000\r\nSubject: [list] APPLE (fwd)\r\nFrom: Dora@x\r\n\r\nx",
)


@pytest.fixture
def client(mailrail):
    with Client(mailrail.imaps_port, tls=True) as c:
        c("CREATE sorted")
        for letter in LETTERS:
            c.append("sorted", letter)
        c("SELECT sorted")
        yield c
        c("DELETE sorted")


def answer(client, command):
    lines = client(command)
    assert b" OK " in lines[-1], lines[-1]
    return lines[0]


def test_sort(client):
    assert answer(client, "SORT (DATE) UTF-8 ALL") == b"* SORT 2 1 4 3"
    assert answer(client, "SORT (SUBJECT REVERSE DATE) UTF-8 ALL") == b"* SORT 4 2 3 1"
    assert answer(client, "UID SORT (REVERSE FROM) US-ASCII SUBJECT apple") == b"* SORT 4 2"
    assert answer(client, "SORT (DISPLAYFROM) UTF-8 ALL") == b"* SORT 3 2 4 1"
    assert answer(client, "SORT RETURN (COUNT PARTIAL 1:2) (DATE) UTF-8 ALL").endswith(
        b"COUNT 4 PARTIAL (1:2 2,1)")


def test_a_mailbox_of_several_batches(client):
    """More messages than one call for keys takes."""
    client("CREATE many")
    client("SELECT sorted")
    for _ in range(10):
        client("COPY 1:4 many")
    client("SELECT many")
    for _ in range(7):
        assert b" OK " in client("COPY 1:* sorted")[-1]
        client("SELECT sorted")
        client("COPY 1:* many")
        client("SELECT many")
    total = int(re.search(rb"MESSAGES (\d+)", client("STATUS many (MESSAGES)")[0])[1])
    assert total > 4096
    numbers = [int(n) for n in answer(client, "SORT (REVERSE DATE) UTF-8 ALL").split()[2:]]
    assert sorted(numbers) == list(range(1, total + 1))
    assert answer(client, "SORT RETURN (COUNT) (SUBJECT) UTF-8 ALL").endswith(b"COUNT %d" % total)
    client("DELETE many")


def test_thread(client):
    client("CREATE threads")
    for letter in (
            b"Message-ID: <1@x>\r\nSubject: one\r\nDate: Thu, 1 Jan 2004 00:00:00 +0000\r\n\r\nx",
            b"Message-ID: <2@x>\r\nSubject: Re: one\r\nDate: Fri, 2 Jan 2004 00:00:00 +0000\r\n"
            b"References: <1@x>\r\n\r\nx",
            b"Message-ID: <3@x>\r\nSubject: other\r\nDate: Thu, 1 Jan 2004 12:00:00 +0000\r\n"
            b"References: <0@x> <1@x>\r\n\r\nx",
            b"Message-ID: <4@x>\r\nSubject: two\r\nDate: Thu, 1 Jan 2003 00:00:00 +0000\r\n\r\nx"):
        client.append("threads", letter)
    client("SELECT threads")
    assert answer(client, "THREAD REFERENCES UTF-8 ALL") == b"* THREAD (4)(1 (3)(2))"
    assert answer(client, "UID THREAD ORDEREDSUBJECT UTF-8 ALL") == b"* THREAD (4)(1 2)(3)"
    client("DELETE threads")
