"""IMAP clients that people run, each told what to do by a script: they tolerate, and use, what we announce."""
import base64
import hashlib
import mailbox
import os
import pty
import random
import re
import select
import ssl
import subprocess
import time

import pytest

from conftest import PASSWORD

USER = "ann@example.org"


def letter(n):
    return (f"From: joe@far.example\nTo: {USER}\nSubject: letter {n}\nMessage-ID: <{n}@far.example>\n"
            f"Date: Fri, 2 Jan 2026 03:04:05 +0000\n\ntext of {n}\n").encode()


def fill(mailrail, directory, count, box="INBOX"):
    """Many messages at once."""
    path = directory / f"{box}.mbox"
    path.write_bytes(b"".join(b"From joe Fri Jan  2 03:04:05 2026\n" + letter(n) + b"\n" for n in range(count)))
    mailrail.command("import", "ann", path, "--mailbox", box)


def run(words, home, seconds=300, input=None, **environment):
    done = subprocess.run([str(word) for word in words], capture_output=True, timeout=seconds, check=False,
                          input=input, env={**os.environ, "HOME": str(home), **environment})
    output = done.stdout + done.stderr
    assert done.returncode == 0, output.decode(errors="replace")[-4000:]
    return output


def state(mailrail, box="INBOX"):
    """Flags by message id, and the mailbox's highest modseq."""
    with mailrail.imap(USER) as imap:
        imap.select(box, readonly=True)
        modseq = re.search(rb"HIGHESTMODSEQ (\d+)", imap.status(box, "(HIGHESTMODSEQ)")[1][0])[1]
        flags = {}
        if imap.search(None, "ALL")[1] == [b""]:
            return flags, int(modseq)
        for row in imap.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]:
            if isinstance(row, tuple) and (ident := re.search(rb"<(.*)@", row[1])):
                flags[ident[1].decode()] = set(re.search(rb"FLAGS \(([^)]*)\)", row[0])[1].decode().split())
        return flags, int(modseq)


# ---- mbsync

def mbsync_config(mailrail, directory):
    config = directory / "mbsyncrc"
    (directory / "mail").mkdir()
    config.write_text(f"""FSync no

IMAPAccount mailrail
Host 127.0.0.1
Port {mailrail.imaps_port}
User {USER}
Pass "{PASSWORD}"
SSLType IMAPS
CertificateFile {mailrail.directory}/tls/cert.pem

IMAPStore far
Account mailrail

MaildirStore near
Path {directory}/mail/
Inbox {directory}/mail/Inbox

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Both
Expunge Both
Sync All
SyncState *
""")
    return config


def near_files(box):
    return sorted(path.name for part in ("new", "cur") for path in (box / part).iterdir())


def change_near(box, chance, count):
    """Marks, deletes and adds messages in a Maildir. Returns the names of those that it deleted."""
    maildir = mailbox.Maildir(box, create=False)
    keys = chance.sample(sorted(maildir.keys()), 2 * count)
    for key in keys[:count]:
        message = maildir[key]
        message.set_subdir("cur")
        message.set_flags(chance.choice(("S", "F", "FRS")))
        maildir[key] = message
    gone = {name_of(maildir[key]) for key in keys[count:]}
    for key in keys[count:]:
        maildir.remove(key)
    for n in range(count):
        maildir.add(mailbox.MaildirMessage(letter(f"near{n}")))
    return gone


def name_of(message):
    return re.search(r"<(.*)@", message["Message-ID"])[1]


def change_far(mailrail, chance, count):
    """The same in the account. Returns the names of those that it deleted."""
    with mailrail.imap(USER) as imap:
        imap.select()
        uids = b" ".join(imap.uid("SEARCH", "ALL")[1]).decode().split()
        some = chance.sample(uids, 2 * count)
        imap.uid("STORE", ",".join(some[:count]), "+FLAGS", r"(\Flagged)")
        fields = imap.uid("FETCH", ",".join(some[count:]), "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]
        gone = {re.search(rb"<(.*)@", row[1])[1].decode() for row in fields if isinstance(row, tuple)}
        imap.uid("STORE", ",".join(some[count:]), "+FLAGS", r"(\Deleted)")
        imap.expunge()
        for n in range(count):
            imap.append("INBOX", r"(\Seen)", None, letter(f"far{n}").replace(b"\n", b"\r\n"))
        return gone


def test_mbsync_both_ways_with_5000_messages(mailrail, tmp_path):
    chance = random.Random(5000)
    fill(mailrail, tmp_path, 5000)
    words = ["mbsync", "-c", mbsync_config(mailrail, tmp_path), "-a"]
    box = tmp_path / "mail" / "Inbox"
    run(words, tmp_path)
    assert len(near_files(box)) == 5000
    gone = change_near(box, chance, 60) | change_far(mailrail, chance, 60)
    run(words, tmp_path)
    run(words, tmp_path)  # mbsync itself needs a second one where both sides have changed the same message
    before, files = state(mailrail), near_files(box)
    near = {name_of(message): {"\\Seen" if "S" in message.get_flags() else "",
                               "\\Flagged" if "F" in message.get_flags() else "",
                               "\\Answered" if "R" in message.get_flags() else ""} - {""}
            for message in mailbox.Maildir(box, create=False)}
    assert near == {ident: flags & {"\\Seen", "\\Flagged", "\\Answered"} for ident, flags in before[0].items()}
    names = {str(n) for n in range(5000)} | {f"near{n}" for n in range(60)} | {f"far{n}" for n in range(60)}
    assert set(near) == names - gone
    run(words, tmp_path)
    assert (state(mailrail), near_files(box)) == (before, files), "a run without changes changed something"


# ---- offlineimap

def fingerprint(mailrail):
    certificate = (mailrail.directory / "tls/cert.pem").read_text()
    first = re.search("-----BEGIN.*?END CERTIFICATE-----", certificate, re.DOTALL)[0]
    return hashlib.sha512(ssl.PEM_cert_to_DER_cert(first + "\n")).hexdigest()


def test_offlineimap(mailrail, tmp_path):
    fill(mailrail, tmp_path, 200)
    with mailrail.imap(USER) as imap:
        imap.create("Work/Old")
        imap.append("Work/Old", r"(\Flagged)", None, letter("old").replace(b"\n", b"\r\n"))
    config = tmp_path / "offlineimaprc"
    config.write_text(f"""
[general]
accounts = a
metadata = {tmp_path}/offlineimap
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {tmp_path}/mail
[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {mailrail.imaps_port}
remoteuser = {USER}
remotepass = {PASSWORD}
ssl = yes
cert_fingerprint = {fingerprint(mailrail)}
""")
    words = ["offlineimap", "-o", "-u", "basic", "-c", config]
    run(words, tmp_path)
    name = next(path.name for path in (tmp_path / "mail").iterdir() if path.name.lower() == "inbox")
    near = mailbox.Maildir(tmp_path / "mail" / name, create=False)
    assert len(near) == 200
    assert any(path.name.startswith("Work") for path in (tmp_path / "mail").iterdir())
    key = next(iter(near.keys()))
    ident = near[key]["Message-ID"].strip("<>").partition("@")[0]
    message = near[key]
    message.set_subdir("cur")
    message.set_flags("FS")
    near[key] = message
    near.add(mailbox.MaildirMessage(letter("added")))
    with mailrail.imap(USER) as imap:
        imap.select()
        imap.store("7", "+FLAGS", r"(\Deleted)")
        imap.expunge()
    run(words, tmp_path)
    flags, modseq = state(mailrail)
    assert flags[ident] >= {"\\Seen", "\\Flagged"} and "added" in flags and len(flags) == 200
    files = near_files(tmp_path / "mail" / name)
    assert len(files) == 200
    run(words, tmp_path)
    assert state(mailrail) == (flags, modseq) and near_files(tmp_path / "mail" / name) == files


# ---- Programs with a screen

class Screen:
    """A program in a terminal, which nobody looks at."""

    def __init__(self, words, home):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(HOME=str(home), TERM="xterm", LINES="40", COLUMNS="120")
            os.execvp(words[0], [str(word) for word in words])
        self.shown = b""

    def wait(self, seconds=120):
        """Its exit status; what it shows is read all the time, or it would block."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.fd, 65536)
                except OSError:  # its end has closed the terminal
                    break
        pid, status = os.waitpid(self.pid, 0 if time.monotonic() < end else os.WNOHANG)
        if pid == 0:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
        assert pid, f"it did not end: {self.shown[-3000:]}"
        return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("program", ["neomutt", "mutt"])
def test_mutt_moves_flags_and_deletes(mailrail, tmp_path, program):
    fill(mailrail, tmp_path, 20)
    with mailrail.imap(USER) as imap:
        imap.create("Work")
    config = tmp_path / "muttrc"
    config.write_text(f"""
set folder="imaps://{USER.replace('@', '%40')}@127.0.0.1:{mailrail.imaps_port}/"
set imap_user="{USER}" imap_pass="{PASSWORD}"
set spoolfile="+INBOX" record="" sort=mailbox-order
set ssl_verify_host=no ssl_verify_dates=no certificate_file="{mailrail.directory}/tls/cert.pem"
set confirmappend=no confirmcreate=no delete=yes move=no quit=yes mark_old=no wait_key=no
set imap_qresync=yes imap_condstore=yes
set header_cache="{tmp_path}/cache"
push "<tag-pattern>~s \\"letter 1[0-4]$\\"<enter><tag-prefix><save-message>=Work<enter>\
<tag-pattern>~A<enter><untag-pattern>~A<enter>\
<jump>1<enter><flag-message><jump>3<enter><delete-message><jump>5<enter><set-flag>r<sync-mailbox><quit>"
""")
    screen = Screen([program, "-n", "-F", config], tmp_path)
    assert screen.wait() == 0, screen.shown[-3000:]
    flags = state(mailrail)[0]
    assert set(flags) == {str(n) for n in range(20) if n not in (2, 10, 11, 12, 13, 14)}
    assert "\\Flagged" in flags["0"] and "\\Answered" in flags["4"]
    assert set(state(mailrail, "Work")[0]) == {"10", "11", "12", "13", "14"}


# ---- Programs that fetch

def numbers_in(path):
    """Of the letters in a file."""
    return set(map(int, re.findall(rb"Message-ID: <(\d+)@", path.read_bytes())))


def test_getmail(mailrail, tmp_path):
    fill(mailrail, tmp_path, 30)
    (tmp_path / "getmailrc").write_text(f"""
[retriever]
type = SimpleIMAPSSLRetriever
server = 127.0.0.1
port = {mailrail.imaps_port}
username = {USER}
password = {PASSWORD}
mailboxes = ("INBOX",)
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat >> {tmp_path}/got; echo >> {tmp_path}/got")
allow_root_commands = true
[options]
delete = true
""")
    run(["getmail", "--getmaildir", tmp_path], tmp_path)
    assert numbers_in(tmp_path / "got") == set(range(30))
    assert state(mailrail)[0] == {}


def test_fetchmail(mailrail, tmp_path):
    fill(mailrail, tmp_path, 30)
    config = tmp_path / "fetchmailrc"
    config.write_text(f"""
poll 127.0.0.1 port {mailrail.imaps_port} protocol imap
  user "{USER}" password "{PASSWORD}" ssl no sslcertck keep mda "cat >> {tmp_path}/got; echo >> {tmp_path}/got"
""")
    config.chmod(0o600)
    words = ["fetchmail", "-f", config, "--nodetach", "--nosyslog", "--pidfile", tmp_path / "pid"]
    run(words, tmp_path)
    assert numbers_in(tmp_path / "got") == set(range(30))
    assert all("\\Seen" in flags for flags in state(mailrail)[0].values())


# ---- imtest

IMTEST = "/usr/lib/cyrus/bin/imtest"


def imtest(mailrail, home, mechanism, **environment):
    words = [IMTEST, "-s", "-p", mailrail.imaps_port, "-u", USER, "-a", USER, "-w", PASSWORD, "-m", mechanism,
             "127.0.0.1"]
    output = run(words, home, input=b"a NOOP\r\nb LOGOUT\r\n", **environment)
    assert b"Authenticated." in output and b"a OK" in output, output
    return output


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_imtest(shared_mailrail, tmp_path, mechanism):
    imtest(shared_mailrail, tmp_path, mechanism)


def test_imtest_with_channel_binding(shared_mailrail, tmp_path):
    """It knows no binding but tls-unique, which is of TLS 1.2 and older, and names the mechanism without -PLUS."""
    (tmp_path / "openssl.cnf").write_text("openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n"
                                          "[c]\nMaxProtocol = TLSv1.2\n")
    output = imtest(shared_mailrail, tmp_path, "SCRAM-SHA-256-PLUS", OPENSSL_CONF=str(tmp_path / "openssl.cnf"))
    assert b"AUTHENTICATE SCRAM-SHA-256 " + base64.b64encode(b"p=tls-unique") in output
