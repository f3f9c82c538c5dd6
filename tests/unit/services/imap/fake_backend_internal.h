#ifndef TESTS_IMAP_FAKE_BACKEND_INTERNAL_H
#define TESTS_IMAP_FAKE_BACKEND_INTERNAL_H

#include "common/base/array.h"
#include "services/imap/flags.h"
#include "tests/unit/services/imap/fake_backend.h"

#include <stdlib.h>
#include <string.h>

/* What the files of the store in memory share: what it keeps, and how it is found. */

#define ACCOUNT 7
#define WORDS_MAX 64

struct fake_message {
    uint32_t uid, flags;
    uint64_t id, email_id, modseq, createseq, expunged;
    bool purged;        /* nobody remembers that it was expunged */
    char keywords[256]; /* separated by spaces */
    char prefix[256];
    bool prefix_is_cut; /* by its last byte */
    uint64_t file_size;
    struct buf structure;
    struct date received;
    int64_t saved_s;
};

struct fake_mailbox {
    uint64_t id, modseq, createseq;
    char name[256], special_use[16], keywords[1024];
    bool subscribed, gone;
    uint32_t uidvalidity, uidnext;
    ARRAY_OF(struct fake_message) messages;
};

struct fake_annotation {
    uint64_t mailbox_id, modseq;
    char name[128], value[128];
    size_t size;
    bool binary, removed;
};

struct fake_right {
    uint64_t mailbox_id;
    char identifier[64];
    unsigned rights;
};

struct backend {
    ARRAY_OF(struct fake_right) rights;
    ARRAY_OF(struct fake_annotation) annotations;
    char data[512];
    struct backend_events events;
    ARRAY_OF(struct fake_mailbox *) mailboxes;
    uint64_t modseq, next_id, purged_modseq, pulls;
    void (*meanwhile)(void *user);
    void *meanwhile_user;
    void (*during_pull)(void *user);
    void *during_pull_user;
    enum err_kind pull_failure;
    unsigned takes_till_loss; /* 0: none is lost */
    bool away, indexed;
    uint64_t bytes_max, messages_max;
    char hidden[64];
    struct str hidden_list[1];
    struct str client_key;
    bool key_preauths, barred;
};

/* Whether a call can be answered: store is there, and the caller has logged in (fake_backend.c). */
bool fake_is_here(struct backend *b, const struct backend_call *call, struct err *err);
/* An event about the mailbox. */
void fake_publish(struct backend *b, const struct fake_mailbox *m);
void fake_publish_changed(struct backend *b, const struct fake_mailbox *m, bool mailboxes_changed);

/* Mailboxes (fake_mailboxes.c). NULL: there is none. By its ID also one is found that is gone. */
struct fake_mailbox *fake_add_mailbox(struct backend *b, struct str name);
struct fake_mailbox *fake_find(struct backend *b, struct str name);
struct fake_mailbox *fake_find_id(struct backend *b, uint64_t id);
bool fake_exists(const struct fake_mailbox *m, struct err *err);
struct mailbox_info fake_info_of(const struct fake_mailbox *m, struct arena *arena);
/* The words of a list of keywords: at most WORDS_MAX. Borrows. */
size_t fake_split(struct str text, struct str *words);

/* A message of Inbox, expunged or not (fake_messages.c). */
struct fake_message *fake_in_inbox(struct backend *b, uint32_t uid);

/* What a caller is told that knows the mailbox up to `since` (fake_changes.c). */
void fake_changes_since(const struct fake_mailbox *m, uint64_t since, struct arena *arena,
                        struct changes *ret);

#endif
