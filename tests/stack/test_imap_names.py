"""What others do to the names of mailboxes comes unasked to every session of the account (spec 2.18)."""
import mailbox

import pytest

from conftest import wait_until
from test_imap_basics import LETTER, USER, Client
from test_imap_notify import until


@pytest.fixture
def sessions(mailrail):
    """A session of IMAP4rev1 in IDLE, one of IMAP4rev2 in IDLE that has selected a mailbox, and one
    that changes names."""
    with Client(mailrail.imaps_port, tls=True) as old, Client(mailrail.imaps_port, tls=True) as new, \
            Client(mailrail.imaps_port, tls=True) as third:
        new("ENABLE IMAP4rev2")
        new("SELECT INBOX")
        idle(old)
        idle(new)
        yield old, new, third


def idle(client):
    client.send(b"i IDLE\r\n")
    assert client.line().startswith(b"+ ")


def done(client):
    client.send(b"DONE\r\n")
    return until(client, rb"i OK ")[:-1]


def test_create_rename_subscribe_delete(sessions):
    old, new, third = sessions
    third("CREATE a/b")
    for client in (old, new):
        assert client.line() == b'* LIST (\\Subscribed) "/" a\r\n'
        assert client.line() == b'* LIST (\\Subscribed) "/" a/b\r\n'
    third("RENAME a/b x/y")
    assert [old.line() for _ in range(2)] == [b'* LIST () "/" x\r\n', b'* LIST () "/" x/y\r\n']
    assert [new.line() for _ in range(2)] == [b'* LIST () "/" x\r\n',
                                              b'* LIST () "/" x/y ("OLDNAME" (a/b))\r\n']
    third("SUBSCRIBE zzz")
    for client in (old, new):
        assert client.line() == b'* LIST (\\NonExistent \\Subscribed) "/" zzz\r\n'
    third("UNSUBSCRIBE zzz")
    assert new.line() == b'* LIST (\\NonExistent) "/" zzz\r\n'
    third("DELETE x/y")
    assert new.line() == b'* LIST (\\NonExistent) "/" x/y\r\n'
    third("CREATE last")
    assert until(old, rb".* last") == [b'* LIST (\\Subscribed) "/" last\r\n'], "no word of what went"
    assert len(until(new, rb".* last")) == 1
    assert not done(old) and not done(new)
    assert len(third("NOOP")) == 1, "its own changes"


def test_mailbox_into_its_own_subtree(sessions):
    old, new, third = sessions
    third("CREATE k/l")
    until(new, rb".* k/l\r")
    third("RENAME k/l k/l/m")
    assert new.line() == b'* LIST () "/" k/l/m ("OLDNAME" (k/l))\r\n'
    assert new.line() == b'* LIST (\\Subscribed) "/" k/l\r\n'
    assert not done(new)
    assert len(third("NOOP")) == 1, "its own changes"


def test_not_in_idle_when_a_command_ends(mailrail, sessions):
    _, _, third = sessions
    with Client(mailrail.imaps_port, tls=True) as a:
        third.append()
        a("SELECT INBOX")
        third("CREATE one")
        # The event and the answer to a command race: until it has come.
        lines = []
        while not lines:
            assert len(a("FETCH 1 UID")) == 2, "not in an answer with message numbers"
            lines = a("NOOP")[:-1]
        assert lines == [b'* LIST (\\Subscribed) "/" one']
        assert len(a("NOOP")) == 1, "once"


def test_import_makes_mailboxes(mailrail, sessions, tmp_path):
    """As a delivery would (spec 1.10): an idling client hears of both."""
    old, _, _ = sessions
    box = mailbox.mbox(tmp_path / "box")
    box.add(LETTER)
    box.close()
    mailrail.command("import", USER.split("@")[0], tmp_path / "box", "--mailbox", "Lists/foo")
    lines = until(old, rb'\* LIST .* "/" Lists/foo\r\n')
    assert lines[0].endswith(b'"/" Lists\r\n')


def test_own_names_that_came_and_went_are_not_told(sessions):
    """Although others made lists while they were there."""
    *_, third = sessions
    for number in range(40):
        third(f"CREATE c{number}")
        third(f"DELETE c{number}")
        assert len(third("NOOP")) == 1
        third(f"CREATE r{number}")
        third(f"RENAME r{number} s{number}")
        third(f"UNSUBSCRIBE s{number}")
        third(f"DELETE s{number}")
        assert len(third("NOOP")) == 1


def all_at_once(client, *commands):
    """The untagged lines that answer them: sent together, they overtake what store says of them."""
    client.send("".join(f"p{number} {command}\r\n" for number, command in enumerate(commands)))
    lines = until(client, rb"p%d " % (len(commands) - 1))
    assert all(b" OK " in line for line in lines if line.startswith(b"p")), lines
    return [line for line in lines if not line.startswith(b"p")]


@pytest.mark.parametrize("setting", ["ENABLE IMAP4rev2", "NOTIFY SET (personal (MailboxName))"])
def test_the_old_name_of_what_a_session_renamed_is_not_told(mailrail, sessions, setting):
    with Client(mailrail.imaps_port, tls=True) as client:
        client(setting)
        client("SELECT Archive")
        for number in range(40):
            own = all_at_once(client, f"CREATE a{number}", f"RENAME a{number} b{number}", "NOOP", "NOOP")
            assert own == [b'* LIST (\\Subscribed) "/" a%d\r\n' % number]
            assert len(client("NOOP")) == 1
        # What others do to the name is told.
        sessions[2]("CREATE a0")
        wait_until(lambda: b'* LIST (\\Subscribed) "/" a0' in client("NOOP"))
        sessions[2]("DELETE a0")
        wait_until(lambda: b'* LIST (\\NonExistent \\Subscribed) "/" a0' in client("NOOP"))


def test_children_of_inbox_stay_when_it_is_renamed(mailrail, sessions):
    with Client(mailrail.imaps_port, tls=True) as client:
        client("ENABLE IMAP4rev2")
        all_at_once(client, "CREATE Inbox/a", "RENAME Inbox old", "NOOP")
        sessions[2]("DELETE Inbox/a")
        wait_until(lambda: b'* LIST (\\NonExistent \\Subscribed) "/" Inbox/a' in client("NOOP"))


def test_names_that_others_made_after_the_own_went_are_told(mailrail, sessions):
    *_, third = sessions
    with Client(mailrail.imaps_port, tls=True) as other:
        for number in range(40):
            third(f"CREATE c{number}")
            third(f"DELETE c{number}")
            other(f"CREATE c{number}")
            wait_until(lambda: b'* LIST (\\Subscribed) "/" c%d' % number in third("NOOP"))
            other(f"DELETE c{number}")


def is_ended_by_fetch(client):
    client.send(b"f FETCH 1 BODY.PEEK[]\r\n")
    return until(client, rb"(f OK |\* BYE )")[-1].startswith(b"* BYE ")


def test_fetch_in_a_session_of_a_removed_account_ends_it(mailrail):
    """Its messages were not expunged, as others' are while they are fetched. Store removes the files a moment later
    when something still uses the account."""
    with Client(mailrail.imaps_port, tls=True) as client:
        client.append()
        client("SELECT INBOX")
        mailrail.command("account", "remove", USER.split("@")[0], "--yes")
        wait_until(lambda: is_ended_by_fetch(client))
        assert client.at_end()


def test_names_with_control_characters_are_refused_by_name(mailrail):
    with Client(mailrail.imaps_port, tls=True) as client:
        assert b" NO [CANNOT] " in client('CREATE "a\x01b"')[-1]
        assert b" NO [CANNOT] " in client("CREATE a&AAE-b")[-1]


def test_removed_account_ends_its_sessions(mailrail, sessions):
    """Also those in IDLE, which hear of it at once."""
    old, new, third = sessions
    mailrail.command("account", "remove", USER.split("@")[0], "--yes")
    for client in (old, new):
        assert client.line().startswith(b"* BYE ") and client.at_end()
    third.send(b"a LIST \"\" *\r\n")
    assert third.line().startswith(b"* BYE ") and third.at_end()


def test_first_mailboxes_are_those_of_the_configuration(make_mailrail):
    mailrail = make_mailrail(store={"mailbox_archive": "Old", "mailbox_drafts": "", "mailboxes": ["Lists/C"]})
    with mailrail.imap() as imap:
        listed = {line.decode() for line in imap.list()[1]}
        subscribed = {line.decode().rpartition(" ")[2] for line in imap.lsub()[1]}
    names = {line.rpartition(" ")[2]: line for line in listed}
    assert set(names) == {"Inbox", "Old", "Junk", "Sent", "Trash", "Lists", "Lists/C"} == subscribed
    assert r"\Archive" in names["Old"] and r"\Junk" in names["Junk"]
