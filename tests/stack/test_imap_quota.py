"""QUOTA (RFC 9208) over the whole system: usage, limits, and what passes them."""
import re

import pytest

from conftest import wait_until
from test_imap_basics import Client

LETTER = b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 59 + b"\r\n"  # 1019 bytes


def usage(client):
    line = client('GETQUOTA ""')[0]
    return {name: (int(used), int(limit)) for name, used, limit
            in re.findall(r"(STORAGE|MESSAGE) (\d+) (\d+)", line.decode())}


@pytest.fixture
def limited(make_mailrail):
    """Limits of 10 KiB and 5 messages."""
    return make_mailrail(store={"quota_bytes": 10240, "quota_messages": 5, "erase_after_s": 3600})


def test_usage_and_overquota(limited):
    with Client(limited.imaps_port, tls=True) as c:
        assert usage(c) == {"STORAGE": (0, 10), "MESSAGE": (0, 5)}
        for _ in range(5):
            assert b" OK " in c.append("INBOX", LETTER)[-1]
        assert usage(c) == {"STORAGE": (5, 10), "MESSAGE": (5, 5)}
        assert b" NO [OVERQUOTA]" in c.append("INBOX", LETTER)[-1]
        c("SELECT INBOX")
        assert b" NO [OVERQUOTA]" in c("COPY 1 Archive")[-1]
        assert b" OK " in c("MOVE 1 Archive")[-1]
        assert usage(c)["MESSAGE"] == (5, 5)
        c("STORE 1:2 +FLAGS.SILENT (\\Deleted)")
        assert c("STATUS INBOX (DELETED DELETED-STORAGE)")[0].endswith(
            b"(DELETED 2 DELETED-STORAGE %d)" % (2 * len(LETTER)))
        c("EXPUNGE")
        assert usage(c)["MESSAGE"] == (3, 5)
        assert b" NO [OVERQUOTA]" in c.append("INBOX", b"a: b\r\n\r\n" + b"x" * 9000)[-1]
        assert b" OK " in c.append("INBOX", LETTER)[-1]
        assert usage(c)["MESSAGE"] == (4, 5)


def test_a_replacement_must_fit_beside_what_it_replaces(limited):
    with Client(limited.imaps_port, tls=True) as c:
        for _ in range(5):
            c.append("INBOX", LETTER)
        c("SELECT INBOX")
        assert b" NO [OVERQUOTA]" in c("REPLACE 1 INBOX {6+}\r\na: b\r\n")[-1]
        assert c("STATUS INBOX (MESSAGES)")[0].endswith(b"(MESSAGES 5)")


def test_no_limit_is_no_quota(mailrail):
    with Client(mailrail.imaps_port, tls=True) as c:
        assert c("GETQUOTAROOT INBOX")[:-1] == [b'* QUOTAROOT INBOX ""']
        assert c('GETQUOTA ""')[0] == b'* QUOTA "" ()'
