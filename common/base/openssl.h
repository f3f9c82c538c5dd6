#ifndef COMMON_BASE_OPENSSL_H
#define COMMON_BASE_OPENSSL_H

/*
 * Include this before any header of OpenSSL: it has a type ERR_STATE (of an interface that is no
 * longer in use), and common/base/err.h an error kind of that name.
 */

#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/types.h>
#include <openssl/err.h>
#undef ERR_STATE

#endif
