#ifndef SERVICES_MAILRAIL_CERTIFICATE_H
#define SERVICES_MAILRAIL_CERTIFICATE_H

#include "common/service/settings.h"

/* Makes the configured certificate and key, self-signed, with their directories; fine when both are
 * there. ERR_STATE when none is configured. */
bool certificate_make(const struct settings *settings, struct err *err) MUST_USE;

#endif
