"""METADATA (RFC 5464) and LIST-METADATA (RFC 9590) over the whole system."""
from conftest import wait_until
from test_imap_basics import Client


def test_entries_follow_their_mailbox(mailrail):
    with Client(mailrail.imaps_port, tls=True) as c:
        c("CREATE notes")
        assert b" OK " in c('SETMETADATA notes (/private/comment "mine" /shared/comment ~{4+}\r\n\0\1\2\3)')[-1]
        c("RENAME notes kept")
        assert c("GETMETADATA (DEPTH infinity) kept /")[0] == \
            b'* METADATA kept (/private/comment "mine" /shared/comment ~{4}\r\n\0\1\2\3)'
        c("DELETE kept")
        c("CREATE kept")
        assert len(c("GETMETADATA (DEPTH infinity) kept /")) == 1
        c('SETMETADATA INBOX (/private/comment "of Inbox")')
        c("RENAME INBOX old")
        for name in (b"INBOX", b"old"):
            assert c(b"GETMETADATA %s /private/comment" % name)[0].endswith(b'(/private/comment "of Inbox")')
        assert b'* METADATA old (/private/comment "of Inbox" /shared/x NIL)' in \
            c('LIST "" old RETURN (METADATA (/private/comment /shared/x))')


def test_limits_of_an_account(mailrail):
    with Client(mailrail.imaps_port, tls=True) as c:
        for first in range(0, 1000, 100):
            names = " ".join(f'/private/n{i} "v"' for i in range(first, first + 100))
            assert b" OK " in c(f'SETMETADATA "" ({names})')[-1]
        assert b" NO [METADATA (TOOMANY)]" in c('SETMETADATA INBOX (/private/one "more")')[-1]
        assert len(c("GETMETADATA INBOX /private/one")) == 1
        large = b" ".join(b"/private/n%d {%d+}\r\n%s" % (i, 99000, b"x" * 99000) for i in range(9))
        assert b" OK " in c(b'SETMETADATA "" (' + large + b")")[-1]
        more = b" ".join(b"/private/n%d {%d+}\r\n%s" % (i, 99000, b"x" * 99000) for i in (10, 11))
        assert b" NO [METADATA (MAXSIZE 1000000)]" in c(b'SETMETADATA "" (' + more + b")")[-1]
        assert c('GETMETADATA "" /private/n10')[0] == b'* METADATA "" (/private/n10 "v")'


def test_others_are_told(mailrail):
    with Client(mailrail.imaps_port, tls=True) as a, Client(mailrail.imaps_port, tls=True) as b:
        assert a("ENABLE METADATA")[0] == b"* ENABLED METADATA"
        b('SETMETADATA INBOX (/shared/comment "x")')
        wait_until(lambda: b"* METADATA Inbox /shared/comment" in a("NOOP"), 30)
        a("SELECT INBOX")
        a.send("i IDLE\r\n")
        assert a.line().startswith(b"+ ")
        b("SETMETADATA INBOX (/shared/comment NIL)")
        assert a.line() == b"* METADATA Inbox /shared/comment\r\n"
        b('SETMETADATA "" (/shared/comment "x")')
        assert a.line() == b'* METADATA "" /shared/comment\r\n'
        a.send("DONE\r\n")
        assert a.line().startswith(b"i OK")
