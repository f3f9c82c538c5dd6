#include "services/store/directory_door.h"

#include "common/mail/address.h"
#include "common/mail/domain.h"
#include "proto/directory.pb-c.h"
#include "proto/events.pb-c.h"
#include "services/store/accounts.h"
#include "services/store/directory_admin.h"
#include "services/store/directory_core.h"
#include "services/store/directory_keys.h"

#define WORKERS 4

void directory_announce(struct store *store, uint64_t version)
{
    Mailrail__DirectoryChanged event = MAILRAIL__DIRECTORY_CHANGED__INIT;
    event.version = version;
    if (store->events.notices)
        event_publish(store->events.notices, "directory", &event.base);
}

/* ---- Answers */

static void answer_empty(bool ok, const struct err *err, Mailrail__Empty_Closure closure,
                         void *closure_data)
{
    Mailrail__Empty empty = MAILRAIL__EMPTY__INIT;
    if (ok)
        closure(&empty, closure_data);
    else
        rpc_fail(closure_data, err);
}

/* Protobuf strings: NUL-terminated, never NULL. */
static char *text(struct arena *arena, struct str s)
{
    char *copy = arena_cstr(arena, s);
    return copy ? copy : (char *)protobuf_c_empty_string;
}

static char **texts(struct arena *arena, const struct str *items, size_t count)
{
    char **copies = arena_new_array(arena, count, char *);
    for (size_t i = 0; copies && i < count; i++)
        copies[i] = text(arena, items[i]);
    return copies;
}

static struct str *strs(struct arena *arena, char **items, size_t count)
{
    struct str *copies = arena_new_array(arena, count, struct str);
    for (size_t i = 0; copies && i < count; i++)
        copies[i] = str_from_cstr(items[i]);
    return copies;
}

/* False, with the call ended, when the reply did not fit. */
static bool has_room(struct rpc_call *call)
{
    if (!call->arena->exhausted)
        return true;
    struct err err;
    err_set(&err, ERR_LIMIT, "the list is too long for one reply");
    rpc_fail(call, &err);
    return false;
}

/* ---- Domains */

static bool read_domain(const Mailrail__Domain *in, struct arena *arena,
                        struct domain_settings *ret, struct err *err)
{
    *ret = (struct domain_settings){
        .name = str_from_cstr(in->name),
        .description = str_from_cstr(in->description),
        .disabled = in->disabled,
        .case_sensitive = in->case_sensitive,
        .separators = strs(arena, in->separators, in->n_separators),
        .separator_count = in->n_separators,
        .accept_any = in->accept_any,
        .any_account = str_from_cstr(in->any_account),
    };
    return ret->separators ? true : err_set(err, ERR_LIMIT, "too many separators");
}

static void handle_domain_add(Mailrail__Directory_Service *service UNUSED,
                              const Mailrail__Domain *in, Mailrail__Empty_Closure closure,
                              void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct domain_settings settings;
    struct err err;
    bool ok = read_domain(in, call->arena, &settings, &err) &&
              directory_add_domain(call->user, &settings, &err);
    answer_empty(ok, &err, closure, closure_data);
}

static void handle_domain_set(Mailrail__Directory_Service *service UNUSED,
                              const Mailrail__Domain *in, Mailrail__Empty_Closure closure,
                              void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct domain_settings settings;
    struct err err;
    bool ok = read_domain(in, call->arena, &settings, &err) &&
              directory_set_domain(call->user, &settings, &err);
    answer_empty(ok, &err, closure, closure_data);
}

static void handle_domain_remove(Mailrail__Directory_Service *service UNUSED,
                                 const Mailrail__DomainName *in, Mailrail__Empty_Closure closure,
                                 void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct err err;
    bool ok = directory_remove_domain(call->user, str_from_cstr(in->name), &err);
    answer_empty(ok, &err, closure, closure_data);
}

static Mailrail__Domain *write_domain(const struct snapshot *s, const struct domain_row *row,
                                      struct arena *arena)
{
    Mailrail__Domain *out = arena_new(arena, Mailrail__Domain);
    if (!out)
        return NULL;
    mailrail__domain__init(out);
    out->name = text(arena, row->name);
    out->description = text(arena, row->description);
    out->disabled = row->disabled;
    out->case_sensitive = row->case_sensitive;
    out->n_separators = row->separator_count;
    out->separators = texts(arena, row->separators, row->separator_count);
    out->accept_any = row->accept_any;
    const struct directory_account *any = snapshot_account(s, row->any_account_id);
    if (any)
        out->any_account = text(arena, any->name);
    return out;
}

static void handle_domain_list(Mailrail__Directory_Service *service UNUSED,
                               const Mailrail__Empty *in UNUSED,
                               Mailrail__DomainListReply_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct store *store = call->user;
    struct err err;
    const struct snapshot *s = directory_read_begin(store->directory, &err);
    if (!s) {
        rpc_fail(call, &err);
        return;
    }
    Mailrail__DomainListReply reply = MAILRAIL__DOMAIN_LIST_REPLY__INIT;
    reply.domains = arena_new_array(call->arena, s->rows.domains.len, Mailrail__Domain *);
    for (size_t i = 0; reply.domains && i < s->rows.domains.len; i++)
        reply.domains[reply.n_domains++] = write_domain(s, &s->rows.domains.items[i], call->arena);
    directory_read_end(store->directory);
    if (has_room(call))
        closure(&reply, closure_data);
}

/* ---- Accounts */

static bool read_account(const Mailrail__Account *in, struct arena *arena,
                         struct directory_account *ret, struct err *err)
{
    if (!in)
        return err_set(err, ERR_SYNTAX, "no account is given");
    *ret = (struct directory_account){
        .name = str_from_cstr(in->name),
        .description = str_from_cstr(in->description),
        .login_disabled = str_from_cstr(in->login_disabled),
        .quota_bytes = in->quota_bytes,
        .max_outgoing = in->max_outgoing_per_day,
        .max_new_recipients = in->max_new_recipients_per_day,
        .capabilities_disabled =
            strs(arena, in->capabilities_disabled, in->n_capabilities_disabled),
        .capability_count = in->n_capabilities_disabled,
        .no_cram_md5 = in->no_cram_md5,
    };
    return ret->capabilities_disabled ? true : err_set(err, ERR_LIMIT, "too many capabilities");
}

static Mailrail__Account *write_account(const struct directory_account *account,
                                        struct arena *arena)
{
    Mailrail__Account *out = arena_new(arena, Mailrail__Account);
    if (!out)
        return NULL;
    mailrail__account__init(out);
    out->id = account->id;
    out->name = text(arena, account->name);
    out->description = text(arena, account->description);
    out->login_disabled = text(arena, account->login_disabled);
    out->quota_bytes = account->quota_bytes;
    out->max_outgoing_per_day = account->max_outgoing;
    out->max_new_recipients_per_day = account->max_new_recipients;
    out->n_capabilities_disabled = account->capability_count;
    out->capabilities_disabled =
        texts(arena, account->capabilities_disabled, account->capability_count);
    out->no_cram_md5 = account->no_cram_md5;
    return out;
}

static void handle_account_add(Mailrail__Directory_Service *service UNUSED,
                               const Mailrail__AccountAddRequest *in,
                               Mailrail__Account_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct store *store = call->user;
    struct directory_account account;
    struct err err;
    uint64_t id;
    bool ok = read_account(in->account, call->arena, &account, &err) &&
              directory_add_account(store, &account, str_from_cstr(in->address),
                                    str_from_cstr(in->password), &id, &err) &&
              directory_account(store, id, call->arena, &account, &err);
    if (!ok) {
        rpc_fail(call, &err);
        return;
    }
    Mailrail__Account *reply = write_account(&account, call->arena);
    if (has_room(call))
        closure(reply, closure_data);
}

static void handle_account_set(Mailrail__Directory_Service *service UNUSED,
                               const Mailrail__Account *in, Mailrail__Empty_Closure closure,
                               void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct directory_account account;
    struct err err;
    bool ok = read_account(in, call->arena, &account, &err) &&
              directory_set_account(call->user, &account, &err);
    answer_empty(ok, &err, closure, closure_data);
}

static void handle_account_remove(Mailrail__Directory_Service *service UNUSED,
                                  const Mailrail__AccountName *in, Mailrail__Empty_Closure closure,
                                  void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct err err;
    bool ok = directory_remove_account(call->user, str_from_cstr(in->name), &err);
    answer_empty(ok, &err, closure, closure_data);
}

/* Not under a lock of the directory: opening an account asks the directory. */
static void add_used_bytes(struct store *store, Mailrail__Account *out)
{
    struct account *account;
    struct err err;
    if (!account_open(store, out->id, &account, &err)) {
        log_warn(&store->log, "cannot open an account", LOG_U64("account", out->id), LOG_ERR(&err));
        return;
    }
    if (!account_used_bytes(account, &out->used_bytes, &err))
        log_warn(&store->log, "cannot read an account", LOG_U64("account", out->id), LOG_ERR(&err));
    account_release(account);
}

/* One account, or all when `name` is empty. */
static bool list_accounts(const struct snapshot *s, struct str name, struct arena *arena,
                          Mailrail__AccountListReply *reply, struct err *err)
{
    const struct directory_account *first = s->rows.accounts.items;
    size_t count = s->rows.accounts.len;
    if (name.len > 0) {
        first = snapshot_account_by_name(s, name);
        count = 1;
        if (!first)
            return err_set(err, ERR_NOT_FOUND, "there is no account %.*s", STR_ARG(name));
    }
    reply->accounts = arena_new_array(arena, count, Mailrail__Account *);
    for (size_t i = 0; reply->accounts && i < count; i++)
        reply->accounts[reply->n_accounts++] = write_account(&first[i], arena);
    return true;
}

static void handle_account_list(Mailrail__Directory_Service *service UNUSED,
                                const Mailrail__AccountListRequest *in,
                                Mailrail__AccountListReply_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct store *store = call->user;
    struct err err;
    Mailrail__AccountListReply reply = MAILRAIL__ACCOUNT_LIST_REPLY__INIT;
    const struct snapshot *s = directory_read_begin(store->directory, &err);
    bool ok = s && list_accounts(s, str_from_cstr(in->account), call->arena, &reply, &err);
    if (s)
        directory_read_end(store->directory);
    if (!ok)
        rpc_fail(call, &err);
    if (!ok || !has_room(call))
        return;
    for (size_t i = 0; i < reply.n_accounts; i++)
        add_used_bytes(store, reply.accounts[i]);
    closure(&reply, closure_data);
}

static void handle_password_set(Mailrail__Directory_Service *service UNUSED,
                                const Mailrail__PasswordSetRequest *in,
                                Mailrail__Empty_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct err err;
    bool ok = directory_set_password(call->user, str_from_cstr(in->account),
                                     str_from_cstr(in->password), &err);
    answer_empty(ok, &err, closure, closure_data);
}

/* ---- Addresses */

static void handle_address_add(Mailrail__Directory_Service *service UNUSED,
                               const Mailrail__AddressEntry *in, Mailrail__Empty_Closure closure,
                               void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct address_settings settings = {
        .address = str_from_cstr(in->address),
        .account = str_from_cstr(in->account),
        .mailbox = str_from_cstr(in->mailbox),
        .error_code = in->error_code,
        .error_text = str_from_cstr(in->error_text),
    };
    struct err err;
    bool ok = directory_add_address(call->user, &settings, &err);
    answer_empty(ok, &err, closure, closure_data);
}

static void handle_address_remove(Mailrail__Directory_Service *service UNUSED,
                                  const Mailrail__AddressName *in, Mailrail__Empty_Closure closure,
                                  void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct err err;
    bool ok = directory_remove_address(call->user, str_from_cstr(in->address), &err);
    answer_empty(ok, &err, closure, closure_data);
}

static char *full_address(const struct address_row *row, struct str domain, struct arena *arena)
{
    struct buf b;
    buf_init(&b, 2048);
    if (row->localpart.len > 0)
        address_write_localpart(&b, row->localpart);
    buf_append_char(&b, '@');
    buf_append(&b, domain);
    char *copy = text(arena, buf_str(&b));
    buf_release(&b);
    return copy;
}

static Mailrail__AddressEntry *write_address(const struct snapshot *s,
                                             const struct address_row *row, struct arena *arena)
{
    const struct domain_row *domain = snapshot_domain_by_id(s, row->domain_id);
    const struct directory_account *account = snapshot_account(s, row->account_id);
    Mailrail__AddressEntry *out = arena_new(arena, Mailrail__AddressEntry);
    if (!out)
        return NULL;
    mailrail__address_entry__init(out);
    out->address = full_address(row, domain->name, arena);
    out->account = text(arena, account->name);
    out->mailbox = text(arena, row->mailbox);
    out->error_code = row->error_code;
    out->error_text = text(arena, row->error_text);
    return out;
}

/* What AddressList is asked for: 0 stands for all. */
struct address_filter {
    uint64_t domain_id, account_id;
};

static bool read_filter(const struct snapshot *s, const Mailrail__AddressListRequest *in,
                        struct arena *arena, struct address_filter *ret, struct err *err)
{
    *ret = (struct address_filter){0};
    if (in->account[0]) {
        const struct directory_account *account =
            snapshot_account_by_name(s, str_from_cstr(in->account));
        if (!account)
            return err_set(err, ERR_NOT_FOUND, "there is no account %s", in->account);
        ret->account_id = account->id;
    }
    if (in->domain[0]) {
        struct str name;
        TRY(domain_parse(str_from_cstr(in->domain), arena, &name, err));
        const struct domain_row *domain = snapshot_domain(s, name);
        if (!domain)
            return err_set(err, ERR_NOT_FOUND, "there is no domain %s", in->domain);
        ret->domain_id = domain->id;
    }
    return true;
}

static bool is_wanted(const struct address_filter *filter, const struct address_row *row)
{
    return (filter->domain_id == 0 || filter->domain_id == row->domain_id) &&
           (filter->account_id == 0 || filter->account_id == row->account_id);
}

static void handle_address_list(Mailrail__Directory_Service *service UNUSED,
                                const Mailrail__AddressListRequest *in,
                                Mailrail__AddressListReply_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct store *store = call->user;
    struct err err;
    const struct snapshot *s = directory_read_begin(store->directory, &err);
    struct address_filter filter;
    bool ok = s && read_filter(s, in, call->arena, &filter, &err);
    Mailrail__AddressListReply reply = MAILRAIL__ADDRESS_LIST_REPLY__INIT;
    if (ok)
        reply.addresses =
            arena_new_array(call->arena, s->rows.addresses.len, Mailrail__AddressEntry *);
    for (size_t i = 0; reply.addresses && i < s->rows.addresses.len; i++)
        if (is_wanted(&filter, &s->rows.addresses.items[i]))
            reply.addresses[reply.n_addresses++] =
                write_address(s, &s->rows.addresses.items[i], call->arena);
    if (s)
        directory_read_end(store->directory);
    if (!ok)
        rpc_fail(call, &err);
    else if (has_room(call))
        closure(&reply, closure_data);
}

/* ---- Keys of TLS clients */

static Mailrail__TlsKey *write_tls_key(const struct tls_key_row *row, struct str account,
                                       struct arena *arena)
{
    Mailrail__TlsKey *out = arena_new(arena, Mailrail__TlsKey);
    if (!out)
        return NULL;
    mailrail__tls_key__init(out);
    out->fingerprint = text(arena, tls_fingerprint_text(row->fingerprint, arena));
    out->account = text(arena, account);
    out->name = text(arena, row->name);
    out->algorithm = text(arena, row->algorithm);
    out->login = text(arena, row->login);
    out->no_imap_preauth = row->no_imap_preauth;
    out->created_ms = row->created_ms;
    return out;
}

/* Those of `account`, or all when it is empty. */
static bool list_tls_keys(const struct snapshot *s, struct str account, struct arena *arena,
                          Mailrail__TlsKeyListReply *reply, struct err *err)
{
    const struct directory_account *only = snapshot_account_by_name(s, account);
    if (account.len > 0 && !only)
        return err_set(err, ERR_NOT_FOUND, "there is no account %.*s", STR_ARG(account));
    reply->keys = arena_new_array(arena, s->rows.tls_keys.len, Mailrail__TlsKey *);
    for (size_t i = 0; reply->keys && i < s->rows.tls_keys.len; i++) {
        const struct tls_key_row *row = &s->rows.tls_keys.items[i];
        const struct directory_account *owner = snapshot_account(s, row->account_id);
        if (!only || owner == only)
            reply->keys[reply->n_keys++] = write_tls_key(row, owner->name, arena);
    }
    return true;
}

static void handle_tls_key_list(Mailrail__Directory_Service *service UNUSED,
                                const Mailrail__TlsKeyListRequest *in,
                                Mailrail__TlsKeyListReply_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct store *store = call->user;
    struct err err;
    Mailrail__TlsKeyListReply reply = MAILRAIL__TLS_KEY_LIST_REPLY__INIT;
    const struct snapshot *s = directory_read_begin(store->directory, &err);
    bool ok = s && list_tls_keys(s, str_from_cstr(in->account), call->arena, &reply, &err);
    if (s)
        directory_read_end(store->directory);
    if (!ok)
        rpc_fail(call, &err);
    else if (has_room(call))
        closure(&reply, closure_data);
}

static struct tls_key_settings read_tls_key(const Mailrail__TlsKey *in)
{
    return (struct tls_key_settings){
        .account = str_from_cstr(in->account),
        .name = str_from_cstr(in->name),
        .login = str_from_cstr(in->login),
        .no_imap_preauth = in->no_imap_preauth,
    };
}

static void handle_tls_key_add(Mailrail__Directory_Service *service UNUSED,
                               const Mailrail__TlsKeyAddRequest *in,
                               Mailrail__TlsKey_Closure closure, void *closure_data)
{
    struct rpc_call *call = closure_data;
    const Mailrail__TlsKey none = MAILRAIL__TLS_KEY__INIT;
    struct tls_key_settings settings = read_tls_key(in->key ? in->key : &none);
    struct tls_key_row row;
    struct err err;
    if (!directory_add_tls_key(call->user, &settings, str_from_cstr(in->certificate), call->arena,
                               &row, &err)) {
        rpc_fail(call, &err);
        return;
    }
    Mailrail__TlsKey *added = write_tls_key(&row, settings.account, call->arena);
    if (has_room(call))
        closure(added, closure_data);
}

static void handle_tls_key_set(Mailrail__Directory_Service *service UNUSED,
                               const Mailrail__TlsKey *in, Mailrail__Empty_Closure closure,
                               void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct tls_key_settings settings = read_tls_key(in);
    struct err err;
    bool ok = directory_set_tls_key(call->user, str_from_cstr(in->fingerprint), &settings, &err);
    answer_empty(ok, &err, closure, closure_data);
}

static void handle_tls_key_remove(Mailrail__Directory_Service *service UNUSED,
                                  const Mailrail__TlsKeyName *in, Mailrail__Empty_Closure closure,
                                  void *closure_data)
{
    struct rpc_call *call = closure_data;
    struct err err;
    bool ok = directory_remove_tls_key(call->user, str_from_cstr(in->fingerprint), &err);
    answer_empty(ok, &err, closure, closure_data);
}

static Mailrail__Directory_Service handlers = MAILRAIL__DIRECTORY__INIT(handle_);

bool directory_door_open(struct store *store, struct service *service, struct err *err)
{
    return store_open_door(store, service, "directory", &handlers.base, WORKERS, err);
}
