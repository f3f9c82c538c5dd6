/* Plays dialogues/ against the whole service with a backend in memory. */
#include "common/base/array.h"
#include "common/base/bug.h"
#include "common/service/layout.h"
#include "common/sys/file.h"
#include "services/submission/policy.h"
#include "tests/unit/support/dialogue.h"
#include "tests/unit/support/smtpd_fixture.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- The backend. PLAIN is judged here; the mechanism "CRAM-MD5" asks for "right"; the SCRAM ones
 * succeed after a last message of the server when the client says "proof". */

struct backend {
    pthread_mutex_t lock;
    struct str data;
    char text[100000]; /* of the last message queued, prefix in front */
    unsigned queued;
    struct backend_message last;
    char recipients[1024], facts[1024];
    char bindings[256];
    bool away;
    bool denied;
    bool over_limit;
};

static bool judge_plain(struct str response, struct backend_auth_result *ret)
{
    if (str_eq(response, STR("\0me@ours.example\0secret")))
        ret->outcome = BACKEND_AUTH_SUCCESS;
    else if (str_eq(response, STR("\0off@ours.example\0secret"))) {
        ret->failure = BACKEND_AUTH_DISABLED;
        ret->text = STR("on holiday");
    } else if (str_eq(response, STR("you@ours.example\0me@ours.example\0secret")))
        ret->failure = BACKEND_AUTH_AUTHORIZATION;
    return true;
}

static void note_bindings(struct backend *b, const struct backend_auth_step *step)
{
    b->bindings[0] = '\0';
    for (size_t i = 0; i < step->binding_count; i++) {
        size_t used = strlen(b->bindings);
        snprintf(b->bindings + used, sizeof(b->bindings) - used, "%.*s ",
                 STR_ARG(step->bindings[i].type));
    }
}

bool backend_auth(struct backend *b, uint64_t cid UNUSED, const struct backend_auth_step *step,
                  struct arena *arena UNUSED, struct backend_auth_result *ret, struct err *err)
{
    if (b->away)
        return err_set(err, ERR_UNAVAILABLE, "nobody serves the door");
    note_bindings(b, step);
    *ret = (struct backend_auth_result){
        .outcome = BACKEND_AUTH_FAILURE,
        .failure = BACKEND_AUTH_CREDENTIALS,
        .counts = true,
        .login = STR("me@ours.example"),
        .session = {7, STR("token of me")},
    };
    if (str_eq(step->mechanism, STR("EXTERNAL")) && !str_is_null(step->response)) {
        if (step->client_key.len > 0)
            ret->outcome = BACKEND_AUTH_SUCCESS;
        return true;
    }
    bool first = step->state.len == 0;
    if (str_eq(step->mechanism, STR("PLAIN")) && !str_is_null(step->response))
        return judge_plain(step->response, ret);
    if (first) {
        ret->outcome = BACKEND_AUTH_CONTINUE;
        ret->state = STR("1");
        ret->challenge = str_eq(step->mechanism, STR("PLAIN")) ? STR("") : STR("challenge");
        return true;
    }
    if (str_eq(step->mechanism, STR("PLAIN")))
        return judge_plain(step->response, ret);
    bool scram = str_starts_with(step->mechanism, STR("SCRAM"));
    if (str_eq(step->response, scram ? STR("proof") : STR("right")))
        ret->outcome = BACKEND_AUTH_SUCCESS;
    if (scram)
        ret->challenge =
            ret->outcome == BACKEND_AUTH_SUCCESS ? STR("v=ok") : STR("e=invalid-proof");
    return true;
}

bool backend_find_key(struct backend *b UNUSED, uint64_t cid UNUSED, struct str client_key,
                      struct arena *arena UNUSED, bool *ret_known, struct err *err UNUSED)
{
    *ret_known = client_key.len > 0;
    return true;
}

bool backend_check_sender(struct backend *b, uint64_t cid UNUSED, const struct backend_login *login,
                          struct address address, struct arena *arena UNUSED,
                          enum backend_sender *ret, struct err *err)
{
    BUG_ON(login->account_id != 7 || !str_eq(login->token, STR("token of me")));
    if (b->denied)
        return err_set(err, ERR_DENIED, "the token has expired");
    *ret = BACKEND_SENDER_FOREIGN;
    if (str_eq(address.domain, STR("off.example")))
        *ret = BACKEND_SENDER_DOMAIN_DISABLED;
    else if (str_starts_with(address.localpart, STR("me")))
        *ret = BACKEND_SENDER_ALLOWED;
    return true;
}

bool backend_check_recipient(struct backend *b UNUSED, uint64_t cid UNUSED, struct str token UNUSED,
                             struct address address, struct arena *arena UNUSED,
                             struct backend_recipient *ret, struct err *err)
{
    *ret = (struct backend_recipient){.class = BACKEND_RECIPIENT_REMOTE};
    if (str_eq(address.localpart, STR("away")))
        return err_set(err, ERR_TIMEOUT, "no answer");
    if (!str_eq(address.domain, STR("ours.example")))
        return true;
    ret->class = BACKEND_RECIPIENT_LOCAL;
    if (str_eq(address.localpart, STR("unknown")))
        ret->class = BACKEND_RECIPIENT_UNKNOWN;
    if (str_eq(address.localpart, STR("off")))
        ret->class = BACKEND_RECIPIENT_DOMAIN_DISABLED;
    return true;
}

bool backend_enqueue(struct backend *b, uint64_t cid UNUSED, const struct backend_message *message,
                     struct arena *arena, struct err *err)
{
    struct str text;
    if (b->over_limit) {
        err_set(err, ERR_LIMIT, "1001 of 1000");
        return err_reply(err, "more than 1000 recipients in 24 hours");
    }
    if (b->away)
        return err_set(err, ERR_UNAVAILABLE, "nobody serves the door");
    bool small = message->spool_name.len == 0;
    if (small)
        text = message->content;
    else if (!file_read(layout_spool(b->data, message->spool_name).text, sizeof(b->text), arena,
                        &text, err))
        return false;
    pthread_mutex_lock(&b->lock);
    BUG_ON(message->structure.len == 0 || text.len != message->size);
    BUG_ON(small != (message->size <= SPOOL_MEMORY_MAX) || (!small && message->content.len > 0));
    snprintf(b->text, sizeof(b->text), "%.*s%.*s", STR_ARG(message->prefix), STR_ARG(text));
    b->recipients[0] = '\0';
    for (size_t i = 0; i < message->recipient_count; i++) {
        size_t used = strlen(b->recipients);
        snprintf(b->recipients + used, sizeof(b->recipients) - used, "%.*s@%.*s ",
                 STR_ARG(message->recipients[i].localpart), STR_ARG(message->recipients[i].domain));
    }
    static const char *const tls[] = {"default", "required", "not-required"};
    snprintf(b->facts, sizeof(b->facts),
             "tls=%s 8bit=%d smtputf8=%d id=%.*s subject=%.*s hold=%.*s %s", tls[message->tls],
             message->has_8bit, message->smtputf8, STR_ARG(message->message_id),
             STR_ARG(message->subject), STR_ARG(message->future_release),
             message->hold_until_ms > 0 ? "later" : "now");
    b->queued++;
    pthread_mutex_unlock(&b->lock);
    return true;
}

/* main.c is not linked; these belong to it. */
struct backend *backend_open(struct service *service UNUSED, struct err *err)
{
    err_set(err, ERR_STATE, "not in tests");
    return NULL;
}
void backend_close(struct backend *b UNUSED)
{
}
bool backend_is_ready(struct backend *b UNUSED, struct err *err UNUSED)
{
    return true;
}

/* ---- The dialogues */

struct scene {
    struct smtpd_fixture fixture;
    struct backend backend;
    struct submission_config config;
    struct submission submission;
    bool implicit_tls;
};

static bool is_true(struct str text)
{
    return str_eq(text, STR("true"));
}

static bool set(void *user, struct str line, struct err *err)
{
    struct scene *scene = user;
    struct str name, value;
    str_cut(line, ' ', &name, &value);
    if (str_eq(name, STR("pedantic")))
        scene->fixture.settings.pedantic = is_true(value);
    else if (str_eq(name, STR("cleartext_auth")))
        scene->config.cleartext_auth = is_true(value);
    else if (str_eq(name, STR("limit_connections")))
        scene->config.smtpd.limit_connections = is_true(value);
    else if (str_eq(name, STR("implicit_tls")))
        scene->implicit_tls = is_true(value);
    else
        return err_set(err, ERR_SYNTAX, "unknown setting");
    return true;
}

static bool start(void *user, uint16_t *ret_port, bool *ret_tls, struct err *err UNUSED)
{
    struct scene *scene = user;
    scene->submission.server_config =
        submission_server_config(&scene->config, &scene->fixture.settings);
    *ret_tls = scene->implicit_tls;
    *ret_port =
        smtpd_fixture_start(&scene->fixture, &scene->submission.server_config, &submission_policy,
                            &scene->submission, scene->implicit_tls ? SMTPD_TLS : SMTPD_STARTTLS);
    return true;
}

static bool has_line(struct str text, struct str pattern)
{
    while (text.len > 0) {
        struct str line;
        str_cut(text, '\n', &line, &text);
        if (dialogue_matches(pattern, str_trim(line)))
            return true;
    }
    return false;
}

/* "queued COUNT", "stored LINE", "not-stored LINE", "recipients LIST", "facts TEXT", "bindings
 * LIST", "away|denied|over_limit true|false" (which sets it). */
static bool expect(void *user, struct str line, struct err *err)
{
    struct scene *scene = user;
    struct backend *b = &scene->backend;
    struct str word, rest;
    str_cut(line, ' ', &word, &rest);
    uint64_t want;
    pthread_mutex_lock(&b->lock);
    bool ok = false;
    if (str_eq(word, STR("queued")))
        ok = str_to_u64(rest, 1000, &want) && want == b->queued;
    else if (str_eq(word, STR("stored")))
        ok = has_line(str_from_cstr(b->text), rest);
    else if (str_eq(word, STR("not-stored")))
        ok = !has_line(str_from_cstr(b->text), rest);
    else if (str_eq(word, STR("recipients")))
        ok = dialogue_matches(rest, str_trim(str_from_cstr(b->recipients)));
    else if (str_eq(word, STR("facts")))
        ok = dialogue_matches(rest, str_from_cstr(b->facts));
    else if (str_eq(word, STR("bindings")))
        ok = dialogue_matches(rest, str_trim(str_from_cstr(b->bindings)));
    else if (str_eq(word, STR("away")))
        b->away = is_true(rest), ok = true;
    else if (str_eq(word, STR("denied")))
        b->denied = is_true(rest), ok = true;
    else if (str_eq(word, STR("over_limit")))
        b->over_limit = is_true(rest), ok = true;
    pthread_mutex_unlock(&b->lock);
    return ok || err_set(err, ERR_STATE, "it is not so: %.150s %.120s", b->facts, b->bindings);
}

static bool play(const char *path, struct err *err)
{
    struct scene *scene = xcalloc(1, sizeof(*scene));
    smtpd_fixture_init(&scene->fixture);
    pthread_mutex_init(&scene->backend.lock, NULL);
    scene->backend.data = scene->fixture.settings.data;
    scene->config = (struct submission_config){
        .smtpd.message_size_max = 100u << 20,
        .smtpd.recipients_max = 1000,
        .smtpd.read_timeout_ms = 30000,
        .smtpd.data_timeout_ms = 60000,
        .smtpd.workers_max = 4,
        .smtpd.sessions_max = 100,
    };
    scene->submission.config = &scene->config;
    scene->submission.settings = &scene->fixture.settings;
    scene->submission.backend = &scene->backend;
    struct dialogue_hooks hooks = {set, start, expect, scene};
    bool ok = dialogue_play(path, &hooks, err);
    smtpd_fixture_release(&scene->fixture);
    pthread_mutex_destroy(&scene->backend.lock);
    free(scene);
    return ok;
}

Test(submission, dialogues, .timeout = 120)
{
    cr_assert_eq(smtpd_fixture_play_all("submission", play), 0);
}
