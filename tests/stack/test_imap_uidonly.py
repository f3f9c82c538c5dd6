"""UIDONLY (RFC 9586) over the whole system: one session never sees a message number."""
import re

from test_imap_basics import Client


def test_no_numbers(mailrail):
    with Client(mailrail.imaps_port, tls=True) as a, Client(mailrail.imaps_port, tls=True) as b:
        for _ in range(3):
            b.append()
        assert a("ENABLE UIDONLY")[0] == b"* ENABLED UIDONLY"
        assert not any(b"UNSEEN" in line for line in a("SELECT INBOX"))
        b("SELECT INBOX")
        for command in ("FETCH 1 FLAGS", "SEARCH ALL", "STORE 1 FLAGS ()", "MOVE 1 Archive",
                        "UID SEARCH 1", "UID SEARCH NOT 2:3"):
            assert b" BAD [UIDREQUIRED] " in a(command)[-1], command
        a.send("i IDLE\r\n")
        assert a.line().startswith(b"+")
        b("STORE 1 +FLAGS (\\Deleted)")
        assert a.line() == b"* 1 UIDFETCH (FLAGS (\\Deleted))\r\n"
        b("EXPUNGE")
        assert a.line() == b"* VANISHED 1\r\n"
        b.append()
        assert [a.line(), a.line()] == [b"* 3 EXISTS\r\n", b"* 4 UIDFETCH (FLAGS ())\r\n"]
        a.send("DONE\r\n")
        assert a.line().startswith(b"i OK")
        lines = a("UID FETCH 1:* (RFC822.SIZE)")[:-1]
        assert [re.match(rb"\* (\d+) UIDFETCH \(RFC822.SIZE \d+\)$", line)[1] for line in lines] == [
            b"2", b"3", b"4"]
        assert a("UID MOVE 2 Archive")[1] == b"* VANISHED 2"
        assert b"* 1 EXPUNGE" in b("NOOP")
