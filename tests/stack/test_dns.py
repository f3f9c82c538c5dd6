"""dns-resolver against a real nsd: signed, unsigned and broken zones below a root of our own."""
import pathlib
import socket
import subprocess
import tempfile

import pytest

from conftest import BIN, ENVIRONMENT, FAULT, free_ports, wait_until

SOA = "@ 300 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 60\n@ 300 IN NS ns.example.\n"

ZONES = {
    "signed.example.": """
@ 300 IN MX 20 mail2
@ 300 IN MX 10 mail
@ 300 IN CAA 0 issue "ca.example"
mail 300 IN A 192.0.2.1
mail 300 IN AAAA 2001:db8::1
v4 300 IN A 192.0.2.4
to-unsigned 300 IN CNAME www.unsigned.example.
to-signed 300 IN CNAME mail
to-nowhere 300 IN CNAME nowhere
txt 300 IN TXT "v=spf1 " "-all"
_25._tcp.mail 300 IN TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
_imaps._tcp 300 IN SRV 1 2 993 mail
4.2.0.192.rev 300 IN PTR mail
""",
    "expired.example.": "@ 300 IN MX 10 mail\nmail 300 IN A 192.0.2.2\n",
    "tampered.example.": "@ 300 IN MX 10 mail\nmail 300 IN A 192.0.2.3\n",
    "stripped.example.": "@ 300 IN MX 10 mail\nmail 300 IN A 192.0.2.5\n",
    "broken.example.": "",
    "unsigned.example.": "www 300 IN A 192.0.2.9\n",
}


class Zones:
    """nsd with the zones above and a signed root that delegates to them."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mr-dns-", dir="/tmp"))
        self.port = free_ports(1)[0]
        self.files = {}
        delegations = ""
        for name, text in ZONES.items():
            delegations += f"{name} 300 IN NS ns.example.\n"
            text = f"$ORIGIN {name}\n{SOA}{text}"
            if name == "unsigned.example.":
                self.write(name, text)
            elif name == "broken.example.":  # nsd cannot load it
                self.write(name, "rubbish")
            elif name == "stripped.example.":  # somebody took the signatures away
                delegations += self.sign(name, text)
                self.write(name, text)
            elif name == "expired.example.":
                delegations += self.sign(name, text, "-i", "20200101000000", "-e", "20200201000000")
            else:
                delegations += self.sign(name, text)
        # Down: delegated to an address where nobody answers.
        delegations += "down.example. 300 IN NS ns.down.example.\nns.down.example. 300 IN A 127.9.9.9\n"
        tampered = self.directory / self.files["tampered.example."]
        tampered.write_text(tampered.read_text().replace("192.0.2.3", "192.0.2.66"))
        root = ("$ORIGIN .\n. 300 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 60\n"
                f". 300 IN NS ns.example.\nns.example. 300 IN A 127.0.0.1\n{delegations}")
        (self.directory / "anchor").write_text(self.sign(".", root))
        self.process = self.start()

    def run(self, *words):
        done = subprocess.run(words, cwd=self.directory, env=ENVIRONMENT, check=True,
                              capture_output=True, text=True)
        return done.stdout.strip()

    def write(self, name, text):
        path = self.directory / f"{name.rstrip('.') or 'root'}.zone"
        path.write_text(text)
        self.files[name] = path.name
        return path.name

    def sign(self, name, text, *options):
        """Returns the DS record for the parent."""
        path = self.write(name, text)
        ksk = self.run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", name)
        zsk = self.run("ldns-keygen", "-a", "ECDSAP256SHA256", name)
        self.run("ldns-signzone", *options, "-o", name, "-f", f"{path}.signed", path, zsk, ksk)
        self.files[name] = f"{path}.signed"
        return (self.directory / f"{ksk}.ds").read_text()

    def start(self):
        d = self.directory
        zones = "".join(f'zone:\n  name: "{n}"\n  zonefile: "{f}"\n' for n, f in self.files.items())
        (d / "nsd.conf").write_text(f"""
server:
  ip-address: 127.0.0.1@{self.port}
  username: ""
  zonesdir: "{d}"
  pidfile: "{d}/nsd.pid"
  database: ""
  xfrdir: "{d}"
  xfrdfile: "{d}/xfrd.state"
  zonelistfile: "{d}/zone.list"
  server-count: 1
remote-control:
  control-enable: no
{zones}""")
        process = subprocess.Popen(["nsd", "-d", "-c", d / "nsd.conf"], env=ENVIRONMENT,
                                   stdout=open(d / "nsd.log", "wb"), stderr=subprocess.STDOUT)
        wait_until(self.answers, 10, "an answer of nsd")
        return process

    def answers(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
        subprocess.run(["rm", "-r", self.directory], check=True)


class Resolver:
    """dns-resolver alone, with the zones' root as its root."""

    def __init__(self, zones):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="mr-dns-", dir="/tmp"))
        (self.directory / "data").mkdir()
        self.config = self.directory / "mailrail.conf"
        self.log = self.directory / "log"
        # Each zone is a stub: its NS records would lead to port 53.
        stubs = ", ".join(f'"{zone}=127.0.0.1@{zones.port}"' for zone in [".", *ZONES])
        self.config.write_text(f"""
hostname = "mail.example"; data = "data"; run = "run"; log_level = "debug";
dns_resolver = {{
    stub_zones = [ {stubs} ];
    root_anchor = "{zones.directory}/anchor";
    timeout_ms = 3000;
}};
""")
        self.process = subprocess.Popen([BIN / "mailrail-dns-resolver", "--config", self.config],
                                        env=ENVIRONMENT, stdout=open(self.log, "wb"),
                                        stderr=subprocess.STDOUT)
        wait_until((self.directory / "run/dns.sock").exists, 10, "the door of dns-resolver")

    def lookup(self, record_type, name):
        return subprocess.run([BIN / "mailrail", "dns", "lookup", record_type, name, "--config",
                               self.config], env=ENVIRONMENT, capture_output=True, text=True,
                              timeout=30)

    def stop(self):
        self.process.terminate()
        status = self.process.wait(20)
        log = self.log.read_text()
        subprocess.run(["rm", "-r", self.directory], check=True)
        assert status == 0 and not FAULT.search(log), log


@pytest.fixture(scope="module")
def zones():
    zones = Zones()
    yield zones
    zones.stop()


@pytest.fixture(scope="module")
def resolver(zones):
    resolver = Resolver(zones)
    yield resolver
    resolver.stop()


AUTHENTIC, PLAIN = "authentic (DNSSEC)", "not protected by DNSSEC"


@pytest.mark.parametrize("record_type, name, records, security", [
    ("A", "mail.signed.example", ["192.0.2.1"], AUTHENTIC),
    ("A", "MAIL.Signed.Example", ["192.0.2.1"], AUTHENTIC),
    ("AAAA", "mail.signed.example", ["2001:db8::1"], AUTHENTIC),
    ("IP", "mail.signed.example", ["192.0.2.1", "2001:db8::1"], AUTHENTIC),
    ("IP", "v4.signed.example", ["192.0.2.4"], AUTHENTIC),
    ("MX", "signed.example", ["10 mail.signed.example.", "20 mail2.signed.example."], AUTHENTIC),
    ("TXT", "txt.signed.example", ["v=spf1 -all"], AUTHENTIC),
    ("TLSA", "_25._tcp.mail.signed.example", ["3 1 1 " + "0123456789abcdef" * 4], AUTHENTIC),
    ("SRV", "_imaps._tcp.signed.example", ["1 2 993 mail.signed.example."], AUTHENTIC),
    ("CAA", "signed.example", ['0 issue "ca.example"'], AUTHENTIC),
    ("NS", "signed.example", ["ns.example."], AUTHENTIC),
    ("SOA", "signed.example", ["ns.example."], AUTHENTIC),
    ("PTR", "4.2.0.192.rev.signed.example.", ["mail.signed.example."], AUTHENTIC),
    ("CNAME", "to-signed.signed.example", ["mail.signed.example."], AUTHENTIC),
    ("A", "to-signed.signed.example", ["192.0.2.1"], AUTHENTIC),
    ("A", "www.unsigned.example", ["192.0.2.9"], PLAIN),
    ("A", "to-unsigned.signed.example", ["192.0.2.9"], PLAIN),
])
def test_records_come_with_their_security(resolver, record_type, name, records, security):
    done = resolver.lookup(record_type, name)
    assert sorted(done.stdout.splitlines()) == sorted(records), done.stderr
    assert done.stderr.startswith("ok, ") and security in done.stderr
    assert done.returncode == 0


def test_aliases_give_the_canonical_name(resolver):
    assert "name mail.signed.example." in resolver.lookup("A", "to-signed.signed.example").stderr
    assert "name www.unsigned.example." in resolver.lookup("A", "to-unsigned.signed.example").stderr


@pytest.mark.parametrize("record_type, name, why, security", [
    ("A", "none.signed.example", "NXDOMAIN", AUTHENTIC),
    ("A", "to-nowhere.signed.example", "NXDOMAIN", AUTHENTIC),
    ("TXT", "mail.signed.example", "no such record", AUTHENTIC),
    ("AAAA", "v4.signed.example", "no such record", AUTHENTIC),
    ("CNAME", "mail.signed.example", "no such record", AUTHENTIC),
    ("A", "none.unsigned.example", "NXDOMAIN", PLAIN),
    ("MX", "www.unsigned.example", "no such record", PLAIN),
    ("IP", "none.signed.example", "NXDOMAIN", AUTHENTIC),
])
def test_what_is_not_there_is_told_with_its_security(resolver, record_type, name, why, security):
    done = resolver.lookup(record_type, name)
    assert done.stdout == "" and done.returncode == 1
    assert done.stderr.startswith(f"not found: {why}") and security in done.stderr


@pytest.mark.parametrize("record_type, name, why", [
    ("MX", "expired.example", "signature expired"),
    ("A", "mail.expired.example", "signature expired"),
    ("IP", "mail.tampered.example", "signature"),
    ("A", "mail.tampered.example", "signature"),
    ("MX", "stripped.example", "validation failure"),
])
def test_forged_answers_are_failures_without_data(resolver, record_type, name, why):
    done = resolver.lookup(record_type, name)
    assert done.stdout == "" and done.returncode == 1
    assert done.stderr.startswith("bogus") and why in done.stderr


def test_a_server_that_fails_is_a_temporary_failure(resolver):
    done = resolver.lookup("A", "www.broken.example")
    assert done.stdout == "" and done.returncode == 1
    assert done.stderr.startswith("temporary failure: SERVFAIL")


def test_a_server_that_does_not_answer_is_a_temporary_failure(resolver):
    done = resolver.lookup("A", "x.down.example")
    assert done.stdout == "" and done.returncode == 1
    assert done.stderr.startswith(("temporary failure", "timeout"))


@pytest.mark.parametrize("name", ["a..b", "a b.example", "x" * 64 + ".example", "m\\.x.example"])
def test_malformed_names_are_refused_without_a_question(resolver, name):
    done = resolver.lookup("A", name)
    assert done.returncode == 1 and "DNS name" in done.stderr


def test_a_wrong_option_is_named_at_start(zones, tmp_path):
    (tmp_path / "data").mkdir()
    for option, value in [("stub_zones", "example"), ("stub_zones", "example=nobody"),
                          ("forward", "nobody"), ("trust_anchors", "rubbish")]:
        config = tmp_path / "mailrail.conf"
        config.write_text('hostname = "mail.example"; data = "data"; run = "run";\n'
                          f'dns_resolver = {{ {option} = [ "{value}" ]; }};\n')
        done = subprocess.run([BIN / "mailrail-dns-resolver", "--config", config], env=ENVIRONMENT,
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == (1 if option == "trust_anchors" else 2)  # the library judges those
        assert f"dns_resolver.{option}" in done.stdout + done.stderr, done.stderr
