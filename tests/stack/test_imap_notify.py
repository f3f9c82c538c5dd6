"""NOTIFY (RFC 5465) over the whole system: a client hears without asking, and only what it wants."""
import re

import pytest

from test_imap_basics import LETTER, USER, Client

MESSAGES = "(MessageNew MessageExpunge FlagChange)"


@pytest.fixture
def pair(mailrail):
    with Client(mailrail.imaps_port, tls=True) as a, Client(mailrail.imaps_port, tls=True) as b:
        yield a, b


def until(client, pattern):
    """Lines that come unasked, up to one like the pattern."""
    lines = []
    while not lines or not re.match(pattern, lines[-1]):
        line = client.answer_line()
        assert line, f"closed before {pattern}: {lines}"
        lines.append(line)
    return lines


def test_other_mailboxes(mailrail, pair):
    a, b = pair
    a("SELECT Archive")
    assert b" OK " in a(f"NOTIFY SET (selected {MESSAGES}) (personal {MESSAGES})")[-1]
    with mailrail.smtp() as smtp:
        smtp.sendmail("joe@far.example", [USER], LETTER)
    until(a, rb"\* STATUS Inbox \(UIDNEXT 2 MESSAGES 1 UNSEEN 1\)")
    b("SELECT INBOX")
    b("STORE 1 +FLAGS (\\Seen)")
    until(a, rb"\* STATUS Inbox \(UIDVALIDITY \d+ UNSEEN 0\)")
    b("MOVE 1 Archive")
    # Of the selected mailbox and of another, in any order.
    lines = [a.answer_line() for _ in range(3)]
    assert sorted(line[:9] for line in lines) == [b"* 1 EXIST", b"* 1 FETCH", b"* STATUS "]
    assert b"* STATUS Inbox (UIDNEXT 2 MESSAGES 0 UNSEEN 0)\r\n" in lines


def test_names(pair):
    a, b = pair
    a("NOTIFY SET (personal (MailboxName SubscriptionChange))")
    b("CREATE one")
    until(a, rb'\* LIST \(\\Subscribed\) "/" one\r\n')
    b("RENAME one two")
    until(a, rb'\* LIST \(.*\) "/" two \("OLDNAME" \(one\)\)')
    b("SUBSCRIBE two")
    until(a, rb'\* LIST \(\\Subscribed\) "/" two\r\n')
    b("UNSUBSCRIBE two")
    until(a, rb'\* LIST \(\) "/" two\r\n')
    b("DELETE two")
    until(a, rb'\* LIST \(\\NonExistent\) "/" two')


def test_selected_at_once_or_delayed(pair):
    a, b = pair
    for client in pair:
        client("SELECT INBOX")
    a("NOTIFY SET (selected (MessageNew (UID BODY.PEEK[TEXT]) MessageExpunge FlagChange))")
    b.append()
    assert a.line() == b"* 1 EXISTS\r\n"
    assert a.answer_line() == b"* 1 FETCH (UID 1 BODY[TEXT] {7}\r\nhello\r\n)\r\n"
    a("NOTIFY SET (selected-delayed (MessageNew MessageExpunge))")
    b("STORE 1 +FLAGS (\\Deleted)")
    b("EXPUNGE")
    b.append()
    assert a("FETCH 1 UID")[0] == b"* 1 FETCH (UID 1)", "nothing was told"
    assert a("NOOP")[:-1] == [b"* 1 EXPUNGE", b"* 1 EXISTS", b"* 1 FETCH (UID 2 FLAGS ())"]
    a("NOTIFY NONE")
    b.append()
    b("NOOP")
    assert len(a("NOOP")) == 1


def test_what_is_not_wanted_does_not_come(pair):
    a, b = pair
    b("CREATE quiet")
    a(f"NOTIFY SET (mailboxes quiet NONE) (personal {MESSAGES})")
    b.append("quiet")
    b.append("Archive")
    assert until(a, rb"\* STATUS Archive ") == [b"* STATUS Archive (UIDNEXT 2 MESSAGES 1 UNSEEN 1)\r\n"]
    assert b"[BADEVENT (MessageNew " in a("NOTIFY SET (personal (Foo))")[-1]


def test_annotations(pair):
    a, b = pair
    a("NOTIFY SET (mailboxes INBOX (MailboxMetadataChange)) (personal (ServerMetadataChange))")
    b('SETMETADATA Archive (/shared/comment "not this one")')
    b('SETMETADATA INBOX (/shared/comment "x")')
    assert until(a, rb"\* METADATA") == [b"* METADATA Inbox /shared/comment\r\n"]
    b('SETMETADATA "" (/shared/comment "x")')
    assert until(a, rb"\* METADATA") == [b'* METADATA "" /shared/comment\r\n']
    b("SETMETADATA INBOX (/shared/comment NIL)")
    assert until(a, rb"\* METADATA") == [b"* METADATA Inbox /shared/comment\r\n"]


def test_annotations_are_no_change_of_messages(pair):
    a, b = pair
    b.append("Archive")
    a("NOTIFY SET (personal (MessageNew MessageExpunge FlagChange MailboxMetadataChange))")
    for value in ('"x"', '"y"', "NIL"):
        b(f"SETMETADATA Archive (/shared/comment {value})")
        assert until(a, rb"\* METADATA") == [b"* METADATA Archive /shared/comment\r\n"]
    b("SELECT Archive")
    b("STORE 1 +FLAGS (\\Seen)")
    assert re.match(rb"\* STATUS Archive \(UIDVALIDITY \d+ UNSEEN 0\)", a.answer_line())


def test_new_mailboxes_are_no_change_of_messages(pair):
    a, b = pair
    a("NOTIFY SET (personal (MessageNew MessageExpunge FlagChange MailboxName))")
    b("CREATE theirs")
    assert until(a, rb"\* LIST .* theirs\r\n") == [b'* LIST (\\Subscribed) "/" theirs\r\n']
    assert a("CREATE own")[:-1] == [b'* LIST (\\Subscribed) "/" own'], "its answer"
    b.append("own")
    # The first line after those: nothing else came before it.
    assert a.answer_line() == b"* STATUS own (UIDNEXT 2 MESSAGES 1 UNSEEN 1)\r\n"
    b.append("theirs")
    assert a.answer_line() == b"* STATUS theirs (UIDNEXT 2 MESSAGES 1 UNSEEN 1)\r\n"
