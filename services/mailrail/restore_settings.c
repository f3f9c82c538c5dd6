#include "services/mailrail/restore_settings.h"

#include "services/mailrail/plural.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_wanted(struct str name, struct str only)
{
    return only.len == 0 || str_eq(name, only);
}

/* Keeps the wanted ones, in their place. */
static void choose(struct transfer_settings *s, struct str only)
{
    size_t subscriptions = 0, annotations = 0;
    for (size_t i = 0; i < s->subscription_count; i++) {
        if (is_wanted(s->subscriptions[i], only))
            s->subscriptions[subscriptions++] = s->subscriptions[i];
    }
    for (size_t i = 0; i < s->annotation_count; i++) {
        if (is_wanted(s->annotations[i].mailbox, only))
            s->annotations[annotations++] = s->annotations[i];
    }
    s->subscription_count = subscriptions;
    s->annotation_count = annotations;
}

bool restore_settings_read(struct transfer *from, struct arena *arena,
                           const struct export_mailbox *mailboxes, size_t count, struct str only,
                           struct transfer_settings *ret, struct err *err)
{
    TRY(transfer_settings(from, arena, ret, err));
    choose(ret, only);
    ret->special_uses = arena_new_array(arena, count, struct transfer_special_use);
    if (!ret->special_uses)
        return err_set(err, ERR_LIMIT, "too many mailboxes");
    for (size_t i = 0; i < count; i++) {
        if (mailboxes[i].special_use.len > 0 && is_wanted(mailboxes[i].name, only))
            ret->special_uses[ret->special_use_count++] = (struct transfer_special_use){
                .mailbox = mailboxes[i].name, .special_use = mailboxes[i].special_use};
    }
    return true;
}

void restore_settings_print(const struct transfer_refused *refused)
{
    for (size_t i = 0; i < refused->special_use_count; i++) {
        const struct transfer_special_use *use = &refused->special_uses[i];
        if (use->holder.len > 0)
            printf("%.*s is not %.*s again: %.*s is that now\n", STR_ARG(use->mailbox),
                   STR_ARG(use->special_use), STR_ARG(use->holder));
        else
            printf("%.*s is not %.*s again: it has another use now\n", STR_ARG(use->mailbox),
                   STR_ARG(use->special_use));
    }
    if (refused->annotations > 0)
        printf("%" PRIu64 " annotation%s not restored: the account has too many\n",
               refused->annotations, plural(refused->annotations, "s"));
}
