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


def fill_keywords(client, mailbox, count):
    """So many keywords in the mailbox, by its first message."""
    client(f"SELECT {mailbox}")
    for first in range(0, count, 32):
        words = " ".join(f"{mailbox}{i}" for i in range(first, first + 32))
        assert b" OK " in client(f"STORE 1 FLAGS.SILENT ({words})")[-1]


def test_too_many_keywords_are_a_limit_and_no_quota(limited):
    """RFC 5530 3: OVERQUOTA is for what deleting mail helps with, LIMIT for how many flags there may be."""
    with Client(limited.imaps_port, tls=True) as c:
        for mailbox in ("INBOX", "Archive"):
            c.append(mailbox, LETTER)
        fill_keywords(c, "Archive", 1024)
        c("SELECT INBOX")
        assert b" OK " in c("STORE 1 FLAGS (another)")[-1]
        for command in ("COPY 1 Archive", "MOVE 1 Archive", "REPLACE 1 Archive (another) {6+}\r\na: b\r\n",
                        "APPEND Archive (another) {6+}\r\na: b\r\n",
                        "APPEND Archive {6+}\r\na: b\r\n (another) {6+}\r\nc: d\r\n"):
            assert b" NO [LIMIT]" in c(command)[-1], command
        assert c("STATUS INBOX (MESSAGES)")[0].endswith(b"(MESSAGES 1)")
        assert c("STATUS Archive (MESSAGES)")[0].endswith(b"(MESSAGES 1)")
        c("SELECT Archive")
        assert b" NO [LIMIT]" in c("STORE 1 +FLAGS (another)")[-1]
        c("SELECT INBOX")
        for _ in range(3):
            assert b" OK " in c.append("INBOX", LETTER)[-1]
        assert b" NO [OVERQUOTA]" in c("COPY 2 Archive")[-1], "five messages are the quota"
        assert b" NO [OVERQUOTA]" in c("APPEND Archive {6+}\r\na: b\r\n {6+}\r\nc: d\r\n")[-1]


def test_too_many_keywords_of_a_message_are_a_limit(mailrail):
    with Client(mailrail.imaps_port, tls=True) as c:
        c.append()
        c("SELECT INBOX")
        for first in range(0, 128, 32):
            assert b" OK " in c(f"STORE 1 +FLAGS ({' '.join(f'k{i}' for i in range(first, first + 32))})")[-1]
        assert b" NO [LIMIT]" in c("STORE 1 +FLAGS (k128)")[-1]
        assert b" OK " in c("STORE 1 +FLAGS (k127)")[-1]


def test_what_is_too_large_is_no_quota(limited):
    with Client(limited.imaps_port, tls=True) as c:
        most = int(re.search(rb"APPENDLIMIT=(\d+)", c("CAPABILITY")[0])[1])
        assert b" NO [TOOBIG]" in c(f"APPEND INBOX {{{most + 1}}}")[-1]
        assert b" NO [OVERQUOTA]" in c("APPEND INBOX {20000}")[-1]
        assert b" NO [OVERQUOTA]" in c(b"APPEND INBOX {6000+}\r\n" + b"x" * 6000 + b" {6000+}\r\n" + b"x" * 6000)[-1]


def test_mail_is_not_refused_for_what_was_expunged(make_mailrail):
    """Decision 0007: expunged texts take no room; when they are too many for the disk, the oldest go early."""
    mailrail = make_mailrail(store={"quota_bytes": 20 << 20, "erase_after_s": 3600})
    texts = mailrail.directory / "data/accounts/1/msg"
    draft = b"Subject: draft\r\n\r\n" + b"0123456789abcde\r\n" * (9 << 16)
    with Client(mailrail.imaps_port, tls=True) as c, Client(mailrail.imaps_port, tls=True) as other:
        c.append("Drafts", draft)
        c("SELECT Drafts")
        other("SELECT Drafts")
        for _ in range(10):
            assert b" OK " in c(b"REPLACE 1 Drafts {%d+}\r\n%s" % (len(draft), draft))[-1]
        assert usage(c)["STORAGE"] == (-(-len(draft) // 1024), 20 << 10)
        wait_until(lambda: sum(f.stat().st_size for f in texts.rglob("*") if f.is_file()) < (64 << 20) + len(draft))
        *data, end = other("FETCH 1 BODY.PEEK[]")
        assert b" OK [EXPUNGEISSUED]" in end and all(b"BODY" not in line for line in data)
        other("NOOP")
        assert draft in other("FETCH 1 BODY.PEEK[]")[0]
