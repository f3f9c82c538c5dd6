#include "fixture.h"

/*
 * Any sequence of operations leaves the account consistent (spec 20 1.5, 1.23), and a junk filter
 * that pulls what it is to learn, and dies at times, knows what the flags say (1.14). The seed is
 * fixed, so that a failure repeats itself; MAILRAIL_SEED chooses another one.
 */

static struct fixture f;
static struct filter filter;
static unsigned seed;

static unsigned pick(unsigned below)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 16) % below;
}

static const char *pick_mailbox(void)
{
    static const char *const names[] = {"Inbox", "Archive", "Junk",    "Sent",  "Trash",
                                        "a",     "a/b",     "a/b/c",   "x",     "x/y",
                                        "Spam",  "Inbox/z", "Inbox/q", "Drafts"};
    return names[pick(sizeof(names) / sizeof(names[0]))];
}

static uint64_t id_of(const char *mailbox)
{
    struct changes c;
    struct changes_request r = {.name = str_from_cstr(mailbox)};
    return changes_read(f.account, &r, &f.arena, &c, &f.err) ? c.mailbox.id : 0;
}

static struct uids pick_uids(void)
{
    struct uids uids = uids_new(&f.arena, 40);
    uint32_t uid = 0;
    for (unsigned count = pick(12); uids.len < count;)
        uids.items[uids.len++] = uid += 1 + pick(6);
    return uids;
}

static bool step_deliver(void)
{
    static const char *const texts[] = {
        TEXT,
        "Message-ID: <1@x>\r\nSubject: t\r\nTo: a@x.example\r\n\r\n1\r\n",
        "Message-ID: <2@x>\r\nReferences: <1@x>\r\nSubject: re: t\r\nCc: b@x.example\r\n\r\n",
        "Message-ID: <3@x>\r\nReferences: <2@x> <1@x>\r\nSubject: t\r\n\r\n",
        "Subject: Re: t\r\n\r\n",
    };
    struct delivery d = {.message = {.flags = pick(FLAGS_ALL + 1), .prefix = STR("X: y\r\n")}};
    d.quota_bytes = pick(10) == 0 ? 1 : INT64_MAX;
    return fixture_try_deliver(&f, pick_mailbox(), &d, texts[pick(5)]);
}

static bool step_store(void)
{
    static const struct str words[] = {STR_INIT("k1"), STR_INIT("k2"), STR_INIT("k3")};
    struct store_flags op = {.mailbox_id = id_of(pick_mailbox()),
                             .mode = (enum store_mode)pick(3),
                             .flags = pick(FLAGS_ALL + 1),
                             .keywords = {words, pick(4)},
                             .uids = pick_uids()};
    return store_flags(f.account, STR_NULL, &op, &f.arena, &f.err);
}

static bool step_copy(void)
{
    struct copy op = {.mailbox_id = id_of(pick_mailbox()),
                      .to = str_from_cstr(pick_mailbox()),
                      .move = pick(2) == 0,
                      .uids = pick_uids(),
                      .quota_bytes = pick(8) == 0 ? 2000 : INT64_MAX};
    return copy_messages(f.account, STR_NULL, &op, &f.arena, &f.err);
}

static bool step_expunge(void)
{
    struct expunge op = {.mailbox_id = id_of(pick_mailbox()),
                         .only = pick(2) == 0,
                         .uids = pick_uids(),
                         .below_uid = pick(2) == 0 ? 0 : pick(20)};
    return expunge(f.account, STR_NULL, &op, &f.arena, &f.err);
}

static bool step_append(void)
{
    struct new_message items[3];
    struct append op = {.mailbox = str_from_cstr(pick_mailbox()),
                        .messages = items,
                        .count = 1 + pick(3),
                        .quota_bytes = pick(8) == 0 ? 500 : INT64_MAX,
                        .view_mailbox_id = id_of(pick_mailbox()),
                        .replace_uid = pick(2) == 0 ? 0 : 1 + pick(10)};
    for (size_t i = 0; i < op.count; i++)
        items[i] = fixture_message(&f, STR(TEXT));
    return append(f.account, STR_NULL, &op, &f.arena, &f.err);
}

static bool step_mailbox(void)
{
    struct mailbox_op op = {.name = str_from_cstr(pick_mailbox()),
                            .to = str_from_cstr(pick_mailbox()),
                            .special_use = pick(4) == 0 ? STR("\\Sent") : STR("")};
    switch (pick(3)) {
    case 0:
        return mailbox_create(f.account, STR_NULL, &op, &f.arena, &f.err);
    case 1:
        return mailbox_delete(f.account, STR_NULL, &op, &f.arena, &f.err);
    default:
        return mailbox_rename(f.account, STR_NULL, &op, &f.arena, &f.err);
    }
}

static bool step_tend(void)
{
    f.config.erase_after_s = 0;
    bool ok = account_tend(f.account, &f.err);
    f.config.erase_after_s = 3600;
    return ok;
}

static bool step_reopen(void)
{
    fixture_reopen(&f);
    return true;
}

/* A reply that is lost, and then a few rows. */
static bool step_train(void)
{
    struct training_pull op = {.limit = 1 + pick(8)};
    if (!filter_pull(&f, &filter, &op))
        return false;
    op.limit = 1 + pick(8);
    if (!filter_pull(&f, &filter, &op))
        return false;
    filter_apply(&filter, &op);
    return true;
}

static void check_training(void)
{
    static struct filter anew;
    filter_catch_up(&f, &filter, 1 + pick(40));
    filter_check(&f, &filter);
    if (pick(3) > 0)
        return;
    filter_start(&f, &anew);
    filter_catch_up(&f, &anew, 1 + pick(40));
    filter_check(&f, &anew);
    filter = anew;
}

Test(random, operations_leave_a_consistent_account)
{
    static const struct {
        unsigned weight;
        bool (*run)(void);
        const char *name;
    } steps[] = {
        {25, step_deliver, "deliver"}, {20, step_store, "store"},   {20, step_copy, "copy"},
        {10, step_expunge, "expunge"}, {10, step_append, "append"}, {8, step_mailbox, "mailbox"},
        {1, step_tend, "tend"},        {1, step_reopen, "reopen"},  {5, step_train, "train"},
    };
    size_t done[sizeof(steps) / sizeof(steps[0])] = {0};
    const char *chosen = getenv("MAILRAIL_SEED");
    seed = chosen ? (unsigned)atoi(chosen) : 1;
    fixture_open(&f);
    filter_start(&f, &filter);
    for (int i = 0; i < 600; i++) {
        unsigned at = pick(100), k = 0;
        for (; at >= steps[k].weight; k++)
            at -= steps[k].weight;
        f.err.kind = ERR_NONE;
        bool ok = steps[k].run();
        done[k] += ok;
        cr_assert(ok || (f.err.kind != ERR_INTERNAL && f.err.kind != ERR_CORRUPT &&
                         f.err.kind != ERR_TEMPORARY && f.err.kind != ERR_NO_SPACE),
                  "%s: %s", steps[k].name, f.err.detail);
        if (i % 20 == 19)
            cr_assert(fixture_verify(&f) == 0, "after step %d (%s)", i, steps[k].name);
        if (i % 100 == 99)
            check_training();
        if (f.arena.used > 32 << 20)
            arena_reset(&f.arena);
    }
    for (size_t k = 0; k < sizeof(done) / sizeof(done[0]); k++)
        cr_expect(done[k] > 0, "%s never worked", steps[k].name);
    cr_expect(filter.rows > 50, "%zu rows", filter.rows);
    fixture_close(&f);
}
