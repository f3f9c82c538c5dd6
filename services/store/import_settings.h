#ifndef SERVICES_STORE_IMPORT_SETTINGS_H
#define SERVICES_STORE_IMPORT_SETTINGS_H

#include "services/store/annotations.h"

/*
 * What a restore brings back beside messages (ImportSettings of proto/transfer.proto): special
 * uses, subscriptions and annotations, where the account lacks them. What it has stays as it is.
 *
 * Part of the change of import_commit. Names of mailboxes are canonical.
 */

#define IMPORT_SPECIAL_USES_MAX 16 /* there are fewer roles */

struct import_special_use {
    struct str mailbox;
    struct str special_use;
    struct str holder; /* of a refused one: who has it; empty: the mailbox has another */
};

struct import_settings {
    /* Arguments. */
    const struct import_special_use *special_uses;
    size_t special_use_count;
    const struct str *subscriptions;
    size_t subscription_count;
    const struct annotation *annotations; /* with the name of their mailbox; empty: the account's */
    size_t annotation_count;
    /* Result. */
    struct import_special_use refused[IMPORT_SPECIAL_USES_MAX]; /* in the arena of the change */
    size_t refused_count;
    uint64_t annotations_left; /* for which there is no room */
};

/* Gives `m` a role that nobody has, and writes it; else notes the refusal. */
bool import_give_special_use(struct change *c, struct import_settings *s, struct mailbox *m,
                             struct str special_use, struct err *err) MUST_USE;

/* Adds an annotation that is not there. The caller saves the mailbox (id 0: the account). */
bool import_annotate(struct change *c, struct import_settings *s, uint64_t mailbox_id,
                     const struct annotation *a, struct err *err) MUST_USE;

bool import_subscribe(struct change *c, const struct import_settings *s, struct err *err) MUST_USE;

#endif
