"""ACL (RFC 4314): mailboxes shared between accounts, over the whole system."""
import pytest

from conftest import PASSWORD, wait_until
from test_imap_basics import LETTER, Client

SHARED = '"Other Users/ann@example.org/team"'
ALL = b"lrswipkxtecda"


class User(Client):
    """A client of any account, with TLS."""

    def __init__(self, system, address):
        super().__init__(system.imaps_port, tls=True, login=False)
        assert b" OK " in self(f'LOGIN {address} "{PASSWORD}"')[-1]

    def ok(self, command):
        answer = self(command)
        assert b" OK " in answer[-1], (command, answer)
        return answer

    def no(self, command, code=b"NOPERM"):
        answer = self(command)
        assert b" NO [" + code + b"]" in answer[-1], (command, answer)
        return answer

    def idle(self):
        self.send("i IDLE\r\n")
        assert self.line().startswith(b"+ ")

    def done(self):
        self.send("DONE\r\n")
        assert b"i OK" in self.until(b"i ")


@pytest.fixture
def ann(mailrail):
    with User(mailrail, "ann@example.org") as c:
        c.ok("CREATE team")
        c.append("team")
        c.append("team")
        yield c


@pytest.fixture
def bob(mailrail):
    with User(mailrail, "bob@example.org") as c:
        yield c


def flags(c, number):
    """Of a message, without what the server makes of them."""
    line = c(f"FETCH {number} FLAGS")[0]
    return set(line.partition(b"FLAGS (")[2].split(b")")[0].split()) - {b"$Junk", b"$NotJunk"}


def grant(ann, rights, who="bob@example.org", mailbox="team"):
    ann.ok(f"SETACL {mailbox} {who} {rights or chr(34) * 2}")


def test_who_shares_what_is_listed(mailrail, ann, bob):
    assert bob('LIST "" "Other Users/*"') == [b"t2 OK listed"]
    bob.no(f"SELECT {SHARED}", b"NONEXISTENT")
    grant(ann, "l")
    assert [line for line in bob('LIST "" "*"') if b"Other Users" in line] == [
        b'* LIST (\\NoSelect) "/" "Other Users"',
        b'* LIST (\\NoSelect) "/" "Other Users/ann@example.org"',
        b'* LIST () "/" "Other Users/ann@example.org/team"']
    assert b'* LIST (\\NoSelect \\HasChildren) "/" "Other Users"' in bob('LIST "" % RETURN (CHILDREN)')
    assert b"* MYRIGHTS \"Other Users/ann@example.org/team\" l" in bob('LIST "" "Other Users/*" RETURN (MYRIGHTS)')
    assert bob(f"MYRIGHTS {SHARED}")[0].endswith(b" l")
    for command in (f"SELECT {SHARED}", f"STATUS {SHARED} (MESSAGES)", f"GETACL {SHARED}", f"DELETE {SHARED}",
                    f"SETACL {SHARED} bob@example.org lrswipkxtea", f"CREATE {SHARED[:-1]}/x\"",
                    f"APPEND {SHARED} {{6+}}\r\na: b\r\n", f"LISTRIGHTS {SHARED} anyone"):
        bob.no(command)
    bob.ok(f"SUBSCRIBE {SHARED}")
    assert any(b"team" in line for line in bob('LIST (SUBSCRIBED) "" *'))
    grant(ann, "")
    bob.no(f"SELECT {SHARED}", b"NONEXISTENT")
    bob.no(f"GETACL {SHARED}", b"NONEXISTENT")
    assert bob("NAMESPACE")[0] == b'* NAMESPACE (("" "/")) (("Other Users/" "/")) NIL'
    ann.no('CREATE "Other Users"', b"CANNOT")
    ann.no('RENAME team "Other Users"', b"CANNOT")
    ann.no('CREATE "Other Users/nobody@example.org/x"', b"NONEXISTENT")


def test_anyone_and_negative_rights(mailrail, ann, bob):
    mailrail.add_account("carl", "carl@example.org")
    with User(mailrail, "carl@example.org") as carl:
        grant(ann, "lr", "anyone")
        grant(ann, "r", "-bob@example.org")
        assert bob(f"MYRIGHTS {SHARED}")[0].endswith(b" l")
        assert carl(f"MYRIGHTS {SHARED}")[0].endswith(b" lr")
        assert ann("GETACL team")[0] == \
            b'* ACL team "ann@example.org" ' + ALL + b' "anyone" lr "-bob@example.org" r'
        grant(ann, "+si", "carl@example.org")
        assert carl(f"MYRIGHTS {SHARED}")[0].endswith(b" lrsi")
        ann.ok("DELETEACL team anyone")
        assert carl(f"MYRIGHTS {SHARED}")[0].endswith(b" si")
        assert b" NO " in ann("SETACL team nobody@example.org lr")[-1]
        assert b" NO " in ann("SETACL team ann@example.org lr")[-1]


def test_rights_to_messages_each_alone(mailrail, ann, bob):
    grant(ann, "lr")
    answer = bob.ok(f"SELECT {SHARED}")
    assert b"[READ-ONLY]" in answer[-1] and b"* 2 EXISTS" in answer
    assert any(b"PERMANENTFLAGS ()" in line for line in answer)
    assert b"hello" in b"".join(bob.ok("FETCH 1 (BODY[])"))
    assert b"\\Seen" not in bob("FETCH 1 FLAGS")[0]
    assert b" NO " in bob("STORE 1 +FLAGS (\\Seen)")[-1]
    bob.no("COPY 1 " + SHARED.replace("team", "other"), b"TRYCREATE")
    grant(ann, "lrs")
    answer = bob.ok(f"SELECT {SHARED}")
    assert b"[READ-WRITE]" in answer[-1] and any(b"PERMANENTFLAGS (\\Seen)" in line for line in answer)
    bob.ok("STORE 1 +FLAGS (\\Seen \\Flagged work)")
    assert flags(bob, 1) == {b"\\Seen"}
    bob.no("STORE 1 +FLAGS (\\Deleted)")
    grant(ann, "lrw")
    bob.ok("STORE 1 FLAGS (\\Deleted \\Flagged work)")  # what cannot be changed stays
    assert flags(bob, 1) == {b"\\Seen", b"\\Flagged", b"work"}
    bob.no("STORE 1 -FLAGS (\\Seen)")
    grant(ann, "lrt")
    bob.ok("STORE 1 +FLAGS (\\Deleted)")
    bob.no("EXPUNGE")
    bob.ok("CLOSE")
    assert b"(MESSAGES 2)" in bob(f"STATUS {SHARED} (MESSAGES)")[0]
    grant(ann, "lre")
    bob.ok(f"SELECT {SHARED}")
    assert b"* 1 EXPUNGE" in bob.ok("EXPUNGE")
    grant(ann, "li")
    assert b"[APPENDUID" in bob.append(SHARED)[-1]
    bob.no(f"SELECT {SHARED}")
    bob.ok(b"APPEND %s (\\Seen \\Flagged w) {6+}\r\na: b\r\n" % SHARED.encode())
    ann.ok("SELECT team")
    assert flags(ann, "*") == set()


def test_rights_to_the_tree(mailrail, ann, bob):
    grant(ann, "lk")
    assert b'* LIST () "/" "Other Users/ann@example.org/team/sub"' in bob.ok(f"CREATE {SHARED[:-1]}/sub\"")
    assert bob(f"MYRIGHTS {SHARED[:-1]}/sub\"")[0].endswith(b" lkc")  # as its parent
    bob.no(f"DELETE {SHARED[:-1]}/sub\"")
    bob.no(f"RENAME {SHARED[:-1]}/sub\" {SHARED[:-1]}/other\"")
    bob.no('CREATE "Other Users/ann@example.org/top"', b"NONEXISTENT")
    grant(ann, "lx", mailbox="team/sub")
    bob.ok(f"RENAME {SHARED[:-1]}/sub\" {SHARED[:-1]}/other\"")
    bob.no(f"RENAME {SHARED[:-1]}/other\" here", b"CANNOT")
    bob.ok(f"DELETE {SHARED[:-1]}/other\"")
    assert not any(b"team/" in line for line in ann('LIST "" *'))
    grant(ann, "la")
    bob.ok(f"SETACL {SHARED} bob@example.org +r")
    assert b'"bob@example.org" lra' in bob(f"GETACL {SHARED}")[0]
    bob.ok(f"SELECT {SHARED}")


def test_noop_succeeds_when_the_owner_has_deleted_the_selected_mailbox(ann, bob):
    """Always (RFC 9051 6.1.2): whether it hears of that before or after the event."""
    for number in range(5):
        ann.ok(f"CREATE brief{number}")
        grant(ann, "lrs", mailbox=f"brief{number}")
        bob.ok(f"SELECT {SHARED.replace('team', f'brief{number}')}")
        ann.ok(f"DELETE brief{number}")
        bob.ok("NOOP")
        bob.ok("NOOP")


def test_rights_end_while_it_is_selected(mailrail, ann, bob):
    grant(ann, "lrs")
    bob.ok(f"SELECT {SHARED}")
    bob.idle()
    ann.append("team")
    assert bob.until(b"* 3 EXISTS")
    grant(ann, "l")
    assert bob.until(b"* NO [NOPERM]")
    ann.append("team")
    bob.done()
    for command in ("FETCH 1 (FLAGS)", "FETCH 1 BODY[]", "SEARCH ALL", "STORE 1 +FLAGS (\\Seen)", "COPY 1 INBOX",
                    "SORT (ARRIVAL) UTF-8 ALL", "MOVE 1 INBOX"):
        answer = bob.no(command)
        assert len(answer) == 1, answer
    assert bob("NOOP") == [b"t%d OK nothing done" % bob.tags]
    grant(ann, "lr")
    wait_until(lambda: b"* 4 EXISTS" in bob("NOOP"), 30, "the mailbox to be read again")
    bob.ok("CLOSE")


def test_noop_succeeds_when_the_right_was_just_withdrawn(mailrail, ann, bob):
    """Before or after the session heard of it; again and again, for that is a matter of time."""
    for _ in range(20):
        grant(ann, "lr")
        bob.ok(f"SELECT {SHARED}")
        grant(ann, "l")
        bob.ok("NOOP")
    wait_until(lambda: b" NO [NOPERM] " in bob("FETCH 1 FLAGS")[-1], 10, "the withdrawal")
    assert bob("NOOP") == [b"t%d OK nothing done" % bob.tags]


def test_both_see_what_is_delivered(mailrail, ann, bob):
    grant(ann, "lrs", mailbox="INBOX")
    inbox = '"Other Users/ann@example.org/INBOX"'
    bob.ok(f"SELECT {inbox}")
    ann.ok("SELECT INBOX")
    for c in (ann, bob):
        c.idle()
    mailrail.deliver("ann@example.org")
    for c in (ann, bob):
        assert c.until(b"* 1 EXISTS")
        c.done()
    assert b"Return-Path" in b"".join(bob.ok("FETCH 1 BODY[HEADER]"))  # which sets \Seen for both
    wait_until(lambda: b"\\Seen" in b"".join(ann("UID FETCH 1:* FLAGS")), 30, "the flag to be seen")
    assert b"\\Seen" in b"".join(bob("UID FETCH 1:* (FLAGS EMAILID)"))
    assert bob("UID FETCH 1 EMAILID")[0] == ann("UID FETCH 1 EMAILID")[0]
    bob.no(f"APPEND {inbox} {{6+}}\r\na: b\r\n")


def test_moving_between_accounts(mailrail, ann, bob):
    mailrail.deliver("bob@example.org", subject="of bob")
    bob.append("INBOX", LETTER)
    grant(ann, "lrsi")
    bob.ok("SELECT INBOX")
    bob.ok("STORE 1 +FLAGS (\\Seen \\Flagged work)")
    text = b"".join(bob("FETCH 1 BODY.PEEK[]")[:-1]).partition(b"BODY[]")[2]
    copied = bob.ok(f"COPY 1:2 {SHARED}")
    assert b"[COPYUID " in copied[-1] and copied[-1].split(b"]")[0].endswith(b" 1:2 3:4")
    moved = bob.ok(f"MOVE 1 {SHARED}")
    assert any(b"1 EXPUNGE" in line for line in moved) and b"* 1 EXPUNGE" in moved
    assert b"(MESSAGES 1)" in bob("STATUS INBOX (MESSAGES)")[0]
    ann.ok("SELECT team")
    assert b"".join(ann("FETCH 3 BODY.PEEK[]")[:-1]).partition(b"BODY[]")[2] == text
    assert flags(ann, 5) == {b"\\Seen"}  # without the right "w" no other flag
    bob.ok(f"SELECT {SHARED}")
    bob.no("MOVE 1 INBOX")
    grant(ann, "lrte")
    assert b"[COPYUID" in b"".join(bob.ok("MOVE 1:2 INBOX"))
    assert b"(MESSAGES 3)" in bob("STATUS INBOX (MESSAGES)")[0]
    grant(ann, "lrtei")
    bob.no(f"COPY 1 {SHARED}", b"CANNOT")  # onto itself
    mailrail.command("verifydata")


def test_quota_is_that_of_the_owner(make_mailrail):
    system = make_mailrail(store={"quota_bytes": 4096})
    with User(system, "ann@example.org") as ann, User(system, "bob@example.org") as bob:
        ann.ok("CREATE team")
        grant(ann, "lri")
        letter = b"a: b\r\n\r\n" + b"x" * 3000
        assert b" OK " in bob.append(SHARED, letter)[-1]
        assert b"STORAGE 0 4" in bob('GETQUOTA ""')[0] and b"STORAGE 3 4" in ann('GETQUOTA ""')[0]
        bob.append("INBOX", letter)
        bob.ok("SELECT INBOX")
        assert b" NO [OVERQUOTA]" in bob(f"COPY 1 {SHARED}")[-1]
        assert b" NO [OVERQUOTA]" in bob.append(SHARED, letter)[-1]
        assert bob(f"GETQUOTAROOT {SHARED}")[:-1] == [b"* QUOTAROOT " + SHARED.encode()]


def test_anyone_can_be_forbidden(make_mailrail):
    system = make_mailrail(store={"forbid_anyone": True})
    with User(system, "ann@example.org") as ann, User(system, "bob@example.org") as bob:
        ann.ok("CREATE team")
        assert b"lets nobody share with anyone" in ann.no("SETACL team anyone lr")[-1]
        bob.no(f"SELECT {SHARED}", b"NONEXISTENT")
        grant(ann, "lr")
        bob.ok(f"SELECT {SHARED}")


def test_searches_and_notes_of_shared_mailboxes(mailrail, ann, bob):
    grant(ann, "lr")
    bob.ok(f"SUBSCRIBE {SHARED}")
    assert any(b'MAILBOX "Other Users/ann@example.org/team"' in line and b"ALL 1:2" in line
               for line in bob.ok('ESEARCH IN (subscribed) RETURN (ALL) SUBJECT "a letter"'))
    assert not any(b"ann@" in line for line in bob.ok("ESEARCH IN (personal) RETURN (ALL) ALL"))
    bob.ok(f"SELECT {SHARED}")
    assert bob("SEARCH BODY hello")[0] == b"* SEARCH 1 2"
    assert bob("SORT (SUBJECT) UTF-8 ALL")[0] == b"* SORT 1 2"
    ann.ok('SETMETADATA team (/private/comment "mine" /shared/comment "ours")')
    assert bob(f"GETMETADATA (DEPTH infinity) {SHARED} /")[0] == \
        b"* METADATA " + SHARED.encode() + b' (/shared/comment "ours")'
    bob.no(f"SETMETADATA {SHARED} (/shared/comment NIL)")
    assert b"[METADATA (NOPRIVATE)]" in bob(f"SETMETADATA {SHARED} (/private/comment NIL)")[-1]
    grant(ann, "lrw")
    bob.ok(f"SETMETADATA {SHARED} (/shared/comment NIL)")


def test_shares_go_with_the_account(mailrail, ann, bob):
    mailrail.add_account("carl", "carl@example.org")
    grant(ann, "lr")
    grant(ann, "lr", "carl@example.org")
    with User(mailrail, "carl@example.org") as carl:
        carl.ok("SETACL INBOX bob@example.org lr")
        assert any(b"carl@example.org/Inbox" in line for line in bob('LIST "" *'))
    mailrail.command("account", "remove", "carl", "--yes")
    assert not any(b"carl@example.org" in line for line in bob('LIST "" *'))
    assert b"carl" not in ann("GETACL team")[0]
    ann.ok("DELETE team")
    assert not any(b"Other Users" in line for line in bob('LIST "" *'))
    ann.ok("CREATE team")
    assert ann("GETACL team")[0].endswith(b'"ann@example.org" ' + ALL)
    mailrail.command("verifydata")


def test_rights_survive_a_crash_of_store(mailrail, ann, bob):
    grant(ann, "lr")
    mailrail.kill("store")
    wait_until(lambda: b" OK " in bob(f"SELECT {SHARED}")[-1], 60, "store to be back")
    assert b'"bob@example.org" lr' in ann("GETACL team")[0]
    mailrail.command("verifydata")


def notes(client, names="/shared/comment /private/comment"):
    """What LIST tells of annotations of others' mailboxes."""
    return [line for line in client.ok(f'LIST "" "*" RETURN (METADATA ({names}))')
            if line.startswith(b"* METADATA") and b"Other Users" in line]


def test_list_gives_annotations_of_mailboxes_that_are_shared(mailrail, ann, bob):
    """RFC 9590, with the rights of RFC 5464 3; nobody is told what is private."""
    ann.ok('SETMETADATA team (/shared/comment "of all" /private/comment "of mine")')
    ann.ok("CREATE hidden")
    ann.ok('SETMETADATA hidden (/shared/comment "of nobody")')
    ann.ok('SETMETADATA "" (/shared/comment "of the account")')
    bob.ok('SETMETADATA INBOX (/shared/comment "own")')
    assert not notes(bob)
    grant(ann, "l")
    assert not notes(bob), "looking up is not reading"
    for rights in ("lr", "ls", "lw", "li", "lp"):
        grant(ann, rights)
        assert notes(bob) == [b'* METADATA %s (/shared/comment "of all" /private/comment NIL)' % SHARED.encode()]
    assert b'* METADATA Inbox (/shared/comment "own")' in bob('LIST "" "*" RETURN (METADATA (/shared/comment))')
    grant(ann, "r")
    assert not notes(bob)
    grant(ann, "lr", "anyone")
    mailrail.add_account("carl", "carl@example.org")
    with User(mailrail, "carl@example.org") as carl:
        carl.ok("CREATE other")
        carl.ok('SETMETADATA other (/shared/comment "of Carl")')
        grant(carl, "lr", mailbox="other")
        assert notes(bob, "/shared/comment") == [
            b'* METADATA %s (/shared/comment "of all")' % SHARED.encode(),
            b'* METADATA "Other Users/carl@example.org/other" (/shared/comment "of Carl")']
        assert len(notes(carl)) == 1
