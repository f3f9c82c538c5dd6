#include "tests/unit/services/imap/fake_backend_internal.h"

struct backend *fake_backend_new(struct str data)
{
    struct backend *b = xcalloc(1, sizeof(*b));
    BUG_ON(!str_copy_cstr(data, b->data, sizeof(b->data)));
    fake_add_mailbox(b, STR("Inbox"));
    fake_add_mailbox(b, STR("Archive"));
    fake_add_mailbox(b, STR("Trash"));
    return b;
}

void fake_backend_set_events(struct backend *b, const struct backend_events *events)
{
    b->events = *events;
}

void fake_backend_set_away(struct backend *b, bool away)
{
    b->away = away;
}

void fake_backend_hide(struct backend *b, struct str capability)
{
    BUG_ON(!str_copy_cstr(capability, b->hidden, sizeof(b->hidden)));
    b->hidden_list[0] = str_from_cstr(b->hidden);
}

void fake_backend_set_key(struct backend *b, struct str client_key, bool preauths)
{
    b->client_key = client_key;
    b->key_preauths = preauths;
}

void fake_backend_bar(struct backend *b, bool barred)
{
    b->barred = barred;
}

void fake_backend_set_quota(struct backend *b, uint64_t bytes, uint64_t messages)
{
    b->bytes_max = bytes;
    b->messages_max = messages;
}

void backend_free(struct backend *b)
{
    for (size_t i = 0; i < b->mailboxes.len; i++) {
        struct fake_mailbox *m = b->mailboxes.items[i];
        for (size_t k = 0; k < m->messages.len; k++)
            buf_release(&m->messages.items[k].structure);
        array_release(&m->messages);
        free(m);
    }
    array_release(&b->mailboxes);
    array_release(&b->annotations);
    array_release(&b->rights);
    free(b);
}

void backend_subscribe(struct backend *b, uint64_t account_id)
{
    BUG_ON(account_id != ACCOUNT || !b);
}

void backend_unsubscribe(struct backend *b, uint64_t account_id)
{
    BUG_ON(account_id != ACCOUNT || !b);
}

bool fake_is_here(struct backend *b, const struct backend_call *call, struct err *err)
{
    if (b->away)
        return err_set(err, ERR_UNAVAILABLE, "nobody serves the door");
    return str_eq(call->token, STR("token")) || err_set(err, ERR_DENIED, "bad token");
}

void fake_publish_changed(struct backend *b, const struct fake_mailbox *m, bool mailboxes_changed)
{
    struct backend_event event = {ACCOUNT, b->modseq, &m->id, 1,
                                  .mailboxes_changed = mailboxes_changed};
    if (b->events.changed)
        b->events.changed(b->events.user, &event);
}

void fake_publish(struct backend *b, const struct fake_mailbox *m)
{
    fake_publish_changed(b, m, false);
}

/* ---- Login */

static bool holds_key(const struct backend *b, struct str client_key)
{
    return client_key.len > 0 && str_eq(client_key, b->client_key);
}

bool backend_find_key(struct backend *b, const struct backend_call *call, struct str client_key,
                      struct backend_key *ret, struct err *err)
{
    (void)call;
    if (b->away)
        return err_set(err, ERR_UNAVAILABLE, "nobody serves the door");
    *ret = (struct backend_key){.is_known = holds_key(b, client_key)};
    if (!ret->is_known)
        return true;
    ret->preauths = b->key_preauths;
    ret->capabilities_disabled = b->hidden_list;
    ret->capabilities_disabled_count = b->hidden[0] != '\0';
    return true;
}

static bool is_right(const struct backend *b, const struct backend_auth *auth)
{
    static const char right[] = "\0me@localhost\0secret";
    if (str_eq(auth->mechanism, STR("PLAIN")))
        return str_eq(auth->response, str_make(right, sizeof(right) - 1));
    return holds_key(b, auth->client_key) &&
           (auth->response.len == 0 || str_eq(auth->response, STR("me@localhost")));
}

bool backend_auth(struct backend *b, const struct backend_call *call,
                  const struct backend_auth *auth, struct backend_auth_result *ret, struct err *err)
{
    (void)call;
    if (b->away)
        return err_set(err, ERR_UNAVAILABLE, "nobody serves the door");
    if (!str_eq(auth->mechanism, STR("PLAIN")) && !str_eq(auth->mechanism, STR("EXTERNAL")))
        return err_set(err, ERR_NOT_FOUND, "unknown mechanism");
    *ret = (struct backend_auth_result){.outcome = AUTH_WRONG, .counts = true};
    if (!is_right(b, auth))
        return true;
    if (b->barred) {
        *ret = (struct backend_auth_result){.outcome = AUTH_DISABLED, .text = STR("call us")};
        return true;
    }
    ret->outcome = AUTH_SUCCESS;
    ret->login = (struct backend_login){.token = STR("token"),
                                        .expires_ms = INT64_MAX,
                                        .account_id = ACCOUNT,
                                        .account = STR("me"),
                                        .login = STR("me@localhost"),
                                        .capabilities_disabled = b->hidden_list,
                                        .capabilities_disabled_count = b->hidden[0] != '\0'};
    return true;
}

bool backend_renew(struct backend *b, const struct backend_call *call, struct backend_login *ret,
                   struct err *err)
{
    *ret = (struct backend_login){.token = STR("token"), .expires_ms = INT64_MAX};
    return fake_is_here(b, call, err);
}
