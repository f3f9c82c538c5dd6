"""A full data disk: what cannot be written is refused for now, an administrator hears of it, nothing is lost."""
import contextlib
import os
import re
import smtplib
import subprocess

import pytest

from conftest import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")


@pytest.fixture
def mailrail(make_mailrail):
    mailrail = make_mailrail(start=False)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=30m", "mailrail-test", mailrail.directory / "data"], check=True)
    try:
        mailrail.start()
        mailrail.add_usual()
        yield mailrail
        mailrail.stop()
    finally:
        subprocess.run(["umount", "--lazy", mailrail.directory / "data"], check=True)


@contextlib.contextmanager
def full(directory):
    filler = directory / "filler"
    for size in (1 << 16, 1 << 12):
        with open(filler, "ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(size))
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
            assert imap.create("more")[0] == "NO"
        assert re.search(r'l=error m="command failed" pkg=imap .*command=CREATE .* kind=no_space', mailrail.log())
        mailrail.kill("store")  # it needs some room to start
        wait_until(lambda: re.search(r'l=error m="cannot start" pkg=store .* kind=no_space', mailrail.log()), 20, "why not")
    wait_until(mailrail.is_ready, 60, "readiness")
    mailrail.deliver(subject="after")
    with mailrail.imap() as imap:
        assert imap.select()[1] == [b"2"]
    assert "0 findings" in mailrail.command("verifydata").stderr
