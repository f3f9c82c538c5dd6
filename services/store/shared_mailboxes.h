#ifndef SERVICES_STORE_SHARED_MAILBOXES_H
#define SERVICES_STORE_SHARED_MAILBOXES_H

#include "common/bus/rpc.h"
#include "proto/mailboxes.pb-c.h"
#include "services/store/access.h"

/*
 * What the door `mailboxes` says about sharing: which mailboxes of others the caller may know of,
 * and who has which rights. The methods are as those of mailboxes_door.c.
 */

/* Adds to a reply the mailboxes of others to which the caller has RIGHT_LOOKUP. */
bool shared_list(const struct access *access, struct arena *arena, Mailrail__ListReply *reply,
                 struct err *err) MUST_USE;

bool find_owner(struct rpc_call *call, const struct access *access,
                const Mailrail__FindOwnerRequest *request, Mailrail__FindOwnerReply *reply,
                struct err *err) MUST_USE;
bool get_rights(struct rpc_call *call, const struct access *access,
                const Mailrail__GetRightsRequest *request, Mailrail__GetRightsReply *reply,
                struct err *err) MUST_USE;
bool set_rights(struct rpc_call *call, const struct access *access,
                const Mailrail__SetRightsRequest *request, Mailrail__Empty *reply,
                struct err *err) MUST_USE;

#endif
