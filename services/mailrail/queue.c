#include "services/mailrail/commands.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/prompt.h"
#include "services/mailrail/table.h"

#include "common/base/bug.h"
#include "common/base/clock.h"

#include <inttypes.h>
#include <stdio.h>

static const struct command_option list_options[] = {
    {"--account", "NAME", "only messages sent by the account"},
    {"--sender", "TEXT", "only with TEXT in the sender's address"},
    {"--recipient", "TEXT", "only with TEXT in the recipient's address"},
    OPTION_JSON,
    {NULL, NULL, NULL},
};
static const struct command_option change_options[] = {
    {"--all", NULL, "all messages that match the following options, instead of IDs"},
    {"--account", "NAME", "only messages sent by the account"},
    {"--sender", "TEXT", "only with TEXT in the sender's address"},
    {"--recipient", "TEXT", "only with TEXT in the recipient's address"},
    {"--yes", NULL, "do not ask"},
    {NULL, NULL, NULL},
};

static void read_texts(const struct invocation *inv, struct queue_filter *filter)
{
    filter->account = invocation_text(inv, "--account");
    filter->sender_contains = invocation_text(inv, "--sender");
    filter->recipient_contains = invocation_text(inv, "--recipient");
}

/* "now", "in 5m", "in 2h", "held", "being tried". */
static struct str when_text(struct arena *arena, const struct queued_entry *entry)
{
    int64_t seconds = (entry->next_attempt_ms - clock_wall_ms()) / 1000;
    if (entry->leased)
        return STR("being tried");
    if (entry->held)
        return STR("held");
    if (seconds <= 0)
        return STR("now");
    if (seconds < 120)
        return arena_printf(arena, "in %" PRId64 "s", seconds);
    if (seconds < 7200)
        return arena_printf(arena, "in %" PRId64 "m", seconds / 60);
    return arena_printf(arena, "in %" PRId64 "h", seconds / 3600);
}

static bool list(struct invocation *inv, struct err *err)
{
    static const struct column columns[] = {
        {"id", COLUMN_NUMBER},    {"next", COLUMN_TEXT},    {"attempts", COLUMN_TEXT},
        {"account", COLUMN_TEXT}, {"sender", COLUMN_TEXT},  {"recipient", COLUMN_TEXT},
        {"size", COLUMN_NUMBER},  {"subject", COLUMN_TEXT}, {"last_error", COLUMN_TEXT},
    };
    struct backend b;
    struct queue_filter filter = {.all = true};
    struct queued_list found;
    read_texts(inv, &filter);
    TRY(invocation_backend(inv, &b, err));
    TRY(backend_queue_list(&b, &filter, &found, err));
    struct table table = table_init(columns, ARRAY_LEN(columns), &inv->arena);
    for (size_t i = 0; i < found.len; i++) {
        const struct queued_entry *entry = &found.items[i];
        table_number(&table, entry->id);
        table_text(&table, when_text(&inv->arena, entry));
        table_text(&table, arena_printf(&inv->arena, "%" PRIu64 "/%" PRIu64, entry->attempts,
                                        entry->max_attempts));
        table_text(&table, entry->account);
        table_text(&table, entry->sender);
        table_text(&table, entry->recipient);
        table_number(&table, entry->size);
        table_text(&table, entry->subject);
        table_text(&table, entry->last_error);
    }
    table_print(&table, invocation_has(inv, "--json"));
    table_release(&table);
    if (found.total > found.len)
        fprintf(stderr, "%zu of %" PRIu64 " messages shown\n", found.len, found.total);
    return true;
}

/* ---- Changes */

static bool read_filter(struct invocation *inv, struct queue_filter *filter, struct err *err)
{
    *filter = (struct queue_filter){.all = invocation_has(inv, "--all")};
    read_texts(inv, filter);
    if (filter->all == (inv->arg_count > 0))
        return usage_error(inv, err, "needs either IDs, as `mailrail queue list` shows, or --all");
    filter->ids = arena_new_array(&inv->arena, inv->arg_count + 1, uint64_t);
    BUG_ON(!filter->ids);
    for (size_t i = 0; i < inv->arg_count; i++) {
        if (!str_to_u64(invocation_arg(inv, i), UINT64_MAX, &filter->ids[i]))
            return usage_error(inv, err, "\"%s\" is not an ID", inv->args[i]);
    }
    filter->id_count = inv->arg_count;
    return true;
}

static bool has_entry(const struct queued_list *list, uint64_t id)
{
    for (size_t i = 0; i < list->len; i++) {
        if (list->items[i].id == id)
            return true;
    }
    return false;
}

/* Whoever names a message means one that is there. */
static bool check_ids(struct backend *b, const struct queue_filter *filter, struct err *err)
{
    struct queued_list found;
    if (filter->all)
        return true;
    TRY(backend_queue_list(b, filter, &found, err));
    for (size_t i = 0; i < filter->id_count && found.len == found.total; i++) {
        if (!has_entry(&found, filter->ids[i]))
            return err_set(err, ERR_NOT_FOUND,
                           "no message in the queue has the ID %" PRIu64 "; nothing was changed",
                           filter->ids[i]);
    }
    return true;
}

static bool change(struct invocation *inv, enum queue_change what, struct err *err)
{
    struct backend b;
    struct queue_filter filter;
    uint64_t changed;
    TRY(read_filter(inv, &filter, err));
    if (what == QUEUE_DROP && filter.all && !invocation_has(inv, "--yes"))
        TRY(prompt_confirm("Remove these messages without telling their senders?", err));
    TRY(invocation_backend(inv, &b, err));
    TRY(check_ids(&b, &filter, err));
    TRY(backend_queue_change(&b, &filter, what, &changed, err));
    printf("%" PRIu64 " changed\n", changed);
    return true;
}

static bool kick(struct invocation *inv, struct err *err)
{
    return change(inv, QUEUE_KICK, err);
}

static bool hold(struct invocation *inv, struct err *err)
{
    return change(inv, QUEUE_HOLD, err);
}

static bool release(struct invocation *inv, struct err *err)
{
    return change(inv, QUEUE_RELEASE, err);
}

static bool drop(struct invocation *inv, struct err *err)
{
    return change(inv, QUEUE_DROP, err);
}

#define CHANGE_COMMAND(command_name, command_summary, command_manual, command_examples, function)  \
    {                                                                                              \
        .name = command_name, .arguments = "[ID ...]", .summary = command_summary,                 \
        .manual = command_manual, .examples = command_examples, .options = change_options,         \
        .args_max = 1000, .run = function                                                          \
    }

const struct command queue_commands[] = {
    {
        .name = "queue list",
        .arguments = "",
        .summary = "list messages on their way to others",
        .manual = "Lists queued messages, one line per recipient, by the time of the next attempt.",
        .examples = "mailrail queue list --recipient @example.org",
        .options = list_options,
        .run = list,
    },
    CHANGE_COMMAND("queue kick", "try messages now",
                   "Makes messages due now. The number of attempts stays.",
                   "mailrail queue kick 17\n"
                   "mailrail queue kick --all --recipient @example.org",
                   kick),
    CHANGE_COMMAND("queue hold", "stop trying messages",
                   "Holds messages: they stay in the queue and are not tried until released.",
                   "mailrail queue hold --all", hold),
    CHANGE_COMMAND("queue release", "let held messages go", "Takes back `mailrail queue hold`.",
                   "mailrail queue release --all", release),
    CHANGE_COMMAND("queue drop", "remove messages from the queue",
                   "Removes messages without delivering them. Their senders are not told. Asks\n"
                   "before it drops --all, unless --yes is given.",
                   "mailrail queue drop 17 18\n"
                   "mailrail queue drop --all --sender ann@example.org",
                   drop),
    {.name = NULL},
};
