"""Thunderbird as people use it, without its window: what it shows is compared with what another session sees.

One Thunderbird serves all tests. Each test has mailboxes of its own, and ends with both sides agreeing on all their
messages.
"""
import base64
import contextlib
import email.header
import email.message
import email.policy
import random
import re
import subprocess

import pytest

from conftest import FAILED, PASSWORD, Mailrail, finish, wait_until
from thunderbird import Thunderbird

ANN, BOB = "ann@example.org", "bob@example.org"
MANY = 300
SECONDS = 90  # for what it should learn by itself


# ---- The server, and Thunderbird

def make_certificates(directory):
    """A certificate authority, and a certificate for "localhost" that it vouches for, where Mailrail looks for it."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    directory.mkdir()
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new_key, "-days", "2", "-subj", "/CN=authority", "-keyout", "ca-key.pem", "-out", "ca.pem")
    openssl("req", *new_key, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "request.pem")
    (directory / "extensions").write_text("subjectAltName = DNS:localhost\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial",
            "-days", "2", "-extfile", "extensions", "-out", "cert.pem")
    return (directory / "ca.pem").read_text()


@pytest.fixture(scope="module")
def system(request):
    mailrail = Mailrail()
    mailrail.authority = make_certificates(mailrail.directory / "tls")
    try:
        mailrail.start()
        mailrail.add_usual()
        yield mailrail
    finally:
        finish([mailrail], request)


@pytest.fixture(scope="module")
def thunderbird(system, request):
    """Signed in as ann under implicit TLS; its folders are known."""
    with Thunderbird() as program:
        program.call("trust", system.authority)
        program.call("addAccount", ANN, PASSWORD, {"incoming": {"port": system.imaps_port},
                                                   "outgoing": {"port": system.submissions_port}})
        program.call("discover", "ann")
        yield program
        if request.node.stash.get(FAILED, False):
            print(f"\n--- log of Thunderbird\n{program.log()[-30000:]}")


@contextlib.contextmanager
def session(mailrail, box=None, user=ANN):
    """Another session, which names mailboxes in UTF-8."""
    with mailrail.imap(user) as imap:
        imap.enable("UTF8=ACCEPT")
        if box:
            assert imap.select(f'"{box}"')[0] == "OK"
        yield imap


# ---- Letters

def letter(number, subject=None, text=None):
    message = email.message.EmailMessage(email.policy.SMTP)
    message["From"], message["To"] = "Joe <joe@far.example>", ANN
    message["Subject"] = subject or f"letter {number}"
    message["Message-ID"] = f"<{number}@far.example>"
    message["Date"] = "Fri, 2 Jan 2026 03:04:05 +0000"
    message.set_content(text or f"text of {number}\n")
    return message


def fill(mailrail, box, letters, user=ANN):
    """Makes a mailbox with these letters."""
    with session(mailrail, user=user) as imap:
        imap.create(f'"{box}"')
    path = mailrail.directory / "mbox"
    path.write_bytes(b"".join(b"From joe Fri Jan  2 03:04:05 2026\n%s\n" % each.as_bytes(policy=email.policy.default)
                              for each in letters))
    mailrail.command("import", user.partition("@")[0], path, "--mailbox", box)


def opened(mailrail, thunderbird, box, letters):
    """Such a mailbox, which Thunderbird has read."""
    letters = list(letters)
    fill(mailrail, box, letters)
    thunderbird.call("discover", "ann")
    thunderbird.call("update", f"ann/{box}")
    assert agreed(mailrail, thunderbird, box) == len(letters)


# ---- What both sides see: by message id the UID, the subject, and the flags

def as_set(flags):
    """Keywords as Thunderbird keeps them, in small letters, and without what it shows otherwise or not at all."""
    flags = {flag if flag.startswith("\\") else flag.lower() for flag in flags}
    return frozenset(flags - {"\\Recent", "$notjunk", "$mdnsent"})


def on_server(mailrail, box, user=ANN):
    with session(mailrail, user=user) as imap:
        if imap.select(f'"{box}"', readonly=True)[1] == [b"0"]:
            return {}
        rows = imap.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID SUBJECT)])")[1]
    found = {}
    for about, fields in (row for row in rows if isinstance(row, tuple)):
        fields = email.message_from_bytes(fields)
        subject = str(email.header.make_header(email.header.decode_header(fields["Subject"])))
        flags = as_set(re.search(rb"FLAGS \(([^)]*)\)", about)[1].decode().split())
        found[fields["Message-ID"].strip("<>")] = (int(re.search(rb"UID (\d+)", about)[1]), subject, flags)
    return found


def as_flags(message):
    names = {"read": "\\Seen", "flagged": "\\Flagged", "replied": "\\Answered", "deleted": "\\Deleted"}
    return as_set({names[key] for key in names if message[key]} | set(message["keywords"]))


def shown(thunderbird, box, user="ann"):
    return {message["id"]: (message["uid"], message["subject"], as_flags(message))
            for message in thunderbird.call("messages", f"{user}/{box}")}


def agreed(mailrail, thunderbird, box, user="ann"):
    """The number of messages, once both sides see the same. That a letter is a draft is no flag for Thunderbird."""
    def both():
        server = {ident: (uid, subject, flags - {"\\Draft"})
                  for ident, (uid, subject, flags) in on_server(mailrail, box, f"{user}@example.org").items()}
        return server, shown(thunderbird, box, user)

    def same():
        server, client = both()
        return server == client

    with contextlib.suppress(AssertionError):
        wait_until(same, SECONDS)
    server, client = both()
    assert client == server
    return len(server)


def update_and_idle(thunderbird, box):
    """Has it look at a mailbox; when it idles then it has seen all. On a connection that has just ended it gives up
    without a word, as its user would see and try again."""
    before = len(thunderbird.log())
    for _ in range(SECONDS // 10):
        thunderbird.call("update", f"ann/{box}")
        with contextlib.suppress(AssertionError):
            wait_until(lambda: re.search(rf"S-{box}:SendData: \d+ IDLE", thunderbird.log()[before:]), 10)
            return
    pytest.fail(f"Thunderbird does not open {box}")


def uids(mailrail, box):
    """Of the letters by their number."""
    return {ident.partition("@")[0]: uid for ident, (uid, *_) in on_server(mailrail, box).items()}


def wait_for_server(mailrail, box, condition, user=ANN):
    """Until the flags by letter are such."""
    def holds():
        return condition({ident.partition("@")[0]: flags
                          for ident, (_, _, flags) in on_server(mailrail, box, user).items()})
    wait_until(holds, SECONDS, f"what was done in {box}")


def wait_for_thunderbird(thunderbird, box, condition):
    def holds():
        return condition({ident.partition("@")[0]: flags for ident, (_, _, flags) in shown(thunderbird, box).items()})
    wait_until(holds, SECONDS, f"what Thunderbird should learn of {box}")


# ---- Accounts and folders

def test_lists_the_folders_with_their_roles(thunderbird):
    roles = thunderbird.call("folders", "ann")
    assert {path: found for path, found in roles.items() if found} == {
        "INBOX": ["Inbox"], "Sent": ["SentMail"], "Drafts": ["Drafts"], "Trash": ["Trash"], "Junk": ["Junk"],
        "Archive": ["Archive"]}


# ---- Reading

def test_downloads_a_folder_of_300_letters(system, thunderbird):
    """Headers and flags at first, then all bodies."""
    subjects = ["plain words {}", "Grüße Nummer {}", "会議の議事録 {}", "смета {} 📎"]
    letters = [letter(n, subjects[n % 4].format(n), f"text of {n} äöü\n") for n in range(MANY)]
    fill(system, "Many", letters)
    with session(system, "Many") as imap:
        imap.store("1:120", "+FLAGS", r"(\Seen)")
        imap.store("100:110", "+FLAGS", r"(\Flagged \Answered $label2 project)")
    thunderbird.call("discover", "ann")
    thunderbird.call("update", "ann/Many")
    assert agreed(system, thunderbird, "Many") == MANY
    assert thunderbird.call("counts", "ann/Many") == {"total": MANY, "unread": MANY - 120}
    assert {subject for _, subject, _ in shown(thunderbird, "Many").values()} == {each["Subject"] for each in letters}

    thunderbird.call("download", "ann/Many")
    messages = thunderbird.call("messages", "ann/Many")
    assert all(message["offline"] for message in messages)
    sources = thunderbird.call("sources", "ann/Many", [message["uid"] for message in messages])
    with session(system, "Many") as imap:
        rows = imap.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
        assert [lines_of(source.encode("latin-1")) for source in sources] == \
               [lines_of(row[1]) for row in rows if isinstance(row, tuple)]
    assert agreed(system, thunderbird, "Many") == MANY, "reading by the program is no reading by its user"


def lines_of(message):
    """It keeps messages in its own way: with the line ends of the system, and with two fields before all others."""
    return re.sub(rb"\A(X-Mozilla-\S+: .*\n)+", b"", message.replace(b"\r\n", b"\n")).splitlines()


def test_reads_a_text_and_its_attachments(system, thunderbird):
    message = letter("attached", "Zürich: 会議 📎", "Grüezi mitenand, 会議は明日です。\n")
    contents = {"Übersicht 2026.bin": random.Random(1).randbytes(300_000), "empty.dat": b"", "small.txt": b"few words"}
    for name, content in contents.items():
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    with system.smtp() as smtp:
        smtp.send_message(message, "joe@far.example", [ANN])
    thunderbird.call("update", "ann/INBOX")
    wait_for_thunderbird(thunderbird, "INBOX", lambda flags: "attached" in flags)
    uid, subject, _ = shown(thunderbird, "INBOX")["attached@far.example"]
    assert subject == "Zürich: 会議 📎"
    seen = thunderbird.call("read", "ann/INBOX", uid)
    assert seen["text"].strip() == "Grüezi mitenand, 会議は明日です。"
    assert {name: base64.b64decode(content) for name, content in seen["attachments"].items()} == contents


def test_searches_on_the_server(system, thunderbird):
    texts = {"1": "the quick brown fox", "2": "Quick, said she", "3": "nothing of it", "4": "Übermut tut selten gut"}
    opened(system, thunderbird, "Searched", [letter(n, f"about {n}", text + "\n") for n, text in texts.items()])

    def found(*what):
        return sorted(ident.partition("@")[0] for ident in thunderbird.call("search", "ann/Searched", *what))

    assert found("Body", "quick") == ["1", "2"]
    assert found("Body", "übermut") == ["4"]
    assert found("Body", "absent") == []
    assert found("Subject", "about 3") == ["3"]
    assert found("Sender", "far.example") == ["1", "2", "3", "4"]
    assert re.search(r'SendData: \d+ uid SEARCH .*BODY "quick"', thunderbird.log()), "it has asked the server"


# ---- Flags

def test_its_flags_and_tags_are_seen_by_another_session(system, thunderbird):
    opened(system, thunderbird, "Flags", map(letter, range(6)))
    uid = uids(system, "Flags")
    with session(system, "Flags") as imap:
        thunderbird.call("markRead", "ann/Flags", [uid["0"], uid["1"]], True)
        thunderbird.call("markFlagged", "ann/Flags", [uid["1"], uid["2"]], True)
        thunderbird.call("addTag", "ann/Flags", [uid["3"], uid["4"]], "$label1")
        wanted = {"0": {"\\Seen"}, "1": {"\\Seen", "\\Flagged"}, "2": {"\\Flagged"}, "3": {"$label1"},
                  "4": {"$label1"}, "5": set()}
        wait_for_server(system, "Flags", lambda flags: flags == wanted)
        imap.noop()
        told = b" ".join(imap.response("FETCH")[1])
        assert b"\\Flagged" in told and b"$label1" in told and b"\\Seen" in told
    thunderbird.call("markRead", "ann/Flags", [uid["0"]], False)
    thunderbird.call("markFlagged", "ann/Flags", [uid["1"]], False)
    thunderbird.call("removeTag", "ann/Flags", [uid["3"]], "$label1")
    wanted.update({"0": set(), "1": {"\\Seen"}, "3": set()})
    wait_for_server(system, "Flags", lambda flags: flags == wanted)
    assert agreed(system, thunderbird, "Flags") == 6


def test_is_told_of_the_changes_of_others_while_it_idles(system, thunderbird):
    """It is asked to do nothing, and asks for nothing itself."""
    opened(system, thunderbird, "Idle", map(letter, range(6)))
    uid = uids(system, "Idle")
    update_and_idle(thunderbird, "Idle")
    with session(system, "Idle") as imap:
        imap.uid("STORE", str(uid["0"]), "+FLAGS", r"(\Seen $label3)")
        imap.uid("STORE", str(uid["1"]), "+FLAGS", r"(\Flagged \Answered)")
        wait_for_thunderbird(thunderbird, "Idle", lambda flags: (flags["0"], flags["1"]) ==
                             ({"\\Seen", "$label3"}, {"\\Flagged", "\\Answered"}))
        imap.uid("STORE", str(uid["2"]), "+FLAGS", r"(\Deleted)")
        imap.expunge()
        wait_for_thunderbird(thunderbird, "Idle", lambda flags: "2" not in flags)
        imap.append('"Idle"', r"(\Flagged)", None, letter("new").as_bytes())
        wait_for_thunderbird(thunderbird, "Idle", lambda flags: flags.get("new") == {"\\Flagged"})
    assert agreed(system, thunderbird, "Idle") == 6


def test_is_told_of_a_delivery_while_it_idles(system, thunderbird):
    update_and_idle(thunderbird, "INBOX")
    system.deliver(subject="just now")
    wait_until(lambda: "just now" in [subject for _, subject, _ in shown(thunderbird, "INBOX").values()], SECONDS)
    agreed(system, thunderbird, "INBOX")


# ---- Moving, copying, adding

def test_moves_copies_and_deletes(system, thunderbird):
    opened(system, thunderbird, "From", [letter(f"m{n}") for n in range(10)])
    opened(system, thunderbird, "To", [])
    uid = uids(system, "From")
    with session(system, "From") as imap:
        imap.uid("STORE", str(uid["m1"]), "+FLAGS", r"(\Seen $label1)")
    thunderbird.call("update", "ann/From")
    thunderbird.call("copy", "ann/From", [uid["m0"], uid["m1"], uid["m2"]], "ann/Archive", False)
    thunderbird.call("copy", "ann/From", [uid["m1"], uid["m3"]], "ann/To", True)
    thunderbird.call("toTrash", "ann/From", [uid["m4"], uid["m5"]])
    for box in ("Archive", "To", "Trash"):
        thunderbird.call("update", f"ann/{box}")
    wait_for_server(system, "From", lambda flags: set(flags) == {"m0", "m2", "m6", "m7", "m8", "m9"})
    wait_for_server(system, "Archive", lambda flags: set(flags) == {"m0", "m1", "m2"})
    wait_for_server(system, "To", lambda flags: flags == {"m1": {"\\Seen", "$label1"}, "m3": set()})
    wait_for_server(system, "Trash", lambda flags: set(flags) == {"m4", "m5"})
    assert [agreed(system, thunderbird, box) for box in ("From", "Archive", "To", "Trash")] == [6, 3, 2, 2]
    thunderbird.call("emptyTrash", "ann")
    wait_for_server(system, "Trash", lambda flags: flags == {})


@pytest.mark.parametrize("box, is_draft, flag, flags", [("Drafts", True, "MDNReportSent", {"\\Draft"}),
                                                        ("Sent", False, "Read", {"\\Seen"})])
def test_keeps_a_draft_and_a_sent_letter(system, thunderbird, tmp_path, box, is_draft, flag, flags):
    message = letter(f"kept-{box}", "Entwurf äöü", "unfinished — äöü\n" * 1000)
    (tmp_path / "letter").write_bytes(message.as_bytes())
    thunderbird.call("update", f"ann/{box}")
    thunderbird.call("append", f"ann/{box}", str(tmp_path / "letter"), is_draft, flag)
    wait_for_server(system, box, lambda found: flags <= found.get(f"kept-{box}", set()))
    with session(system, box) as imap:
        assert imap.uid("FETCH", str(uids(system, box)[f"kept-{box}"]), "(BODY.PEEK[])")[1][0][1] == message.as_bytes()
    thunderbird.call("update", f"ann/{box}")
    agreed(system, thunderbird, box)


def test_sends_a_letter_and_keeps_a_copy(system, thunderbird, tmp_path):
    """Over TLS and signed in to the submission service; the copy goes to the mailbox for sent letters."""
    message = letter("by-thunderbird", "Grüße an Bob")
    message.replace_header("From", ANN)
    message.replace_header("To", BOB)
    (tmp_path / "letter").write_bytes(message.as_bytes())
    thunderbird.call("send", "ann", BOB, str(tmp_path / "letter"))
    wait_for_server(system, "INBOX", lambda flags: "by-thunderbird" in flags, BOB)
    wait_for_server(system, "Sent", lambda flags: "\\Seen" in flags.get("by-thunderbird", ()))
    thunderbird.call("update", "ann/Sent")
    agreed(system, thunderbird, "Sent")


# ---- Folders

def folders_on_server(mailrail):
    with session(mailrail) as imap:
        return {re.search(rb'"/" "?(.*?)"?$', row)[1].decode() for row in imap.list()[1]}


def wait_for_folders(mailrail, thunderbird, present, absent=()):
    """Until both sides have, and have not, folders with these names."""
    def wrong():
        thunderbird.call("discover", "ann")
        sides = {"server": folders_on_server(mailrail), "thunderbird": set(thunderbird.call("folders", "ann"))}
        return {side: (set(present) - names, set(absent) & names) for side, names in sides.items()
                if set(present) - names or set(absent) & names}

    with contextlib.suppress(AssertionError):
        wait_until(lambda: not wrong(), SECONDS)
    assert wrong() == {}


def test_makes_renames_and_deletes_folders_with_names_of_any_script(system, thunderbird):
    old, new, child = "Räume & Zeiten", "Łódź", "会議 📁"
    thunderbird.call("createFolder", "ann", old)
    wait_for_folders(system, thunderbird, [old])
    thunderbird.call("createFolder", f"ann/{old}", child)
    wait_for_folders(system, thunderbird, [f"{old}/{child}"])
    with session(system) as imap:
        imap.append(f'"{old}/{child}"', None, None, letter("inside").as_bytes())
    thunderbird.call("renameFolder", f"ann/{old}", new)
    wait_for_folders(system, thunderbird, [new, f"{new}/{child}"], [old, f"{old}/{child}"])
    thunderbird.call("update", f"ann/{new}/{child}")
    assert agreed(system, thunderbird, f"{new}/{child}") == 1
    thunderbird.call("deleteFolder", f"ann/{new}")
    wait_for_folders(system, thunderbird, [f"Trash/{new}/{child}"], [new, f"{new}/{child}"])
    thunderbird.call("emptyTrash", "ann")
    wait_for_folders(system, thunderbird, ["Trash"], [f"Trash/{new}", f"Trash/{new}/{child}"])


# ---- Away and back

def test_plays_back_what_was_done_without_the_server(system, thunderbird):
    opened(system, thunderbird, "Offline", [letter(f"o{n}") for n in range(12)])
    uid = uids(system, "Offline")
    update_and_idle(thunderbird, "Offline")
    thunderbird.call("setOffline", True)
    try:
        thunderbird.call("markRead", "ann/Offline", [uid["o0"], uid["o1"]], True)
        with session(system, "Offline") as imap:
            imap.uid("STORE", f"{uid['o4']}", "+FLAGS", r"(\Flagged)")
            imap.uid("STORE", f"{uid['o5']}", "+FLAGS", r"(\Deleted)")
            imap.expunge()
            imap.append('"Offline"', None, None, letter("meanwhile").as_bytes())
        assert not any("\\Seen" in flags for _, _, flags in on_server(system, "Offline").values())
        assert "o5@far.example" in shown(thunderbird, "Offline")
    finally:
        thunderbird.call("setOffline", False)
    wait_for_server(system, "Offline", lambda flags: flags["o0"] == flags["o1"] == {"\\Seen"})
    thunderbird.call("update", "ann/Offline")
    assert agreed(system, thunderbird, "Offline") == 12


def test_after_an_interruption_it_fetches_what_has_changed(system, thunderbird):
    """By CONDSTORE it asks only for the flags that are new; when messages have gone it must ask for all."""
    opened(system, thunderbird, "Cut", [letter(f"c{n}") for n in range(60)])
    restart_imap(system)
    update_and_idle(thunderbird, "Cut")  # that it has seen all up to now it notes when it opens a folder again
    restart_imap(system)
    with session(system, "Cut") as imap:
        imap.store("7,9", "+FLAGS", r"(\Seen $label5)")
        imap.append('"Cut"', r"(\Answered)", None, letter("after").as_bytes())
    before = len(thunderbird.log())
    update_and_idle(thunderbird, "Cut")
    assert agreed(system, thunderbird, "Cut") == 61
    log = thunderbird.log()[before:]
    assert re.search(r"SendData: \d+ UID fetch 1:\* \(FLAGS\) \(CHANGEDSINCE [1-9]\d*\)", log)
    assert set(re.findall(r"S-Cut:CreateNewLineFromSocket: \* \d+ FETCH \(.*?UID (\d+)", log)) == {"7", "9", "61"}

    restart_imap(system)
    with session(system, "Cut") as imap:
        imap.store("20:24", "+FLAGS", r"(\Deleted)")
        imap.expunge()
        imap.store("30", "+FLAGS", r"(\Flagged)")
    update_and_idle(thunderbird, "Cut")
    assert agreed(system, thunderbird, "Cut") == 56


def restart_imap(mailrail):
    """All sessions end without a word."""
    before = mailrail.pid_of("imap")
    mailrail.kill("imap")
    wait_until(lambda: mailrail.pid_of("imap") not in (None, before) and mailrail.is_ready(), 60, "the service again")


# ---- Otherwise

def test_without_condstore_under_starttls_with_cram_md5(system, thunderbird):
    """An account as the program makes it by default, but for the password that it does not send."""
    fill(system, "Letters", [letter(f"b{n}") for n in range(20)], BOB)
    thunderbird.call("addAccount", BOB, PASSWORD, {
        "incoming": {"port": system.imap_port, "socketType": 2, "auth": 4},
        "outgoing": {"port": system.submission_port, "socketType": 2}, "server": {"useCondStore": False}})
    thunderbird.call("discover", "bob")
    thunderbird.call("update", "bob/Letters")
    assert agreed(system, thunderbird, "Letters", "bob") == 20
    with session(system, "Letters", BOB) as imap:
        imap.store("3:5", "+FLAGS", r"(\Seen $label1)")
        imap.store("8", "+FLAGS", r"(\Deleted)")
        imap.expunge()
    thunderbird.call("update", "bob/Letters")
    assert agreed(system, thunderbird, "Letters", "bob") == 19
    assert "authenticate CRAM-MD5" in thunderbird.log()
