#include "services/imap/shared.h"

bool shared_is_shown(const struct imap *imap)
{
    return imap_has_capability(imap, STR("ACL"));
}

uint64_t shared_owner(const struct imap *imap, const struct backend_call *call)
{
    return call->owner != 0 ? call->owner : account_id(imap->account);
}

bool shared_find(struct imap *imap, struct str name, struct backend_call *call, struct str *ret,
                 struct err *err)
{
    struct str who, mailbox;
    *ret = name;
    if (!shared_is_name(name) || !shared_is_shown(imap))
        return true;
    str_cut(str_skip(name, sizeof(SHARED_NAMESPACE)), '/', &who, &mailbox);
    if (str_is_empty(mailbox))
        return err_set(err, ERR_NOT_FOUND, "no mailbox of %.*s is named", STR_ARG(who));
    *ret = mailbox;
    return backend_find_owner(imap->server->backend, call, who, &call->owner, err);
}
