#include "services/mailrail/backend_call.h"

#include "common/base/bug.h"
#include "proto/directory.pb-c.h"

static struct str_list texts(struct backend *b, char **items, size_t count)
{
    struct str *list = arena_new_array(b->arena, count + 1, struct str);
    BUG_ON(!list); /* the arena is larger than any reply */
    for (size_t i = 0; i < count; i++)
        list[i] = str_from_cstr(items[i]);
    return (struct str_list){list, count};
}

static bool call(struct backend *b, const char *method, const ProtobufCMessage *request,
                 ProtobufCMessage **ret_reply, struct err *err)
{
    return backend_call(b, "maintenance", &mailrail__maintenance__descriptor, method, request,
                        ret_reply, err);
}

bool backend_verify(struct backend *b, const struct verify_order *order, struct str after,
                    struct verify_step *ret, struct err *err)
{
    Mailrail__VerifyRequest request = MAILRAIL__VERIFY_REQUEST__INIT;
    request.account = backend_text(b, order->account);
    request.after = backend_text(b, after);
    request.fix = order->fix;
    request.no_sizes = order->no_sizes;
    ProtobufCMessage *base;
    if (!call(b, "Verify", &request.base, &base, err)) {
        if (err->kind == ERR_TIMEOUT)
            err_set(err, ERR_TIMEOUT, "no answer in time: the check did not come to its end");
        return false;
    }
    const Mailrail__VerifyReply *reply = (const Mailrail__VerifyReply *)base;
    *ret = (struct verify_step){
        .checked = str_from_cstr(reply->checked),
        .findings = texts(b, reply->findings, reply->n_findings),
        .warnings = texts(b, reply->warnings, reply->n_warnings),
        .moved = texts(b, reply->moved, reply->n_moved),
        .next = str_from_cstr(reply->next),
    };
    return true;
}

/* ---- Jobs */

static void read_news(struct backend *b, const ProtobufCMessage *base, struct job_news *ret)
{
    const Mailrail__JobState *reply = (const Mailrail__JobState *)base;
    *ret = (struct job_news){.id = reply->id,
                             .doing = str_from_cstr(reply->doing),
                             .done = reply->done,
                             .all = reply->all,
                             .lines = texts(b, reply->lines, reply->n_lines),
                             .errors = reply->errors,
                             .is_ended = reply->ended,
                             .failure = str_from_cstr(reply->failure)};
}

bool backend_job_start(struct backend *b, const struct job_order *order, struct job_news *ret,
                       struct err *err)
{
    static const Mailrail__JobKind kinds[] = {
        [ORDER_RECALCULATE] = MAILRAIL__JOB_KIND__JOB_RECALCULATE,
        [ORDER_FIX_SIZES] = MAILRAIL__JOB_KIND__JOB_FIX_SIZES,
        [ORDER_REPARSE] = MAILRAIL__JOB_KIND__JOB_REPARSE,
        [ORDER_REASSIGN_THREADS] = MAILRAIL__JOB_KIND__JOB_REASSIGN_THREADS,
        [ORDER_BUMP_UIDVALIDITY] = MAILRAIL__JOB_KIND__JOB_BUMP_UIDVALIDITY,
        [ORDER_REASSIGN_UIDS] = MAILRAIL__JOB_KIND__JOB_REASSIGN_UIDS,
        [ORDER_FIX_UIDS] = MAILRAIL__JOB_KIND__JOB_FIX_UIDS,
        [ORDER_REMOVE_LOST] = MAILRAIL__JOB_KIND__JOB_REMOVE_LOST,
        [ORDER_BACKUP] = MAILRAIL__JOB_KIND__JOB_BACKUP,
    };
    Mailrail__JobRequest request = MAILRAIL__JOB_REQUEST__INIT;
    request.kind = kinds[order->kind];
    request.account = backend_text(b, order->account);
    request.mailbox = backend_text(b, order->mailbox);
    request.destination = backend_text(b, order->destination);
    ProtobufCMessage *base;
    TRY(call(b, "JobStart", &request.base, &base, err));
    read_news(b, base, ret);
    return true;
}

static bool ask(struct backend *b, const char *method, uint64_t id, uint64_t line,
                struct job_news *ret, struct err *err)
{
    Mailrail__JobWatchRequest request = MAILRAIL__JOB_WATCH_REQUEST__INIT;
    request.id = id;
    request.line = line;
    ProtobufCMessage *base;
    TRY(call(b, method, &request.base, &base, err));
    read_news(b, base, ret);
    return true;
}

bool backend_job_watch(struct backend *b, uint64_t id, uint64_t line, struct job_news *ret,
                       struct err *err)
{
    return ask(b, "JobWatch", id, line, ret, err);
}

bool backend_job_stop(struct backend *b, uint64_t id, uint64_t line, struct job_news *ret,
                      struct err *err)
{
    return ask(b, "JobStop", id, line, ret, err);
}

bool backend_text_index(struct backend *b, struct str account, enum text_index_action action,
                        struct text_index_state *ret, struct err *err)
{
    Mailrail__TextIndexRequest request = MAILRAIL__TEXT_INDEX_REQUEST__INIT;
    request.account = backend_text(b, account);
    request.action = (Mailrail__TextIndexAction)action;
    ProtobufCMessage *base;
    TRY(call(b, "TextIndex", &request.base, &base, err));
    const Mailrail__TextIndexReply *reply = (const Mailrail__TextIndexReply *)base;
    *ret = (struct text_index_state){reply->on, reply->indexed, reply->unfit, reply->messages,
                                     reply->bytes};
    return true;
}

bool backend_junk_rules_get(struct backend *b, struct str account, struct junk_rules_entry *ret,
                            struct err *err)
{
    Mailrail__AccountName request = MAILRAIL__ACCOUNT_NAME__INIT;
    request.name = backend_text(b, account);
    ProtobufCMessage *base;
    TRY(call(b, "JunkRulesGet", &request.base, &base, err));
    const Mailrail__JunkRules *reply = (const Mailrail__JunkRules *)base;
    *ret = (struct junk_rules_entry){reply->on, str_from_cstr(reply->junk),
                                     str_from_cstr(reply->neutral), str_from_cstr(reply->not_junk),
                                     str_from_cstr(reply->problem)};
    return true;
}

bool backend_junk_rules_set(struct backend *b, struct str account,
                            const struct junk_rules_entry *rules, struct err *err)
{
    Mailrail__JunkRules request = MAILRAIL__JUNK_RULES__INIT;
    request.account = backend_text(b, account);
    request.on = rules->on;
    request.junk = backend_text(b, rules->junk);
    request.neutral = backend_text(b, rules->neutral);
    request.not_junk = backend_text(b, rules->not_junk);
    ProtobufCMessage *base;
    return call(b, "JunkRulesSet", &request.base, &base, err);
}
