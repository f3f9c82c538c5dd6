"""The consistency check and the repairs (docs/operations.md), on a system that runs."""
import contextlib
import sqlite3

from conftest import wait_until


def account_directory(mailrail):
    return mailrail.directory / "data/accounts/1"


@contextlib.contextmanager
def index_of(mailrail):
    """The database of ann's account, beside store; committed at the end."""
    database = sqlite3.connect(account_directory(mailrail) / "index.db", timeout=30)
    try:
        yield database
        database.commit()
    finally:
        database.close()


def message_files(mailrail):
    """Those with a row: files that are made in advance have none."""
    with index_of(mailrail) as database:
        ids = [row[0] for row in database.execute("SELECT id FROM message ORDER BY id")]
    return [account_directory(mailrail) / f"msg/{i // 8192}/{i}" for i in ids]


def verify(mailrail, *options):
    return mailrail.command("verifydata", *options, check=False)


def truncate(path):
    """Cut, in a file of its own: the text may have other names."""
    text = path.read_bytes()
    path.unlink()
    path.write_bytes(text[:-1])


def test_damage_is_named(mailrail):
    for _ in range(3):
        mailrail.deliver()
    assert verify(mailrail).stdout == "OK\n"
    lost, cut, _ = message_files(mailrail)
    lost.unlink()
    truncate(cut)
    (lost.parent / "8000").write_text("stray")
    found = verify(mailrail)
    assert found.returncode == 1
    assert f"message {lost.name} has no file (its text is lost, unless a backup has it: see restore; " \
        "remove-lost takes it out of its mailbox)" in found.stdout
    assert f"message {cut.name}: file has" in found.stdout
    assert "/8000 belongs to no message" in found.stdout
    assert f"message {cut.name}: file has" not in verify(mailrail, "--no-sizes").stdout


def test_a_lost_message_comes_back_or_leaves(mailrail):
    for subject in ("one", "two", "three"):
        mailrail.deliver(subject=subject)
    backup = str(mailrail.directory / "backup")
    mailrail.command("backup", backup)
    first, second, _ = message_files(mailrail)
    first.unlink()
    second.unlink()
    assert "2 messages restored, 1 was there" in mailrail.command("restore", backup, "ann").stdout
    assert "lost" in verify(mailrail).stdout
    with mailrail.imap() as idle:
        idle.select()
        said = mailrail.command("remove-lost", "ann").stdout
        for lost in (first, second):
            assert f"(message {lost.name}) had no file, and is expunged" in said
        idle.noop()
        assert len(idle.response("EXPUNGE")[1]) == 2
        assert len(idle.fetch("1:*", "(BODY.PEEK[])")[1]) == 6
    assert verify(mailrail).stdout == "OK\n"
    assert "expunged" not in mailrail.command("remove-lost", "ann").stdout


def test_a_lost_text_cannot_be_copied(mailrail):
    """The client hears of damage, not of a mailbox that it should make, and the administrator hears which message it is."""
    for subject in ("one", "two"):
        mailrail.deliver(subject=subject)
    lost = message_files(mailrail)[1]
    lost.unlink()
    with mailrail.imap() as imap:
        imap.create("there")
        imap.select()
        said = imap.copy("1:2", "there")
        assert said[0] == "NO" and said[1][0].startswith(b"[CORRUPTION] "), said
        assert imap.status("there", "(MESSAGES)")[1] == [b"there (MESSAGES 0)"]
        assert f"msg/0/{lost.name} (see verifydata and remove-lost)" in mailrail.log()
        assert imap.copy("1", "there")[0] == "OK"


def test_nothing_is_lost_without_its_volume(mailrail):
    mailrail.deliver()
    files = account_directory(mailrail) / "msg"
    files.rename(files.with_name("away"))
    refused = mailrail.command("remove-lost", "ann", check=False)
    assert refused.returncode == 1 and "nothing is expunged" in refused.stderr
    files.with_name("away").rename(files)
    assert verify(mailrail).stdout == "OK\n"


def test_what_up_puts_beside_the_data_is_known(mailrail):
    data = mailrail.directory / "data"
    for name in ("mailrail.conf", "mailrail.log", "mailrail.log.1"):
        (data / name).write_text("")
    for name in ("run", "lost+found"):
        (data / name).mkdir()
    assert verify(mailrail).stdout == "OK\n"
    (data / "mailrail.log.old").write_text("")
    assert "warning: unknown file" in verify(mailrail).stdout


def test_stray_files_are_moved(mailrail):
    mailrail.deliver()
    directory = account_directory(mailrail)
    data = mailrail.directory / "data"
    (directory / "msg/0/8000").write_text("stray")
    (directory / "notes").write_text("mine")
    moved = verify(mailrail, "--fix")
    assert moved.returncode == 0
    assert "warning: unknown file" in moved.stdout and "accounts/1/notes" in moved.stdout
    assert (data / "moved/accounts/1/msg/0/8000").read_text() == "stray"
    assert not (directory / "msg/0/8000").exists()
    assert (directory / "notes").exists(), "it may be somebody's"
    assert verify(mailrail).returncode == 0


def test_counts_are_recalculated_and_clients_told(mailrail):
    mailrail.deliver()
    with mailrail.imap() as idle:
        idle.select()
        with index_of(mailrail) as database:
            database.execute("UPDATE mailbox SET total = 7, unseen = 0, unread = 0 WHERE name = 'Inbox'")
        assert "Inbox: total is 7, should be 1" in verify(mailrail).stdout
        said = mailrail.command("recalculate", "ann").stdout
        assert "mailbox Inbox: total was 7, is 1" in said
        assert "mailbox Inbox: unseen was 0, is 1" in said
        assert idle.status("INBOX", "(MESSAGES UNSEEN)")[1][0].endswith(b" (MESSAGES 1 UNSEEN 1)")
    assert verify(mailrail).returncode == 0
    mailrail.deliver(subject="waits to be erased")
    with mailrail.imap() as imap:
        imap.select()
        imap.store("2", "+FLAGS", r"(\Deleted)")
        imap.expunge()
    assert mailrail.command("recalculate").stdout.splitlines() == ["1 message"]


def test_sizes_are_fixed(mailrail):
    mailrail.deliver()
    mailrail.deliver(body="second")
    first, _ = message_files(mailrail)
    truncate(first)
    assert "fix-message-sizes" in verify(mailrail).stdout
    said = mailrail.command("fix-message-sizes").stdout
    assert f"message {first.name}: size was" in said and "bump-uidvalidity" in said
    assert verify(mailrail).returncode == 0
    with mailrail.imap() as imap:
        imap.select()
        size = int(imap.fetch("1", "(RFC822.SIZE)")[1][0].split()[-1].rstrip(b")"))
        assert len(imap.fetch("1", "(BODY.PEEK[])")[1][0][1]) == size


def test_reparse_and_threads_come_back(mailrail):
    mailrail.deliver(subject="one")
    mailrail.deliver(subject="Re: one")
    with index_of(mailrail) as database:
        database.execute("UPDATE message SET preview = 'old'")
        database.execute("UPDATE message SET structure = x'ffffff00' WHERE uid = 2")
    assert "UID 2 (message " in (said := verify(mailrail).stdout) and "see reparse" in said
    assert mailrail.command("reparse", "ann").stdout.splitlines() == ["2 messages"]
    mailrail.command("reassign-threads")
    with index_of(mailrail) as database:
        assert database.execute("SELECT count(*) FROM message WHERE preview = 'old'").fetchone() == (0,)
        assert database.execute("SELECT count(DISTINCT thread_id) FROM message").fetchone() == (1,)
    assert verify(mailrail).returncode == 0


def test_reparse_while_the_text_index_is_filled_is_no_damage(mailrail, tmp_path):
    """What was indexed is no longer trusted, and made anew; a log that warned of it would be wrong."""
    with open(tmp_path / "many.mbox", "w") as mbox:
        for number in range(3000):
            mbox.write(f"From x Thu Jan  1 00:00:00 2020\nSubject: {number}\n\n" + f"word{number % 97} of it\n" * 40 + "\n")
    mailrail.command("import", "ann", tmp_path / "many.mbox", "--mailbox", "Many")
    for _ in range(4):
        assert mailrail.command("reparse", "ann").stdout == "3000 messages\n"
    log = mailrail.log()
    assert "text index" not in log, [line for line in log.splitlines() if "text index" in line][:3]
    wait_until(lambda: mailrail.list("account", "textindex", "ann")[0]["indexed"] == 3000, 120, "the index of all")


def test_damaged_messages_do_not_stop_the_others(mailrail):
    """One has a structure that cannot be decoded, one a text of another size."""
    for i in range(4):
        mailrail.deliver(subject=f"subject {i}", body=f"number {i}")
    with index_of(mailrail) as database:
        database.execute("UPDATE message SET structure = x'ffffff00' WHERE uid = 2")
        (third,), = database.execute("SELECT id FROM message WHERE uid = 3")
    truncate(next(path for path in message_files(mailrail) if path.name == str(third)))
    with mailrail.imap() as imap:
        imap.select()
        for items, has in (("(ENVELOPE)", (1, 3, 4)), ("(BODY.PEEK[])", (1, 2, 4))):
            assert imap.fetch("1:*", items)[0] == "NO"
            lines = [line[0] if isinstance(line, tuple) else line for line in imap.response("FETCH")[1]]
            lines = [line for line in lines if b"FETCH" in line or b"UID" in line]
            assert len(lines) == 4
            assert tuple(n for n, line in enumerate(lines, 1) if items[1:5].encode() in line) == has
        assert imap.search(None, "SUBJECT", "subject")[1] in ([b"1 4"], [b"1 3 4"])  # by the text, or by an index
        assert imap.search(None, "BODY", "number")[1] in ([b"1 4"], [b"1 3 4"])
        assert imap.sort("(SUBJECT)", "UTF-8", "ALL")[1] == [b"2 1 3 4"]
        assert imap.thread("REFERENCES", "UTF-8", "ALL")[0] == "OK"
    log = mailrail.log()
    assert "message damaged" in log and "see reparse" in log and "see fix-message-sizes" in log
    mailrail.command("reparse")
    mailrail.command("fix-message-sizes")
    assert verify(mailrail).returncode == 0


def test_uids_are_numbered_anew(mailrail):
    for _ in range(4):
        mailrail.deliver()
    with mailrail.imap() as imap:
        imap.select()
        imap.store("1,3", "+FLAGS", "\\Deleted")
        imap.expunge()
    with mailrail.imap() as session:
        session.select()
        validity = int(session.status("INBOX", "(UIDVALIDITY)")[1][0].split()[-1].rstrip(b")"))
        mailrail.command("reassign-uids", "ann", "INBOX")
        with mailrail.imap() as imap:
            imap.select()
            assert imap.uid("SEARCH", "ALL")[1] == [b"1 2"]
            now, next_uid = imap.status("INBOX", "(UIDVALIDITY UIDNEXT)")[1][0].split()[2:5:2]
            assert int(now) > validity and int(next_uid.rstrip(b")")) == 3
    assert verify(mailrail).returncode == 0
    mailrail.deliver()
    with mailrail.imap() as imap:
        assert imap.select()[1] == [b"3"]


def test_uidvalidity_is_bumped(mailrail):
    mailrail.deliver()

    def validities():
        with mailrail.imap() as imap:
            return [int(imap.status(name, "(UIDVALIDITY)")[1][0].split()[-1].rstrip(b")"))
                    for name in ("INBOX", "Sent")]

    first = validities()
    mailrail.command("bump-uidvalidity", "ann", "Sent")
    second = validities()
    assert second[0] == first[0] and second[1] > first[1]
    mailrail.command("bump-uidvalidity", "ann")
    third = validities()
    assert third[0] > second[1] and third[1] > second[1]
    assert verify(mailrail).returncode == 0
    refused = mailrail.command("bump-uidvalidity", "ann", "Nowhere", check=False)
    assert refused.returncode == 1 and "no such mailbox" in refused.stderr


def test_next_uids_are_fixed(mailrail):
    mailrail.deliver()
    with index_of(mailrail) as database:
        database.execute("UPDATE mailbox SET uidnext = 1 WHERE name = 'Inbox'")
    assert "fix-uid-metadata" in verify(mailrail).stdout
    assert "next UID was 1, is 2" in mailrail.command("fix-uid-metadata", "ann").stdout
    assert verify(mailrail).returncode == 0


def test_who_is_not_there_cannot_be_repaired(mailrail):
    for command in ("recalculate", "reparse", "reassign-threads"):
        refused = mailrail.command(command, "nobody", check=False)
        assert refused.returncode == 1 and "nobody" in refused.stderr


def make_old(mailrail):
    """The account is as one of an older parser, from a time before threads."""
    with index_of(mailrail) as database:
        database.execute("UPDATE message SET preview = 'old', structure = x'', thread_id = 0, parents = NULL, "
                         "message_id = NULL, message_id_hash = NULL, subject_base = NULL, subject_hash = NULL")
        database.execute("UPDATE upgrade SET version = (kind = 1), at = 0")


def upgraded_to(mailrail):
    with index_of(mailrail) as database:
        return [tuple(row) for row in database.execute("SELECT version, at FROM upgrade ORDER BY kind")]


def test_old_data_is_upgraded_in_the_background(make_mailrail):
    """Also after kill -9 in the middle of it; and mail comes meanwhile."""
    mailrail = make_mailrail()
    mbox = mailrail.directory / "many.mbox"
    mbox.write_text("".join(f"From x@far.example Fri Jan  2 03:04:05 2026\nMessage-ID: <{i}@far.example>\n"
                            f"References: <{max(i - 1, 0)}@far.example>\nSubject: one\n\nnumber {i}\n\n"
                            for i in range(3000)))
    mailrail.command("import", "ann", str(mbox), "--mailbox", "Many")
    mailrail.stop()
    make_old(mailrail)
    mailrail.launch()
    wait_until(mailrail.is_ready, 60, "readiness of all services")
    wait_until(lambda: upgraded_to(mailrail) != [(1, 0), (0, 0)], 60, "the first step")
    mailrail.kill("store")
    wait_until(lambda: mailrail.log().count("pkg=store version=") == 3, 60, "another store")
    wait_until(mailrail.is_ready, 60, "readiness of all services")
    mailrail.deliver(subject="other")
    wait_until(lambda: upgraded_to(mailrail) == [(3, 0), (2, 0)], 120, "the upgrade")
    with index_of(mailrail) as database:
        assert database.execute("SELECT count(*) FROM message WHERE preview = 'old'").fetchone() == (0,)
        assert database.execute("SELECT count(DISTINCT thread_id) FROM message").fetchone() == (2,)
    assert verify(mailrail).returncode == 0
    wait_until(lambda: "mailrail_store_upgrades_waiting 0" in mailrail.metrics("store"), 30, "an end")
    assert "stored data upgraded" in mailrail.log()
