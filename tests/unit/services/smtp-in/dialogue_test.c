/* Plays dialogues/ against the whole service with a backend in memory. */
#include "common/base/array.h"
#include "common/base/bug.h"
#include "common/service/layout.h"
#include "common/sys/file.h"
#include "services/smtp-in/policy.h"
#include "tests/unit/support/dialogue.h"
#include "tests/unit/support/smtpd_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* ---- The backend: who exists is written in the local part and the domain. */

struct stored {
    char address[256];
    unsigned char key[CALL_KEY_SIZE];
    char *text;
    size_t len;
    unsigned tries; /* of `flaky`, before it took it */
};

struct backend {
    pthread_mutex_t lock;
    struct str data;
    ARRAY_OF(struct stored) stored;
    unsigned resolves;
    bool lost_reply; /* the next Deliver works, and its answer is lost */
    bool flaky_is_full;
};

bool backend_resolve(struct backend *b, uint64_t cid UNUSED, struct address address,
                     struct arena *arena UNUSED, struct backend_target *ret, struct err *err)
{
    pthread_mutex_lock(&b->lock);
    b->resolves++;
    pthread_mutex_unlock(&b->lock);
    *ret = (struct backend_target){.class = BACKEND_NOT_LOCAL, .mailbox = STR("Inbox")};
    bool postmaster = address.domain.len == 0;
    if (!postmaster && !str_eq(address.domain, STR("ours.example")))
        return true;
    ret->class = BACKEND_ACCOUNT;
    ret->account_id = 1;
    if (str_eq(address.localpart, STR("away")))
        return err_set(err, ERR_UNAVAILABLE, "nobody serves the door");
    if (str_eq(address.localpart, STR("off")))
        ret->class = BACKEND_DOMAIN_DISABLED;
    if (str_eq(address.localpart, STR("unknown")))
        ret->class = BACKEND_UNKNOWN;
    if (str_eq(address.localpart, STR("refused"))) {
        ret->class = BACKEND_REFUSED;
        ret->error_code = 550;
        ret->error_text = STR("moved to the moon");
    }
    return true;
}

static struct stored *find_stored(struct backend *b, const unsigned char *key, struct str address)
{
    for (size_t i = 0; i < b->stored.len; i++)
        if (memcmp(b->stored.items[i].key, key, CALL_KEY_SIZE) == 0 &&
            str_eq(str_from_cstr(b->stored.items[i].address), address))
            return &b->stored.items[i];
    return NULL;
}

static struct err deliver_one(struct backend *b, const struct backend_message *message,
                              const struct backend_recipient *recipient, struct str text)
{
    struct err err = {.kind = ERR_NONE};
    struct buf address;
    buf_init(&address, 256);
    address_write(&address, recipient->address);
    if (str_eq(recipient->address.localpart, STR("full")) ||
        (b->flaky_is_full && str_eq(recipient->address.localpart, STR("flaky"))))
        err_set(&err, ERR_LIMIT, "over quota");
    else if (!find_stored(b, message->key, buf_str(&address))) {
        struct stored stored = {.len = recipient->prefix.len + text.len};
        BUG_ON(!str_copy_cstr(buf_str(&address), stored.address, sizeof(stored.address)));
        memcpy(stored.key, message->key, CALL_KEY_SIZE);
        stored.text = xmalloc(stored.len + 1);
        memcpy(stored.text, recipient->prefix.ptr, recipient->prefix.len);
        if (text.len > 0)
            memcpy(stored.text + recipient->prefix.len, text.ptr, text.len);
        array_push(&b->stored, stored);
    }
    buf_release(&address);
    return err;
}

bool backend_deliver(struct backend *b, uint64_t cid UNUSED, const struct backend_message *message,
                     struct arena *arena, struct err *ret_errors, struct err *err)
{
    struct str text = message->content;
    bool small = message->spool_name.len == 0;
    if (str_eq(message->recipients[0].address.localpart, STR("gone")))
        return err_set(err, ERR_UNAVAILABLE, "store was killed");
    if (!small &&
        !file_read(layout_spool(b->data, message->spool_name).text, 64u << 20, arena, &text, err))
        return false;
    BUG_ON(text.len != message->size || (!small && message->content.len > 0));
    BUG_ON(small != (message->size <= SPOOL_MEMORY_MAX && message->recipient_count == 1));
    BUG_ON(message->structure.len == 0);
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < message->recipient_count; i++)
        ret_errors[i] = deliver_one(b, message, &message->recipients[i], text);
    bool lost = b->lost_reply;
    b->lost_reply = false;
    pthread_mutex_unlock(&b->lock);
    return !lost || err_set(err, ERR_TIMEOUT, "store was killed after it");
}

bool backend_lookup_mx(struct backend *b UNUSED, uint64_t cid UNUSED, struct str domain,
                       struct arena *arena UNUSED, struct backend_mx_list *ret, struct err *err)
{
    static const struct str null_mx[] = {STR_INIT(".")};
    static const struct str hosts[] = {STR_INIT("gone.example."), STR_INIT("mx.far.example.")};
    static const struct str gone[] = {STR_INIT("gone.example.")};
    *ret = (struct backend_mx_list){BACKEND_DNS_FOUND, hosts, 2};
    if (str_eq(domain, STR("nullmx.example")))
        *ret = (struct backend_mx_list){BACKEND_DNS_FOUND, null_mx, 1};
    else if (str_eq(domain, STR("deadmx.example")))
        *ret = (struct backend_mx_list){BACKEND_DNS_FOUND, gone, 1};
    else if (str_eq(domain, STR("servfail.example")))
        ret->status = BACKEND_DNS_FAILED;
    else if (str_eq(domain, STR("dns-away.example")))
        return err_set(err, ERR_UNAVAILABLE, "nobody serves the door");
    else if (!str_eq(domain, STR("far.example")))
        ret->status = BACKEND_DNS_NOT_FOUND;
    return true;
}

bool backend_lookup_ip(struct backend *b UNUSED, uint64_t cid UNUSED, struct str name,
                       struct arena *arena UNUSED, enum backend_dns_status *ret,
                       struct err *err UNUSED)
{
    *ret = BACKEND_DNS_FOUND;
    if (str_starts_with(name, STR("gone")) || str_ends_with(name, STR("invalid")))
        *ret = BACKEND_DNS_NOT_FOUND;
    if (str_starts_with(name, STR("failing")))
        *ret = BACKEND_DNS_FAILED;
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
    struct smtp_in_config config;
    struct smtp_in in;
    bool tls_missing;
};

static bool is_true(struct str text)
{
    return str_eq(text, STR("true"));
}

static bool set(void *user, struct str line, struct err *err)
{
    struct scene *scene = user;
    struct str name, value;
    uint64_t number = 0;
    str_cut(line, ' ', &name, &value);
    if (str_eq(name, STR("pedantic")))
        scene->fixture.settings.pedantic = is_true(value);
    else if (str_eq(name, STR("localserve")))
        scene->fixture.settings.localserve = is_true(value);
    else if (str_eq(name, STR("hide_unknown")))
        scene->config.hide_unknown = is_true(value);
    else if (str_eq(name, STR("tls_needed")))
        scene->config.tls_needed = is_true(value);
    else if (str_eq(name, STR("requiretls")))
        scene->config.requiretls = is_true(value);
    else if (str_eq(name, STR("steering")))
        scene->config.smtpd.steering = is_true(value);
    else if (str_eq(name, STR("catch_all_address")))
        return address_parse(value, &scene->fixture.service.arena, &scene->in.catch_all, err);
    else if (str_eq(name, STR("limit_connections")))
        scene->config.smtpd.limit_connections = is_true(value);
    else if (str_eq(name, STR("space_after_colon")))
        scene->config.space_after_colon = is_true(value);
    else if (str_eq(name, STR("tls")))
        scene->tls_missing = !is_true(value);
    else if (str_to_u64(value, UINT32_MAX, &number) && str_eq(name, STR("message_size_max")))
        scene->config.smtpd.message_size_max = number;
    else if (str_eq(name, STR("recipients_max")))
        scene->config.smtpd.recipients_max = number;
    else if (str_eq(name, STR("read_timeout_ms")))
        scene->config.smtpd.read_timeout_ms = number;
    else
        return err_set(err, ERR_SYNTAX, "unknown setting");
    return true;
}

static bool start(void *user, uint16_t *ret_port, bool *ret_tls, struct err *err UNUSED)
{
    struct scene *scene = user;
    scene->in.server_config = smtp_in_server_config(&scene->config, &scene->fixture.settings);
    *ret_tls = false;
    *ret_port = smtpd_fixture_start(&scene->fixture, &scene->in.server_config, &smtp_in_policy,
                                    &scene->in, scene->tls_missing ? SMTPD_PLAIN : SMTPD_STARTTLS);
    return true;
}

/* "delivered ADDRESS COUNT", "stored LINE", "resolves COUNT", "set lost_reply|flaky_is_full V" */
static bool expect(void *user, struct str line, struct err *err)
{
    struct scene *scene = user;
    struct backend *b = &scene->backend;
    struct str word, rest, address, count;
    str_cut(line, ' ', &word, &rest);
    uint64_t want = 0, got = 0;
    pthread_mutex_lock(&b->lock);
    bool ok = true;
    if (str_eq(word, STR("delivered"))) {
        str_cut(rest, ' ', &address, &count);
        for (size_t i = 0; i < b->stored.len; i++)
            got += str_eq(str_from_cstr(b->stored.items[i].address), address);
        ok = str_to_u64(count, 1000, &want) && want == got;
    } else if (str_eq(word, STR("resolves"))) {
        got = b->resolves;
        ok = str_to_u64(rest, 1000, &want) && want == got;
    } else if (str_eq(word, STR("stored"))) {
        struct str text = STR("");
        if (b->stored.len > 0)
            text = str_make(array_last(&b->stored).text, array_last(&b->stored).len);
        for (ok = false; !ok && text.len > 0;) {
            struct str stored_line;
            str_cut(text, '\n', &stored_line, &text);
            if (str_ends_with(stored_line, STR("\r")))
                ok = dialogue_matches(rest, str_slice(stored_line, 0, stored_line.len - 1));
        }
    } else if (str_eq(word, STR("lost_reply"))) {
        b->lost_reply = is_true(rest);
    } else if (str_eq(word, STR("flaky_is_full"))) {
        b->flaky_is_full = is_true(rest);
    } else {
        ok = false;
    }
    pthread_mutex_unlock(&b->lock);
    return ok || err_set(err, ERR_STATE, "it is not so, got %lu", (unsigned long)got);
}

static bool play(const char *path, struct err *err)
{
    struct scene *scene = xcalloc(1, sizeof(*scene));
    smtpd_fixture_init(&scene->fixture);
    pthread_mutex_init(&scene->backend.lock, NULL);
    scene->backend.data = scene->fixture.settings.data;
    scene->config = (struct smtp_in_config){
        .starttls = true,
        .requiretls = true,
        .check_sender_domain = true,
        .check_hello = true,
        .smtpd.message_size_max = 100u << 20,
        .smtpd.recipients_max = 1000,
        .smtpd.read_timeout_ms = 30000,
        .smtpd.data_timeout_ms = 60000,
        .smtpd.workers_max = 4,
        .smtpd.sessions_max = 100,
    };
    scene->in.config = &scene->config;
    scene->in.settings = &scene->fixture.settings;
    scene->in.backend = &scene->backend;
    scene->in.partial = partial_new();
    struct dialogue_hooks hooks = {set, start, expect, scene};
    bool ok = dialogue_play(path, &hooks, err);
    smtpd_fixture_release(&scene->fixture);
    partial_free(scene->in.partial);
    for (size_t i = 0; i < scene->backend.stored.len; i++)
        free(scene->backend.stored.items[i].text);
    array_release(&scene->backend.stored);
    pthread_mutex_destroy(&scene->backend.lock);
    free(scene);
    return ok;
}

Test(smtp_in, dialogues, .timeout = 120)
{
    cr_assert_eq(smtpd_fixture_play_all("smtp-in", play), 0);
}
