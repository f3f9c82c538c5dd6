"""The far side of a delivery: a signed zone on a real nsd, a real Postfix with Maildirs, servers that
misbehave, and a submission client that speaks SCRAM-SHA-256-PLUS."""
import base64
import contextlib
import hashlib
import hmac
import os
import pathlib
import secrets
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import threading
import time

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
POSTFIX_IP = "127.0.0.12"


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PATH": PATH}, **options)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def wait_for_port(ip, port, seconds=20):
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection((ip, port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end, f"nobody listens on {ip}:{port}"
            time.sleep(0.05)


class SignedZone:
    """A zone on nsd, signed, and the anchor that its readers need."""

    def __init__(self, directory, port, name, records):
        self.directory = pathlib.Path(directory)
        self.name, self.port = name, port
        zone = self.directory / "zone"
        zone.write_text(f"$ORIGIN {name}.\n$TTL 60\n"
                        f"@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
                        + "".join(record + "\n" for record in records))
        key = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", "-r", "/dev/urandom", name,
                  cwd=self.directory).strip()
        run("ldns-signzone", "-f", "zone.signed", "zone", key, cwd=self.directory)
        self.anchor = (self.directory / f"{key}.ds").read_text().strip()
        self.start()

    def start(self):
        d = self.directory
        (d / "nsd.conf").write_text(
            f'server:\n  ip-address: 127.0.0.1@{self.port}\n  username: ""\n  zonesdir: "{d}"\n'
            f'  pidfile: "{d}/nsd.pid"\n  xfrdfile: "{d}/xfrd.state"\n  zonelistfile: "{d}/zone.list"\n'
            f'  database: ""\n  server-count: 1\nremote-control:\n  control-enable: no\n'
            f'zone:\n  name: "{self.name}"\n  zonefile: "zone.signed"\n')
        self.process = subprocess.Popen(["nsd", "-d", "-c", d / "nsd.conf"], env={"PATH": PATH},
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_port("127.0.0.1", self.port)

    def options(self):
        """What dns-resolver must know to find and trust the zone."""
        return {"stub_zones": [f"{self.name}=127.0.0.1@{self.port}"], "trust_anchors": [self.anchor]}

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


class Postfix:
    """Takes mail for some domains on one address into one Maildir. With `name_server` it also sends
    mail: to what that server says."""

    def __init__(self, directory, port, domains, ip=POSTFIX_IP, name_server=None):
        self.directory = d = pathlib.Path(directory)
        self.ip, self.port = ip, port
        d.chmod(0o755)
        self.config, self.box = d / "etc", d / "mail"
        for name in ("etc", "queue", "data", "mail"):
            (d / name).mkdir()
        shutil.chown(d / "data", "postfix")
        shutil.chown(self.box, "nobody")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-keyout", self.config / "key.pem", "-out", self.config / "cert.pem",
            "-days", "2", "-subj", "/CN=mx2.far.example")
        (self.config / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {d}/queue
data_directory = {d}/data
maillog_file = {d}/log
maillog_file_prefixes = {d}
myhostname = mx2.far.example
mydestination =
inet_interfaces = {ip if name_server else "loopback-only"}
inet_protocols = ipv4
smtputf8_enable = yes
virtual_mailbox_domains = {", ".join(domains)}
virtual_mailbox_base = {self.box}
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_recipient_restrictions = permit
mynetworks = {ip}/32
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_cert_file = {self.config}/cert.pem
smtpd_tls_key_file = {self.config}/key.pem
alias_maps =
smtp_tcp_port = {port}
smtp_tls_security_level = {"encrypt" if name_server else "none"}
smtp_host_lookup = dns
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
""")
        (self.config / "master.cf").write_text(f"""
{ip}:{port} inet n - n - - smtpd
smtp unix - - n - - smtp
retry unix - - n - - error
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
virtual unix - n n - - virtual
error unix - - n - - error
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
""")
        words = ["postfix", "-c", self.config, "start-fg"]
        if name_server:
            (self.config / "resolv.conf").write_text(f"nameserver {name_server}\n")
            words = ["unshare", "--mount", "sh", "-c",
                     'mount --bind "$1" /etc/resolv.conf; shift; exec "$@"', "sh", self.config / "resolv.conf", *words]
        self.process = subprocess.Popen(words, env={"PATH": PATH},
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_for_port(ip, port)

    def send(self, sender, recipient, message):
        """Gives a message to it, as a user of its host would."""
        with smtplib.SMTP(self.ip, self.port, "mx2.far.example", 30, (self.ip, 0)) as client:
            client.sendmail(sender, [recipient], message, ["BODY=8BITMIME"])

    def messages(self):
        return [path.read_bytes() for path in sorted(self.box.glob("all/new/*"))]

    def log(self):
        with contextlib.suppress(OSError):
            return (self.directory / "log").read_text()
        return ""

    def stop(self):
        """What `postfix stop` does, which needs to see our address."""
        os.kill(int((self.directory / "queue/pid/master.pid").read_text()), signal.SIGTERM)
        self.process.wait(30)


class Misbehaving:
    """Listens on one address. Each connection is given to `behave(socket, number)`, 1 is the first;
    when that returns an address, the connection is passed on to it."""

    def __init__(self, ip, port, behave):
        self.behave, self.connections = behave, 0
        self.listener = socket.create_server((ip, port))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.handle, args=(client, self.connections),
                                 daemon=True).start()

    def handle(self, client, number):
        with client, contextlib.suppress(OSError):
            client.settimeout(20)
            onward = self.behave(client, number)
            if onward:
                with socket.create_connection(onward, timeout=20) as server:
                    back = threading.Thread(target=pump, args=(server, client), daemon=True)
                    back.start()
                    pump(client, server)
                    back.join(20)

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # ends accept, which keeps the port otherwise
        self.thread.join(20)
        self.listener.close()


def pump(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def refusing(recipient_reply):
    """A server that answers every RCPT with this, and is polite otherwise."""
    def behave(client, _number):
        file = client.makefile("rwb", buffering=0)
        file.write(b"220 mx.far.example hello\r\n")
        while line := file.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"QUIT":
                file.write(b"221 bye\r\n")
                break
            file.write({b"EHLO": b"250-mx.far.example\r\n250 PIPELINING\r\n",
                        b"RCPT": recipient_reply + b"\r\n",
                        b"DATA": b"503 5.5.1 no recipients\r\n"}.get(verb, b"250 2.0.0 ok\r\n"))
    return behave


# Submission.

class Submission:
    """A client on port 587 with STARTTLS and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), bound to the
    channel by tls-unique, which Python knows; it ends with TLS 1.2."""

    def __init__(self, port, user, password):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")
        assert self.reply().startswith(b"220")
        self.ask("EHLO client.example")
        self.ask("STARTTLS")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")
        assert b"SCRAM-SHA-256-PLUS" in self.ask("EHLO client.example")
        self.authenticate(user, password)

    def reply(self):
        lines = [self.file.readline()]
        while lines[-1][3:4] == b"-":
            lines.append(self.file.readline())
        return b"".join(lines)

    def ask(self, line, code=b"2"):
        self.socket.sendall(line.encode() + b"\r\n")
        reply = self.reply()
        assert reply.startswith(code), f"{line.split()[0]}: {reply!r}"
        return reply

    def authenticate(self, user, password):
        header = "p=tls-unique,,"
        bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={secrets.token_hex(12)}"
        first = base64.b64encode((header + bare).encode()).decode()
        challenge = base64.b64decode(self.ask(f"AUTH SCRAM-SHA-256-PLUS {first}", b"334").split()[1])
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        binding = header.encode() + self.socket.get_channel_binding("tls-unique")
        without_proof = f"c={base64.b64encode(binding).decode()},r={fields['r']}"
        message = ",".join((bare, challenge.decode(), without_proof)).encode()
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]),
                                     int(fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        final = f"{without_proof},p={base64.b64encode(proof).decode()}"
        reply = self.ask(base64.b64encode(final.encode()).decode(), b"")
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        wanted = base64.b64encode(hmac.digest(server_key, message, "sha256")).decode()
        assert reply.startswith(b"334"), reply
        assert base64.b64decode(reply.split()[1]).decode() == f"v={wanted}"
        self.socket.sendall(b"\r\n")
        assert self.reply().startswith(b"235")

    def send(self, sender, recipients, message, parameters=""):
        self.ask(f"MAIL FROM:<{sender}>{parameters}")
        for recipient in recipients:
            self.ask(f"RCPT TO:<{recipient}>")
        self.ask("DATA", b"354")
        stuffed = message.replace(b"\r\n.", b"\r\n..")
        self.socket.sendall((b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n")
        assert self.reply().startswith(b"250")

    def close(self):
        self.ask("QUIT")
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.socket.close()
