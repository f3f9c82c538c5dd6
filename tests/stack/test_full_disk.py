"""A full data disk: what cannot be written is refused for now, an administrator hears of it, nothing is lost."""
import contextlib
import os
import re
import smtplib
import subprocess

import pytest

from conftest import BIN, ENVIRONMENT, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")


@pytest.fixture
def mailrail(make_mailrail, request):
    mailrail = make_mailrail(start=False)
    limits = getattr(request, "param", "size=30m")
    subprocess.run(["mount", "-t", "tmpfs", "-o", limits, "mailrail-test", mailrail.directory / "data"], check=True)
    try:
        mailrail.start()
        mailrail.add_usual()
        yield mailrail
        mailrail.stop()
    finally:
        subprocess.run(["umount", "--lazy", mailrail.directory / "data"], check=True)


@contextlib.contextmanager
def full(directory, but_kib=0):
    filler = directory / "filler"
    for size in (1 << 16, 1 << 12):
        with open(filler, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(size))
    os.truncate(filler, filler.stat().st_size - (but_kib << 10))
    yield
    filler.unlink()


def test_a_full_disk_is_an_error_and_passes(mailrail):
    mailrail.deliver(subject="before")
    with full(mailrail.directory / "data"):
        with pytest.raises(smtplib.SMTPDataError) as refused:
            mailrail.deliver(subject="while")
        assert refused.value.smtp_code == 452
        assert re.search(r'l=error m="cannot deliver" pkg=smtp-in .* kind=no_space', mailrail.log())
        with mailrail.imap() as imap:
            assert imap.select(readonly=True)[1] == [b"1"]
            assert "NO" in (imap.create(f"more{n}")[0] for n in range(1000))  # there may be room in a log
        assert re.search(r'l=error m="command failed" pkg=imap .*command=CREATE .* kind=no_space', mailrail.log())
        mailrail.kill("store")  # its logs have room for what it writes at the start
        wait_until(lambda: mailrail.log().count("m=started pkg=store") == 2, 20, "the next store")
        with mailrail.imap() as imap:
            assert imap.select(readonly=True)[1] == [b"1"]
    wait_until(mailrail.is_ready, 60, "readiness")
    mailrail.deliver(subject="after")
    with mailrail.imap() as imap:
        assert imap.select()[1] == [b"2"]
    assert "0 findings" in mailrail.command("verifydata").stderr


@contextlib.contextmanager
def session_that_expunged_on_a_full_disk(mailrail, text, messages):
    """Appends until the disk is full, expunges these, and waits for room for one that is appended then."""
    with mailrail.imap() as imap:
        for _ in range(3000):
            if imap.append("INBOX", None, None, text)[0] != "OK":
                break
        else:
            pytest.fail("the disk does not become full")
        imap.select()
        assert imap.store(messages, "+FLAGS.SILENT", r"(\Deleted)")[0] == "OK"
        assert imap.expunge()[0] == "OK"
        wait_until(lambda: imap.append("INBOX", None, None, text)[0] == "OK", 20, "room for a message")
        yield imap


def test_who_expunges_on_a_full_disk_makes_room_at_once(mailrail):
    """Without waiting for the hour in which other sessions could still read what is gone."""
    text = b"Subject: large\r\n\r\n" + (b"x" * 70 + b"\r\n") * 10000
    with session_that_expunged_on_a_full_disk(mailrail, text, "1:*") as imap:
        for _ in range(9):
            assert imap.append("INBOX", None, None, text)[0] == "OK"
        assert imap.select()[1] == [b"10"]
    assert "0 findings" in mailrail.command("verifydata").stderr


@pytest.mark.parametrize("mailrail", ["size=200m,nr_inodes=1500"], indirect=True)
def test_who_expunges_on_a_disk_without_inodes_makes_room_at_once(mailrail):
    """Many small messages use up the files that a file system can have before its bytes."""
    with session_that_expunged_on_a_full_disk(mailrail, b"Subject: small\r\n\r\nx\r\n", "1:500"):
        pass


def mail_to_import(path):
    """An mbox file with messages of both kinds: those of one call, and those that come in parts."""
    with open(path, "w") as file:
        for number in range(1500):
            file.write(f"From x Thu Jan  1 00:00:00 2020\nMessage-ID: <{number}@x>\nSubject: {number}\n\n{'hello ' * 20}\n\n")
        for number in range(3):
            file.write(f"From x Thu Jan  1 00:00:00 2020\nSubject: large {number}\n\n" + ("x" * 70 + "\n") * 10000 + "\n")
    return str(path)


def files_of_imports_and_messages(data):
    return sorted(path for place in ("import/*", "import/*/*", "msg/**/*") for path in (data / "accounts").glob("*/" + place))


def test_an_import_that_does_not_fit_leaves_nothing(mailrail, tmp_path):
    mailrail.deliver(subject="before")
    data = mailrail.directory / "data"
    mbox = mail_to_import(tmp_path / "some.mbox")
    before = files_of_imports_and_messages(data)
    failed_at = set()
    for room in (0, 8, 24, 40, 56, 64, 500, 2200, 5000, *range(6400, 20000, 300)):
        with full(data, room):
            refused = mailrail.command("import", "ann", mbox, check=False)
            if refused.returncode == 0:
                break
            assert "full" in refused.stderr or "No space left" in refused.stderr or "disk I/O" in refused.stderr, refused.stderr
            assert "unseen, for a day" not in refused.stderr
            assert files_of_imports_and_messages(data) == before, room
        failures = re.findall(r'm="call failed" pkg=store .*method=(\w+) err=.*kind=no_space', mailrail.log())
        failed_at.add(failures[-1])
    assert failed_at == {"Begin", "Add", "AddText", "Commit"}
    assert "0 findings" in mailrail.command("verifydata").stderr


def test_an_import_that_is_refused_leaves_nothing(mailrail, tmp_path):
    data = mailrail.directory / "data"
    before = files_of_imports_and_messages(data)
    mailrail.command("account", "set", "ann", "--quota", "1000")
    refused = mailrail.command("import", "ann", mail_to_import(tmp_path / "some.mbox"), check=False)
    assert refused.returncode == 1 and "quota" in refused.stderr
    assert files_of_imports_and_messages(data) == before


def test_a_store_without_room_for_its_first_files_says_so(make_mailrail):
    mailrail = make_mailrail(start=False)
    data = mailrail.directory / "data"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m", "mailrail-test", data], check=True)
    try:
        with full(data):
            done = subprocess.run([BIN / "mailrail-store", "--config", mailrail.config], capture_output=True, text=True,
                                  timeout=30, env=ENVIRONMENT)
            errors = [line for line in (done.stderr + done.stdout).splitlines() if " l=error " in line]
            assert done.returncode == 1
            assert len(errors) == 1 and re.search(r'm="cannot start" pkg=store .* kind=no_space', errors[0]), done
    finally:
        subprocess.run(["umount", "--lazy", data], check=True)
