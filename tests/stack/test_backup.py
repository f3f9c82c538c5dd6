"""Backups of a running system."""
import os
import shutil
import signal
import subprocess
import threading
import time

from conftest import BIN, ENVIRONMENT, PASSWORD, wait_until


def ids_in(imap, mailbox="INBOX"):
    imap.select(mailbox)
    count = int(imap.untagged_responses["EXISTS"][-1]) if imap.untagged_responses.get("EXISTS") else 0
    data = imap.fetch(f"1:{count}", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1] if count else []
    return [part[1] for part in data if isinstance(part, tuple)]


def test_a_backup_is_whole_while_mail_comes(mailrail):
    for i in range(20):
        mailrail.deliver(subject=f"before {i}")
    destination = mailrail.directory / "backup"
    stop = threading.Event()

    def deliver():
        while not stop.is_set():
            mailrail.deliver(subject="meanwhile")
            mailrail.deliver("bob@example.org", subject="meanwhile")

    thread = threading.Thread(target=deliver)
    thread.start()
    try:
        mailrail.command("backup", str(destination))
    finally:
        stop.set()
        thread.join()
    checked = mailrail.command("verifydata", str(destination))
    assert checked.stdout == "OK\n"
    assert (destination / "config/mailrail.conf").read_bytes() == mailrail.config.read_bytes()
    assert (destination / "version").read_text().startswith("Mailrail/")
    assert not (destination / "unfinished").exists()
    first = next((destination / "accounts/1/msg/0").iterdir())
    assert first.stat().st_nlink >= 2, "a link, not a copy"
    assert mailrail.command("verifydata").stdout == "OK\n"


def test_a_clean_backup_says_nothing_unless_asked_to(mailrail):
    mailrail.deliver()
    done = mailrail.command("backup", str(mailrail.directory / "backup"))
    assert (done.stdout, done.stderr) == ("", "")
    done = mailrail.command("backup", "--verbose", str(mailrail.directory / "another"))
    assert done.stdout == "1 message\n"
    assert mailrail.command("verifydata", str(mailrail.directory / "backup")).stdout == "OK\n"


def test_a_second_backup_overwrites_nothing(mailrail):
    mailrail.deliver()
    destination = mailrail.directory / "backup"
    mailrail.command("backup", str(destination))
    before = {path: path.read_bytes() for path in destination.rglob("*") if path.is_file()}
    again = mailrail.command("backup", str(destination), check=False)
    assert again.returncode == 1 and "is not empty" in again.stderr
    assert {path: path.read_bytes() for path in destination.rglob("*") if path.is_file()} == before


def test_what_cannot_be_copied_is_named_and_the_rest_is_there(mailrail):
    mailrail.deliver()
    mailrail.deliver("bob@example.org")
    lost = min((mailrail.directory / "data/accounts/1/msg/0").iterdir(), key=lambda path: int(path.name))
    lost.unlink()
    destination = mailrail.directory / "backup"
    done = mailrail.command("backup", str(destination), check=False)
    assert done.returncode == 1
    assert f"message {lost.name}" in done.stdout and "incomplete" in done.stderr
    assert mailrail.command("verifydata", str(destination), "--account", "bob").stdout == "OK\n"
    assert mailrail.command("verifydata", str(destination), check=False).returncode == 1


def test_a_system_starts_from_a_backup(mailrail, make_mailrail):
    mailrail.deliver(subject="kept")
    destination = mailrail.directory / "backup"
    mailrail.command("backup", str(destination))
    mailrail.deliver(subject="lost")
    other = make_mailrail(start=False)
    shutil.rmtree(other.directory / "data")
    shutil.copytree(destination, other.directory / "data")
    other.start()
    with other.imap(password=PASSWORD) as imap:
        assert len(ids_in(imap)) == 1
    other.deliver(subject="new")
    assert other.command("verifydata").stdout == "OK\n"


def cut_off_a_backup(mailrail, destination):
    """Did it end before it was cut off?"""
    store = mailrail.pid_of("store")
    backup = subprocess.Popen([BIN / "mailrail", "backup", "--config", mailrail.config, str(destination)],
                              env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (destination / "unfinished").exists():
        assert time.monotonic() < deadline and not (destination / "version").exists()
    os.kill(store, signal.SIGKILL)
    backup.wait(60)
    wait_until(mailrail.is_ready, 60)
    return (destination / "version").exists()


def test_a_backup_that_was_cut_off_is_called_so(mailrail, make_mailrail):
    for i in range(20):
        mailrail.deliver(subject=f"number {i}")
    destinations = (mailrail.directory / f"backup{i}" for i in range(5))
    destination = next(path for path in destinations if not cut_off_a_backup(mailrail, path))
    for words in ("verifydata", str(destination)), ("restore", str(destination), "ann"):
        refused = mailrail.command(*words, check=False)
        assert refused.returncode == 1 and refused.stdout == ""
        assert "is a backup that was cut off before its end: it cannot be restored" in refused.stderr

    # Nor does a system start from it.
    other = make_mailrail(start=False)
    shutil.rmtree(other.directory / "data")
    shutil.copytree(destination, other.directory / "data")
    other.command("certificate", "make")
    other.launch()
    wait_until(lambda: "was cut off before its end" in other.log(), 60, "the refusal of store")
    assert not other.is_ready()


def test_damage_in_a_backup_is_found(mailrail):
    mailrail.deliver()
    destination = mailrail.directory / "backup"
    mailrail.command("backup", str(destination))
    (destination / "accounts/1/msg/0/99").write_text("stray")
    found = mailrail.command("verifydata", str(destination), check=False)
    assert found.returncode == 1 and "accounts/1/msg/0/99 belongs to no message" in found.stdout
    fixed = mailrail.command("verifydata", str(destination), "--fix")
    assert "moved" in fixed.stdout
    assert (destination / "moved/accounts/1/msg/0/99").read_text() == "stray"
    assert mailrail.command("verifydata", str(destination)).stdout == "OK\n"


def test_data_in_use_is_not_opened_twice(mailrail):
    refused = mailrail.command("verifydata", str(mailrail.directory / "data"), check=False)
    assert refused.returncode == 1 and "in use by another store" in refused.stderr
    nowhere = mailrail.command("verifydata", str(mailrail.directory / "run"), check=False)
    assert nowhere.returncode == 1 and "no data directory" in nowhere.stderr


def backup_while_an_account_is_made(mailrail, name, destination):
    """Was the account made before the backup ended?"""
    backup = subprocess.Popen([BIN / "mailrail", "backup", "--config", mailrail.config, str(destination)],
                              env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    wait_until((destination / "accounts/1/index.db").exists, 60, "the copy of ann's index")
    mailrail.add_account(name, f"{name}@example.org")
    is_meanwhile = backup.poll() is None
    mailrail.deliver(f"{name}@example.org", subject="secret")
    assert backup.wait(120) == 0
    return is_meanwhile


def test_an_account_made_meanwhile_belongs_to_no_backup_and_its_id_to_no_other(mailrail):
    """Its mail would be that of the account that is made next after the backup was brought back."""
    mbox = mailrail.directory / "mbox"
    mbox.write_text("".join(f"From a@b Fri Jan  2 03:04:05 2026\nSubject: {i}\n\nhi\n\n" for i in range(10000)))
    mailrail.command("import", "ann", str(mbox))
    made = 3  # ann and bob are 1 and 2
    while not backup_while_an_account_is_made(mailrail, f"carl{made}", mailrail.directory / f"backup{made}"):
        made += 1
        assert made < 20, "every backup is too quick"
    destination = mailrail.directory / f"backup{made}"
    assert not (destination / f"accounts/{made}").exists()
    mailrail.stop()
    shutil.rmtree(mailrail.directory / "data")
    shutil.copytree(destination, mailrail.directory / "data")
    mailrail.start()
    assert mailrail.command("verifydata").stdout == "OK\n"
    mailrail.add_account("dave", "dave@example.org")
    mailrail.deliver("dave@example.org", subject="to dave")
    accounts = mailrail.directory / "data/accounts"
    assert (accounts / str(made + 1)).exists() and not (accounts / str(made)).exists()
