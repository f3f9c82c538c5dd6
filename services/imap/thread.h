#ifndef SERVICES_IMAP_THREAD_H
#define SERVICES_IMAP_THREAD_H

#include "common/base/array.h"
#include "common/base/buf.h"
#include "common/base/err.h"

/*
 * Threads as RFC 5256 3 makes them: ORDEREDSUBJECT, which looks at subjects and dates, and
 * REFERENCES, which looks at what messages say they answer, and joins what has one subject.
 *
 * Of a message, and of each message-id that is named, one node of 48 bytes is kept: no text.
 * Message-ids and subjects are compared by a hash of 64 bits with a seed of its own, so that nobody
 * can choose two that collide. Nothing recurses, however deep threads are.
 *
 *     struct threads threads = {0};
 *     threads_init(&threads, THREAD_REFERENCES);
 *     for (...)
 *         threads_add(&threads, &message, &err);
 *     threads_build(&threads);
 *     while (threads_write(&threads, out)) ...           // "(2)(3 6 (4 23)(44 7 96))", in pieces
 *     threads_release(&threads);
 */

enum thread_algorithm {
    THREAD_ORDEREDSUBJECT,
    THREAD_REFERENCES,
};

struct thread_message {
    uint32_t number;       /* shown; not 0; ascending from one message to the next */
    int64_t date_s;        /* Date, else INTERNALDATE */
    struct str subject;    /* base subject, in the form in which it is compared */
    bool is_reply;         /* its subject says so */
    struct str message_id; /* canonical; empty: none */
    const struct str *references;
    size_t reference_count;
};

/* Nodes know each other by their places among all; 0 is the root, whose children are the threads,
 * or means that there is none. */
struct thread_node {
    int64_t date_s;
    uint64_t subject; /* its hash; 0: it has none */
    uint32_t number;  /* 0: a dummy, a message that is only named or a thread of several */
    uint32_t
        order; /* where dates are equal; a dummy has date, order and subject of its first child */
    uint32_t parent;
    uint32_t first; /* child */
    uint32_t prev;  /* siblings */
    uint32_t next;
    bool is_reply;
};

/* From hashes to nodes. */
struct thread_table {
    uint64_t *keys;
    uint32_t *nodes; /* 0: the slot is free */
    size_t cap;      /* 0 or a power of two */
    size_t len;
};
/* 0: there is none. */
uint32_t thread_table_get(const struct thread_table *t, uint64_t key);
/* In place of what was there. */
void thread_table_put(struct thread_table *t, uint64_t key, uint32_t node);
void thread_table_release(struct thread_table *t);

struct threads {
    enum thread_algorithm algorithm;
    uint64_t seed;
    struct thread_table ids; /* of REFERENCES, until all are added */
    ARRAY_OF(struct thread_node) nodes;
    /* Where writing is. */
    uint32_t at; /* 0: at the end */
    bool leaving;
};

/* Of zeroed memory. */
void threads_init(struct threads *t, enum thread_algorithm algorithm);
void threads_release(struct threads *t);

/* Borrows the message. ERR_LIMIT when there are too many, or too many message-ids. */
bool threads_add(struct threads *t, const struct thread_message *message, struct err *err) MUST_USE;
/* After the last one. */
void threads_build(struct threads *t);

/* Appends a piece of the thread-list; false at the end, with nothing appended. */
bool threads_write(struct threads *t, struct buf *out);

/* What the two algorithms share, for their files. Pointers to nodes are good until one is made. */
static inline struct thread_node *thread_at(const struct threads *t, uint32_t place)
{
    return &t->nodes.items[place];
}
void thread_link(struct threads *t, uint32_t parent, uint32_t child);
void thread_unlink(struct threads *t, uint32_t child);
/* 0: there are too many. */
uint32_t thread_make_node(struct threads *t);
/* Sorts the children by date. */
void thread_sort_children(struct threads *t, uint32_t parent);
void threads_build_by_references(struct threads *t);

#endif
