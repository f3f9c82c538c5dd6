#include "services/imap/notify.h"
#include "services/imap/parse.h"

static const struct {
    struct str name;
    enum notify_event event;
} events[] = {
    {STR_INIT("MessageNew"), NOTIFY_MESSAGE_NEW},
    {STR_INIT("MessageExpunge"), NOTIFY_MESSAGE_EXPUNGE},
    {STR_INIT("FlagChange"), NOTIFY_FLAG_CHANGE},
    {STR_INIT("MailboxName"), NOTIFY_MAILBOX_NAME},
    {STR_INIT("SubscriptionChange"), NOTIFY_SUBSCRIPTION},
    {STR_INIT("MailboxMetadataChange"), NOTIFY_MAILBOX_METADATA},
    {STR_INIT("ServerMetadataChange"), NOTIFY_SERVER_METADATA},
};

enum {
    MESSAGE_EVENTS = NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE | NOTIFY_FLAG_CHANGE,
    METADATA_EVENTS = NOTIFY_MAILBOX_METADATA | NOTIFY_SERVER_METADATA,
};

/* RFC 5465 5.6: there are events of METADATA when there is METADATA. */
static bool is_known(const struct imap *imap, enum notify_event event)
{
    return !(event & METADATA_EVENTS) || imap_has_capability(imap, STR("METADATA"));
}

void notify_write_events(const struct imap *imap, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        if (!is_known(imap, events[i].event))
            continue;
        if (i > 0)
            buf_append_char(out, ' ');
        buf_append(out, events[i].name);
    }
}

bool notify_has_metadata(const struct notify_request *request)
{
    for (size_t i = 0; i < request->len; i++)
        if (request->groups[i].events & METADATA_EVENTS)
            return true;
    return false;
}

/* event = "MessageNew" [SP "(" fetch-att *(SP fetch-att) ")"] / ... */
static void take_event(const struct imap *imap, struct cursor *c, struct arena *arena,
                       struct notify_group *group, bool *bad_event)
{
    struct str word = parse_atom(c, "event");
    unsigned event = 0;
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        if (str_eq_nocase(events[i].name, word) && is_known(imap, events[i].event))
            event = events[i].event;
    *bad_event = event == 0 && !cursor_failed(c);
    if (event == 0)
        cursor_fail(c, "a known event");
    group->events |= event;
    struct cursor mark = cursor_mark(c);
    if (event != NOTIFY_MESSAGE_NEW || !cursor_skip(c, ' '))
        return;
    if (!cursor_next_is(c, '(')) {
        cursor_rewind(c, mark);
        return;
    }
    group->items = fetch_take_items(c, arena);
    if (!mailbox_filter_is_selected(&group->filter))
        cursor_fail(c, "items for the selected mailbox only");
}

/* RFC 5465 5: what belongs together. */
static void check_group(struct cursor *c, const struct notify_group *group)
{
    bool adds = group->events & NOTIFY_MESSAGE_NEW,
         removes = group->events & NOTIFY_MESSAGE_EXPUNGE;
    if (adds != removes || ((group->events & NOTIFY_FLAG_CHANGE) && !adds))
        cursor_fail(c, "MessageNew and MessageExpunge, alone or with FlagChange");
    if (mailbox_filter_is_selected(&group->filter) && (group->events & ~(unsigned)MESSAGE_EVENTS))
        cursor_fail(c, "events of messages for the selected mailbox");
}

/* event-group = "(" filter-mailboxes SP ("NONE" / "(" event *(SP event) ")") ")" */
static void take_group(struct imap *imap, struct cursor *c, struct arena *arena,
                       struct notify_request *request)
{
    struct notify_group *group = &request->groups[request->len++];
    cursor_expect(c, '(');
    group->filter = mailbox_filter_take(imap, c, arena);
    parse_space(c);
    if (!cursor_skip_nocase(c, STR("NONE"))) {
        cursor_expect(c, '(');
        do
            take_event(imap, c, arena, group, &request->bad_event);
        while (cursor_skip(c, ' '));
        cursor_expect(c, ')');
    }
    cursor_expect(c, ')');
    check_group(c, group);
    if (!mailbox_filter_is_selected(&group->filter))
        return;
    if (request->selected)
        cursor_fail(c, "one group for the selected mailbox");
    request->selected = group;
}

struct notify_request notify_take(struct imap *imap, struct cursor *c, struct arena *arena)
{
    struct notify_request request = {0};
    request.none = cursor_skip_nocase(c, STR("NONE"));
    if (request.none)
        return request;
    request.groups = arena_new_array(arena, NOTIFY_GROUPS_MAX, struct notify_group);
    if (!request.groups)
        cursor_fail_too_long(c, "command");
    cursor_expect_nocase(c, STR("SET"));
    request.status = cursor_skip_nocase(c, STR(" STATUS"));
    do {
        parse_space(c);
        if (request.len == NOTIFY_GROUPS_MAX)
            cursor_fail_too_long(c, "list of event groups");
        if (!cursor_failed(c))
            take_group(imap, c, arena, &request);
    } while (!cursor_at_end(c));
    return request;
}
