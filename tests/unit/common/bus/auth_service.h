#ifndef TESTS_UNIT_COMMON_BUS_AUTH_SERVICE_H
#define TESTS_UNIT_COMMON_BUS_AUTH_SERVICE_H

#include "proto/auth.pb-c.h"

/* The tests of calls open doors of service Auth, whose `step` each has in a way of its own. Nobody
 * calls the other methods, but a service has all of its methods. */
static inline void find_key(Mailrail__Auth_Service *service,
                            const Mailrail__FindKeyRequest *request,
                            Mailrail__FindKeyReply_Closure closure, void *closure_data)
{
    (void)service;
    (void)request;
    closure(NULL, closure_data);
}

static inline void renew(Mailrail__Auth_Service *service, const Mailrail__AuthRenewRequest *request,
                         Mailrail__AuthRenewReply_Closure closure, void *closure_data)
{
    (void)service;
    (void)request;
    closure(NULL, closure_data);
}

#endif
