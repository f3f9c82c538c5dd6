"""ACL (RFC 4314): rights when accounts come and go, when data are repaired, and when a backup is brought back."""
import pathlib
import re
import shutil
import sqlite3
import threading
import time

import pytest

from conftest import wait_until
from test_imap_acl import SHARED, User, ann, bob, grant  # noqa: F401 (fixtures)
from test_imap_acl_strangers import account_of, database, listed


def directory(system):
    return pathlib.Path(system.directory) / "data/directory.db"


def rows(path, query):
    db = sqlite3.connect(path)
    found = db.execute(query).fetchall()
    db.commit()
    db.close()
    return found


def offline(system, path, query):
    """Changes a database while nobody has it."""
    system.stop()
    rows(path, query)
    system.launch()
    wait_until(system.is_ready, 60, "the start")


def test_an_account_that_goes_leaves_no_rights(mailrail, ann, bob):
    grant(ann, "lr")
    grant(ann, "lr", "-bob@example.org")
    assert rows(directory(mailrail), "SELECT count(*) FROM share") == [(1,)]
    number = account_of(ann, "team")
    bob.close()
    mailrail.command("account", "remove", "bob", "--yes")
    wait_until(lambda: rows(database(mailrail, number), "SELECT count(*) FROM acl") == [(0,)], 30, "the end of rights")
    wait_until(lambda: rows(directory(mailrail), "SELECT count(*) FROM share") == [(0,)], 30, "the end of the share")
    checked = mailrail.command("verifydata")
    assert checked.stdout == "OK\n" and "warning" not in checked.stderr


def test_rights_of_an_account_that_is_gone_are_found_and_taken(mailrail, ann):
    offline(mailrail, database(mailrail, account_of(ann, "team")), "INSERT INTO acl SELECT id, 77, 0, 'x', 3 FROM mailbox")
    checked = mailrail.command("verifydata", "--account", "ann")
    assert "account 77 has rights here, and is gone" in checked.stdout + checked.stderr
    assert "account 77" in mailrail.command("recalculate").stdout
    checked = mailrail.command("verifydata")
    assert checked.stdout == "OK\n" and "warning" not in checked.stderr


def test_a_reader_whom_the_index_lacks_is_found_and_comes_back(mailrail, ann):
    grant(ann, "lr")
    offline(mailrail, directory(mailrail), "DELETE FROM share")
    with User(mailrail, "bob@example.org") as bob:  # noqa: F811
        assert not any(b"team" in line for line in listed(bob))
        checked = mailrail.command("verifydata", check=False)
        assert checked.returncode == 1 and "the directory does not know" in checked.stdout
        mailrail.command("recalculate")
        assert mailrail.command("verifydata").stdout == "OK\n"
        assert any(b"team" in line for line in listed(bob))


def test_repairs_keep_rights(mailrail, ann, bob):
    grant(ann, "lr")
    for repair in (["bump-uidvalidity", "ann", "team"], ["reassign-uids", "ann", "team"]):
        mailrail.command(*repair)
        bob.ok(f"SELECT {SHARED}")
        assert b"lr" in bob(f"MYRIGHTS {SHARED}")[0]
    assert mailrail.command("verifydata").stdout == "OK\n"


def test_a_new_account_gets_nothing_of_one_that_the_directory_has_forgotten(mailrail, ann):
    """The directory is an older copy than the accounts."""
    mailrail.stop()
    older = mailrail.directory / "older.db"
    shutil.copy(directory(mailrail), older)
    mailrail.launch()
    wait_until(mailrail.is_ready, 60, "the start")
    mailrail.add_account("carl", "carl@example.org")
    with User(mailrail, "carl@example.org") as carl:
        carl.append("INBOX")
    with User(mailrail, "ann@example.org") as again:
        grant(again, "lrswite", "carl@example.org")
    mailrail.stop()
    for path in directory(mailrail).parent.glob("directory.db*"):
        path.unlink()
    shutil.copy(older, directory(mailrail))
    mailrail.launch()
    wait_until(mailrail.is_ready, 60, "the start")
    mailrail.add_account("dave", "dave@example.org")
    with User(mailrail, "dave@example.org") as dave:
        assert dave("STATUS INBOX (MESSAGES)")[0].endswith(b"(MESSAGES 0)")
        dave.no(f"MYRIGHTS {SHARED}", b"NONEXISTENT")
        assert not any(b"Other Users" in line for line in listed(dave))


def test_a_backup_has_rights_and_index_in_step(mailrail, make_mailrail, ann):
    """Rights are given and taken, and accounts made, while backups run."""
    for i in range(300):
        mailrail.deliver(subject=f"{i}")
    mailrail.add_account("carl", "carl@example.org")
    stop = threading.Event()

    def change():
        number = 0
        with User(mailrail, "ann@example.org") as c:
            while not stop.is_set() or number == 0:
                number += 1
                mailrail.add_account(f"new{number}", f"new{number}@example.org")
                for who in (f"new{number}@example.org", "bob@example.org", "carl@example.org"):
                    grant(c, "lr" if number % 2 else "", who)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for i in range(3):
            mailrail.command("backup", str(mailrail.directory / f"backup{i}"))
    finally:
        stop.set()
        thread.join()
    for i in range(3):
        backup = mailrail.directory / f"backup{i}"
        checked = mailrail.command("verifydata", str(backup))
        assert checked.stdout == "OK\n" and "warning" not in checked.stderr, checked
        known = {number for number, in rows(backup / "directory.db", "SELECT id FROM account")} | {0}
        for path in (backup / "accounts").iterdir():
            assert int(path.name) in known
            assert known >= {number for number, in rows(path / "index.db", "SELECT account_id FROM acl")}


def test_what_a_restore_brings_back_has_the_rights_of_its_place(mailrail, ann, bob):
    grant(ann, "lr")
    ann.ok("CREATE team/sub")
    ann.append("team/sub")
    ann.ok("CREATE alone")
    ann.append("alone")
    grant(ann, "lr", mailbox="alone")
    backup = str(mailrail.directory / "backup")
    mailrail.command("backup", backup)
    for name in ("team/sub", "alone"):
        ann.ok(f"DELETE {name}")
    grant(ann, "lrs")
    mailrail.command("restore", backup, "ann")
    assert bob(f"MYRIGHTS {SHARED}")[0].endswith(b" lrs"), "what is there keeps its rights"
    assert bob(f'MYRIGHTS {SHARED[:-1]}/sub"')[0].endswith(b" lrs"), "a new one has those of the one above"
    bob.no('MYRIGHTS "Other Users/ann@example.org/alone"', b"NONEXISTENT")


def test_who_has_selected_a_mailbox_hears_that_its_account_is_gone(mailrail, bob):
    mailrail.add_account("carl", "carl@example.org")
    with User(mailrail, "carl@example.org") as carl:
        carl.append("INBOX")
        carl.ok("SETACL INBOX bob@example.org lrs")
    with User(mailrail, "bob@example.org") as idle:
        for c in (bob, idle):
            c.ok('SELECT "Other Users/carl@example.org/INBOX"')
        idle.idle()
        mailrail.command("account", "remove", "carl", "--yes")
        assert idle.until(b"* NO [NOPERM]")
        idle.done()
        for command in ("FETCH 1 FLAGS", "SEARCH ALL", "FETCH 1 BODY[]", "STORE 1 +FLAGS (\\Seen)"):
            assert b"FETCH" not in b"".join(bob.no(command)[:-1])


def test_names_that_mean_something_else_in_access_lists_are_no_accounts(mailrail, ann):
    for name in ("anyone", "Anyone", "-bob"):
        refused = mailrail.command("account", "add", "--address", "new@example.org", "--", name, check=False)
        assert refused.returncode != 0 and "access lists" in refused.stderr, refused


def test_the_place_of_others_is_no_place_for_own_mail(mailrail, ann, tmp_path):
    mbox = tmp_path / "x.mbox"
    mbox.write_bytes(b"From x\n\nSubject: a\n\nb\n")
    refused = mailrail.command("import", "--mailbox", "Other Users/ann@example.org/team", "bob", str(mbox), check=False)
    assert refused.returncode == 1 and "namespace of others" in refused.stderr, refused
    refused = mailrail.command("address", "add", "x@example.org", "bob", "--mailbox", "Other Users/x", check=False)
    assert refused.returncode == 1 and "those of others" in refused.stderr, refused


def test_what_moves_between_accounts_is_in_a_backup_once(mailrail, ann, bob):
    """Also when one of the two is copied before the move, and the other one after it."""
    grant(ann, "lrswite")
    for _ in range(40):
        ann.append("team")
    count = int(re.search(rb"MESSAGES (\d+)", ann.ok("STATUS team (MESSAGES)")[0])[1])
    for number in range(300):
        mailrail.deliver(subject=f"{number}")  # takes time to copy
    bob.ok("CREATE mine")
    stop = threading.Event()
    moved = []

    def move():
        with User(mailrail, "bob@example.org") as c:
            while not stop.is_set():
                for here, there in ((SHARED, "mine"), ("mine", SHARED)):
                    if b"* 0 EXISTS" in c.ok(f"SELECT {here}"):
                        continue
                    answer = c(f"UID MOVE 1:* {there}")[-1]
                    assert b" OK" in answer or b" NO [INUSE]" in answer, answer
                    moved.append(b" OK" in answer)

    thread = threading.Thread(target=move)
    thread.start()
    backups = [mailrail.directory / f"backup{number}" for number in range(5)]
    try:
        for backup in backups:
            mailrail.command("backup", str(backup))
    finally:
        stop.set()
        thread.join()
    assert any(moved)
    names = "('team', 'mine')"
    for backup in backups:
        found = [rows(path / "index.db", f"SELECT ifnull(sum(total), 0) FROM mailbox WHERE name IN {names}")[0][0]
                 for path in (backup / "accounts").iterdir() if (path / "index.db").exists()]
        assert sum(found) == count, found
        assert mailrail.command("verifydata", str(backup)).stdout == "OK\n"


def test_own_mailboxes_in_the_place_of_others_get_another_name(mailrail, ann):
    """Data from before mailboxes were shared."""
    ann.ok("CREATE own/child")
    ann.append("own/child")
    ann.ok("CREATE other")
    path = database(mailrail, account_of(ann, "team"))
    ann.close()
    mailrail.stop()
    db = sqlite3.connect(path)
    db.execute("UPDATE mailbox SET name = replace(name, 'own', 'Other Users') WHERE name LIKE 'own%'")
    db.execute("UPDATE subscription SET name = replace(name, 'own', 'Other Users') WHERE name LIKE 'own%'")
    # Each step of the schema back to that one.
    db.execute("CREATE TABLE former (mailbox_id INTEGER NOT NULL, uid INTEGER NOT NULL, id INTEGER NOT NULL,"
               " modseq INTEGER NOT NULL, createseq INTEGER NOT NULL, flags INTEGER NOT NULL, keywords BLOB,"
               " size INTEGER NOT NULL, prefix_size INTEGER NOT NULL, received_s INTEGER NOT NULL, saved_s INTEGER,"
               " zone INTEGER NOT NULL, PRIMARY KEY (mailbox_id, uid)) WITHOUT ROWID")
    db.execute("INSERT INTO former SELECT mailbox_id, uid, id, modseq, createseq, flags, keywords, size, prefix_size,"
               " received_s, saved_s, zone FROM entry")
    db.execute("DROP TABLE entry")
    db.execute("ALTER TABLE former RENAME TO entry")
    db.execute("DROP TABLE leaving")
    db.execute("ALTER TABLE mailbox DROP COLUMN messages_modseq")
    db.execute("DROP TABLE acl")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute(f"PRAGMA user_version = {version - 4}")
    db.commit()
    db.close()
    mailrail.launch()
    wait_until(mailrail.is_ready, 60, "the start")
    with User(mailrail, "ann@example.org") as again:
        names = [line for line in listed(again) if b"Users" in line]
        assert names == [b'* LIST () "/" "Own Other Users"', b'* LIST () "/" "Own Other Users/child"']
        assert again('STATUS "Own Other Users/child" (MESSAGES)')[0].endswith(b"(MESSAGES 1)")
        assert len([line for line in again('LSUB "" "Own*"') if b"Users" in line]) == 2
    assert mailrail.command("verifydata").stdout == "OK\n"


def subjects(c, mailbox):
    answer = c.ok(f"SELECT {mailbox}")
    if b"* 0 EXISTS" in answer:
        return []
    return re.findall(rb"Subject: (n\d+)", b"\n".join(c.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]")))


def test_a_move_between_accounts_that_is_cut_off_loses_nothing(mailrail, ann):
    """The copies come first, and then the originals go: what a killed store leaves is there once or twice. What was
    answered with OK is there once."""
    grant(ann, "lrswite")
    sent = {b"n%d" % i for i in range(100)}
    for subject in sent:
        ann.append("team", b"Subject: " + subject + b"\r\n\r\nbody\r\n")
    done = set()
    for attempt in range(5):
        with User(mailrail, "bob@example.org") as c:
            there = subjects(c, SHARED)
            c.send("m MOVE 1:20 INBOX\r\n")
            time.sleep(0.003 * attempt)
            mailrail.kill("store")
            answer = c.until(b"m ")
            if b"m OK" in answer:
                done |= set(there[:20])
        wait_until(mailrail.is_ready, 60, "store to be back")
        wait_until(lambda: b" OK " in ann("STATUS team (MESSAGES)")[-1], 60, "store to be back")
    with User(mailrail, "bob@example.org") as c:
        all_there = subjects(c, SHARED) + subjects(c, "INBOX")
    assert set(all_there) == sent
    assert [subject for subject in done if all_there.count(subject) != 1] == []
    assert mailrail.command("verifydata").stdout == "OK\n"


def idents(imap, box):
    if imap.select(box, readonly=True)[1] == [b"0"]:
        return []
    found = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]
    return [part[1] for part in found if isinstance(part, tuple)]


def test_what_two_move_at_the_same_time_is_there_once(mailrail):
    """One moves a message to another account, another session moves it to a mailbox of its own."""
    theirs, count = '"Other Users/bob@example.org/Team"', 60
    with mailrail.imap("bob@example.org") as owner, mailrail.imap() as one, mailrail.imap() as two:
        owner.create("Team")
        owner.setacl("Team", "ann@example.org", "lrswite")
        two.create("Elsewhere")
        for number in range(count):
            one.append("INBOX", None, None, b"Message-ID: <%d@x>\r\n\r\n" % number)
        one.select()
        two.select()
        for uid in range(1, count + 1):
            mover = threading.Thread(target=one.uid, args=("MOVE", str(uid), theirs))
            mover.start()
            time.sleep(uid % 6 / 2000)
            two.uid("MOVE", str(uid), "Elsewhere")
            mover.join()
        found = [ident for box in ("INBOX", "Elsewhere", theirs) for ident in idents(one, box)]
        assert sorted(found) == sorted(set(found)) and len(found) == count
    assert mailrail.command("verifydata").stdout == "OK\n"


def test_what_one_moves_and_one_replaces_at_the_same_time_is_moved_or_replaced(mailrail):
    """Not both. A REPLACE whose message is gone is refused (RFC 8508 3.3)."""
    theirs, count = '"Other Users/bob@example.org/Team"', 60
    replaced = set()
    with mailrail.imap("bob@example.org") as owner, mailrail.imap() as one, \
            User(mailrail, "ann@example.org") as two:
        owner.create("Team")
        owner.setacl("Team", "ann@example.org", "lrswite")
        for number in range(1, count + 1):
            one.append("INBOX", None, None, b"Message-ID: <%d@x>\r\n\r\n" % number)
        one.select()
        two("SELECT INBOX")
        for uid in range(1, count + 1):
            mover = threading.Thread(target=one.uid, args=("MOVE", str(uid), theirs))
            text = b"Message-ID: <new%d@x>\r\n\r\n" % uid
            mover.start()
            time.sleep(uid % 6 / 2000)
            two.send(b"r UID REPLACE %d INBOX {%d+}\r\n%s\r\n" % (uid, len(text), text))
            if b"r OK" in two.until(b"r "):
                replaced.add(uid)
            mover.join()
        moved = {int(re.search(rb"<(\d+)@", ident)[1]) for ident in idents(one, theirs)}
        assert moved == set(range(1, count + 1)) - replaced
    assert mailrail.command("verifydata").stdout == "OK\n"
