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
    message.separators = list_of(b, domain->separators.len, sizeof(char *));
    for (size_t i = 0; i < domain->separators.len; i++)
        message.separators[i] = backend_text(b, domain->separators.items[i]);
    return message;
}

static struct domain_entry domain_entry(struct backend *b, const Mailrail__Domain *message)
{
    struct str *separators = list_of(b, message->n_separators, sizeof(*separators));
    for (size_t i = 0; i < message->n_separators; i++)
        separators[i] = str_from_cstr(message->separators[i]);
    return (struct domain_entry){
        .name = str_from_cstr(message->name),
        .description = str_from_cstr(message->description),
        .disabled = message->disabled,
        .case_sensitive = message->case_sensitive,
        .separators = {separators, message->n_separators},
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

bool backend_account_add(struct backend *b, const struct account_entry *account, struct str address,
                         struct str password, struct err *err)
{
    Mailrail__Account message = MAILRAIL__ACCOUNT__INIT;
    message.name = backend_text(b, account->name);
    message.description = backend_text(b, account->description);
    message.login_disabled = backend_text(b, account->login_disabled);
    message.quota_bytes = account->quota_bytes;
    message.max_outgoing_per_day = (uint32_t)account->outgoing_per_day;
    message.max_new_recipients_per_day = (uint32_t)account->new_recipients_per_day;
    Mailrail__AccountAddRequest request = MAILRAIL__ACCOUNT_ADD_REQUEST__INIT;
    request.account = &message;
    request.address = backend_text(b, address);
    request.password = backend_text(b, password);
    return do_call(b, "AccountAdd", &request.base, err);
}

bool backend_account_remove(struct backend *b, struct str name, struct err *err)
{
    Mailrail__AccountName request = MAILRAIL__ACCOUNT_NAME__INIT;
    request.name = backend_text(b, name);
    return do_call(b, "AccountRemove", &request.base, err);
}

bool backend_account_list(struct backend *b, struct account_list *ret, struct err *err)
{
    Mailrail__Empty request = MAILRAIL__EMPTY__INIT;
    ProtobufCMessage *base;
    TRY(call(b, "AccountList", &request.base, &base, err));
    const Mailrail__AccountListReply *reply = (const Mailrail__AccountListReply *)base;
    ret->len = reply->n_accounts;
    ret->items = list_of(b, ret->len, sizeof(*ret->items));
    for (size_t i = 0; i < ret->len; i++) {
        const Mailrail__Account *account = reply->accounts[i];
        ret->items[i] = (struct account_entry){
            .id = account->id,
            .name = str_from_cstr(account->name),
            .description = str_from_cstr(account->description),
            .login_disabled = str_from_cstr(account->login_disabled),
            .quota_bytes = account->quota_bytes,
            .used_bytes = account->used_bytes,
            .outgoing_per_day = account->max_outgoing_per_day,
            .new_recipients_per_day = account->max_new_recipients_per_day,
        };
    }
    return true;
}

bool backend_password_set(struct backend *b, struct str account, struct str password,
                          struct err *err)
{
    Mailrail__PasswordSetRequest request = MAILRAIL__PASSWORD_SET_REQUEST__INIT;
    request.account = backend_text(b, account);
    request.password = backend_text(b, password);
    return do_call(b, "PasswordSet", &request.base, err);
}

/* ---- Addresses */

bool backend_address_add(struct backend *b, const struct address_entry *address, struct err *err)
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
                          struct address_entry_list *ret, struct err *err)
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
        ret->items[i] = (struct address_entry){
            .address = str_from_cstr(address->address),
            .account = str_from_cstr(address->account),
            .mailbox = str_from_cstr(address->mailbox),
            .error_code = address->error_code,
            .error_text = str_from_cstr(address->error_text),
        };
    }
    return true;
}
