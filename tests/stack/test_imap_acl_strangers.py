"""ACL (RFC 4314): what accounts that share mailboxes must not do to each other, nor learn of each other."""
import pathlib
import re
import sqlite3

from conftest import wait_until
from test_imap_acl import SHARED, User, ann, bob, grant  # noqa: F401 (fixtures)
from test_imap_basics import LETTER

OTHERS = "Other Users/ann@example.org"


def account_of(c, mailbox):
    """The number of the account that owns it."""
    return re.search(rb"\(F(\d+)-", c(f"STATUS {mailbox} (MAILBOXID)")[0]).group(1).decode()


def database(system, account):
    return pathlib.Path(system.directory) / "data/accounts" / account / "index.db"


def listed(c, pattern="*"):
    return [line for line in c.ok(f'LIST "" "{pattern}"') if line.startswith(b"* LIST")]


def share_many(system, account, count):
    """Makes mailboxes below "p", with its rights and as many keywords as there can be; store is stopped."""
    keywords = " ".join("k%04d" % i + "x" * 56 for i in range(1024))
    db = sqlite3.connect(database(system, account))
    parent = db.execute("SELECT id FROM mailbox WHERE name = 'p'").fetchone()[0]
    for i in range(count):
        row = db.execute("INSERT INTO mailbox (name, parent_id, uidvalidity, uidnext, keywords, total, deleted, unread,"
                         " unseen, size, createseq, modseq) SELECT ?, ?, uidvalidity, 1, ?, 0, 0, 0, 0, 0, createseq,"
                         " modseq FROM mailbox WHERE id = ?", ("p/%06d" % i, parent, keywords if i < 1000 else "", parent))
        db.execute("INSERT INTO acl SELECT ?, account_id, negative, identifier, rights FROM acl WHERE mailbox_id = ?",
                   (row.lastrowid, parent))
    db.commit()
    db.close()


def share_mailboxes(path, count):
    """Makes mailboxes below "p", in fewer words."""
    db = sqlite3.connect(path)
    for i in range(count):
        db.execute("INSERT INTO mailbox (name, parent_id, uidvalidity, uidnext, keywords, total, deleted, unread, unseen,"
                   " size, createseq, modseq) SELECT ?, id, uidvalidity, 1, '', 0, 0, 0, 0, 0, createseq, modseq"
                   " FROM mailbox WHERE name = 'p'", (f"p/{i:06}",))
    db.commit()
    db.close()


def joined(answer):
    return answer if isinstance(answer, bytes) else b"".join(answer)


def share_p(system, address):
    with User(system, address) as c:
        c.ok("CREATE p")
        grant(c, "lr", "anyone", "p")
        return account_of(c, "p")


def check_list(system, shared):
    """Bob sees all that is his, and so many mailboxes of others."""
    system.launch()
    wait_until(system.is_ready, 60, "the start")
    with User(system, "bob@example.org") as bob:
        lines = listed(bob)
        assert sum(b"Other Users" not in line for line in lines) == 6
        assert sum(b'@example.org/p' in line for line in lines) == shared
        assert listed(bob, "INBOX") == [b'* LIST () "/" Inbox']


def test_what_another_shares_does_not_break_list(mailrail):
    account = share_p(mailrail, "ann@example.org")
    mailrail.stop()
    share_many(mailrail, account, 1500)
    check_list(mailrail, 1000)


def test_what_all_others_share_does_not_break_list(mailrail):
    names = [f"owner{i}" for i in range(11)]
    for name in names:
        mailrail.add_account(name, f"{name}@example.org")
    accounts = [share_p(mailrail, f"{name}@example.org") for name in names]
    mailrail.stop()
    for account in accounts:
        share_many(mailrail, account, 999)
    check_list(mailrail, 10000)


def test_an_owner_with_a_broken_account_is_left_out(mailrail, ann, bob):
    mailrail.add_account("carl", "carl@example.org")
    with User(mailrail, "carl@example.org") as carl:
        carl.ok("SETACL INBOX bob@example.org lr")
    grant(ann, "lr")
    broken = database(mailrail, account_of(ann, "team"))
    mailrail.kill("store")
    for path in broken.parent.glob("index.db*"):
        path.write_bytes(b"\xff" * path.stat().st_size)
    wait_until(lambda: b" OK " in bob("STATUS INBOX (MESSAGES)")[-1], 60, "store to be back")
    lines = listed(bob)
    assert any(b"carl@example.org/Inbox" in line for line in lines) and b'* LIST () "/" Inbox' in lines
    assert not any(b"ann@example.org/team" in line for line in lines)
    wait_until(lambda: "mailboxes that an account shares are not listed" in mailrail.log(), 30, "the log line")


def test_threads_tell_nothing_of_other_mailboxes(mailrail, ann, bob):
    ann.ok("CREATE priv")
    ann.append("priv", b"From: joe@x.org\r\nSubject: merger\r\nMessage-ID: <secret-1@x.org>\r\n\r\nbody\r\n")
    grant(ann, "lri")
    for number, reference in enumerate((b"<secret-1@x.org>", b"<nothing-1@x.org>")):
        bob.append(SHARED, b"From: b@x.org\r\nSubject: Re: merger\r\nMessage-ID: <p%d@b>\r\n"
                           b"References: %s\r\n\r\nx\r\n" % (number, reference))
    ann.ok("SELECT team")
    thread = re.search(rb"THREADID \((.*?)\)", ann("FETCH 3 THREADID")[0]).group(1)
    bob.ok(f"SELECT {SHARED}")
    answer = bob.ok("FETCH 1:* (THREADID)")
    assert len(answer) == 5 and all(b"THREADID NIL" in line for line in answer[:-1]), answer
    assert bob(b"SEARCH THREADID %s" % thread)[0] == b"* SEARCH"
    assert ann(b"SEARCH THREADID %s" % thread)[0] == b"* SEARCH 3"


def test_rights_follow_the_account_and_not_the_address(mailrail, ann, bob):
    mailrail.add_account("carl", "carl@example.org")
    mailrail.command("address", "add", "shared@example.org", "bob")
    grant(ann, "lr", "shared@example.org")
    assert b'"shared@example.org" lr' in ann("GETACL team")[0]
    mailrail.command("address", "remove", "shared@example.org")
    assert ann("GETACL team")[0].endswith(b' "bob@example.org" lr')
    mailrail.command("address", "add", "shared@example.org", "carl")
    assert ann("GETACL team")[0].endswith(b' "bob@example.org" lr')
    ann.ok("DELETEACL team shared@example.org")  # of the one to whom it was given
    assert b"bob" not in ann("GETACL team")[0]
    bob.no(f"MYRIGHTS {SHARED}", b"NONEXISTENT")
    grant(ann, "lr", "bob@example.org")
    grant(ann, "lrs", "shared@example.org")
    assert ann("GETACL team")[0].endswith(b' "bob@example.org" lr "shared@example.org" lrs')
    ann.ok("DELETEACL team shared@example.org")
    assert ann("GETACL team")[0].endswith(b' "bob@example.org" lr')


def test_what_is_hidden_answers_as_what_is_not_there(mailrail, ann, bob):
    ann.ok("CREATE Secret")

    def answers(command):
        """To it with a hidden mailbox, with none, and with an account that does not exist."""
        names = (f"{OTHERS}/Secret", f"{OTHERS}/Nothing", "Other Users/nobody@example.org/Nothing")
        return [bob(command.format(name))[-1].partition(b" ")[2] for name in names]

    commands = ('CREATE "{}/x"', 'CREATE "{}/x" (USE (\\Sent))', 'GETQUOTAROOT "{}"', 'SELECT "{}"',
                    'STATUS "{}" (MESSAGES)', 'RENAME INBOX "{}/x"', 'RENAME Archive "{}"', 'RENAME "{}" own',
                    'CREATE "{}//x"', 'SELECT "{}//x"', 'STATUS "{}//x" (MESSAGES)', 'GETQUOTAROOT "{}//x"',
                    'DELETE "{}//x"', 'MYRIGHTS "{}//x"', 'APPEND "{}//x" {{6}}', 'GETMETADATA "{}//x" /shared/comment',
                    'SETMETADATA "{}//x" (/shared/comment "x")', 'DELETE "{}"', 'GETACL "{}"', 'SETACL "{}" bob@example.org lr', 'GETMETADATA "{}" /shared/comment')
    for rights in ("", "l"):  # her account is hidden, or only some of its mailboxes
        grant(ann, rights)
        for command in commands:
            given = answers(command)
            assert given[0].startswith(b"NO [") and given.count(given[0]) == 3, (command, given)
    bob.no(f'CREATE "{OTHERS}/top"', b"NONEXISTENT")
    assert not any(b"top" in line for line in listed(ann))


def test_messages_that_moved_away_are_not_read(mailrail, ann, bob):
    ann.ok("CREATE priv")
    ann.append("team", LETTER + b"x" * 70000 + b"\r\n")
    grant(ann, "lr")
    bob.ok(f"SELECT {SHARED}")
    ann.ok("SELECT team")
    ann.ok("MOVE 1:3 priv")
    for number in (1, 2, 3):
        for item in ("BODY[]", "BODY[TEXT]", "BODY[]<0.5>", "RFC822", "BINARY[]", "BODY[HEADER]"):
            answer = bob(f"FETCH {number} {item}")
            assert b"BODY[" not in b"".join(answer) and b"hello" not in b"".join(answer), (number, item, answer)
    assert b"* 1 FETCH" in b"".join(ann.ok("SELECT priv") + ann.ok("FETCH 1 BODY[]"))


def test_an_own_mailbox_with_the_number_of_the_selected_one_is_told(mailrail, ann, bob):
    grant(ann, "lr")
    bob.ok("CREATE mine")
    assert ann("STATUS team (MAILBOXID)")[0].split(b"-")[1] == bob("STATUS mine (MAILBOXID)")[0].split(b"-")[1]
    bob.ok("NOTIFY SET (personal (MessageNew MessageExpunge))")
    bob.ok(f"SELECT {SHARED}")
    with User(mailrail, "bob@example.org") as other:
        other.append("mine")
    wait_until(lambda: any(b"STATUS mine" in line for line in bob("NOOP")), 30, "the other mailbox to be told")


def test_a_reader_makes_no_top_level(mailrail, ann, bob):
    for name in ("solo", "solo/child"):
        ann.ok(f"CREATE {name}")
        grant(ann, "lrxk", mailbox=name)
    before = listed(ann)
    for to in ("solo/in", "solo/child/in"):
        bob.no(f'RENAME "{OTHERS}/solo" "{OTHERS}/{to}"')
    bob.no(f'RENAME "{OTHERS}/solo" "{OTHERS}/top"', b"NONEXISTENT")
    assert listed(ann) == before
    ann.ok("RENAME solo solo/in")  # the owner may


def test_a_mailbox_that_is_deleted_is_gone_for_its_readers(mailrail, ann, bob):
    grant(ann, "lr")
    bob.ok(f"SELECT {SHARED}")
    bob.idle()
    ann.ok("DELETE team")
    assert bob.until(b"* NO [NOPERM]")
    bob.done()
    bob.no("FETCH 1 FLAGS")
    bob.no(f"SELECT {SHARED}", b"NONEXISTENT")


def test_appending_many_messages_to_another(mailrail, ann, bob):
    grant(ann, "lri")
    big = b"a: b\r\n\r\n" + b"x" * 100000
    bob.send(b"m APPEND %s {%d}\r\n" % (SHARED.encode(), len(big)))
    assert bob.line().startswith(b"+ ")
    bob.send(big + b" {%d}\r\n" % len(big))
    assert bob.line().startswith(b"+ ")
    bob.send(big + b"\r\n")
    assert b"m OK [APPENDUID" in bob.until(b"m ")


def test_a_catch_all_is_nobodys_name(mailrail, ann, bob):
    mailrail.command("address", "add", "@example.org", "bob")
    ann.ok("CREATE Drafts/x")
    answer = ann("SETACL team bbo@example.org lr")[-1]
    assert b" NO " in answer and b"nobody here" in answer
    grant(ann, "lr")
    bob.ok(f"STATUS {SHARED} (MESSAGES)")
    with User(mailrail, "ann@example.org") as other:
        other.ok("SETACL INBOX bob@example.org lr")
        other.no('SELECT "Other Users/anything@example.org/INBOX"', b"NONEXISTENT")


def test_rename_does_not_tell_who_exists(mailrail, ann, bob):
    mailrail.add_account("carl", "carl@example.org")
    own = {bob(f'RENAME Archive "Other Users/{who}/x"')[-1].partition(b" ")[2]
           for who in ("ann@example.org", "ann", "nobody@example.org")}
    others = {bob(f'RENAME "Other Users/{one}/x" "Other Users/{two}/y"')[-1].partition(b" ")[2]
              for one in ("ann@example.org", "carl", "nobody@example.org")
              for two in ("ann", "carl@example.org", "nowhere@example.org")}
    assert len(own) == 1 and own.pop().startswith(b"NO [CANNOT]")
    assert len(others) == 1 and others.pop().startswith(b"NO [NONEXISTENT]")


def test_close_without_the_right_to_read_closes(mailrail, ann, bob):
    grant(ann, "lre")
    bob.ok(f"SELECT {SHARED}")
    ann.ok("SELECT team")
    ann.ok("STORE 1 +FLAGS (\\Deleted)")
    grant(ann, "le")
    bob.ok("CLOSE")
    assert b"MESSAGES 2" in ann("STATUS team (MESSAGES)")[0]


def test_status_answers_under_the_name_that_was_asked(bob):
    line = bob('STATUS "Other Users/bob@example.org/INBOX" (MESSAGES)')[0]
    assert line == b'* STATUS "Other Users/bob@example.org/INBOX" (MESSAGES 0)'


def test_others_make_so_many_mailboxes_and_no_more(mailrail, ann, bob):
    ann.ok("CREATE p")
    grant(ann, "lk", mailbox="p")
    path = database(mailrail, account_of(ann, "p"))
    mailrail.stop()
    share_mailboxes(path, 9980)
    mailrail.launch()
    wait_until(mailrail.is_ready, 60, "the start")
    with User(mailrail, "bob@example.org") as b, User(mailrail, "ann@example.org") as a:
        answers = [b(f'CREATE "{OTHERS}/p/new{i}"')[-1] for i in range(30)]
        assert b" OK " in answers[0] and b" NO [LIMIT]" in answers[-1]
        a.ok("CREATE own")
        assert len(listed(a)) > 9980


def test_two_moves_at_a_time_take_each_message_once(mailrail, ann, bob):
    for _ in range(18):
        ann.append("team")
    grant(ann, "lrswite")
    movers = [User(mailrail, "bob@example.org") for _ in range(4)]
    for c in movers:
        c.ok(f"SELECT {SHARED}")
    for c in movers:
        c.send("m MOVE 1:20 INBOX\r\n")
    answers = [c.until(b"m ") for c in movers]
    assert sum(b"COPYUID" in answer for answer in map(joined, answers)) >= 1
    assert b"MESSAGES 20" in bob("STATUS INBOX (MESSAGES)")[0]
    assert b"MESSAGES 0" in ann("STATUS team (MESSAGES)")[0]
    for c in movers:
        c.close()


def test_names_that_are_not_ascii_go_out_as_the_client_can_read_them(mailrail, ann):
    name = "bücher@example.org".encode()
    mailrail.command("address", "add", name.decode(), "bob")
    ann.ok(b"SETACL team {%d+}\r\n%s lr" % (len(name), name))
    assert b'{%d}\r\n' % len(name) in b"\r\n".join(ann.ok("GETACL team")) + b"\r\n"
    ann.ok("ENABLE UTF8=ACCEPT")
    assert b'"%s" lr' % name in ann.ok("GETACL team")[0]


def test_a_name_that_is_taken_by_what_is_hidden_is_refused_as_any_other(mailrail, ann, bob):
    grant(ann, "lkx")
    ann.ok("CREATE team/secret")
    ann.ok("CREATE team/sub")
    ann.ok("DELETEACL team/secret bob@example.org")
    answers = {bob(command.format(OTHERS))[-1].partition(b" ")[2]
               for command in ('CREATE "{}/top"', 'CREATE "{}/team/secret"', 'CREATE "{}/team/secret/x"',
                               'RENAME "{0}/team/sub" "{0}/team/secret"')}
    assert len(answers) == 1 and answers.pop().startswith(b"NO [NONEXISTENT]")
    bob.no(f'CREATE "{OTHERS}/team/sub"', b"ALREADYEXISTS")


def test_others_leave_the_owner_room(mailrail, ann, bob):
    grant(ann, "lrsw")
    bob.ok(f"SELECT {SHARED}")
    for first in range(0, 512, 32):
        bob.ok(f"STORE 1 FLAGS ({' '.join(f'k{i}' for i in range(first, first + 32))})")
    bob.no("STORE 1 FLAGS (more)", b"LIMIT")
    bob.ok("STORE 1 FLAGS (k511)")
    entry = "(/shared/{} {{90000+}}\r\n" + "x" * 90000 + ")"
    for i in range(5):
        bob.ok(f"SETMETADATA {SHARED} {entry.format(i)}")
    bob.no(f"SETMETADATA {SHARED} {entry.format(5)}", b"METADATA (TOOMANY)")
    ann.ok(f"SETMETADATA team {entry.format(5)}")
    ann.ok("SELECT team")
    ann.ok("STORE 1 FLAGS (more)")
