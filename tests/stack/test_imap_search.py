"""Search extensions over the whole system: SAVEDATE (RFC 8514), WITHIN (RFC 5032), PARTIAL (RFC 9394),
MULTISEARCH (RFC 7377)."""
import re
from datetime import datetime, timedelta, timezone

import pytest

from test_imap_basics import LETTER, Client


@pytest.fixture
def client(mailrail):
    with Client(mailrail.imaps_port, tls=True) as c:
        yield c


def hits(client, keys):
    lines = [line for line in client(f"SEARCH {keys}") if line.startswith(b"* SEARCH")]
    return [int(number) for line in lines for number in line.split()[2:]]


def save_date(client, uid):
    text = re.search(rb'SAVEDATE "([^"]+)"', client(f"UID FETCH {uid} SAVEDATE")[0])[1].decode()
    return datetime.strptime(text.strip(), "%d-%b-%Y %H:%M:%S %z")


def test_an_old_message_appended_today_and_moved(client):
    client("CREATE old")
    client("CREATE new")
    client(b'APPEND old "03-May-2020 10:00:00 +0200" {%d+}\r\n%s' % (len(LETTER), LETTER))
    client("SELECT old")
    assert abs(datetime.now(timezone.utc) - save_date(client, 1)) < timedelta(hours=1)
    assert hits(client, "OLDER 60") == [1]
    assert hits(client, "YOUNGER 60") == []
    assert hits(client, "SAVEDATESUPPORTED SAVEDSINCE 1-Jan-2021") == [1]
    assert hits(client, "SINCE 1-Jan-2021") == []
    assert b" OK " in client("MOVE 1 new")[-1]
    client("SELECT new")
    assert b'INTERNALDATE " 3-May-2020 10:00:00 +0200"' in client("FETCH 1 (INTERNALDATE SAVEDATE)")[0]
    assert hits(client, "SAVEDSINCE 1-Jan-2021 BEFORE 1-Jan-2021") == [1]


def test_pages_of_a_large_mailbox(client):
    client("CREATE pages")
    for _ in range(10):
        client.append("pages")
    client("SELECT pages")
    client("STORE 3 +FLAGS (\\Deleted)")
    assert client("UID SEARCH RETURN (PARTIAL 1:4) UNDELETED")[0].endswith(b"UID PARTIAL (1:4 1:2,4:5)")
    assert client("UID SEARCH RETURN (PARTIAL -1:-4) BODY hello")[0].endswith(b"UID PARTIAL (-1:-4 7:10)")
    assert client("UID SEARCH RETURN (PARTIAL 20:30) ALL")[0].endswith(b"UID PARTIAL (20:30 NIL)")
    fetched = [line for line in client("UID FETCH 1:* (FLAGS) (PARTIAL -1:-3)") if b"FETCH" in line]
    assert [re.search(rb"UID (\d+)", line)[1] for line in fetched[:3]] == [b"8", b"9", b"10"]


def test_one_search_over_several_mailboxes(client):
    """ESEARCH (RFC 7377), also over mailboxes that this process has not opened yet."""
    for name in ("multi", "multi/a", "multi/b", "multi/b/c"):
        client(f"CREATE {name}")
    client.append("multi/a", b"Subject: apple\r\n\r\nred\r\n")
    client.append("multi/b/c", b"Subject: pear\r\n\r\nred\r\n")
    client.append("multi/b/c", b"Subject: apple\r\n\r\ngreen\r\n")

    def found(command):
        lines = client(command)
        assert b" OK " in lines[-1], lines[-1]
        return {match[1].decode(): match[2].decode() for line in lines
                if (match := re.match(rb'\* ESEARCH \(TAG "\w+" MAILBOX (\S+) UIDVALIDITY \d+\) UID (.*)', line))}

    assert found("ESEARCH IN (subtree multi) BODY red") == {"multi/a": "ALL 1", "multi/b/c": "ALL 1"}
    assert found("ESEARCH IN (subtree-one multi) RETURN (COUNT) ALL") == {"multi/a": "COUNT 1"}
    client("SELECT multi/a")
    assert found("ESEARCH IN (selected mailboxes multi/b/c) SUBJECT apple") == {
        "multi/a": "ALL 1", "multi/b/c": "ALL 2"}
    for name in ("multi/b/c", "multi/b", "multi/a", "multi"):
        client(f"DELETE {name}")


def test_filters(mailrail):
    """RFC 5466: kept for all sessions of the account."""
    with Client(mailrail.imaps_port, tls=True) as a, Client(mailrail.imaps_port, tls=True) as b:
        a("CREATE filtered")
        a.append("filtered")
        assert b" OK " in b('SETMETADATA "" (/private/filters/values/letters "SUBJECT letter")')[-1]
        a("SELECT filtered")
        assert a("SEARCH FILTER letters UNSEEN")[0] == b"* SEARCH 1"
        b('SETMETADATA "" (/private/filters/values/letters NIL)')
        assert b" NO [UNDEFINED-FILTER letters]" in a("SEARCH FILTER letters")[-1]
        a("DELETE filtered")


def test_who_waits_for_a_search_hears_of_it_meanwhile(make_mailrail):
    """INPROGRESS (RFC 9585): not together with the result."""
    mailrail = make_mailrail(imap={"progress_interval_s": 1})
    mailrail.command("account", "textindex", "ann", "off")
    with Client(mailrail.imaps_port, tls=True) as c:
        assert b" OK " in c.append("INBOX", LETTER + b"words of a long letter\r\n" * 300000)[-1]
        c("SELECT INBOX")
        for _ in range(100):
            assert b" OK " in c("COPY 1 Archive")[-1]
        c("SELECT Archive")
        c.send('s SEARCH TEXT "nowhere"\r\n')
        seen = c.socket.recv(65536)
        assert seen.startswith(b'* OK [INPROGRESS ("s" ') and b"s OK" not in seen
        while b"s OK" not in seen:
            seen += c.socket.recv(65536)
        assert b"* SEARCH\r\n" in seen
