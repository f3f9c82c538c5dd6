#include "services/store/maintenance_door.h"

#include "proto/directory.pb-c.h"
#include "services/store/backup.h"
#include "services/store/directory.h"
#include "services/store/job.h"
#include "services/store/junk_settings.h"
#include "services/store/mailboxes_reply.h"
#include "services/store/repair.h"
#include "services/store/text_worker.h"
#include "services/store/verify.h"
#include "services/store/verify_files.h"

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

/* A damaged database is what we look for: the next account may be fine. */
static bool verify_one(struct store *store, uint64_t id, struct findings *findings, struct err *err)
{
    struct account *account = NULL;
    bool ok = account_open(store, id, &account, err) && verify_account(account, findings, err);
    account_release(account);
    if (ok || err->kind != ERR_CORRUPT)
        return ok;
    findings_add(findings, FINDING_DAMAGE, "%s", err->detail);
    return true;
}

static void reply_lines(const finding_lines *lines, struct arena *arena, char ***ret,
                        size_t *ret_count)
{
    *ret = reply_names(lines->items, lines->len, arena);
    *ret_count = *ret ? lines->len : 0;
}

/* `id` 0: all that is of no account. */
static bool verify_step(struct store *store, uint64_t id, const Mailrail__VerifyRequest *request,
                        struct arena *arena, Mailrail__VerifyReply *reply, struct err *err)
{
    struct findings f;
    findings_init(&f, arena);
    f.fix = request->fix;
    f.no_sizes = request->no_sizes;
    bool ok = id != 0 ? verify_one(store, id, &f, err)
                      : verify_queue(store, &f, err) && verify_tree(store, &f, err);
    reply_lines(&f.lines, arena, &reply->findings, &reply->n_findings);
    reply_lines(&f.warnings, arena, &reply->warnings, &reply->n_warnings);
    reply_lines(&f.moved, arena, &reply->moved, &reply->n_moved);
    findings_release(&f);
    return ok && (!arena->exhausted || err_set(err, ERR_LIMIT, "no room for the findings"));
}

static bool verify(struct rpc_call *call, const Mailrail__VerifyRequest *request,
                   Mailrail__VerifyReply *reply, struct err *err)
{
    uint64_t id = 0;
    struct str name = STR_NULL;
    bool found = false;
    TRY(find_account(call->user, request, call->arena, &id, &name, &found, err));
    TRY(verify_step(call->user, found ? id : 0, request, call->arena, reply, err));
    if (!found) {
        reply->checked = "queue and files";
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

/* ---- Jobs */

struct job_kind {
    const char *name;
    job_function *run;
    bool takes_mailbox;
};

static const struct job_kind *job_kind_find(unsigned kind)
{
    static const struct job_kind kinds[] = {
        [MAILRAIL__JOB_KIND__JOB_RECALCULATE] = {"recalculate", job_recalculate, false},
        [MAILRAIL__JOB_KIND__JOB_FIX_SIZES] = {"fix-message-sizes", job_fix_sizes, false},
        [MAILRAIL__JOB_KIND__JOB_REPARSE] = {"reparse", job_reparse, false},
        [MAILRAIL__JOB_KIND__JOB_REASSIGN_THREADS] = {"reassign-threads", job_reassign_threads,
                                                      false},
        [MAILRAIL__JOB_KIND__JOB_BUMP_UIDVALIDITY] = {"bump-uidvalidity", job_bump_uidvalidity,
                                                      true},
        [MAILRAIL__JOB_KIND__JOB_REASSIGN_UIDS] = {"reassign-uids", job_reassign_uids, true},
        [MAILRAIL__JOB_KIND__JOB_FIX_UIDS] = {"fix-uid-metadata", job_fix_uids, false},
        [MAILRAIL__JOB_KIND__JOB_REMOVE_LOST] = {"remove-lost", job_remove_lost, false},
        [MAILRAIL__JOB_KIND__JOB_BACKUP] = {"backup", job_backup, false},
    };
    return kind < ARRAY_LEN(kinds) && kinds[kind].run ? &kinds[kind] : NULL;
}

static bool watch(struct rpc_call *call, uint64_t id, uint64_t line, Mailrail__JobState *reply,
                  struct err *err)
{
    struct store *store = call->user;
    struct job_state state;
    TRY(jobs_watch(store->jobs, id, line, call->arena, &state, err));
    reply->id = state.id;
    reply->doing = arena_cstr(call->arena, state.doing);
    reply->done = state.done;
    reply->all = state.all;
    reply->lines = reply_names(state.lines, state.line_count, call->arena);
    reply->n_lines = state.line_count;
    reply->errors = state.errors;
    reply->ended = state.is_ended;
    reply->failure = arena_cstr(call->arena, state.failure);
    return !call->arena->exhausted || err_set(err, ERR_LIMIT, "no room for the reply");
}

static bool job_start(struct rpc_call *call, const Mailrail__JobRequest *request,
                      Mailrail__JobState *reply, struct err *err)
{
    struct store *store = call->user;
    const struct job_kind *kind = job_kind_find(request->kind);
    struct job_request job = {.account = str_from_cstr(request->account),
                              .mailbox = str_from_cstr(request->mailbox),
                              .destination = str_from_cstr(request->destination)};
    uint64_t id = 0;
    if (!kind)
        return err_set(err, ERR_SYNTAX, "no such job");
    if (kind->run == job_remove_lost && str_is_empty(job.account))
        return err_set(err, ERR_SYNTAX, "remove-lost is for one account");
    if (!str_is_empty(job.mailbox) && (!kind->takes_mailbox || str_is_empty(job.account)))
        return err_set(err, ERR_SYNTAX, "%s of a mailbox without an account", kind->name);
    if (!str_is_empty(job.account))
        TRY(directory_account_id(store, job.account, &id, err));
    job.name = kind->name;
    job.run = kind->run;
    return jobs_start(store->jobs, &job, &id, err) && watch(call, id, 0, reply, err);
}

static bool job_watch(struct rpc_call *call, const Mailrail__JobWatchRequest *request,
                      Mailrail__JobState *reply, struct err *err)
{
    return watch(call, request->id, request->line, reply, err);
}

static bool job_stop(struct rpc_call *call, const Mailrail__JobWatchRequest *request,
                     Mailrail__JobState *reply, struct err *err)
{
    struct store *store = call->user;
    jobs_stop(store->jobs, request->id);
    return watch(call, request->id, request->line, reply, err);
}

#define JOB_HANDLER(method, request_type)                                                          \
    static void handle_##method(Mailrail__Maintenance_Service *service,                            \
                                const request_type *request, Mailrail__JobState_Closure closure,   \
                                void *closure_data)                                                \
    {                                                                                              \
        (void)service;                                                                             \
        struct err err;                                                                            \
        Mailrail__JobState reply = MAILRAIL__JOB_STATE__INIT;                                      \
        if (method(closure_data, request, &reply, &err))                                           \
            closure(&reply, closure_data);                                                         \
        else                                                                                       \
            rpc_fail(closure_data, &err);                                                          \
    }
JOB_HANDLER(job_start, Mailrail__JobRequest)
JOB_HANDLER(job_watch, Mailrail__JobWatchRequest)
JOB_HANDLER(job_stop, Mailrail__JobWatchRequest)

/* The account of that name, to be released; `*ret` stays NULL when this fails. */
static bool open_named(struct rpc_call *call, const char *name, struct account **ret,
                       struct err *err)
{
    uint64_t id;
    return directory_account_id(call->user, str_from_cstr(name), &id, err) &&
           account_open(call->user, id, ret, err);
}

/* ---- The text index */

static bool set_on(struct db *db, void *on, struct err *err)
{
    struct db_query q = db_query(db, ACCOUNT_SET_TEXT_INDEX);
    db_bind_u64(&q, *(const bool *)on);
    return db_run(&q, err);
}

static bool switch_text_index(struct account *account, bool on, struct err *err)
{
    TRY(db_group_run(account->group, set_on, &on, DB_DURABLE, err));
    atomic_store(&account->text.is_on, on);
    text_worker_note_changed(account, false);
    return true;
}

static bool act_on_text_index(struct account *account, Mailrail__TextIndexAction action,
                              struct err *err)
{
    switch (action) {
    case MAILRAIL__TEXT_INDEX_ACTION__TEXT_INDEX_ACTION_STATUS:
        return true;
    case MAILRAIL__TEXT_INDEX_ACTION__TEXT_INDEX_ACTION_ON:
        return switch_text_index(account, true, err);
    case MAILRAIL__TEXT_INDEX_ACTION__TEXT_INDEX_ACTION_OFF:
        return switch_text_index(account, false, err);
    case MAILRAIL__TEXT_INDEX_ACTION__TEXT_INDEX_ACTION_REBUILD:
        if (!atomic_load(&account->text.is_on))
            return err_set(err, ERR_STATE, "the text index is off");
        text_worker_note_changed(account, true);
        return true;
    default:
        return err_set(err, ERR_SYNTAX, "no action %d on a text index", (int)action);
    }
}

static bool run_text_index(struct account *account, Mailrail__TextIndexAction action,
                           Mailrail__TextIndexReply *reply, struct err *err)
{
    struct text_counts counts;
    TRY(act_on_text_index(account, action, err) && text_index_counts(&account->text, &counts, err));
    reply->on = atomic_load(&account->text.is_on);
    reply->indexed = counts.indexed;
    reply->unfit = counts.unfit;
    reply->messages = account_all_messages(account);
    reply->bytes = counts.bytes;
    return true;
}

static void handle_text_index(Mailrail__Maintenance_Service *service,
                              const Mailrail__TextIndexRequest *request,
                              Mailrail__TextIndexReply_Closure closure, void *closure_data)
{
    (void)service;
    struct err err;
    Mailrail__TextIndexReply reply = MAILRAIL__TEXT_INDEX_REPLY__INIT;
    struct account *account = NULL;
    bool ok = open_named(closure_data, request->account, &account, &err) &&
              run_text_index(account, request->action, &reply, &err);
    account_release(account);
    if (ok)
        closure(&reply, closure_data);
    else
        rpc_fail(closure_data, &err);
}

/* ---- Junk rules */

static bool junk_rules_get(struct rpc_call *call, struct account *account,
                           Mailrail__JunkRules *reply, struct err *err)
{
    struct junk_settings settings;
    TRY(junk_settings_get(account, call->arena, &settings, err));
    reply->on = settings.enabled;
    reply->junk = arena_cstr(call->arena, settings.patterns[0]);
    reply->neutral = arena_cstr(call->arena, settings.patterns[1]);
    reply->not_junk = arena_cstr(call->arena, settings.patterns[2]);
    struct err problem;
    junk_settings_explain(&settings, &problem);
    reply->problem = arena_cstr(call->arena, str_from_cstr(problem.detail));
    return !call->arena->exhausted || err_set(err, ERR_LIMIT, "no room for the reply");
}

static void handle_junk_rules_get(Mailrail__Maintenance_Service *service,
                                  const Mailrail__AccountName *request,
                                  Mailrail__JunkRules_Closure closure, void *closure_data)
{
    (void)service;
    struct err err;
    struct account *account = NULL;
    Mailrail__JunkRules reply = MAILRAIL__JUNK_RULES__INIT;
    reply.account = request->name;
    bool ok = open_named(closure_data, request->name, &account, &err) &&
              junk_rules_get(closure_data, account, &reply, &err);
    account_release(account);
    if (ok)
        closure(&reply, closure_data);
    else
        rpc_fail(closure_data, &err);
}

static void handle_junk_rules_set(Mailrail__Maintenance_Service *service,
                                  const Mailrail__JunkRules *request,
                                  Mailrail__Empty_Closure closure, void *closure_data)
{
    (void)service;
    struct err err;
    struct account *account = NULL;
    Mailrail__Empty reply = MAILRAIL__EMPTY__INIT;
    struct junk_settings settings = {.enabled = request->on,
                                     .patterns = {str_from_cstr(request->junk),
                                                  str_from_cstr(request->neutral),
                                                  str_from_cstr(request->not_junk)}};
    bool ok = open_named(closure_data, request->account, &account, &err) &&
              junk_settings_set(account, &settings, &err);
    account_release(account);
    if (ok)
        closure(&reply, closure_data);
    else
        rpc_fail(closure_data, &err);
}

bool maintenance_door_open(struct store *store, struct service *service, struct err *err)
{
    static Mailrail__Maintenance_Service handlers = MAILRAIL__MAINTENANCE__INIT(handle_);
    return store_open_door(store, service, "maintenance", &handlers.base, WORKERS, err);
}
