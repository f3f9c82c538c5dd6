#include "services/mailrail/backend_call.h"

#include "common/base/bug.h"
#include "proto/directory.pb-c.h"

static bool call(struct backend *b, const char *method, const ProtobufCMessage *request,
                 ProtobufCMessage **ret_reply, struct err *err)
{
    return backend_call(b, "directory", &mailrail__directory__descriptor, method, request,
                        ret_reply, err);
}

/* A call whose reply is Empty, or not wanted. */
static bool do_call(struct backend *b, const char *method, const ProtobufCMessage *request,
                    struct err *err)
{
    ProtobufCMessage *reply;
    return call(b, method, request, &reply, err);
}

static void *list_of(struct backend *b, size_t count, size_t size)
{
    void *items = arena_alloc_array(b->arena, count > 0 ? count : 1, size);
    BUG_ON(!items); /* the arena is larger than any reply */
    return items;
}

static char **texts(struct backend *b, const struct str_list *list)
{
    char **copies = list_of(b, list->len, sizeof(*copies));
    for (size_t i = 0; i < list->len; i++)
        copies[i] = backend_text(b, list->items[i]);
    return copies;
}

static struct str_list text_list(struct backend *b, char **texts, size_t count)
{
    struct str *items = list_of(b, count, sizeof(*items));
    for (size_t i = 0; i < count; i++)
        items[i] = str_from_cstr(texts[i]);
    return (struct str_list){items, count};
}

/* ---- Domains */

static Mailrail__Domain domain_message(struct backend *b, const struct domain_entry *domain)
{
    Mailrail__Domain message = MAILRAIL__DOMAIN__INIT;
    message.name = backend_text(b, domain->name);
    message.description = backend_text(b, domain->description);
    message.disabled = domain->disabled;
    message.case_sensitive = domain->case_sensitive;
    message.accept_any = domain->accept_any;
    message.any_account = backend_text(b, domain->any_account);
    message.n_separators = domain->separators.len;
    message.separators = texts(b, &domain->separators);
    return message;
}

static struct domain_entry domain_entry(struct backend *b, const Mailrail__Domain *message)
{
    return (struct domain_entry){
        .name = str_from_cstr(message->name),
        .description = str_from_cstr(message->description),
        .disabled = message->disabled,
        .case_sensitive = message->case_sensitive,
        .separators = text_list(b, message->separators, message->n_separators),
        .accept_any = message->accept_any,
        .any_account = str_from_cstr(message->any_account),
    };
}

bool backend_domain_add(struct backend *b, const struct domain_entry *domain, struct err *err)
{
    Mailrail__Domain request = domain_message(b, domain);
    return do_call(b, "DomainAdd", &request.base, err);
}

bool backend_domain_set(struct backend *b, const struct domain_entry *domain, struct err *err)
{
    Mailrail__Domain request = domain_message(b, domain);
    return do_call(b, "DomainSet", &request.base, err);
}

bool backend_domain_remove(struct backend *b, struct str name, struct err *err)
{
    Mailrail__DomainName request = MAILRAIL__DOMAIN_NAME__INIT;
    request.name = backend_text(b, name);
    return do_call(b, "DomainRemove", &request.base, err);
}

bool backend_domain_list(struct backend *b, struct domain_list *ret, struct err *err)
{
    Mailrail__Empty request = MAILRAIL__EMPTY__INIT;
    ProtobufCMessage *base;
    TRY(call(b, "DomainList", &request.base, &base, err));
    const Mailrail__DomainListReply *reply = (const Mailrail__DomainListReply *)base;
    ret->len = reply->n_domains;
    ret->items = list_of(b, ret->len, sizeof(*ret->items));
    for (size_t i = 0; i < ret->len; i++)
        ret->items[i] = domain_entry(b, reply->domains[i]);
    return true;
}

/* ---- Accounts */

static Mailrail__Account account_message(struct backend *b, const struct account_entry *account)
{
    Mailrail__Account message = MAILRAIL__ACCOUNT__INIT;
    message.name = backend_text(b, account->name);
    message.description = backend_text(b, account->description);
    message.login_disabled = backend_text(b, account->login_disabled);
    message.quota_bytes = account->quota_bytes;
    message.max_outgoing_per_day = (uint32_t)account->outgoing_per_day;
    message.max_new_recipients_per_day = (uint32_t)account->new_recipients_per_day;
    message.n_capabilities_disabled = account->capabilities_disabled.len;
    message.capabilities_disabled = texts(b, &account->capabilities_disabled);
    message.no_cram_md5 = account->no_cram_md5;
    return message;
}

static struct account_entry account_entry(struct backend *b, const Mailrail__Account *message)
{
    return (struct account_entry){
        .id = message->id,
        .name = str_from_cstr(message->name),
        .description = str_from_cstr(message->description),
        .login_disabled = str_from_cstr(message->login_disabled),
        .quota_bytes = message->quota_bytes,
        .used_bytes = message->used_bytes,
        .outgoing_per_day = message->max_outgoing_per_day,
        .new_recipients_per_day = message->max_new_recipients_per_day,
        .capabilities_disabled =
            text_list(b, message->capabilities_disabled, message->n_capabilities_disabled),
        .no_cram_md5 = message->no_cram_md5,
    };
}

bool backend_account_add(struct backend *b, const struct account_entry *account, struct str address,
                         struct str password, struct err *err)
{
    Mailrail__Account message = account_message(b, account);
    Mailrail__AccountAddRequest request = MAILRAIL__ACCOUNT_ADD_REQUEST__INIT;
    request.account = &message;
    request.address = backend_text(b, address);
    request.password = backend_text(b, password);
    return do_call(b, "AccountAdd", &request.base, err);
}

bool backend_account_set(struct backend *b, const struct account_entry *account, struct err *err)
{
    Mailrail__Account request = account_message(b, account);
    return do_call(b, "AccountSet", &request.base, err);
}

bool backend_account_remove(struct backend *b, struct str name, struct err *err)
{
    Mailrail__AccountName request = MAILRAIL__ACCOUNT_NAME__INIT;
    request.name = backend_text(b, name);
    return do_call(b, "AccountRemove", &request.base, err);
}

/* One account, or all when `name` is empty. */
static bool list_accounts(struct backend *b, struct str name, struct account_list *ret,
                          struct err *err)
{
    Mailrail__AccountListRequest request = MAILRAIL__ACCOUNT_LIST_REQUEST__INIT;
    ProtobufCMessage *base;
    request.account = backend_text(b, name);
    TRY(call(b, "AccountList", &request.base, &base, err));
    const Mailrail__AccountListReply *reply = (const Mailrail__AccountListReply *)base;
    ret->len = reply->n_accounts;
    ret->items = list_of(b, ret->len, sizeof(*ret->items));
    for (size_t i = 0; i < ret->len; i++)
        ret->items[i] = account_entry(b, reply->accounts[i]);
    return true;
}

bool backend_account_list(struct backend *b, struct account_list *ret, struct err *err)
{
    return list_accounts(b, STR(""), ret, err);
}

bool backend_account_get(struct backend *b, struct str name, struct account_entry *ret,
                         struct err *err)
{
    struct account_list found;
    TRY(list_accounts(b, name, &found, err));
    /* A store of the release before lists all. */
    for (size_t i = 0; i < found.len; i++) {
        if (str_eq(found.items[i].name, name)) {
            *ret = found.items[i];
            return true;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "there is no account %.*s", STR_ARG(name));
}

bool backend_password_set(struct backend *b, struct str account, struct str password,
                          struct err *err)
{
    Mailrail__PasswordSetRequest request = MAILRAIL__PASSWORD_SET_REQUEST__INIT;
    request.account = backend_text(b, account);
    request.password = backend_text(b, password);
    return do_call(b, "PasswordSet", &request.base, err);
}

/* ---- Keys of TLS clients */

static Mailrail__TlsKey tls_key_message(struct backend *b, const struct tls_key_entry *key)
{
    Mailrail__TlsKey message = MAILRAIL__TLS_KEY__INIT;
    message.fingerprint = backend_text(b, key->fingerprint);
    message.account = backend_text(b, key->account);
    message.name = backend_text(b, key->name);
    message.login = backend_text(b, key->login);
    message.no_imap_preauth = key->no_imap_preauth;
    return message;
}

static struct tls_key_entry tls_key_entry(const Mailrail__TlsKey *message)
{
    return (struct tls_key_entry){
        .fingerprint = str_from_cstr(message->fingerprint),
        .account = str_from_cstr(message->account),
        .name = str_from_cstr(message->name),
        .algorithm = str_from_cstr(message->algorithm),
        .login = str_from_cstr(message->login),
        .no_imap_preauth = message->no_imap_preauth,
        .created_ms = message->created_ms,
    };
}

bool backend_tls_key_add(struct backend *b, const struct tls_key_entry *key, struct str pem,
                         struct tls_key_entry *ret, struct err *err)
{
    Mailrail__TlsKey message = tls_key_message(b, key);
    Mailrail__TlsKeyAddRequest request = MAILRAIL__TLS_KEY_ADD_REQUEST__INIT;
    request.key = &message;
    request.certificate = backend_text(b, pem);
    ProtobufCMessage *base;
    TRY(call(b, "TlsKeyAdd", &request.base, &base, err));
    *ret = tls_key_entry((const Mailrail__TlsKey *)base);
    return true;
}

bool backend_tls_key_set(struct backend *b, const struct tls_key_entry *key, struct err *err)
{
    Mailrail__TlsKey request = tls_key_message(b, key);
    return do_call(b, "TlsKeySet", &request.base, err);
}

bool backend_tls_key_remove(struct backend *b, struct str fingerprint, struct err *err)
{
    Mailrail__TlsKeyName request = MAILRAIL__TLS_KEY_NAME__INIT;
    request.fingerprint = backend_text(b, fingerprint);
    return do_call(b, "TlsKeyRemove", &request.base, err);
}

bool backend_tls_key_list(struct backend *b, struct str account, struct tls_key_list *ret,
                          struct err *err)
{
    Mailrail__TlsKeyListRequest request = MAILRAIL__TLS_KEY_LIST_REQUEST__INIT;
    request.account = backend_text(b, account);
    ProtobufCMessage *base;
    TRY(call(b, "TlsKeyList", &request.base, &base, err));
    const Mailrail__TlsKeyListReply *reply = (const Mailrail__TlsKeyListReply *)base;
    ret->len = reply->n_keys;
    ret->items = list_of(b, ret->len, sizeof(*ret->items));
    for (size_t i = 0; i < ret->len; i++)
        ret->items[i] = tls_key_entry(reply->keys[i]);
    return true;
}

/* ---- Addresses */

bool backend_address_add(struct backend *b, const struct directory_address *address,
                         struct err *err)
{
    Mailrail__AddressEntry request = MAILRAIL__ADDRESS_ENTRY__INIT;
    request.address = backend_text(b, address->address);
    request.account = backend_text(b, address->account);
    request.mailbox = backend_text(b, address->mailbox);
    request.error_code = (uint32_t)address->error_code;
    request.error_text = backend_text(b, address->error_text);
    return do_call(b, "AddressAdd", &request.base, err);
}

bool backend_address_remove(struct backend *b, struct str address, struct err *err)
{
    Mailrail__AddressName request = MAILRAIL__ADDRESS_NAME__INIT;
    request.address = backend_text(b, address);
    return do_call(b, "AddressRemove", &request.base, err);
}

bool backend_address_list(struct backend *b, struct str account, struct str domain,
                          struct directory_address_list *ret, struct err *err)
{
    Mailrail__AddressListRequest request = MAILRAIL__ADDRESS_LIST_REQUEST__INIT;
    request.account = backend_text(b, account);
    request.domain = backend_text(b, domain);
    ProtobufCMessage *base;
    TRY(call(b, "AddressList", &request.base, &base, err));
    const Mailrail__AddressListReply *reply = (const Mailrail__AddressListReply *)base;
    ret->len = reply->n_addresses;
    ret->items = list_of(b, ret->len, sizeof(*ret->items));
    for (size_t i = 0; i < ret->len; i++) {
        const Mailrail__AddressEntry *address = reply->addresses[i];
        ret->items[i] = (struct directory_address){
            .address = str_from_cstr(address->address),
            .account = str_from_cstr(address->account),
            .mailbox = str_from_cstr(address->mailbox),
            .error_code = address->error_code,
            .error_text = str_from_cstr(address->error_text),
        };
    }
    return true;
}
