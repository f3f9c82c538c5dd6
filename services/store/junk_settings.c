#include "services/store/junk_settings.h"

#define ROW_MAX (64 << 10)

static bool read_row(struct db *db, struct arena *arena, struct junk_settings *ret, struct err *err)
{
    struct db_query q = db_query(db, ACCOUNT_JUNK_RULES);
    *ret = (struct junk_settings){.enabled = false};
    if (db_step(&q)) {
        ret->enabled = db_column_u64(&q, 0) != 0;
        for (int i = 0; i < 3; i++)
            ret->patterns[i] = db_column_copy(&q, 1 + i, arena);
    }
    return db_done(&q, err);
}

static bool compile(const struct junk_settings *settings, struct junk_rules *ret, struct err *err)
{
    struct str patterns[3];
    for (int i = 0; i < 3; i++)
        patterns[i] = str_is_empty(settings->patterns[i]) ? STR_NULL : settings->patterns[i];
    return junk_rules_init(ret, settings->enabled, patterns, err);
}

/* Also of rules that are off. */
static bool check(const struct junk_settings *settings, struct err *err)
{
    struct junk_rules rules;
    TRY(compile(settings, &rules, err));
    junk_rules_release(&rules);
    return true;
}

void junk_settings_explain(const struct junk_settings *settings, struct err *err)
{
    if (!settings->enabled || check(settings, err))
        err->detail[0] = '\0';
}

bool junk_settings_get(struct account *account, struct arena *arena, struct junk_settings *ret,
                       struct err *err)
{
    struct db *db;
    TRY(account_read_begin(account, &db, err));
    bool ok = read_row(db, arena, ret, err);
    account_read_end(account, db);
    return ok;
}

static bool write_row(struct db *db, void *user, struct err *err)
{
    const struct junk_settings *settings = user;
    struct db_query q = db_query(db, ACCOUNT_SET_JUNK_RULES);
    db_bind_u64(&q, settings->enabled);
    for (int i = 0; i < 3; i++) {
        struct str pattern = settings->patterns[i];
        db_bind_str(&q, str_is_empty(pattern) ? STR_NULL : pattern);
    }
    return db_run(&q, err);
}

/* A rule that was kept when rules were read otherwise must not keep the mail from its reader: then
 * there are none, until somebody sets them anew. */
static void follow(struct account *account, const struct junk_settings *settings)
{
    struct err err;
    junk_rules_release(&account->junk_rules);
    if (!settings->enabled)
        account->junk_rules = (struct junk_rules){.enabled = false};
    else if (!compile(settings, &account->junk_rules, &err))
        log_warn(&account->store->log, "junk rules of an account are not followed",
                 LOG_U64("account", account->id), LOG_ERR(&err));
}

static bool load(struct db *db, void *user, struct err *err)
{
    struct account *account = user;
    struct arena arena;
    struct junk_settings settings;
    arena_init(&arena, ROW_MAX);
    bool ok = read_row(db, &arena, &settings, err);
    if (ok)
        follow(account, &settings);
    arena_release(&arena);
    return ok;
}

bool junk_settings_load(struct account *account, struct err *err)
{
    return load(account->db, account, err);
}

static bool has_same_patterns(const struct junk_settings *a, const struct junk_settings *b)
{
    for (int i = 0; i < 3; i++)
        if (!str_eq(a->patterns[i], b->patterns[i]))
            return false;
    return true;
}

/* Kept rules that are not followed (any more) can be switched off. */
static bool check_new(struct account *account, const struct junk_settings *settings,
                      struct err *err)
{
    struct arena arena;
    struct junk_settings kept;
    arena_init(&arena, ROW_MAX);
    bool ok = junk_settings_get(account, &arena, &kept, err) &&
              ((!settings->enabled && has_same_patterns(settings, &kept)) || check(settings, err));
    arena_release(&arena);
    return ok;
}

/* The rules are used by changes, which run in the group one at a time: so they are swapped there.
 * A second time, because the first may still fail when the row is committed; and from the row,
 * because somebody else may have set it meanwhile. */
bool junk_settings_set(struct account *account, const struct junk_settings *settings,
                       struct err *err)
{
    struct junk_settings row = *settings;
    TRY(check_new(account, settings, err));
    return db_group_run(account->group, write_row, &row, DB_DURABLE, err) &&
           db_group_run(account->group, load, account, 0, err);
}
