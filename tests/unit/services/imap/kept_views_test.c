#include "services/imap/kept_views.h"

#include "tests/unit/services/imap/dialogue.h"

#include <criterion/criterion.h>

static struct kept_views kept;
static struct arena arena;

static void setup(void)
{
    kept = (struct kept_views){0};
    arena_init(&arena, 64 << 20);
}

static void teardown(void)
{
    kept_views_release(&kept);
    arena_release(&arena);
}

TestSuite(kept_views, .init = setup, .fini = teardown);

/* A view of `count` messages. */
static struct view *make_view(uint64_t mailbox_id, struct str name, size_t count)
{
    uint32_t *uid = arena_new_array(&arena, count, uint32_t);
    uint64_t *modseq = arena_new_array(&arena, count, uint64_t);
    struct changes c = {.mailbox = {.id = mailbox_id,
                                    .name = name,
                                    .uidvalidity = 1,
                                    .uidnext = (uint32_t)count + 1,
                                    .modseq = 5},
                        .len = count,
                        .uid = uid,
                        .id = modseq,
                        .modseq = modseq,
                        .createseq = modseq,
                        .flags = uid,
                        .size = modseq,
                        .prefix_size = uid,
                        .received_s = arena_new_array(&arena, count, int64_t),
                        .modseq_seen = 5};
    for (size_t i = 0; i < count; i++) {
        uid[i] = (uint32_t)i + 1;
        modseq[i] = 5;
    }
    struct view *view = view_new(1, mailbox_id);
    view_apply(view, 0, &c);
    cr_assert_eq(view_size(view), count);
    return view;
}

Test(kept_views, one_is_found_by_account_and_name_and_taken_once)
{
    struct view *view = make_view(7, STR("Archive"), KEPT_MESSAGES_MIN);
    kept_views_put(&kept, 1, view);
    cr_expect_eq(kept_views_find(&kept, 1, STR("Archive"), &arena), 7);
    cr_expect_eq(kept_views_find(&kept, 2, STR("Archive"), &arena), 0, "another account");
    cr_expect_eq(kept_views_find(&kept, 1, STR("Other"), &arena), 0);
    cr_expect_null(kept_views_take(&kept, 2, 7));
    cr_assert_eq(kept_views_take(&kept, 1, 7), view);
    cr_expect_null(kept_views_take(&kept, 1, 7));
    cr_expect_eq(kept.messages, 0);
    view_unref(view);
}

Test(kept_views, small_ones_and_huge_ones_are_not_kept)
{
    kept_views_put(&kept, 1, make_view(1, STR("a"), KEPT_MESSAGES_MIN - 1));
    kept_views_put(&kept, 1, make_view(2, STR("b"), KEPT_MESSAGES_MAX + 1));
    cr_expect_eq(kept.views.len, 0);
}

Test(kept_views, those_unused_longest_make_room)
{
    size_t third = KEPT_MESSAGES_MAX / 3;
    for (uint64_t id = 1; id <= 3; id++)
        kept_views_put(&kept, 1, make_view(id, STR("x"), third));
    kept_views_put(&kept, 1, kept_views_take(&kept, 1, 1)); /* used again */
    kept_views_put(&kept, 1, make_view(4, STR("y"), third));
    cr_expect_leq(kept.messages, KEPT_MESSAGES_MAX);
    cr_expect_null(kept_views_take(&kept, 1, 2));
    for (uint64_t id = 1; id <= 4; id++) {
        struct view *view = kept_views_take(&kept, 1, id);
        cr_expect_eq(view != NULL, id != 2, "mailbox %d", (int)id);
        view_unref(view);
    }
}

/* What is kept says since when it wants to know changes; another store may count otherwise. */
Test(kept_views, none_survives_that_events_were_interrupted)
{
    static const char *const rest[] = {"C: a SELECT INBOX",
                                       "U: a OK %",
                                       "C: b STORE 1 +FLAGS.SILENT (\\Flagged)",
                                       "S: b OK %",
                                       "C: c CLOSE",
                                       "U: c OK %",
                                       "C: d SELECT INBOX",
                                       "U: d OK %",
                                       "C: e FETCH 1 FLAGS",
                                       "S: * 1 FETCH (UID 1 FLAGS (\\Flagged))",
                                       "S: e OK %",
                                       "C: f CLOSE",
                                       "U: f OK %",
                                       "R:",
                                       "C: g SELECT INBOX",
                                       "U: g OK %",
                                       "C: h FETCH 1 FLAGS",
                                       "S: * 1 FETCH (UID 1 FLAGS ())",
                                       "S: h OK %"};
    const char *lines[KEPT_MESSAGES_MIN + ARRAY_LEN(rest) + 1] = {NULL};
    for (size_t i = 0; i < KEPT_MESSAGES_MIN; i++)
        lines[i] = "D: x";
    for (size_t i = 0; i < ARRAY_LEN(rest); i++)
        lines[KEPT_MESSAGES_MIN + i] = rest[i];
    dialogue_run(true, lines);
}
