"""REPLACE (RFC 8508) and CATENATE (RFC 4469) over the whole system."""
from test_imap_basics import Client


def letter(text, size=0):
    return b"Subject: " + text + b"\r\n\r\n" + text + b"\r\n" + b"0123456789abcdef\r\n" * (size // 18)


def test_replace_is_one_step_for_other_sessions(mailrail):
    with Client(mailrail.imaps_port, tls=True) as a, Client(mailrail.imaps_port, tls=True) as b:
        a("CREATE drafts")
        for text in (b"one", b"two", b"three"):
            a.append("drafts", letter(text))
        a("SELECT drafts")
        b("SELECT drafts")
        for size in (100, 300000):  # in memory, and in the spool
            new = letter(b"new", size)
            lines = a(b"REPLACE 2 drafts (\\Draft) {%d+}\r\n%s" % (len(new), new))
            assert lines[0].startswith(b"* OK [APPENDUID ")
            assert b"* 2 EXPUNGE" in lines and b"* 3 EXISTS" in lines
            assert b" OK " in lines[-1]
            assert new.rstrip() in a("FETCH 3 BODY.PEEK[]")[0]
            lines = b("NOOP")
            assert lines[:2] == [b"* 2 EXPUNGE", b"* 3 EXISTS"]
        # Gone meanwhile: nothing is stored.
        a.send("r UID REPLACE 1 drafts {5}\r\n")
        assert a.line().startswith(b"+ ")
        b("STORE 1 +FLAGS.SILENT (\\Deleted)")
        b("EXPUNGE")
        a.send(b"a: b\n\r\n")
        assert a.answer(b"r") == [b"* 1 EXPUNGE", b"r NO the message to replace is gone"]
        assert a("STATUS drafts (MESSAGES)")[0] == b"* STATUS drafts (MESSAGES 2)"


def test_catenate_takes_parts_of_messages_on_the_server(mailrail):
    with Client(mailrail.imaps_port, tls=True) as c:
        c("CREATE parts")
        old = letter(b"old", 200000)
        c.append("parts", old)
        answer = c("APPEND parts CATENATE (URL /parts/;UID=1/;SECTION=HEADER "
                   "URL /parts/;UID=1/;SECTION=TEXT URL /parts/;UID=1)")
        assert b" OK [APPENDUID " in answer[-1]
        c("SELECT parts")
        assert (old + old).rstrip() in c("FETCH 2 BODY.PEEK[]")[0]
        assert b" NO [BADURL /parts/;UID=9]" in c("APPEND parts CATENATE (URL /parts/;UID=9)")[-1]
        lines = c("UID REPLACE 1 parts CATENATE (URL /parts/;UID=1/;SECTION=HEADER TEXT {6+}\r\nshort\n)")
        assert b"* 1 EXPUNGE" in lines and b" OK " in lines[-1]
