#include "services/store/training_door.h"

#include "proto/training.pb-c.h"
#include "services/store/mailboxes_reply.h"
#include "services/store/training.h"

#define WORKERS 1

static bool reply_rows(const struct training_pull *op, struct arena *arena,
                       Mailrail__TrainingRows *reply, struct err *err)
{
    Mailrail__TrainingRow *rows = arena_new_array(arena, op->len, Mailrail__TrainingRow);
    reply->rows = arena_new_array(arena, op->len, Mailrail__TrainingRow *);
    if (!rows || !reply->rows)
        return reply_no_room(err);
    for (size_t i = 0; i < op->len; i++) {
        mailrail__training_row__init(&rows[i]);
        rows[i].sequence = op->rows[i].sequence;
        rows[i].message_id = op->rows[i].message_id;
        rows[i].from = (Mailrail__TrainedAs)op->rows[i].from;
        rows[i].to = (Mailrail__TrainedAs)op->rows[i].to;
        reply->rows[i] = &rows[i];
    }
    reply->n_rows = op->len;
    reply->acknowledged = op->acknowledged;
    return true;
}

static bool pull(struct rpc_call *call, const Mailrail__TrainingPull *request,
                 Mailrail__TrainingRows *reply, struct err *err)
{
    struct account *account;
    struct training_pull op = {
        .acknowledge = request->acknowledge,
        .from_start = request->from_start,
        .limit = request->limit != 0 ? request->limit : TRAINING_ROWS_MAX,
    };
    if (op.limit > TRAINING_ROWS_MAX)
        return err_set(err, ERR_SYNTAX, "%zu rows in one call", op.limit);
    if (op.acknowledge > INT64_MAX || (op.from_start && op.acknowledge != 0))
        return err_set(err, ERR_SYNTAX, "there is no such row to acknowledge");
    TRY(account_open(call->user, request->account_id, &account, err));
    bool ok = training_pull(account, &op, call->arena, err);
    account_release(account);
    return ok && reply_rows(&op, call->arena, reply, err);
}

static void handle_pull(Mailrail__Training_Service *service, const Mailrail__TrainingPull *request,
                        Mailrail__TrainingRows_Closure closure, void *closure_data)
{
    (void)service;
    struct err err;
    Mailrail__TrainingRows reply = MAILRAIL__TRAINING_ROWS__INIT;
    if (pull(closure_data, request, &reply, &err))
        closure(&reply, closure_data);
    else
        rpc_fail(closure_data, &err);
}

bool training_door_open(struct store *store, struct service *service, struct err *err)
{
    static Mailrail__Training_Service handlers = MAILRAIL__TRAINING__INIT(handle_);
    return store_open_door(store, service, "training", &handlers.base, WORKERS, err);
}
