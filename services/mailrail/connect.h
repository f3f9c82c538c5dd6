#ifndef SERVICES_MAILRAIL_CONNECT_H
#define SERVICES_MAILRAIL_CONNECT_H

#include "services/mailrail/backend.h"
#include "services/mailrail/command.h"

/* Reads the settings and makes a backend for this invocation. */
static inline bool invocation_backend(struct invocation *inv, struct backend *ret, struct err *err)
{
    TRY(invocation_read_settings(inv, err));
    *ret = (struct backend){&inv->settings, &inv->arena};
    return true;
}

/* The n-th argument, and an option's value (empty when not given), as strings. */
static inline struct str invocation_arg(const struct invocation *inv, size_t n)
{
    return str_from_cstr(inv->args[n]);
}
static inline struct str invocation_text(const struct invocation *inv, const char *option)
{
    return str_from_cstr(invocation_option(inv, option));
}

#endif
