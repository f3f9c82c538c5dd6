#ifndef COMMON_SYS_TLS_CERTIFICATE_H
#define COMMON_SYS_TLS_CERTIFICATE_H

#include "common/base/array.h"
#include "common/base/err.h"
#include "common/sys/tls.h"

#include <sys/stat.h>

/*
 * One certificate with its key as tls.c holds it: ready for handshakes, with the names that it is
 * for, and what its files looked like when they were read. Private to tls.c.
 */

struct tls_loaded {
    SSL_CTX *ctx;
    ARRAY_OF(char *) names; /* dNSName entries of the subjectAltName, maybe with a wildcard */
    struct stat chain_stat;
    struct stat key_stat;
};

/* `ctx` is configured but for the certificate; it is taken, also on failure. */
bool tls_loaded_read(struct tls_loaded *loaded, SSL_CTX *ctx, const char *chain_file,
                     const char *key_file, struct err *err) MUST_USE;
void tls_loaded_release(struct tls_loaded *loaded);
/* False too when a file cannot be looked at now: somebody is replacing it. */
bool tls_loaded_is_changed(const struct tls_loaded *loaded, const char *chain_file,
                           const char *key_file);
/* RFC 6125 6.4.3: a wildcard stands for exactly one label. */
bool tls_loaded_is_for(const struct tls_loaded *loaded, struct str name);

#endif
