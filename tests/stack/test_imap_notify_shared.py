"""NOTIFY (RFC 5465) for mailboxes that other accounts share (RFC 4314): a session hears what its rights allow."""
import time

import pytest

from conftest import wait_until
from test_imap_acl import SHARED, User, ann, bob, grant  # noqa: F401 (fixtures)
from test_imap_notify import MESSAGES, until

TREE = '"Other Users/ann@example.org"'
NAME = SHARED.encode()


def status(values):
    return b"* STATUS " + NAME + b" (" + values + b")\r\n"


def is_silent(client):
    """Nothing has come, and nothing comes with a command, nor a moment later."""
    lines = client("NOOP")
    time.sleep(0.3)
    return not any(line.startswith(b"* ") for line in lines + client("NOOP"))


def test_messages_come_while_they_may_be_read(ann, bob):
    grant(ann, "lr")
    ann.ok("CREATE other")
    ann.ok("SELECT team")
    bob.ok(f"NOTIFY SET (mailboxes {SHARED} {MESSAGES})")
    ann.append("team")
    assert until(bob, rb"\* STATUS") == [status(b"UIDNEXT 4 MESSAGES 3 UNSEEN 3")]
    ann.ok("STORE 1 +FLAGS (\\Seen)")
    assert b"UNSEEN 2)" in until(bob, rb"\* STATUS")[0]
    ann.ok("STORE 1 +FLAGS (\\Deleted)")
    until(bob, rb"\* STATUS")
    ann.ok("EXPUNGE")
    assert b"MESSAGES 2 UNSEEN 2)" in until(bob, rb"\* STATUS")[-1]
    ann.append("other")
    ann.append("INBOX")
    grant(ann, "l")
    ann.append("team")
    assert is_silent(bob), "what may not be read is not told"
    grant(ann, "lr")
    assert until(bob, rb"\* STATUS") == [status(b"UIDNEXT 5 MESSAGES 3 UNSEEN 3")], "what came meanwhile"


def test_first_a_status_of_what_may_be_read(ann, bob):
    grant(ann, "lr")
    ann.ok("CREATE seen-only")
    grant(ann, "l", mailbox="seen-only")
    lines = bob.ok(f"NOTIFY SET STATUS (subtree {TREE} {MESSAGES})")
    assert len(lines) == 2 and lines[0].startswith(b"* STATUS " + NAME + b" (UIDNEXT 3 MESSAGES 2 ")


def test_personal_is_own_alone(ann, bob):
    grant(ann, "lr")
    assert b"Other Users" not in b"".join(bob.ok(
        "NOTIFY SET STATUS (personal (MessageNew MessageExpunge MailboxName MailboxMetadataChange))"))
    ann.append("team")
    ann.ok('SETMETADATA team (/shared/comment "x")')
    ann.ok("RENAME team other")
    assert is_silent(bob)


def test_subscribed_are_others_too(ann, bob):
    grant(ann, "lr")
    bob.ok(f"NOTIFY SET (subscribed {MESSAGES})")
    ann.append("team")
    assert is_silent(bob)
    bob.ok(f"SUBSCRIBE {SHARED}")
    ann.append("team")
    until(bob, rb"\* STATUS .* MESSAGES 4 ")  # perhaps after one for what there was
    ann.append("team")
    until(bob, rb"\* STATUS .* MESSAGES 5 ")
    bob.ok(f"UNSUBSCRIBE {SHARED}")
    ann.append("team")
    assert is_silent(bob)


def test_names_come_with_the_right_to_look_up(mailrail, ann, bob):
    events = "(MailboxName SubscriptionChange)"
    bob.ok(f'NOTIFY SET (subtree "Other Users" {events})')
    grant(ann, "lrk")  # the first that this account shares with Bob
    assert until(bob, rb"\* LIST") == [b'* LIST () "/" %s\r\n' % NAME]
    ann.ok("CREATE team/sub")
    assert until(bob, rb"\* LIST") == [b'* LIST () "/" "Other Users/ann@example.org/team/sub"\r\n']
    ann.ok("RENAME team/sub team/next")
    assert until(bob, rb"\* LIST") == [b'* LIST () "/" "Other Users/ann@example.org/team/next" '
                                       b'("OLDNAME" ("Other Users/ann@example.org/team/sub"))\r\n']
    ann.ok("DELETE team/next")
    assert until(bob, rb"\* LIST") == [b'* LIST (\\NonExistent) "/" "Other Users/ann@example.org/team/next"\r\n']
    ann.ok("CREATE hidden")
    ann.ok("DELETEACL team bob@example.org")
    assert until(bob, rb"\* LIST") == [b'* LIST (\\NonExistent) "/" %s\r\n' % NAME]
    grant(ann, "r")
    ann.ok("RENAME team unseen")
    assert is_silent(bob)
    grant(ann, "l", "anyone", mailbox="hidden")
    assert until(bob, rb"\* LIST") == [b'* LIST () "/" "Other Users/ann@example.org/hidden"\r\n']
    mailrail.add_account("carl", "carl@example.org")
    with User(mailrail, "carl@example.org") as carl:
        carl.ok("CREATE open")
        grant(carl, "l", "anyone", mailbox="open")
        assert until(bob, rb"\* LIST") == [b'* LIST () "/" "Other Users/carl@example.org/open"\r\n']
        carl.ok("CREATE open/below")
        assert until(bob, rb"\* LIST") == [b'* LIST () "/" "Other Users/carl@example.org/open/below"\r\n']
    mailrail.command("account", "remove", "carl", "--yes")
    gone = until(bob, rb"\* LIST") + until(bob, rb"\* LIST")
    assert sorted(gone) == [b'* LIST (\\NonExistent) "/" "Other Users/carl@example.org/open"\r\n',
                            b'* LIST (\\NonExistent) "/" "Other Users/carl@example.org/open/below"\r\n']


def test_own_changes_are_not_told(ann, bob):
    grant(ann, "lrswikxtea")
    bob.ok('NOTIFY SET (subtree "Other Users" (MailboxName MailboxMetadataChange)) (personal (MailboxName))')
    below = SHARED[:-1] + '/{}"'
    lines = bob.ok(f"CREATE {below.format('sub')}")
    assert len(lines) == 2, lines
    bob.ok(f"SETMETADATA {below.format('sub')} (/shared/comment {{1+}}\r\nx)")
    bob.ok(f"RENAME {below.format('sub')} {below.format('next')}")
    bob.ok(f"DELETE {below.format('next')}")
    bob.ok(f"CREATE {below.format('sub')}")
    bob.ok("CREATE mine")
    assert is_silent(bob)
    ann.ok("DELETE team/sub")
    assert until(bob, rb"\* LIST") == [b'* LIST (\\NonExistent) "/" %s\r\n' % below.format("sub").encode()]


def test_annotations_come_while_they_may_be_read(ann, bob):
    grant(ann, "lr")
    bob.ok(f"NOTIFY SET (mailboxes {SHARED} (MailboxMetadataChange))")
    told = b"* METADATA " + NAME + b" /shared/comment\r\n"
    ann.ok('SETMETADATA team (/shared/comment "one" /private/comment "two")')
    assert until(bob, rb"\* METADATA") == [told]
    ann.ok("SETMETADATA team (/shared/comment NIL)")
    assert until(bob, rb"\* METADATA") == [told]
    ann.ok('SETMETADATA "" (/shared/comment "of the account")')
    ann.ok("CREATE other")
    ann.ok('SETMETADATA other (/shared/comment "of another one")')
    ann.ok('SETMETADATA team (/private/comment "three")')
    grant(ann, "l")
    ann.ok('SETMETADATA team (/shared/comment "four")')
    assert is_silent(bob)
    grant(ann, "lr")
    ann.ok('SETMETADATA team (/shared/comment "five")')
    assert until(bob, rb"\* METADATA") == [told]


def test_the_selected_mailbox_is_told_of_as_selected(ann, bob):
    grant(ann, "lr")
    bob.ok(f"SELECT {SHARED}")
    bob.ok(f"NOTIFY SET (selected {MESSAGES}) (subtree {TREE} {MESSAGES})")
    ann.append("team")
    assert [bob.answer_line() for _ in range(2)] == [b"* 3 EXISTS\r\n", b"* 3 FETCH (UID 3 FLAGS ($NotJunk))\r\n"]
    assert is_silent(bob)


@pytest.mark.parametrize("rounds", [20])
def test_sharing_and_not_sharing_again_and_again(ann, bob, rounds):
    """However fast: in the end the client knows what is."""
    bob.ok(f"NOTIFY SET (subtree {TREE} (MailboxName))")
    for i in range(rounds):
        grant(ann, "lr")
        ann.ok("DELETEACL team bob@example.org")
    grant(ann, "l")
    last = []

    def knows():
        lines = [line for line in bob("NOOP") if b" LIST " in line]
        last.extend(lines)
        return last and last[-1] == b'* LIST () "/" %s' % NAME
    wait_until(knows, 10, "the line of the mailbox")
