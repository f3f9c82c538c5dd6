/* Transactions: MAIL, RCPT, DATA (RFC 5321 3.3), pipelined where the server allows it (RFC 2920).
 */
#include "services/queue-deliverer/client_private.h"

#include "services/queue-deliverer/content.h"

#include <stdio.h>

#define FINAL_MS (10 * 60000LL)
/* A shorter text finds room in the buffers of the kernel: its end leaves together with it. */
#define GATHERED_MAX 65536

/* One round: those of the letter's recipients that go into one transaction. */
struct round {
    struct client *client;
    const struct letter *letter;
    struct verdict *verdicts;
    size_t chosen[CLIENT_RECIPIENTS_MAX]; /* indexes */
    bool accepted[CLIENT_RECIPIENTS_MAX];
    size_t count;
    size_t accepted_count;
    bool answered; /* the server said something */
};

static void decide(struct round *r, size_t i, struct verdict verdict)
{
    r->verdicts[r->chosen[i]] = verdict;
}

/* Everybody who has no verdict yet. */
static void decide_open(struct round *r, struct verdict verdict)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->verdicts[r->chosen[i]].kind == VERDICT_OPEN)
            decide(r, i, verdict);
}

/* ---- What the server cannot do */

static bool check_abilities(struct round *r)
{
    const struct client *c = r->client;
    uint64_t size = r->letter->prefix.len + r->letter->file.len;
    if (c->size_max > 0 && size > c->size_max) {
        decide_open(r, verdict_make(VERDICT_PERMANENT, 3, 4,
                                    "the message has %zu bytes, the server takes %zu", (size_t)size,
                                    (size_t)c->size_max));
        return false;
    }
    if (r->letter->smtputf8 && !c->smtputf8) { /* RFC 6531 3.6.1.1 */
        decide_open(r, verdict_make(VERDICT_TEMPORARY, 6, 7,
                                    "the server does not take internationalised mail"));
        return false;
    }
    return true;
}

/* ---- Commands */

static bool write_mail(struct round *r, struct err *err)
{
    const struct client *c = r->client;
    const struct letter *l = r->letter;
    struct buf path;
    char size[32] = "";
    buf_init(&path, 1024);
    if (l->mail_from.localpart.len > 0 || l->mail_from.domain.len > 0)
        address_write(&path, l->mail_from);
    if (c->size)
        snprintf(size, sizeof(size), " SIZE=%zu", l->prefix.len + l->file.len);
    bool ok = client_write(r->client, err, "MAIL FROM:<%.*s>%s%s%s", STR_ARG(buf_str(&path)), size,
                           l->has_8bit && c->eightbit ? " BODY=8BITMIME" : "",
                           l->smtputf8 ? " SMTPUTF8" : "");
    buf_release(&path);
    return ok;
}

static bool write_rcpt(struct round *r, size_t i, struct err *err)
{
    struct buf path;
    buf_init(&path, 1024);
    address_write(&path, r->letter->recipients[r->chosen[i]]);
    bool ok = client_write(r->client, err, "RCPT TO:<%.*s>", STR_ARG(buf_str(&path)));
    buf_release(&path);
    return ok;
}

static bool read_reply(struct round *r, struct smtp_reply *reply, struct err *err)
{
    bool ok = client_read(r->client, r->client->answer_ms, reply, err);
    r->answered |= ok;
    return ok;
}

/* RFC 5321 4.5.3.1.10: 452, and by older servers 552, says that there are too many recipients: the
 * others can come in a transaction of their own. 552 is temporary in any case. */
static void judge_rcpt(struct round *r, size_t i, const struct smtp_reply *reply)
{
    if (smtp_reply_is_positive(reply)) {
        r->accepted[i] = true;
        r->accepted_count++;
        return;
    }
    if ((reply->code == 452 || reply->code == 552) && r->accepted_count > 0)
        return;
    struct verdict verdict = verdict_of_reply(reply);
    if (reply->code == 552)
        verdict.kind = VERDICT_TEMPORARY;
    decide(r, i, verdict);
}

/* The accepted ones. */
static void decide_accepted(struct round *r, struct verdict verdict)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->accepted[i])
            decide(r, i, verdict);
}

/* ---- The point of no return */

static size_t list_accepted(const struct round *r, size_t indexes[CLIENT_RECIPIENTS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < r->count; i++)
        if (r->accepted[i])
            indexes[count++] = r->chosen[i];
    return count;
}

static bool commit(const struct round *r, struct err *err)
{
    const struct letter_gate *gate = &r->letter->gate;
    size_t indexes[CLIENT_RECIPIENTS_MAX];
    if (!gate->commit || gate->commit(gate->user, indexes, list_accepted(r, indexes)))
        return true;
    return err_set(err, ERR_STATE, "broken off before the end of the message");
}

static void tell_answer(const struct round *r, bool taken)
{
    const struct letter_gate *gate = &r->letter->gate;
    size_t indexes[CLIENT_RECIPIENTS_MAX];
    if (gate->answered)
        gate->answered(gate->user, indexes, list_accepted(r, indexes), taken);
}

/* ---- The message */

static bool flush(struct round *r, struct err *err)
{
    return stream_flush(r->client->stream, client_deadline(r->client, r->client->answer_ms), err);
}

/* What a slow server has yet to take of a long text goes before the commitment, which is for the
 * final dot alone. */
static bool write_content(struct round *r, struct err *err)
{
    struct content content = content_begin(r->letter->prefix, r->letter->file);
    bool is_long = r->letter->prefix.len + r->letter->file.len > GATHERED_MAX;
    struct str span;
    while (content_next(&content, &span)) {
        if (content.ended)
            TRY((!is_long || flush(r, err)) && commit(r, err));
        TRY(stream_write(r->client->stream, span, client_deadline(r->client, r->client->answer_ms),
                         err));
    }
    return flush(r, err);
}

static bool send_message(struct round *r, struct err *err)
{
    struct smtp_reply reply;
    if (!write_content(r, err)) {
        r->client->broken = true;
        return false;
    }
    log_trace(&r->client->log, '>', LOG_TRACE_DATA, r->letter->file);
    TRY(client_read(r->client, FINAL_MS, &reply, err));
    struct verdict verdict = verdict_of_reply(&reply);
    r->client->messages += verdict.kind == VERDICT_DELIVERED;
    r->client->wants_rset = verdict.kind != VERDICT_DELIVERED;
    tell_answer(r, verdict.kind == VERDICT_DELIVERED);
    decide_accepted(r, verdict);
    return true;
}

/* A server that wants a message for nobody gets an empty one (RFC 2920 3.1). */
static bool send_nothing(struct round *r, struct err *err)
{
    struct smtp_reply reply;
    TRY(client_write(r->client, err, "."));
    return client_read(r->client, FINAL_MS, &reply, err);
}

static bool answer_data(struct round *r, const struct smtp_reply *reply, struct err *err)
{
    if (reply->code == 354)
        return r->accepted_count > 0 ? send_message(r, err) : send_nothing(r, err);
    struct verdict verdict = verdict_of_reply(reply);
    if (verdict.kind == VERDICT_DELIVERED) /* not a code that DATA has */
        verdict.kind = VERDICT_TEMPORARY;
    decide_accepted(r, verdict);
    return true;
}

/* ---- A transaction */

/* All commands leave together; the answers come in their order. The verdict of MAIL stands even
 * when the server closes the connection instead of answering the rest. */
static bool run_pipelined(struct round *r, struct err *err)
{
    struct smtp_reply reply;
    TRY(write_mail(r, err));
    for (size_t i = 0; i < r->count; i++)
        TRY(write_rcpt(r, i, err));
    TRY(client_write(r->client, err, "DATA"));
    TRY(read_reply(r, &reply, err));
    bool mail_ok = smtp_reply_is_positive(&reply);
    if (!mail_ok)
        decide_open(r, verdict_of_reply(&reply));
    for (size_t i = 0; i < r->count; i++) {
        TRY(read_reply(r, &reply, err));
        if (mail_ok)
            judge_rcpt(r, i, &reply);
    }
    TRY(read_reply(r, &reply, err));
    return answer_data(r, &reply, err);
}

static bool run_step_by_step(struct round *r, struct err *err)
{
    struct smtp_reply reply;
    TRY(write_mail(r, err));
    TRY(read_reply(r, &reply, err));
    if (!smtp_reply_is_positive(&reply)) {
        decide_open(r, verdict_of_reply(&reply));
        return true;
    }
    for (size_t i = 0; i < r->count; i++) {
        TRY(write_rcpt(r, i, err));
        TRY(read_reply(r, &reply, err));
        judge_rcpt(r, i, &reply);
    }
    if (r->accepted_count == 0)
        return true;
    TRY(client_write(r->client, err, "DATA"));
    TRY(read_reply(r, &reply, err));
    return answer_data(r, &reply, err);
}

static bool reset(struct client *c, struct err *err)
{
    struct smtp_reply reply;
    if (!c->wants_rset)
        return true;
    TRY(client_write(c, err, "RSET"));
    TRY(client_read(c, c->answer_ms, &reply, err));
    c->wants_rset = false;
    return true;
}

/* Recipients without verdict, at most as many as the server takes at once. */
static void choose(struct round *r, unsigned rcpt_max)
{
    for (size_t i = 0; i < r->letter->recipient_count && r->count < rcpt_max; i++)
        if (r->verdicts[i].kind == VERDICT_OPEN)
            r->chosen[r->count++] = i;
}

static void run_round(struct client *c, const struct letter *letter, struct verdict *verdicts)
{
    struct err err;
    struct round r = {.client = c, .letter = letter, .verdicts = verdicts};
    choose(&r, c->rcpt_max);
    if (!check_abilities(&r))
        return;
    bool fresh = c->messages == 0 && !c->wants_rset;
    bool ok = reset(c, &err);
    if (ok) {
        c->wants_rset = true; /* until the message is accepted */
        ok = c->pipelining ? run_pipelined(&r, &err) : run_step_by_step(&r, &err);
    }
    if (!ok) {
        c->broken = true;
        err_wrap(&err, "%s (%s)", c->host, c->ip);
        /* An idle session may end at any time; nothing was asked of the server yet. */
        if (r.answered || fresh)
            decide_open(&r, verdict_of_err(&err));
    }
    arena_reset(&c->arena);
}

static bool any_open(const struct letter *letter, const struct verdict *verdicts)
{
    for (size_t i = 0; i < letter->recipient_count; i++)
        if (verdicts[i].kind == VERDICT_OPEN)
            return true;
    return false;
}

/* Each round decides at least one recipient, or ends the session. */
void client_send(struct client *client, const struct letter *letter, struct verdict *verdicts)
{
    while (client_is_usable(client) && any_open(letter, verdicts))
        run_round(client, letter, verdicts);
}
