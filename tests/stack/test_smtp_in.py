"""Port 25 of a running system: what strangers may do, and what happens when parts of it are away."""
import re
import smtplib
import socket
import time

import pytest

from conftest import PASSWORD, wait_until
from test_dns import ZONES, Zones

EHLO = "EHLO client.example\r\n"
TRANSACTION = "MAIL FROM:<x@far.example>\r\nRCPT TO:<ann@example.org>\r\nDATA\r\n"


def messages(mailrail, user="ann@example.org"):
    """All messages of the Inbox, as bytes."""
    with mailrail.imap(user) as imap:
        imap.select(readonly=True)
        found = []
        for number in imap.search(None, "ALL")[1][0].split():
            found.append(imap.fetch(number, "(BODY.PEEK[])")[1][0][1])
        return found


def unfolded(message):
    return re.sub(rb"\r\n[ \t]+", b" ", message.partition(b"\r\n\r\n")[0]).split(b"\r\n")


def hello(raw):
    assert raw.reply().startswith(b"220 ")
    raw.send(EHLO)
    return raw.reply()


def begin_message(raw):
    """Up to the answer of DATA."""
    hello(raw)
    raw.send(TRANSACTION)
    for _ in range(3):
        raw.reply()


def test_a_letter_arrives_with_its_trace_headers(mailrail):
    sent = mailrail.deliver(body="..dots\r\n.\r\nend")
    [message] = messages(mailrail)
    assert message.endswith(sent), "byte-exact behind our headers"
    headers = unfolded(message)
    assert headers[0] == b"Return-Path: <x@far.example>"
    assert headers[1] == b"Delivered-To: ann@example.org"
    assert re.fullmatch(rb"Received: from client\.example \(\[127\.0\.0\.1\]\) by mail\.example\.org "
                        rb"\(\[127\.0\.0\.1\]\) via tcp with ESMTP id [\w-]{22} "
                        rb"for <ann@example\.org>; .*", headers[2])


def test_each_recipient_gets_a_copy_of_their_own(mailrail):
    with mailrail.smtp() as smtp:
        smtp.sendmail("x@far.example", ["ann@example.org", "bob@example.org", "ann@example.org"],
                      "Subject: two\r\n\r\nhello\r\n")
    [for_ann], [for_bob] = messages(mailrail), messages(mailrail, "bob@example.org")
    assert b"\r\nDelivered-To: ann@example.org\r\n" in for_ann and b"bob@" not in for_ann
    assert b"\r\nDelivered-To: bob@example.org\r\n" in for_bob and b"ann@" not in for_bob


def test_starttls_and_requiretls(mailrail):
    with mailrail.raw_smtp() as raw:
        assert b"250-STARTTLS\r\n" in hello(raw)
        raw.send("STARTTLS\r\n")
        assert raw.reply().startswith(b"220 2.0.0 ")
        raw.start_tls()
        raw.send("MAIL FROM:<x@far.example>\r\n")
        assert raw.reply().startswith(b"503 5.5.1 ")
        raw.send(EHLO)
        extensions = raw.reply()
        assert b"STARTTLS" not in extensions and b"250-REQUIRETLS\r\n" in extensions
        raw.send(TRANSACTION.replace("example>\r\nR", "example> REQUIRETLS\r\nR"))
        assert [raw.reply()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
        raw.send("Subject: safe\r\n\r\n.\r\n")
        assert raw.reply().startswith(b"250 2.2.0 ")
    [message] = messages(mailrail)
    assert re.search(rb"with ESMTPS \(requiretls\) id \S+ \(TLS1\.[23] ", b"\n".join(unfolded(message)))


def test_commands_behind_starttls_are_not_run(mailrail):
    with mailrail.raw_smtp() as raw:
        hello(raw)
        raw.send("STARTTLS\r\nMAIL FROM:<x@far.example>\r\n")
        assert raw.reply().startswith(b"220 ")
        assert raw.line() == b""


def test_everything_in_one_packet(mailrail):
    with mailrail.raw_smtp() as raw:
        raw.send(EHLO + TRANSACTION)
        replies = [raw.reply()[:3] for _ in range(5)]
        assert replies == [b"220", b"250", b"250", b"250", b"354"]
        raw.send("Subject: fast\r\n\r\ntext\r\n.\r\n" + TRANSACTION)
        assert [raw.reply()[:3] for _ in range(4)] == [b"250", b"250", b"250", b"354"]
        raw.send(".\r\nQUIT\r\n")
        assert [raw.reply()[:3] for _ in range(2)] == [b"250", b"221"]
        assert raw.at_end()
    assert len(messages(mailrail)) == 2


@pytest.mark.parametrize("end", ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r\n"])
def test_smuggling_is_refused_after_the_true_end(mailrail, end):
    with mailrail.raw_smtp() as raw:
        begin_message(raw)
        raw.send(f"Subject: one\r\n\r\ntext{end}" + TRANSACTION + "Subject: two\r\n\r\n\r\n.\r\n")
        assert raw.reply().startswith(b"500 5.5.2 ")
        raw.send("NOOP\r\n")
        assert raw.reply().startswith(b"250 ")
    assert messages(mailrail) == []


def test_recipients_that_are_not_ours(mailrail):
    with mailrail.raw_smtp() as raw:
        hello(raw)
        raw.send("MAIL FROM:<x@far.example>\r\nRCPT TO:<nobody@example.org>\r\n"
                 "RCPT TO:<ann@far.example>\r\nRCPT TO:<ann@[127.0.0.1]>\r\nDATA\r\n")
        replies = [raw.reply()[:9] for _ in range(5)]
        assert replies == [b"250 2.1.0", b"550 5.1.1", b"550 5.1.1", b"550 5.1.1", b"503 5.5.1"]


def test_other_protocols_are_sent_away(mailrail):
    with mailrail.raw_smtp() as raw:
        raw.reply()
        raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.reply().startswith(b"500 5.5.2 ")
        assert raw.at_end()


def test_a_message_above_the_limit(make_mailrail):
    mailrail = make_mailrail(smtp_in={"message_size_max": 65536})
    with mailrail.smtp() as smtp:
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            smtp.sendmail("x@far.example", ["ann@example.org"], b"x" * 70000)  # declares its size
        assert refused.value.smtp_code == 552
    with mailrail.raw_smtp() as raw:
        begin_message(raw)
        raw.send("x" * 66000 + "\r\n")
        assert raw.reply().startswith(b"451 4.2.3 ")
        assert raw.at_end()


def test_whoever_quotes_a_refusal_is_found_in_the_log(make_mailrail):
    mailrail = make_mailrail(localserve=False)  # nobody answers questions about domains

    def logged(command, code):
        """The line at level info behind the refusal of a command."""
        with mailrail.raw_smtp() as raw:
            hello(raw)
            for line in command:
                raw.send(line + "\r\n")
                reply = raw.reply().decode()
            assert reply.startswith(code), reply
            found = f'id={re.search(r"[(]([^()]+)[)]$", reply.rstrip())[1]}'
            [line] = [line for line in mailrail.log().splitlines() if "l=info" in line and found in line.split()]
            return line

    assert "nowhere.example" in logged(["MAIL FROM:<x@nowhere.example>"], "451 ")
    assert "ann@far.example" in logged(["MAIL FROM:<>", "RCPT TO:<ann@far.example>"], "550 ")
    assert "command=VRFY" in logged(["VRFY"], "501 ")
    assert "code=500" in logged(["x" * 3000], "500 ")


def test_a_shutdown_says_so_in_the_middle_of_a_message(make_mailrail):
    """RFC 5321 3.8: when it can wait no longer, the client hears why."""
    mailrail = make_mailrail(drain_ms=500)
    with mailrail.raw_smtp() as raw:
        begin_message(raw)
        raw.send("Subject: not at once\r\n\r\nthe first line\r\n")
        mailrail.stop()
        assert raw.reply().startswith(b"421 4.3.2 ")
        assert raw.at_end()


def test_connections_are_limited_by_address(make_mailrail):
    mailrail = make_mailrail(localserve=False, smtp_in={"limit_connections": True})
    held = [mailrail.raw_smtp() for _ in range(30)]
    try:
        assert all(raw.reply().startswith(b"220 ") for raw in held)
        with mailrail.raw_smtp() as refused:
            assert refused.reply().startswith(b"421 4.7.0 ")
            assert refused.at_end()
        held.pop().close()

        def is_let_in():
            with mailrail.raw_smtp() as raw:
                return raw.reply().startswith(b"220 ")
        wait_until(is_let_in, what="a free place")
    finally:
        for raw in held:
            raw.close()


def test_the_proxy_protocol_tells_who_is_there(make_mailrail):
    mailrail = make_mailrail(smtp_in={"proxy_networks": ["127.0.0.0/8"]})
    with mailrail.raw_smtp() as raw:
        raw.send("PROXY TCP4 192.0.2.77 192.0.2.1 4711 25\r\n")
        begin_message(raw)
        raw.send(".\r\n")
        assert raw.reply().startswith(b"250 ")
    [message] = messages(mailrail)
    assert b"[192.0.2.77]" in message


def test_store_is_killed_and_comes_back(mailrail):
    """Clients get a temporary failure, the session lives on, and nothing comes twice."""
    with mailrail.raw_smtp() as raw:
        begin_message(raw)
        mailrail.kill("store")
        raw.socket.settimeout(60)
        raw.send("Subject: late\r\n\r\n.\r\n")
        reply = raw.reply()
        assert reply[:4] in (b"250 ", b"451 "), reply  # the launcher may be quick

        def is_accepted():
            raw.send(TRANSACTION)
            if [raw.reply()[:3] for _ in range(3)] != [b"250", b"250", b"354"]:
                raw.send("RSET\r\n")
                raw.reply()
                return False
            raw.send("Subject: late\r\n\r\n.\r\n")
            return raw.reply().startswith(b"250 ")
        if reply.startswith(b"451"):
            wait_until(is_accepted, 30, "store being back")
    assert len(messages(mailrail)) == 1


def test_last_words_carry_the_id_as_well(mailrail):
    with mailrail.raw_smtp() as raw:
        raw.reply()
        raw.send("NOOP " + "x" * 100000 + "\r\n")
        assert re.fullmatch(rb"500 5\.5\.0 line too long \([\w-]{22}\)\r\n", raw.reply())
        assert raw.at_end()


def test_a_full_mailbox_does_not_keep_mail_from_others(mailrail):
    """docs/decisions/0009"""
    mailrail.command("account", "add", "tiny", "--address", "tiny@example.org", "--quota", "1",
                     "--password-stdin", stdin=PASSWORD + "\n")
    text = "Subject: for both\r\n\r\nhello\r\n"
    both = ["ann@example.org", "tiny@example.org"]
    with mailrail.smtp() as smtp:
        with pytest.raises(smtplib.SMTPDataError) as first:
            smtp.sendmail("x@far.example", both, text)
        assert first.value.smtp_code == 451
        refused = smtp.sendmail("x@far.example", both, text)
        assert list(refused) == ["tiny@example.org"] and refused["tiny@example.org"][0] == 452
        with pytest.raises(smtplib.SMTPDataError) as alone:
            smtp.sendmail("x@far.example", ["tiny@example.org"], text)
        assert alone.value.smtp_code == 452
    assert len(messages(mailrail)) == 1
    assert messages(mailrail, "tiny@example.org") == []


def test_hidden_recipients(make_mailrail):
    mailrail = make_mailrail(smtp_in={"hide_unknown": True})
    with mailrail.raw_smtp() as raw:
        hello(raw)
        raw.send(TRANSACTION.replace("ann@", "nobody@"))
        assert [raw.reply()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
        began = time.monotonic()
        raw.send(".\r\n")
        assert raw.reply().startswith(b"550 5.1.1 ")
        assert time.monotonic() - began > 4.9


def test_shutting_down(mailrail):
    with mailrail.raw_smtp() as raw:
        hello(raw)
        mailrail.kill("smtp-in", 15)
        assert raw.reply().startswith(b"421 4.3.2 ")
        assert raw.at_end()


def test_what_is_logged_and_counted(mailrail):
    mailrail.deliver()
    line = next(line for line in mailrail.log().splitlines() if 'm="message accepted"' in line)
    for field in ("pkg=smtp-in", "cid=", "from=x@far.example", "recipients=1", "code=250", "id="):
        assert field in line, line
    received = re.search(rb"id ([\w-]{22})", messages(mailrail)[0]).group(1).decode()
    cid = mailrail.command("trace", "cid", received).stdout.strip()
    assert f"id={received}" in line and f"cid={cid} " in line, "the header leads to the log"
    assert mailrail.command("trace", "cid", "A" * 22, check=False).returncode == 1
    metrics = mailrail.metrics("smtp-in")
    assert 'mailrail_smtp_messages_total{service="smtp-in",code="250"} 1' in metrics


def test_no_spool_file_stays(mailrail):
    mailrail.deliver()
    with mailrail.raw_smtp() as raw:
        begin_message(raw)
        raw.send("Subject: never ended\r\n\r\n" + ("x" * 998 + "\r\n") * 70)  # less stays in memory
        spool = mailrail.directory / "data/spool/smtp-in"
        wait_until(lambda: list(spool.iterdir() if spool.exists() else []), what="a spool file")
        raw.socket.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: not list(spool.iterdir() if spool.exists() else []), what="an empty spool")


def test_senders_that_could_not_be_answered(make_mailrail):
    """Against real DNS: zones that are there, empty, bogus and down."""
    zones = Zones()
    try:
        stubs = [f"{zone}=127.0.0.1@{zones.port}" for zone in [".", *ZONES]]
        mailrail = make_mailrail(localserve=False, dns_resolver={
            "forward": [], "stub_zones": stubs, "root_anchor": str(zones.directory / "anchor"),
            "timeout_ms": 4000})
        with mailrail.raw_smtp() as raw:
            hello(raw)
            for sender, want in [
                ("a@signed.example", b"250 2.1.0"),           # its MX resolves
                ("a@www.unsigned.example", b"250 2.1.0"),     # no MX, but an address
                ("a@nowhere.signed.example", b"550 5.7.27"),  # does not exist
                ("a@unsigned.example", b"550 5.7.27"),        # exists, with neither
                ("a@tampered.example", b"451 4.4.0"),         # its signature is wrong
                ("a@down.example", b"451 4.4.0"),             # nobody answers
                ("", b"250 2.1.0"),
            ]:
                raw.send(f"MAIL FROM:<{sender}>\r\nRSET\r\n")
                assert raw.reply().startswith(want), sender
                raw.reply()
            raw.send("HELO nowhere.signed.example\r\nHELO mail.signed.example\r\n")
            assert raw.reply().startswith(b"550 5.5.0")
            assert raw.reply().startswith(b"250 ")
    finally:
        zones.stop()


def test_who_was_removed_is_refused_at_once(mailrail):
    """Although the receiver keeps for ten seconds whom store knew: the directory's event ends that."""
    mailrail.command("address", "add", "short@example.org", "ann")
    with mailrail.raw_smtp() as raw:
        hello(raw)

        def answer():
            raw.send("MAIL FROM:<x@far.example>\r\nRCPT TO:<short@example.org>\r\nRSET\r\n")
            return [raw.reply() for _ in range(3)][1]

        for _ in range(3):
            assert answer().startswith(b"250 ")
        mailrail.command("address", "remove", "short@example.org")
        removed = time.monotonic()
        wait_until(lambda: answer().startswith(b"550 "), what="a refusal")
        assert time.monotonic() - removed < 5


def test_a_transaction_that_never_ends_is_ended(shared_mailrail):
    with shared_mailrail.raw_smtp() as raw:
        hello(raw)
        raw.send("MAIL FROM:<x@far.example>\r\n")
        raw.reply()
        reply = b""
        for _ in range(1000):
            raw.send("RCPT TO:<not an address>\r\n" * 500)
            for _ in range(500):
                reply = raw.reply()
                if not reply.startswith(b"501 "):
                    break
            if not reply.startswith(b"501 "):
                break
        assert reply.startswith(b"421 4.7.0 "), reply
    with shared_mailrail.raw_smtp() as raw:
        hello(raw)
