"""The client's side of SCRAM (RFC 5802, RFC 7677), for tests."""
import base64
import hashlib
import hmac
import os


class Scram:
    """One exchange: first(), then final(server's first), then is_right(server's final)."""

    def __init__(self, user, password, digest="sha256", flag="n", binding=b""):
        self.user, self.password, self.digest = user, password.encode(), digest
        self.header = flag.encode() + b",,"
        self.binding = binding
        self.nonce = base64.b64encode(os.urandom(18))

    def first(self):
        self.bare = b"n=" + self.user.encode() + b",r=" + self.nonce
        return self.header + self.bare

    def final(self, server_first):
        fields = dict(field.split(b"=", 1) for field in server_first.split(b","))
        assert fields[b"r"].startswith(self.nonce) and len(fields[b"r"]) > len(self.nonce)
        salted = hashlib.pbkdf2_hmac(self.digest, self.password, base64.b64decode(fields[b"s"]),
                                     int(fields[b"i"]))
        without_proof = b"c=" + base64.b64encode(self.header + self.binding) + b",r=" + fields[b"r"]
        text = b",".join([self.bare, server_first, without_proof])
        client_key = self.mac(salted, b"Client Key")
        signature = self.mac(hashlib.new(self.digest, client_key).digest(), text)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.expected = b"v=" + base64.b64encode(self.mac(self.mac(salted, b"Server Key"), text))
        return without_proof + b",p=" + base64.b64encode(proof)

    def is_right(self, server_final):
        return server_final == self.expected

    def mac(self, key, text):
        return hmac.new(key, text, self.digest).digest()
