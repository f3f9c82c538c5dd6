"""COMPRESS=DEFLATE (RFC 4978) over the whole system: by hand over TLS, and imaplib with zlib."""
import imaplib
import zlib

import pytest

from conftest import wait_until
from test_imap_basics import LETTER, USER, Client


class Squeezed:
    """What a client's socket file becomes: lines and bytes out of deflate."""

    def __init__(self, sock, flush):
        self.sock = sock
        self.flush = flush
        self.sent = zlib.compressobj(9, zlib.DEFLATED, -15)
        self.received = zlib.decompressobj(-15)
        self.plain = b""

    def send(self, data):
        self.sock.sendall(self.sent.compress(data) + self.sent.flush(self.flush))

    def fill(self):
        data = self.sock.recv(65536)
        self.plain += self.received.decompress(data)
        return bool(data)

    def read(self, size=-1):
        while (size < 0 or len(self.plain) < size) and self.fill():
            pass
        end = len(self.plain) if size < 0 else size
        data, self.plain = self.plain[:end], self.plain[end:]
        return data

    def readline(self, _limit=-1):
        while b"\n" not in self.plain and self.fill():
            pass
        return self.read(self.plain.find(b"\n") + 1)

    def close(self):
        pass


class CompressedClient(Client):
    def compress(self, flush=zlib.Z_SYNC_FLUSH):
        assert b" OK " in self("COMPRESS DEFLATE")[-1]
        self.file = Squeezed(self.socket, flush)

    def send(self, data):
        if isinstance(self.file, Squeezed):
            self.file.send(data if isinstance(data, bytes) else data.encode())
        else:
            super().send(data)


@pytest.mark.parametrize("flush", [zlib.Z_SYNC_FLUSH, zlib.Z_PARTIAL_FLUSH])
def test_everything_goes_on_compressed(mailrail, flush):
    with CompressedClient(mailrail.imaps_port, tls=True) as c:
        assert b"COMPRESS=DEFLATE" in c("CAPABILITY")[0]
        assert b" NO " in c("COMPRESS LZW")[-1]
        c.compress(flush)
        assert b"COMPRESS=DEFLATE" not in c("CAPABILITY")[0]
        assert b" NO [COMPRESSIONACTIVE]" in c("COMPRESS DEFLATE")[-1]
        c("CREATE squeezed")
        letter = b"Subject: long\r\n\r\n" + b"0123456789abcdef\r\n" * 50000
        assert b" OK [APPENDUID" in c.append("squeezed", letter)[-1]
        c("SELECT squeezed")
        assert letter in c("FETCH 1 BODY.PEEK[]")[0] + b"\r\n"
        assert c("LOGOUT")[0].startswith(b"* BYE")
        c.file.read()
        assert c.file.received.eof, "the stream was cut off"


def test_idle_is_told_at_once(mailrail):
    with CompressedClient(mailrail.imaps_port, tls=True) as c, \
            Client(mailrail.imaps_port, tls=True) as other:
        c.compress()
        c("SELECT INBOX")
        c.send("i IDLE\r\n")
        assert c.line().startswith(b"+ ")
        other.append()
        assert c.line().endswith(b" EXISTS\r\n")
        assert b" FETCH (UID " in c.line()
        c.send("DONE\r\n")
        assert c.line().startswith(b"i OK")


def test_plain_bytes_end_the_connection(mailrail):
    with CompressedClient(mailrail.imaps_port, tls=True) as c:
        c("COMPRESS DEFLATE")
        c.send("a NOOP\r\n")
        assert b"a OK" not in c.file.read()
        wait_until(lambda: "compressed input has ended or is damaged" in mailrail.log(), 30)


def test_a_bomb_is_ordinary_input(mailrail):
    """100 MB of zeros in 100 KB are a line that is too long; others are served meanwhile."""
    with CompressedClient(mailrail.imaps_port, tls=True) as c:
        c.compress()
        bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
        data = b"".join(bomb.compress(b"\0" * 1000000) for _ in range(100)) + bomb.flush(zlib.Z_SYNC_FLUSH)
        try:
            c.socket.sendall(data)
            assert c.file.read() == b""
        except OSError:
            pass
        with Client(mailrail.imaps_port, tls=True) as other:
            assert b" OK " in other("NOOP")[-1]


def test_imaplib(mailrail):
    with mailrail.imap(USER) as imap:
        imaplib.Commands["COMPRESS"] = ("AUTH", "SELECTED")
        assert imap._simple_command("COMPRESS", "DEFLATE")[0] == "OK"
        squeezed = Squeezed(imap.sock, zlib.Z_SYNC_FLUSH)
        imap.send = squeezed.send
        imap.read = squeezed.read
        imap.readline = squeezed.readline
        assert imap.append("INBOX", None, None, LETTER)[0] == "OK"
        assert imap.select()[0] == "OK"
        number = imap.search(None, "ALL")[1][0].split()[-1]
        assert imap.fetch(number, "(BODY.PEEK[])")[1][0][1] == LETTER
