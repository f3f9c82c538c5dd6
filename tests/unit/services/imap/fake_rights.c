#include "tests/unit/services/imap/fake_backend_internal.h"

#include "services/imap/rights.h"

/* Of the two that are known here only one has mailboxes. */

static bool is_somebody(struct str who)
{
    return str_eq(who, STR("me@localhost")) || str_eq(who, STR("you@localhost"));
}

bool backend_find_owner(struct backend *b, const struct backend_call *call, struct str who,
                        uint64_t *ret_owner, struct err *err)
{
    *ret_owner = 0;
    return fake_is_here(b, call, err) &&
           (str_eq(who, STR("me@localhost")) || err_set(err, ERR_NOT_FOUND, "nobody"));
}

bool backend_rights(struct backend *b, const struct backend_call *call,
                    const struct rights_query *query, struct rights_list *ret, struct err *err)
{
    struct fake_mailbox *m = fake_find(b, query->name);
    struct rights_entry *all = arena_new_array(call->arena, b->rights.len + 1, struct rights_entry);
    if (!fake_is_here(b, call, err) || !fake_exists(m, err))
        return false;
    *ret = (struct rights_list){.rights = RIGHTS_ALL, .entries = all};
    ret->identifier_is_owner = str_eq(query->identifier, STR("me@localhost"));
    if (query->all)
        all[ret->len++] = (struct rights_entry){STR("me@localhost"), RIGHTS_ALL};
    for (size_t i = 0; query->all && i < b->rights.len; i++) {
        struct fake_right *r = &b->rights.items[i];
        if (r->mailbox_id == m->id && r->rights != 0)
            all[ret->len++] = (struct rights_entry){str_from_cstr(r->identifier), r->rights};
    }
    return true;
}

static struct fake_right *find_right(struct backend *b, const struct fake_mailbox *m,
                                     struct str identifier)
{
    for (size_t i = 0; i < b->rights.len; i++)
        if (b->rights.items[i].mailbox_id == m->id &&
            str_eq(str_from_cstr(b->rights.items[i].identifier), identifier))
            return &b->rights.items[i];
    struct fake_right r = {.mailbox_id = m->id};
    BUG_ON(!str_copy_cstr(identifier, r.identifier, sizeof(r.identifier)));
    array_push(&b->rights, r);
    return &b->rights.items[b->rights.len - 1];
}

bool backend_set_rights(struct backend *b, const struct backend_call *call, struct str name,
                        const struct rights_entry *entry, enum rights_mode mode, struct err *err)
{
    struct fake_mailbox *m = fake_find(b, name);
    struct str who = entry->identifier;
    if (!fake_is_here(b, call, err) || !fake_exists(m, err))
        return false;
    if (!is_somebody(str_starts_with(who, STR("-")) ? str_skip(who, 1) : who) &&
        !str_eq(who, STR("anyone")))
        return err_set(err, ERR_STATE, "nobody here is called so");
    struct fake_right *r = find_right(b, m, who);
    unsigned kept = mode == RIGHTS_REPLACE ? 0 : r->rights;
    r->rights = mode == RIGHTS_REMOVE ? kept & ~entry->rights : kept | entry->rights;
    return true;
}
