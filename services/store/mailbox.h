#ifndef SERVICES_STORE_MAILBOX_H
#define SERVICES_STORE_MAILBOX_H

#include "services/store/account.h"

/*
 * Rows of mailboxes: reading them, and the counts that every change of a message keeps right in the
 * same transaction (spec 20 1.3, 1.5).
 *
 *     struct mailbox m;
 *     if (!mailbox_by_id(c->db, id, c->arena, &m, err)) ...
 *     mailbox_count(&m, flags, size, +1);
 *     if (!mailbox_save(c, &m, err)) ...          // with the modseq of the change
 */

#define MAILBOX_FIRST_MODSEQ 2

struct mailbox {
    uint64_t id;
    struct str name;
    uint64_t parent_id; /* 0: top level */
    uint32_t uidvalidity;
    uint64_t uidnext;       /* up to 2^32: then full */
    struct str special_use; /* "\Sent"; STR_NULL for none */
    struct str keywords;    /* separated by spaces; see flags.h */
    /* Counts. */
    int64_t total; /* without \Deleted */
    int64_t deleted;
    int64_t unread; /* neither \Seen nor \Deleted */
    int64_t unseen;
    int64_t size;
    uint64_t createseq;
    uint64_t modseq;
    uint64_t messages_modseq; /* of the last change of its messages */
};

/* ERR_NOT_FOUND when there is none. Strings in arena. */
bool mailbox_by_id(struct db *db, uint64_t id, struct arena *arena, struct mailbox *ret,
                   struct err *err) MUST_USE;
bool mailbox_by_name(struct db *db, struct str name, struct arena *arena, struct mailbox *ret,
                     struct err *err) MUST_USE;

/* Is it the one of which rights were asked? ERR_NOT_FOUND when not. `checked_id` 0: none was. */
bool mailbox_is_checked(const struct mailbox *m, uint64_t checked_id, struct err *err) MUST_USE;

struct mailbox_list {
    ARRAY_OF(struct mailbox) mailboxes; /* by name; strings in arena */
};
bool mailbox_list(struct db *db, struct arena *arena, struct mailbox_list *ret,
                  struct err *err) MUST_USE;
/* The first `max` of those that `reader`, who is not the owner, may look up; without keywords and
 * special use. */
bool mailbox_list_shared(const struct store *store, struct db *db, uint64_t reader, size_t max,
                         struct arena *arena, struct mailbox_list *ret, struct err *err) MUST_USE;
/* Those below `name`, not itself. */
bool mailbox_list_below(struct db *db, struct str name, struct arena *arena,
                        struct mailbox_list *ret, struct err *err) MUST_USE;
void mailbox_list_release(struct mailbox_list *list);

/* Adds (sign +1) or takes away (-1) a message. */
void mailbox_count(struct mailbox *m, uint32_t flags, uint64_t size, int sign);
/* The next UID; ERR_LIMIT when there is none left. */
bool mailbox_take_uid(struct mailbox *m, uint32_t *ret_uid, struct err *err) MUST_USE;
/* Writes counts, uidnext, keywords and the change's modseq: messages changed. */
bool mailbox_save(struct change *c, struct mailbox *m, struct err *err) MUST_USE;
/* Writes the change's modseq alone: something else about the mailbox changed. */
bool mailbox_touch(struct change *c, struct mailbox *m, struct err *err) MUST_USE;

/* The account's next UIDVALIDITY: no two mailboxes made after the first ones share one. */
bool mailbox_take_uidvalidity(struct db *db, uint32_t *ret, struct err *err) MUST_USE;

/* One of those of a new account, subscribed: for first_mailboxes.h. */
bool mailbox_add_first(struct db *db, struct str name, uint64_t parent_id, uint32_t uidvalidity,
                       struct str special_use, struct err *err) MUST_USE;

/* Names that a change made, parents first. In arena. */
struct created {
    struct str items[64];
    size_t len;
};

/* The mailbox with this canonical name, made with its missing parents when it is absent. `created`
 * gets the names that were made; when `subscribe`, they are subscribed too. What is made has the
 * rights of its parent. */
bool mailbox_ensure(struct change *c, struct str name, bool subscribe, struct created *created,
                    struct mailbox *ret, struct err *err) MUST_USE;

#endif
