#include "services/imap/thread.h"

/*
 * RFC 5256 3, REFERENCES: what follows step 1, which threads_add takes. The tree is walked by the
 * places of parents.
 */

/* ---- Step 2 */

static void gather_threads(struct threads *t)
{
    for (uint32_t i = 1; i < t->nodes.len; i++)
        if (thread_at(t, i)->parent == 0)
            thread_link(t, 0, i);
}

/* ---- Step 3: messages that are only named */

static void promote_children(struct threads *t, uint32_t dummy)
{
    uint32_t parent = thread_at(t, dummy)->parent, child;
    while ((child = thread_at(t, dummy)->first) != 0) {
        thread_unlink(t, child);
        thread_link(t, parent, child);
    }
    thread_unlink(t, dummy);
}

/* Those of a thread's top stay when they hold several messages together. */
static void prune(struct threads *t, uint32_t place)
{
    const struct thread_node *node = thread_at(t, place);
    bool has_several = node->first != 0 && thread_at(t, node->first)->next != 0;
    if (node->number != 0 || (node->parent == 0 && has_several))
        return;
    promote_children(t, place);
}

static uint32_t deepest(const struct threads *t, uint32_t node)
{
    while (thread_at(t, node)->first != 0)
        node = thread_at(t, node)->first;
    return node;
}

/* Children before their parents. What is promoted has been seen, and is put in front. */
static void prune_all(struct threads *t)
{
    uint32_t node = deepest(t, 0);
    while (node != 0) {
        uint32_t next = thread_at(t, node)->next, parent = thread_at(t, node)->parent;
        prune(t, node);
        node = next != 0 ? deepest(t, next) : parent;
    }
}

/* ---- Steps 4 and 6: order. Dummies are only left at the top. */

static void sort_dummy(struct threads *t, uint32_t dummy)
{
    thread_sort_children(t, dummy);
    struct thread_node *node = thread_at(t, dummy);
    const struct thread_node *first = thread_at(t, node->first);
    node->date_s = first->date_s;
    node->order = first->order;
    node->subject = first->subject;
}

static void sort_top(struct threads *t)
{
    for (uint32_t node = thread_at(t, 0)->first; node != 0; node = thread_at(t, node)->next)
        if (thread_at(t, node)->number == 0)
            sort_dummy(t, node);
    thread_sort_children(t, 0);
}

/* 0 at the end. */
static uint32_t next_in_tree(const struct threads *t, uint32_t node)
{
    if (thread_at(t, node)->first != 0)
        return thread_at(t, node)->first;
    while (node != 0 && thread_at(t, node)->next == 0)
        node = thread_at(t, node)->parent;
    return node == 0 ? 0 : thread_at(t, node)->next;
}

static void sort_all(struct threads *t)
{
    for (uint32_t node = thread_at(t, 0)->first; node != 0; node = next_in_tree(t, node))
        thread_sort_children(t, node);
    sort_top(t);
}

/* ---- Step 5: threads with one subject */

/* 5 B: a dummy stands for its subject before a message, and a message before a reply. */
static bool stands_before(const struct thread_node *a, const struct thread_node *b)
{
    if (a->number == 0 || b->number == 0)
        return a->number == 0 && b->number != 0;
    return !a->is_reply && b->is_reply;
}

static void fill_table(const struct threads *t, struct thread_table *table)
{
    for (uint32_t i = thread_at(t, 0)->first; i != 0; i = thread_at(t, i)->next) {
        const struct thread_node *node = thread_at(t, i);
        if (node->subject == 0)
            continue;
        uint32_t other = thread_table_get(table, node->subject);
        if (other == 0 || stands_before(node, thread_at(t, other)))
            thread_table_put(table, node->subject, i);
    }
}

static void move_below(struct threads *t, uint32_t parent, uint32_t node)
{
    thread_unlink(t, node);
    thread_link(t, parent, node);
}

/* 5 C, the last case: neither is an answer to the other. The dummy takes the first one's place. */
static void join(struct threads *t, struct thread_table *table, uint32_t first, uint32_t node)
{
    uint32_t dummy = thread_make_node(t);
    if (dummy == 0)
        return; /* there are too many: they stay apart */
    move_below(t, dummy, first);
    move_below(t, dummy, node);
    thread_link(t, 0, dummy);
    thread_at(t, dummy)->subject = thread_at(t, first)->subject;
    thread_table_put(table, thread_at(t, dummy)->subject, dummy);
}

static void merge(struct threads *t, struct thread_table *table, uint32_t first, uint32_t node)
{
    const struct thread_node *a = thread_at(t, first), *b = thread_at(t, node);
    if (a->number == 0 && b->number == 0) {
        while (b->first != 0)
            move_below(t, first, b->first);
        thread_unlink(t, node);
    } else if (a->number == 0 || (b->is_reply && !a->is_reply)) {
        move_below(t, first, node);
    } else {
        join(t, table, first, node);
    }
}

static void merge_subjects(struct threads *t)
{
    struct thread_table table = {0};
    fill_table(t, &table);
    for (uint32_t node = thread_at(t, 0)->first, next; node != 0; node = next) {
        uint64_t subject = thread_at(t, node)->subject;
        uint32_t first = subject != 0 ? thread_table_get(&table, subject) : node;
        next = thread_at(t, node)->next;
        if (first == node)
            continue;
        if (first == next) /* it may move below a dummy */
            next = thread_at(t, next)->next;
        merge(t, &table, first, node);
    }
    thread_table_release(&table);
}

void threads_build_by_references(struct threads *t)
{
    gather_threads(t);
    prune_all(t);
    sort_top(t);
    merge_subjects(t);
    sort_all(t);
}
