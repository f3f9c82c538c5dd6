#include "common/base/buf.h"
#include "common/sys/tls.h"

#include <openssl/objects.h>

/*
 * Channel bindings: data that only the two ends of this very TLS connection know, by which a SASL
 * exchange notices somebody in the middle.
 */

/* RFC 9266 2 */
static bool append_exporter(SSL *ssl, struct buf *out)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    unsigned char data[32];
    return SSL_version(ssl) >= TLS1_3_VERSION &&
           SSL_export_keying_material(ssl, data, sizeof(data), label, sizeof(label) - 1, data, 0,
                                      1) == 1 &&
           buf_append(out, str_make(data, sizeof(data)));
}

/* RFC 5929 3.1: the first Finished message of the handshake: the client's, or the server's when a
 * session is resumed. Without the extended master secret (RFC 7627) two connections can be made to
 * have the same, so there is none then; renegotiation is off, so the last handshake is the first.
 */
static bool append_unique(SSL *ssl, struct buf *out)
{
    char data[64];
    if (SSL_version(ssl) >= TLS1_3_VERSION || SSL_get_extms_support(ssl) != 1)
        return false;
    bool first_is_ours = (SSL_is_server(ssl) == 1) == (SSL_session_reused(ssl) == 1);
    size_t len = first_is_ours ? SSL_get_finished(ssl, data, sizeof(data))
                               : SSL_get_peer_finished(ssl, data, sizeof(data));
    return len > 0 && len <= sizeof(data) && buf_append(out, str_make(data, len));
}

/* RFC 5929 4.1: the hash of the certificate's signature, but at least SHA-256. NULL where the RFC
 * defines none. */
static const EVP_MD *end_point_hash(const X509 *certificate)
{
    int hash = NID_undef;
    if (!OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &hash, NULL) || hash == NID_undef)
        return NULL;
    if (hash == NID_md5 || hash == NID_sha1)
        hash = NID_sha256;
    return EVP_get_digestbynid(hash);
}

static bool append_end_point(SSL *ssl, struct buf *out)
{
    X509 *certificate =
        SSL_is_server(ssl) ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
    const EVP_MD *hash = certificate ? end_point_hash(certificate) : NULL;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len;
    return hash && X509_digest(certificate, hash, digest, &len) == 1 &&
           buf_append(out, str_make(digest, len));
}

bool tls_channel_binding(SSL *ssl, struct str type, struct buf *out)
{
    if (!SSL_is_init_finished(ssl))
        return false;
    if (str_eq(type, STR("tls-exporter")))
        return append_exporter(ssl, out);
    if (str_eq(type, STR("tls-unique")))
        return append_unique(ssl, out);
    if (str_eq(type, STR("tls-server-end-point")))
        return append_end_point(ssl, out);
    return false;
}
