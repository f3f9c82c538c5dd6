"""mailrail import and export, with Python's mailbox module, Dovecot and mbsync as peers."""
import email.utils
import imaplib
import mailbox
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from conftest import BIN, ENVIRONMENT, FAULT, wait_until

USER = "ann@example.org"
NAMES = re.compile(rb'\((?P<flags>[^)]*)\) "/" (?P<name>.*)')


def letter(n, text=None):
    body = text if text is not None else f"text of {n}\nFrom here on\n\n>From there\n"
    date = email.utils.formatdate(1600000000 + n * 60)
    return f"From: joe@far.example\nDate: {date}\nSubject: letter {n}\nMessage-ID: <{n}@far.example>\n\n{body}"


def make_mbox(path, count):
    box = mailbox.mbox(path)
    for n in range(count):
        message = mailbox.mboxMessage(letter(n))
        message.set_from("joe@far.example", time.gmtime(1600000000 + n * 60))
        if n % 2:
            message.add_flag("R")
        if n % 3 == 0:
            message.add_flag("F")
        if n == 4:
            message["X-Keywords"] = "Work,$Forwarded,a b"
        box.add(message)
    box.close()


def make_maildir(path, count, first=0):
    box = mailbox.Maildir(path)
    for n in range(first, first + count):
        message = mailbox.MaildirMessage(letter(n))
        message.set_date(1600000000 + n * 60)
        message.set_subdir("cur" if n % 2 else "new")
        if n % 2:
            message.set_flags("S" + ("F" if n % 3 == 0 else ""))
        box.add(message)
    return box


def messages_of(mailrail, name, user=USER):
    """Text, flags and date of each, by the order of the mailbox."""
    with mailrail.imap(user) as imap:
        status, data = imap.select(f'"{name}"', readonly=True)
        assert status == "OK", data
        found = []
        if data == [b"0"]:
            return found
        for row in imap.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]:
            if isinstance(row, tuple):
                flags = tuple(sorted(flag.decode() for flag in imaplib.ParseFlags(row[0])))
                date = re.search(rb'INTERNALDATE "([^"]+)"', row[0])[1]
                found.append((row[1], flags, email.utils.parsedate_to_datetime(
                    date.decode().strip().replace("-", " ", 2)).timestamp()))
        return found


def mailboxes_of(mailrail):
    with mailrail.imap(USER) as imap:
        return sorted(NAMES.match(row)["name"].decode().strip('"') for row in imap.list()[1])


def staging(mailrail):
    return [path for path in mailrail.directory.glob("data/accounts/*/import/*")]


def verify(mailrail):
    done = mailrail.command("verifydata")
    assert done.stdout == "OK\n" and " 0 findings" in done.stderr, done.stdout


def without_status(text):
    header, _, body = text.partition(b"\r\n\r\n")
    lines = [line for line in header.split(b"\r\n")
             if not re.match(rb"(Status|X-Status|X-Keywords|Content-Length):", line, re.I)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


# ---- Import

def test_mbox_of_python_is_imported_with_flags_and_dates(mailrail, tmp_path):
    make_mbox(tmp_path / "a.mbox", 7)
    done = mailrail.command("import", "ann", tmp_path / "a.mbox", "--mailbox", "Old/Letters")
    assert done.stdout == "7 messages imported into 1 mailbox\n"
    found = messages_of(mailrail, "Old/Letters")
    assert len(found) == 7
    for n, (text, flags, date) in enumerate(found):
        assert text.startswith(b"From: joe@far.example\r\nDate: ")
        # Python quotes "From " and not ">From ": read as mboxrd, which cannot know, that loses its ">".
        assert text.endswith(f"text of {n}\r\nFrom here on\r\n\r\nFrom there\r\n".encode())
        assert ("\\Seen" in flags) == (n % 2 == 1) and ("\\Flagged" in flags) == (n % 3 == 0)
        assert date == 1600000000 + n * 60
        assert ("work" in flags, "$Forwarded" in flags) == (n == 4, n == 4)
    with mailrail.imap(USER) as imap:
        assert b"Old/Letters" in b"".join(imap.lsub()[1])
    verify(mailrail)
    assert not staging(mailrail)


def test_maildir_with_subfolders_and_keywords(mailrail, tmp_path):
    root = tmp_path / "Maildir"
    box = make_maildir(root, 4)
    make_maildir(root / ".Old.Entw&APw-rfe", 2, 10)
    (root / "cur/1642966915.1.h:2,FSab").write_text("A: b\n\nlast line without its end")
    (root / "dovecot-keywords").write_text("0 $Forwarded\n1 Work\nnonsense\n30 far\n")
    (root / "tmp/half").write_text("not a message")
    assert len(box) == 5
    done = mailrail.command("import", "ann", root)
    assert "line 3: skipped" in done.stderr and "line 4: skipped" in done.stderr
    found = messages_of(mailrail, "Inbox")
    assert len(found) == 5
    text, flags, date = found[0]  # the others have now in their names
    assert text == b"A: b\r\n\r\nlast line without its end\r\n" and date == 1642966915
    assert set(flags) >= {"\\Flagged", "\\Seen", "$Forwarded", "work"}
    assert len(messages_of(mailrail, "Old/Entw&APw-rfe")) == 2
    verify(mailrail)


def test_a_file_without_time_in_its_name_has_that_of_the_file(mailrail, tmp_path):
    for part in ("cur", "new", "tmp"):
        (tmp_path / "m" / part).mkdir(parents=True)
    (tmp_path / "m/new/x").write_text("A: b\n\n")
    os.utime(tmp_path / "m/new/x", (1500000000, 1500000000))
    mailrail.command("import", "ann", tmp_path / "m", "--mailbox", "M")
    assert [(flags, date) for _, flags, date in messages_of(mailrail, "M")] == [(("$NotJunk",), 1500000000)]


def test_progress_is_a_line_for_each_thousand(mailrail, tmp_path):
    with open(tmp_path / "big.mbox", "w") as out:
        for n in range(2500):
            out.write(f"From x Mon Jan  2 15:04:05 2006\n{letter(n, 'x')}\n\n")
    done = mailrail.command("import", "ann", tmp_path / "big.mbox")
    assert [line for line in done.stderr.splitlines()] == ["1000 messages", "2000 messages"]
    with mailrail.imap(USER) as imap:
        assert imap.status("big", "(MESSAGES UNSEEN)")[1] == [b"big (MESSAGES 2500 UNSEEN 2500)"]
    verify(mailrail)


def test_progress_on_a_terminal_is_one_line(mailrail, tmp_path):
    make_mbox(tmp_path / "a.mbox", 30)
    near, far = os.openpty()
    done = subprocess.run([BIN / "mailrail", "import", "ann", tmp_path / "a.mbox", "--config", mailrail.config],
                          stdout=subprocess.PIPE, stderr=far, env=ENVIRONMENT, timeout=120)
    os.close(far)
    shown = os.read(near, 65536)
    os.close(near)
    assert done.returncode == 0 and b"\n" not in shown
    assert re.search(rb"\r\x1b\[K1 message, \d+ a second, \d+ %, \d+:\d\d left", shown), shown


@pytest.mark.parametrize("content, want", [
    ("Subject: x\n\ny\n", 'at byte 0 stands no "From " line'),
    ("\n\nFrom x\n", "at byte 0"),
])
def test_what_is_no_mbox_is_refused_with_its_position(mailrail, tmp_path, content, want):
    (tmp_path / "x.mbox").write_text(content)
    done = mailrail.command("import", "ann", tmp_path / "x.mbox", check=False)
    assert done.returncode == 1 and want in done.stderr and "x.mbox" in done.stderr
    assert "x" not in mailboxes_of(mailrail) and not staging(mailrail)


def test_an_empty_mbox_makes_an_empty_mailbox(mailrail, tmp_path):
    (tmp_path / "nothing.mbox").touch()
    mailrail.command("import", "ann", tmp_path / "nothing.mbox")
    assert messages_of(mailrail, "nothing") == []


def test_an_unreadable_message_leaves_no_trace(mailrail, tmp_path):
    make_maildir(tmp_path / "m", 5)
    victim = sorted((tmp_path / "m/cur").iterdir())[1]
    victim.unlink()
    victim.mkdir()
    done = mailrail.command("import", "ann", tmp_path / "m", "--mailbox", "M", check=False)
    assert done.returncode == 1 and victim.name in done.stderr
    assert "M" not in mailboxes_of(mailrail) and not staging(mailrail)
    verify(mailrail)


def test_the_quota_refuses_all(mailrail, tmp_path):
    make_mbox(tmp_path / "a.mbox", 50)
    mailrail.command("account", "set", "ann", "--quota", "5000")
    done = mailrail.command("import", "ann", tmp_path / "a.mbox", check=False)
    assert done.returncode == 1 and "quota" in done.stderr
    assert "a" not in mailboxes_of(mailrail) and not staging(mailrail)
    verify(mailrail)


@pytest.mark.parametrize("words, want", [
    (("nobody", "a.mbox"), "there is no account nobody"),
    (("ann", "missing"), "missing: No such file"),
    (("ann", "a.mbox", "--mailbox", "/x"), "mailbox"),
    (("ann", "."), "has no mail"),
])
def test_what_is_wrong_is_said(mailrail, tmp_path, monkeypatch, words, want):
    (tmp_path / "empty").mkdir()
    make_mbox(tmp_path / "a.mbox", 1)
    monkeypatch.chdir(tmp_path / "empty" if words[1] == "." else tmp_path)
    done = mailrail.command("import", *words, check=False)
    assert done.returncode == 1 and want in done.stderr
    assert "Begin: " not in done.stderr  # a name that services call each other by
    assert not staging(mailrail)


def test_the_same_command_again_imports_nothing_twice(mailrail, tmp_path):
    make_mbox(tmp_path / "a.mbox", 3)
    mailrail.command("import", "ann", tmp_path / "a.mbox")
    done = mailrail.command("import", "ann", tmp_path / "a.mbox")
    assert "Imported before: 3 messages" in done.stdout
    assert len(messages_of(mailrail, "a")) == 3
    assert "3 messages imported" in mailrail.command("import", "ann", tmp_path / "a.mbox", "--again").stdout
    assert len(messages_of(mailrail, "a")) == 6


def test_a_message_of_megabytes(mailrail, tmp_path):
    body = "x" * 70 + "\n"
    with open(tmp_path / "large.mbox", "w") as out:
        for count in (1, 2000, 300000):  # the last: 21 MB
            out.write(f"From x Mon Jan  2 15:04:05 2006\nSubject: {count}\n\n{body * count}\n")
    mailrail.command("import", "ann", tmp_path / "large.mbox")
    found = messages_of(mailrail, "large")
    for (text, _, _), count in zip(found, (1, 2000, 300000), strict=True):
        assert text == (f"Subject: {count}\r\n\r\n" + body.replace("\n", "\r\n") * count).encode()
    mailrail.command("export", "ann", tmp_path / "out", "--mailbox", "large")
    assert sorted(path.stat().st_size for path in (tmp_path / "out").rglob("*mailrail:2,*")) == [
        len(f"Subject: {count}\n\n") + 71 * count for count in (1, 2000, 300000)]


# ---- Interrupted

class Running:
    """An import that is under way."""

    def __init__(self, mailrail, *words):
        self.process = subprocess.Popen([BIN / "mailrail", "import", *words, "--config", mailrail.config],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        self.mailrail = mailrail

    def until_sent(self, files):
        def enough():
            assert self.process.poll() is None, "it ended before it could be interrupted"
            return sum(len(list(path.iterdir())) for path in staging(self.mailrail)) > files
        wait_until(enough, 60, f"{files} messages on the server")
        return self

    def end(self):
        out, err = self.process.communicate(timeout=120)
        assert not FAULT.search(err), err
        return self.process.returncode, out, err


@pytest.fixture
def long_maildir(tmp_path):
    make_maildir(tmp_path / "long", 6000)
    return tmp_path / "long"


def check_long(mailrail):
    found = messages_of(mailrail, "Long")
    assert len(found) == 6000
    assert sorted(re.search(rb"Message-ID: <(\d+)@", text)[1] for text, _, _ in found) == sorted(
        str(n).encode() for n in range(6000))
    verify(mailrail)
    assert not staging(mailrail)


def test_a_killed_command_goes_on(mailrail, long_maildir):
    running = Running(mailrail, "ann", long_maildir, "--mailbox", "Long").until_sent(1000)
    running.process.kill()
    running.end()
    assert "Long" not in mailboxes_of(mailrail)
    verify(mailrail)
    done = mailrail.command("import", "ann", long_maildir, "--mailbox", "Long")
    assert re.search(r"Going on after [1-9]\d+ messages", done.stderr)
    assert "6000 messages imported" in done.stdout
    check_long(mailrail)


def test_a_killed_store_is_waited_for(mailrail, long_maildir):
    running = Running(mailrail, "ann", long_maildir, "--mailbox", "Long").until_sent(1000)
    mailrail.kill("store")
    status, out, err = running.end()
    assert status == 0 and "6000 messages imported" in out, err
    check_long(mailrail)


def test_ctrl_c_says_how_to_go_on_and_abort_drops_it(mailrail, long_maildir):
    words = ("ann", long_maildir, "--mailbox", "Long")
    running = Running(mailrail, *words).until_sent(1000)
    running.process.send_signal(signal.SIGINT)
    status, _, err = running.end()
    assert status == 1 and "interrupted" in err and "The same command goes on" in err
    assert staging(mailrail) and "Long" not in mailboxes_of(mailrail)
    done = mailrail.command("import", *words, "--abort")
    assert re.match(r"[1-9]\d+ messages dropped", done.stdout)
    assert not staging(mailrail) and "Long" not in mailboxes_of(mailrail)
    verify(mailrail)


# ---- Export

def fill(mailrail):
    with mailrail.imap(USER) as imap:
        imap.create("Work/Old")
        imap.create("Empty")
        imap.append("INBOX", r"(\Seen \Answered $Forwarded project)", '" 7-Feb-1994 21:52:25 -0800"',
                    b"A: b\r\n\r\nFrom x\r\n>From y\r\n\r\n")
        imap.append("INBOX", r"(\Flagged \Draft \Deleted)", '"17-Jul-2021 02:44:25 +0000"',
                    b"Status: RO\r\nC: d\r\n\r\nx\r\n\r\n\r\n")
        imap.append("Work/Old", r"(project other $Junk)", '"17-Jul-2021 02:44:25 +0000"', letter(1).replace("\n", "\r\n").encode())
    with mailrail.smtp() as smtp:
        smtp.sendmail("joe@far.example", [USER], letter(2))


BOXES = ("INBOX", "Work", "Work/Old", "Empty", "Sent")


@pytest.mark.parametrize("form", ["maildir", "mbox"])
def test_what_is_exported_is_imported_the_same(mailrail, tmp_path, form):
    fill(mailrail)
    before = {name: messages_of(mailrail, name) for name in BOXES}
    done = mailrail.command("export", "ann", tmp_path / "out", "--format", form)
    assert re.match(r"4 messages of \d+ mailboxes exported", done.stdout)
    assert not (tmp_path / "out/errors.txt").exists()
    mailrail.command("import", "bob", tmp_path / "out")
    for name in BOXES:
        after = messages_of(mailrail, name, "bob@example.org")
        if form == "mbox":
            after = [(without_status(text), flags, date) for text, flags, date in after]
            before[name] = [(without_status(text), flags, date) for text, flags, date in before[name]]
        # The rules of mailbox names add $NotJunk; a message that was $Junk keeps both there.
        drop = {"$Junk", "$NotJunk"}
        assert [(text, set(flags) - drop, date) for text, flags, date in after] == [
            (text, set(flags) - drop, date) for text, flags, date in sorted(before[name], key=lambda m: m[2])], name
    verify(mailrail)


def test_the_sender_of_the_envelope_stays(mailrail, tmp_path):
    """It is in the From line of mbox, in Return-Path of a Maildir, and comes back from a backup."""
    (tmp_path / "a.mbox").write_text(f"From bounce-7@lists.far.example Mon Jan  2 15:04:05 2006\n{letter(1)}\n"
                                     f"From MAILER-DAEMON Mon Jan  2 15:04:06 2006\n{letter(2)}\n")
    for part in ("cur", "new", "tmp"):
        (tmp_path / "b" / part).mkdir(parents=True)
    (tmp_path / "b/cur/1:2,S").write_text("Return-Path: <jane@far.example>\n" + letter(3))
    mailrail.command("import", "ann", tmp_path / "a.mbox")
    mailrail.command("import", "ann", tmp_path / "b", "--mailbox", "b")
    mailrail.command("export", "ann", tmp_path / "out", "--format", "mbox")

    def senders(*names):
        return [line.split()[1] for name in names for line in open(tmp_path / name)
                if re.match(r"From \S+ \w\w\w \w\w\w ", line)]

    want = ["bounce-7@lists.far.example", "MAILER-DAEMON", "jane@far.example"]
    assert senders("out/a.mbox", "out/b.mbox") == want
    mailrail.command("backup", tmp_path / "backup")
    mailrail.command("restore", tmp_path / "backup", "ann", "--to", "bob")
    mailrail.command("export", "bob", tmp_path / "bob", "--format", "mbox")
    assert senders("bob/a.mbox", "bob/b.mbox") == want


def test_python_reads_what_is_exported(mailrail, tmp_path):
    fill(mailrail)
    mailrail.command("export", "ann", tmp_path / "mbox", "--format", "mbox")
    mailrail.command("export", "ann", tmp_path / "maildir")
    box = mailbox.mbox(tmp_path / "mbox/Inbox.mbox")
    assert len(box) == 3 and box[0]["X-Keywords"] == "$Forwarded,project" and box[0].get_flags() == "RA"
    assert sorted(box[1].get_flags()) == ["D", "F", "T"]
    for line in open(tmp_path / "mbox/Inbox.mbox", "rb"):
        assert not line.startswith(b"From ") or b"19" in line or b"20" in line
    box = mailbox.Maildir(tmp_path / "maildir/Inbox", create=False)
    assert sorted(message.get_flags() for message in box) == ["", "DFT", "RSab"]
    assert (tmp_path / "maildir/Inbox/dovecot-keywords").read_text() == "0 $Forwarded\n1 project\n"
    assert len(mailbox.Maildir(tmp_path / "maildir/Work/Old", create=False)) == 1


def test_one_mailbox_without_its_parents(mailrail, tmp_path):
    fill(mailrail)
    mailrail.command("export", "ann", tmp_path / "out", "--mailbox", "Work/Old", "--format", "mbox")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["Old.mbox"]
    done = mailrail.command("export", "ann", tmp_path / "out", check=False)
    assert done.returncode == 1 and "is not empty" in done.stderr
    done = mailrail.command("export", "ann", tmp_path / "none", "--mailbox", "Nowhere", check=False)
    assert done.returncode == 1 and "there is no mailbox Nowhere" in done.stderr


def test_a_missing_file_is_named(mailrail, tmp_path):
    fill(mailrail)
    victim = sorted(path for path in mailrail.directory.glob("data/accounts/*/msg/*/*") if path.stat().st_size)[0]
    victim.unlink()
    done = mailrail.command("export", "ann", tmp_path / "out", check=False)
    assert done.returncode == 1
    assert f"message {victim.name} is left out" in (tmp_path / "out/errors.txt").read_text()
    assert len(list((tmp_path / "out").rglob("*mailrail:2,*"))) == 3


@pytest.mark.parametrize("form", ["maildir", "mbox"])
def test_a_mailbox_that_no_file_can_be_named_after_is_left_out(mailrail, tmp_path, form):
    fill(mailrail)
    long = "a" * 256
    with mailrail.imap(USER) as imap:
        assert imap.create(long)[0] == "OK"
    done = mailrail.command("export", "ann", tmp_path / "out", "--format", form, check=False)
    reason = f"mailbox {long} is left out: a level of its name is too long for a file\n"
    assert done.returncode == 1 and (tmp_path / "out/errors.txt").read_text() == reason
    assert reason in done.stderr and "1 error with messages or mailboxes" in done.stderr
    assert done.stdout.startswith("4 messages of")  # those of the mailboxes behind it too
    done = mailrail.command("export", "ann", tmp_path / "one", "--format", form, "--mailbox", long, check=False)
    assert done.returncode == 1 and reason in done.stderr


@pytest.mark.parametrize("form, left_out", [("maildir", []), ("mbox", ["cur/k"])])
def test_names_that_mislead_in_a_file_system_come_back(mailrail, tmp_path, form, left_out):
    names = ["...", ".Sent", ".a&-&AOk-.b/c", "Inbox/.x", "a/..b./.mbox/c", "errors.txt/k", "x", "x.mbox/k", "cur/k",
             "Inbox/new", "Inbox/dovecot-keywords"]
    with mailrail.imap(USER) as imap:
        for name in names:
            assert imap.create(f'"{name}"')[0] == "OK", name
            assert imap.append(f'"{name}"', "(work)", None, letter(1, name).encode())[0] == "OK"
    done = mailrail.command("export", "ann", tmp_path / "out", "--format", form, check=False)
    assert done.returncode == (1 if left_out else 0)
    assert [line.split()[1] for line in done.stderr.splitlines() if "left out" in line] == left_out
    mailrail.command("import", "bob", tmp_path / "out")
    for name in set(names) - set(left_out):
        texts = [text for text, _, _ in messages_of(mailrail, name, "bob@example.org")]
        assert len(texts) == 1 and name.encode() in texts[0], name
    assert messages_of(mailrail, "Sent", "bob@example.org") == []


def test_the_name_of_a_mailbox_that_cannot_be_is_said(mailrail, tmp_path):
    (tmp_path / "m/odd").mkdir(parents=True)
    make_maildir(tmp_path / "m/odd/..x", 1)
    done = mailrail.command("import", "ann", tmp_path / "m", check=False)
    assert done.returncode == 1 and '"odd//x": mailbox name: has an empty level' in done.stderr
    assert not staging(mailrail)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("doveadm", path=ENVIRONMENT["PATH"]),
                    reason="needs Dovecot, and root for it")
def test_dovecot_reads_maildirs_and_keywords(mailrail):
    fill(mailrail)
    nobody = pwd.getpwnam("nobody")  # Dovecot reads no mail as root
    with tempfile.TemporaryDirectory(prefix="mr-", dir="/tmp") as name:
        home = pathlib.Path(name)
        mailrail.command("export", "ann", home / "out")
        (home / "dovecot.conf").write_text(f"""
base_dir = {home}/run
log_path = /dev/stderr
mail_location = maildir:{home}/out/Inbox
mail_home = {home}
mail_uid = {nobody.pw_uid}
mail_gid = {nobody.pw_gid}
first_valid_uid = 0
first_valid_gid = 0
""")
        for path in [home, *home.rglob("*")]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        done = subprocess.run(["doveadm", "-c", home / "dovecot.conf", "-f", "tab", "fetch",
                               "flags date.received", "mailbox", "INBOX"], capture_output=True, text=True,
                              env=ENVIRONMENT | {"HOME": name, "USER": "nobody"}, timeout=60)
    assert done.returncode == 0, done.stderr
    assert r"\Answered \Seen" in done.stdout and "$Forwarded project" in done.stdout, done.stdout
    assert r"\Flagged \Deleted \Draft" in done.stdout
    assert "1994-02-08" in done.stdout
