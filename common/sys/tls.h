#ifndef COMMON_SYS_TLS_H
#define COMMON_SYS_TLS_H

#include "common/base/err.h"
#include "common/base/openssl.h"

#include <openssl/ssl.h>

/*
 * TLS as a server: certificates chosen by SNI, reloaded when their files change, sane protocol
 * versions. What uses a connection is OpenSSL's SSL object itself.
 *
 * A context may be shared by all threads. tls_context_reload swaps the certificates for handshakes
 * that start later; connections that stand keep theirs.
 */

struct tls_context;

struct tls_certificate {
    struct str chain_file; /* PEM, leaf first */
    struct str key_file;   /* PEM */
};

struct tls_server_config {
    const struct tls_certificate *certificates; /* the first is the default */
    size_t certificate_count;
    int min_version;         /* TLS1_2_VERSION when 0 */
    bool refuse_unknown_sni; /* else the default certificate is used */
    bool session_tickets;
    bool request_client_certificate; /* any, or none: tls_public_key.h */
};

/* Fails naming the file and what is wrong with it: missing, unreadable, not PEM, key does not
 * match, expired certificates are accepted. */
struct tls_context *tls_context_new_server(const struct tls_server_config *config, struct err *err);
void tls_context_free(struct tls_context *context);
/* Reads changed files again; on failure the old certificates stay. `*ret_changed` may be NULL. */
bool tls_context_reload(struct tls_context *context, bool *ret_changed, struct err *err) MUST_USE;

/* A new SSL in accept state with release-buffers mode, or NULL when out of memory. */
SSL *tls_server_ssl(struct tls_context *context);

/* RFC 5929 and RFC 9266 channel binding data of an established connection, see session.h. */
struct buf;
bool tls_channel_binding(SSL *ssl, struct str type, struct buf *out);

/* Takes the OpenSSL error queue of this thread into err: "what: reason". Returns false. */
bool tls_error(struct err *err, const char *what);

/* Writes a self-signed ECDSA P-256 certificate for `hostname` (also as subjectAltName; "localhost"
 * adds the loopback addresses), valid for 4 years, unless both files exist. Key mode 0600. What was
 * made here before, for another host name, is replaced; a certificate of somebody else never. */
bool tls_make_self_signed(struct str hostname, struct str chain_file, struct str key_file,
                          struct err *err) MUST_USE;

/* Whether the first certificate of a PEM file is for `hostname`. */
bool tls_file_is_for(struct str chain_file, struct str hostname, bool *ret_is_for,
                     struct err *err) MUST_USE;

#endif
