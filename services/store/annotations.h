#ifndef SERVICES_STORE_ANNOTATIONS_H
#define SERVICES_STORE_ANNOTATIONS_H

#include "services/store/mailbox.h"

/*
 * Notes of clients about a mailbox, or about the account as a whole (mailbox id 0): METADATA of
 * IMAP (RFC 5464). Names come checked and in lower case.
 *
 * An annotation that was removed leaves its name with the modseq of the removal, so that other
 * sessions can be told.
 */

#define ANNOTATIONS_MAX 1000
#define ANNOTATIONS_BYTES_MAX 1000000 /* names and values of an account */
#define ANNOTATION_NAME_MAX 1024
/* Of each, when another than the owner adds to them: the owner keeps the rest. */
#define ANNOTATIONS_BY_OTHERS_MAX (ANNOTATIONS_MAX / 2)
#define ANNOTATIONS_BYTES_BY_OTHERS_MAX (ANNOTATIONS_BYTES_MAX / 2)

struct annotation {
    uint64_t mailbox_id;
    struct str mailbox; /* empty: of the account */
    struct str name;
    struct str value; /* STR_NULL: removed */
    bool binary;
    uint64_t modseq;
};

struct annotate {
    /* Arguments. */
    struct str mailbox;  /* any form; empty: the account */
    uint64_t checked_id; /* mailbox_is_checked */
    bool is_by_other;    /* not by the owner */
    struct annotation *items;
    size_t count;
    /* Result. */
    uint64_t modseq;
};

/* All or none. ERR_NOT_FOUND: no such mailbox; ERR_STATE: too many, or what others
 * may add is used up; ERR_LIMIT: too large. */
bool annotate(struct account *account, struct str key, struct annotate *op, struct arena *arena,
              struct err *err) MUST_USE;

struct annotation_list {
    ARRAY_OF(struct annotation) items; /* by mailbox and name; strings in arena */
    uint64_t modseq;                   /* the highest of any annotation */
};
/* Those that changed after `since_modseq`; with 0 all that there are, none that was removed. */
bool annotations_read(struct db *db, uint64_t since_modseq, struct arena *arena,
                      struct annotation_list *ret, struct err *err) MUST_USE;
void annotations_release(struct annotation_list *list);

enum annotation_added {
    ANNOTATION_ADDED,
    ANNOTATION_IS_THERE, /* one of this name, which stays */
    ANNOTATION_NO_ROOM,
};

/* Adds one that is not there. The caller saves the mailbox. */
bool annotation_add(struct change *c, uint64_t mailbox_id, const struct annotation *a,
                    enum annotation_added *ret, struct err *err) MUST_USE;

/* Renaming Inbox: what is noted about `from` is also noted about `to`. */
bool annotations_copy(struct change *c, uint64_t from, uint64_t to, struct err *err) MUST_USE;
bool annotations_remove(struct change *c, uint64_t mailbox_id, struct err *err) MUST_USE;

#endif
