"""IMAP as usual programs use it: imaplib, mbsync, curl."""
import imaplib
import subprocess

import pytest

from conftest import PASSWORD

USER = "ann@example.org"
LETTERS = [f"From: joe@far.example\r\nSubject: letter {n}\r\nMessage-ID: <{n}@far.example>\r\n\r\n"
           f"text of {n}\r\n".encode() for n in range(25)]


@pytest.fixture
def filled(mailrail):
    with mailrail.smtp() as smtp:
        for letter in LETTERS:
            smtp.sendmail("joe@far.example", [USER], letter)
    return mailrail


def test_imaplib_reads_flags_searches_and_moves(filled):
    with filled.imap(USER) as imap:
        assert imap.select()[1] == [b"25"]
        assert imap.search(None, "SUBJECT", '"letter 7"')[1] == [b"8"]
        imap.store("8", "+FLAGS", "(\\Answered project)")
        assert imap.fetch("8", "(FLAGS)")[1] == [b"8 (UID 8 FLAGS (\\Answered project))"]
        assert imap.create("Work/Old")[0] == "OK"
        assert imap.uid("MOVE", "8", "Work/Old")[0] == "OK"
        assert imap.status("Work/Old", "(MESSAGES UNSEEN)")[1] == [b"Work/Old (MESSAGES 1 UNSEEN 1)"]
        assert imap.select()[1] == [b"24"]
        with pytest.raises(imaplib.IMAP4.error):
            imap.fetch("25", "(FLAGS)")


def test_curl_fetches_a_letter(filled):
    done = subprocess.run(["curl", "-sk", "--user", f"{USER}:{PASSWORD}",
                           f"imaps://127.0.0.1:{filled.imaps_port}/INBOX;MAILINDEX=3"],
                          capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert LETTERS[2] in done.stdout


def test_mbsync_copies_both_ways(filled, tmp_path):
    config = tmp_path / "mbsyncrc"
    (tmp_path / "mail").mkdir()
    config.write_text(f"""
IMAPAccount mailrail
Host 127.0.0.1
Port {filled.imaps_port}
User {USER}
Pass "{PASSWORD}"
SSLType IMAPS
CertificateFile {filled.directory}/tls/cert.pem

IMAPStore far
Account mailrail

MaildirStore near
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/Inbox
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Both
SyncState *
""")

    def mbsync():
        done = subprocess.run(["mbsync", "-c", config, "-a"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr

    mbsync()
    inbox = tmp_path / "mail" / "Inbox"
    files = [*(inbox / "new").iterdir(), *(inbox / "cur").iterdir()]
    assert len(files) == len(LETTERS)
    (inbox / "new" / "1.x.y").write_bytes(b"Subject: from here\n\nhello\n")
    mbsync()
    with filled.imap(USER) as imap:
        assert imap.select()[1] == [b"26"]
        letter = imap.fetch("26", "(BODY[])")[1][0][1]
        assert letter.startswith(b"Subject: from here\r\n") and letter.endswith(b"\r\n\r\nhello\r\n")
