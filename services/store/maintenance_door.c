#include "services/store/maintenance_door.h"

#include "proto/directory.pb-c.h"
#include "services/store/directory.h"
#include "services/store/mailboxes_reply.h"
#include "services/store/verify.h"

#include <inttypes.h>

#define WORKERS 2

/* The accounts by id, one a step, and the queue at the end. `after` names the last account. */
static bool find_account(struct store *store, const Mailrail__VerifyRequest *request,
                         struct arena *arena, uint64_t *ret_id, struct str *ret_name,
                         bool *ret_found, struct err *err)
{
    uint64_t after = 0;
    struct str wanted = str_from_cstr(request->account);
    if (!str_is_empty(str_from_cstr(request->after)) &&
        !str_to_u64(str_from_cstr(request->after), INT64_MAX, &after))
        return err_set(err, ERR_SYNTAX, "no step is called %s", request->after);
    do {
        *ret_found = directory_account_next(store, after, arena, ret_id, ret_name);
        after = *ret_id;
    } while (*ret_found && !str_is_empty(wanted) && !str_eq(*ret_name, wanted));
    if (!*ret_found && !str_is_empty(wanted))
        return err_set(err, ERR_NOT_FOUND, "no such account: %.*s", STR_ARG(wanted));
    return true;
}

static bool verify_one(struct store *store, uint64_t id, struct findings *findings, struct err *err)
{
    struct account *account;
    TRY(account_open(store, id, &account, err));
    bool ok = verify_account(account, findings, err);
    account_release(account);
    return ok;
}

/* `id` 0: the queue. */
static bool verify_step(struct store *store, uint64_t id, struct arena *arena,
                        Mailrail__VerifyReply *reply, struct err *err)
{
    struct findings findings;
    findings_init(&findings, arena);
    bool ok = id != 0 ? verify_one(store, id, &findings, err) : verify_queue(store, &findings, err);
    reply->findings = reply_names(findings.lines.items, findings.lines.len, arena);
    reply->n_findings = findings.lines.len;
    findings_release(&findings);
    return ok && (reply->findings || err_set(err, ERR_LIMIT, "no room for the findings"));
}

static bool verify(struct rpc_call *call, const Mailrail__VerifyRequest *request,
                   Mailrail__VerifyReply *reply, struct err *err)
{
    uint64_t id = 0;
    struct str name = STR_NULL;
    bool found = false;
    TRY(find_account(call->user, request, call->arena, &id, &name, &found, err));
    TRY(verify_step(call->user, found ? id : 0, call->arena, reply, err));
    if (!found) {
        reply->checked = "queue";
        return true;
    }
    struct str checked = arena_printf(call->arena, "account %.*s", STR_ARG(name));
    reply->checked = arena_cstr(call->arena, checked);
    if (str_is_empty(str_from_cstr(request->account)))
        reply->next = arena_cstr(call->arena, arena_printf(call->arena, "%" PRIu64, id));
    return !call->arena->exhausted || err_set(err, ERR_LIMIT, "no room for the reply");
}

static void handle_verify(Mailrail__Maintenance_Service *service,
                          const Mailrail__VerifyRequest *request,
                          Mailrail__VerifyReply_Closure closure, void *closure_data)
{
    (void)service;
    struct err err;
    Mailrail__VerifyReply reply = MAILRAIL__VERIFY_REPLY__INIT;
    if (verify(closure_data, request, &reply, &err))
        closure(&reply, closure_data);
    else
        rpc_fail(closure_data, &err);
}

bool maintenance_door_open(struct store *store, struct service *service, struct err *err)
{
    static Mailrail__Maintenance_Service handlers = MAILRAIL__MAINTENANCE__INIT(handle_);
    return store_open_door(store, service, "maintenance", &handlers.base, WORKERS, err);
}
