#ifndef COMMON_BUS_TLS_ENGINE_H
#define COMMON_BUS_TLS_ENGINE_H

#include "common/base/err.h"
#include "common/bus/address.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

/* nng's TLS done by OpenSSL, since nng 1.5 cannot tell whose certificate the other side has shown;
 * see docs/decisions/0018-bus-tls.md. TLS 1.3 only. */
bool tls_engine_config(const struct bus_tls *tls, nng_tls_mode mode, nng_tls_config **ret,
                       struct err *err) MUST_USE;

#endif
