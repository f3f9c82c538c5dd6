#include "services/store/first_mailboxes.h"

#include "common/base/bug.h"
#include "services/store/mailbox.h"
#include "services/store/mailbox_name.h"

#define NAMES_ARENA (4u << 20)

/* A mailbox that a new account shall have. */
struct wanted {
    const char *option; /* that names it */
    struct str name;    /* canonical */
    struct str special_use;
};

struct wanted_list {
    struct wanted *items;
    size_t len;
};

static bool names_none(const struct store_config *c)
{
    return c->mailbox_archive.len + c->mailbox_drafts.len + c->mailbox_junk.len +
               c->mailbox_sent.len + c->mailbox_trash.len + c->mailboxes.len ==
           0;
}

/* The names as the configuration has them: empty ones are left out. */
static struct wanted_list names_of(const struct store_config *config, struct arena *arena)
{
    bool usual = names_none(config);
    const struct wanted roles[] = {
        {"mailbox_archive", usual ? STR("Archive") : config->mailbox_archive, STR("\\Archive")},
        {"mailbox_drafts", usual ? STR("Drafts") : config->mailbox_drafts, STR("\\Drafts")},
        {"mailbox_junk", usual ? STR("Junk") : config->mailbox_junk, STR("\\Junk")},
        {"mailbox_sent", usual ? STR("Sent") : config->mailbox_sent, STR("\\Sent")},
        {"mailbox_trash", usual ? STR("Trash") : config->mailbox_trash, STR("\\Trash")},
    };
    size_t max = ARRAY_LEN(roles) + config->mailboxes.len;
    struct wanted_list list = {arena_new_array(arena, max, struct wanted), 0};
    BUG_ON(!list.items);
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (roles[i].name.len > 0)
            list.items[list.len++] = roles[i];
    for (size_t i = 0; i < config->mailboxes.len; i++)
        list.items[list.len++] = (struct wanted){"mailboxes", config->mailboxes.items[i], STR_NULL};
    return list;
}

/* The same with canonical names; false with the first that is none. */
static bool canonical(struct wanted_list *list, struct arena *arena, size_t *ret_bad,
                      struct err *err)
{
    for (size_t i = 0; i < list->len; i++) {
        struct wanted *w = &list->items[i];
        *ret_bad = i;
        TRY(mailbox_name_check(w->name, arena, &w->name, err));
        if (mailbox_name_is_inbox(w->name) || mailbox_name_is_others(w->name))
            return err_set(err, ERR_SYNTAX, "that is another mailbox");
        for (size_t j = 0; j < i; j++)
            if (str_eq(list->items[j].name, w->name))
                return err_set(err, ERR_SYNTAX, "%s names it, too", list->items[j].option);
    }
    return true;
}

void first_mailboxes_check_config(const void *values, const struct settings *settings,
                                  struct option_report *report)
{
    struct arena arena;
    struct err err;
    size_t bad = 0;
    (void)settings;
    arena_init(&arena, NAMES_ARENA);
    struct wanted_list list = names_of(values, &arena);
    if (!canonical(&list, &arena, &bad, &err))
        option_reject(report, list.items[bad].option, "\"%.*s\" cannot be a first mailbox: %s",
                      STR_ARG(list.items[bad].name), err.detail);
    arena_release(&arena);
}

/* ---- Adding them */

static struct str role_of(const struct wanted_list *list, struct str name)
{
    for (size_t i = 0; i < list->len; i++)
        if (str_eq(list->items[i].name, name))
            return list->items[i].special_use;
    return STR_NULL;
}

/* With those above it, of which each may have a role of its own. */
static bool add(struct db *db, const struct wanted_list *list, struct str name,
                uint32_t uidvalidity, struct arena *arena, uint64_t *ret_id, struct err *err)
{
    struct mailbox m;
    uint64_t parent_id = 0;
    struct str parent = mailbox_name_parent(name);
    if (!mailbox_by_name(db, name, arena, &m, err)) {
        if (err->kind != ERR_NOT_FOUND)
            return false;
        if (!str_is_null(parent))
            TRY(add(db, list, parent, uidvalidity, arena, &parent_id, err));
        TRY(mailbox_add_first(db, name, parent_id, uidvalidity, role_of(list, name), err));
        TRY(mailbox_by_name(db, name, arena, &m, err));
    }
    *ret_id = m.id;
    return true;
}

static bool add_all(struct db *db, const struct store_config *config, uint32_t uidvalidity,
                    struct arena *arena, struct err *err)
{
    uint64_t id;
    size_t bad;
    struct wanted_list list = names_of(config, arena);
    TRY(canonical(&list, arena, &bad, err));
    TRY(add(db, &list, STR("Inbox"), uidvalidity, arena, &id, err));
    for (size_t i = 0; i < list.len; i++)
        TRY(add(db, &list, list.items[i].name, uidvalidity, arena, &id, err));
    return true;
}

bool first_mailboxes_add(struct db *db, const struct store_config *config, uint32_t uidvalidity,
                         struct err *err)
{
    struct arena arena;
    arena_init(&arena, NAMES_ARENA);
    bool ok = add_all(db, config, uidvalidity, &arena, err);
    arena_release(&arena);
    return ok;
}
