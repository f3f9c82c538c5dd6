#ifndef COMMON_SYS_TLS_PUBLIC_KEY_H
#define COMMON_SYS_TLS_PUBLIC_KEY_H

#include "common/sys/tls.h"

/*
 * Public keys of TLS clients. A key stands for its owner; the certificate around it, whoever issued
 * it and until when, does not count (docs/decisions/0030-client-certificates.md). A key is known by
 * its fingerprint: SHA-256 of the SubjectPublicKeyInfo.
 */

#define TLS_FINGERPRINT_SIZE 32

struct tls_public_key {
    char fingerprint[TLS_FINGERPRINT_SIZE];
    char algorithm[32];    /* "rsa-3072", "ecdsa-256", "ed25519" */
    char certificate[128]; /* its CommonName, or else its serial number */
};

/* Reads PEM that holds one certificate, and no other block. ERR_SYNTAX: it does not, or the key is
 * none that a client may have: RSA of 2048 bits and more, ECDSA of 256 and more, or Ed25519. */
bool tls_public_key_of_pem(struct str pem, struct tls_public_key *ret, struct err *err) MUST_USE;

/* The fingerprint of the key that the client of this connection has proven to hold, appended to
 * `out`; false when it presented no certificate. A resumed session has that of its first. */
bool tls_client_key(SSL *ssl, struct buf *out);

#endif
