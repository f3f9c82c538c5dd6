"""Restore of an account, a mailbox or a message from a backup."""
import imaplib
import re

from conftest import PASSWORD
from test_imap_basics import Client


def texts(mailrail, mailbox="INBOX", user="ann@example.org"):
    with mailrail.imap(user) as imap:
        if imap.select(mailbox)[0] != "OK":
            return None
        found = imap.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]
        return sorted((re.sub(rb"^\d+ \(|UID \d+ ", b"", part[0]), part[1]) for part in found
                      if isinstance(part, tuple))


def prepare(mailrail):
    """Three messages in Inbox, one with flags, one in another mailbox; and a backup."""
    for subject in ("one", "two", "three"):
        mailrail.deliver(subject=subject)
    with mailrail.imap() as imap:
        imap.create("Work/Old")
        imap.append("Work/Old", "(\\Flagged $Forwarded label)", None,
                    b"Message-ID: <wanted@far.example>\r\nSubject: kept\r\n\r\nbody\r\n")
        imap.select()
        imap.store("2", "+FLAGS", "(\\Seen \\Answered mine)")
    backup = str(mailrail.directory / "backup")
    mailrail.command("backup", backup)
    return backup


def lose(mailrail, mailbox="INBOX", numbers="1:*"):
    with mailrail.imap() as imap:
        imap.select(mailbox)
        imap.store(numbers, "+FLAGS", "\\Deleted")
        imap.expunge()


def test_an_account_comes_back_and_nothing_twice(mailrail):
    backup = prepare(mailrail)
    before = texts(mailrail), texts(mailrail, "Work/Old")
    lose(mailrail)
    with mailrail.imap() as imap:
        imap.delete("Work/Old")
    mailrail.deliver(subject="new")
    assert "4 messages restored, 0 were there" in mailrail.command("restore", backup, "ann").stdout
    assert texts(mailrail, "Work/Old") == before[1]
    assert [text for text in texts(mailrail) if text in before[0]] == before[0]
    assert len(texts(mailrail)) == 4
    assert "0 messages restored, 4 were there" in mailrail.command("restore", backup, "ann").stdout
    assert len(texts(mailrail)) == 4
    assert mailrail.command("verifydata").stdout == "OK\n"
    assert mailrail.command("verifydata", backup).stdout == "OK\n"


def test_one_mailbox_or_one_message(mailrail):
    backup = prepare(mailrail)
    before = texts(mailrail)
    lose(mailrail, numbers="1,3")
    lose(mailrail, "Work/Old")
    assert "1 message " in mailrail.command("restore", backup, "ann", "--mailbox", "inbox", "--uid", "3").stdout
    assert len(texts(mailrail)) == 2
    assert "1 message restored, 2 were" in mailrail.command("restore", backup, "ann", "--mailbox", "Inbox").stdout
    assert texts(mailrail) == before
    mailrail.command("restore", backup, "ann", "--message-id", "<wanted@far.example>")
    assert len(texts(mailrail, "Work/Old")) == 1
    for missing, status in ((["--mailbox", "Nowhere"], 1), (["--message-id", "<none@x>"], 1), (["--uid", "3"], 2)):
        assert mailrail.command("restore", backup, "ann", *missing, check=False).returncode == status


def flags_of(mailrail, mailbox):
    with mailrail.imap() as imap:
        imap.select(mailbox)
        return imap.fetch("1:*", "(FLAGS)")[1]


def test_junk_flags_come_back_as_they_were(mailrail):
    """The mailboxes' rules would set others: Archive $NotJunk, Junk $Junk."""
    with mailrail.imap() as imap:
        for mailbox, flags in (("Archive", "$Junk own"), ("Junk", "$NotJunk"), ("Archive", "\\Seen")):
            imap.append(mailbox, None, None, b"Subject: %s\r\n\r\ny\r\n" % flags.encode())
            imap.select(mailbox)
            imap.store("*", "FLAGS", f"({flags})")
    before = [sorted(imaplib.ParseFlags(line)) for box in ("Archive", "Junk") for line in flags_of(mailrail, box)]
    assert before == [[b"$Junk", b"own"], [b"\\Seen"], [b"$NotJunk"]]
    backup = mailrail.directory / "junk"
    mailrail.command("backup", backup)
    for whole in (True, False):
        lose(mailrail, "Archive")
        lose(mailrail, "Junk")
        if whole:
            mailrail.command("restore", backup, "ann")
        else:
            for mailbox, uid in (("Archive", 1), ("Archive", 2), ("Junk", 1)):
                mailrail.command("restore", backup, "ann", "--mailbox", mailbox, "--uid", str(uid))
        now = [sorted(imaplib.ParseFlags(line)) for box in ("Archive", "Junk") for line in flags_of(mailrail, box)]
        assert now == before


def test_into_another_account_and_over_its_quota(mailrail):
    backup = prepare(mailrail)
    mailrail.command("account", "set", "bob", "--quota", "900")
    refused = mailrail.command("restore", backup, "ann", "--to", "bob", check=False)
    assert refused.returncode == 1 and "quota" in refused.stderr
    with mailrail.imap("bob@example.org") as imap:
        assert imap.select()[1] == [b"0"], "no trace"
        assert imap.select("Work")[0] == "NO"
    mailrail.command("account", "set", "bob", "--quota", "0")
    mailrail.command("restore", backup, "ann", "--to", "bob")
    assert texts(mailrail, user="bob@example.org") == texts(mailrail)


def settings(mailrail, user="ann@example.org"):
    """Mailboxes with their special use, subscriptions, annotations."""
    with Client(mailrail.imaps_port, tls=True, login=False) as c:
        assert b" OK " in c(f'LOGIN {user} "{PASSWORD}"')[-1]
        listed = [re.match(rb'\* LIST \((.*)\) "/" "?(.*?)"?$', line) for line in c('LIST "" "*" RETURN (SPECIAL-USE)')[:-1]]
        uses = {found[2].decode(): re.findall(r"\\(?!Has)\w+", found[1].decode()) for found in listed}
        subscribed = {re.search(rb'"/" "?(.*?)"?$', line)[1].decode() for line in c('LSUB "" "*"')[:-1]}
        notes = {line for name in ["", *uses] for line in c(f'GETMETADATA (DEPTH infinity) "{name}" /')[:-1]}
        return uses, subscribed, notes


def annotate(mailrail, mailboxes, value):
    with Client(mailrail.imaps_port, tls=True) as c:
        for mailbox in mailboxes:
            assert b" OK " in c(f'SETMETADATA "{mailbox}" (/private/comment {value})')[-1]


def test_what_belongs_to_a_mailbox_comes_back(mailrail):
    with mailrail.imap() as imap:
        imap.create('"Post/Old"')
        imap.unsubscribe('"Post/Old"')
        imap._simple_command("CREATE", "Gone (USE (\\Sent))")
        imap.subscribe("Nowhere")
    annotate(mailrail, ("", "INBOX", "Gone", "Post/Old"), '"of the backup"')
    before = settings(mailrail)
    assert before[0]["Gone"] == ["\\Sent"] and before[0]["Sent"] == [], before
    backup = str(mailrail.directory / "backup")
    mailrail.command("backup", backup)
    with mailrail.imap() as imap:
        for mailbox in ("Gone", '"Post/Old"', "Post"):
            assert imap.delete(mailbox)[0] == "OK"
        for name in ("Gone", "Post", "Nowhere"):
            imap.unsubscribe(name)
    annotate(mailrail, ("", "INBOX"), "NIL")
    mailrail.command("restore", backup, "ann", "--mailbox", "Post/Old")
    one = settings(mailrail)
    assert "Post/Old" in one[0] and "Gone" not in one[0] and "Nowhere" not in one[1]
    assert len(one[2]) == 1
    said = mailrail.command("restore", backup, "ann").stdout
    assert said == "0 messages restored, 0 were there\n"
    assert settings(mailrail) == before
    mailrail.command("restore", backup, "ann", "--to", "bob")
    assert mailrail.command("verifydata").stdout == "OK\n"
    bob = settings(mailrail, "bob@example.org")
    assert bob[0]["Sent"] == ["\\Sent"] and bob[2] == before[2], "what bob has stays with him"


def test_what_is_there_stays(mailrail):
    with mailrail.imap() as imap:
        imap._simple_command("CREATE", "Gone (USE (\\Sent))")
    annotate(mailrail, ["INBOX"], '"of the backup"')
    backup = str(mailrail.directory / "backup")
    mailrail.command("backup", backup)
    with mailrail.imap() as imap:
        imap.delete("Gone")
        imap._simple_command("CREATE", "Now (USE (\\Sent))")
    annotate(mailrail, ["INBOX"], '"mine"')
    said = mailrail.command("restore", backup, "ann").stdout.splitlines()
    assert said[1:] == ["Gone is not \\Sent again: Now is that now"]
    uses, subscribed, notes = settings(mailrail)
    assert uses["Now"] == ["\\Sent"] and uses["Gone"] == [] and "Gone" in subscribed
    assert len(notes) == 1 and b"mine" in notes.pop()
