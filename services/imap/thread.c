#include "services/imap/thread.h"

#include "common/base/bug.h"
#include "common/base/hash.h"

#include <sys/random.h>

/* Messages, and message-ids that are only named: 384 MiB of nodes. */
#define NODES_MAX (8u << 20)

/* A node that has children of its own goes below another only when the top of that one's thread is
 * this near: strangers choose what messages refer to, and could make us walk for long. */
#define WALK_MAX 256

/* ---- Hashes */

/* 0 for the empty text alone. */
static uint64_t hash_of(const struct threads *t, struct str text)
{
    uint64_t hash = t->seed;
    for (size_t i = 0; i < text.len; i++)
        hash = hash_mix(hash + (unsigned char)text.ptr[i]);
    if (text.len == 0)
        return 0;
    return hash != 0 ? hash : 1;
}

/* The slot of the key, or the free one where it belongs. */
static size_t slot_of(const struct thread_table *t, uint64_t key)
{
    size_t i = key & (t->cap - 1);
    while (t->nodes[i] != 0 && t->keys[i] != key)
        i = (i + 1) & (t->cap - 1);
    return i;
}

static void grow(struct thread_table *t)
{
    struct thread_table old = *t;
    t->cap = old.cap > 0 ? 2 * old.cap : 64;
    t->keys = xcalloc(t->cap, sizeof(*t->keys));
    t->nodes = xcalloc(t->cap, sizeof(*t->nodes));
    for (size_t i = 0; i < old.cap; i++) {
        if (old.nodes[i] == 0)
            continue;
        size_t slot = slot_of(t, old.keys[i]);
        t->keys[slot] = old.keys[i];
        t->nodes[slot] = old.nodes[i];
    }
    free(old.keys);
    free(old.nodes);
}

uint32_t thread_table_get(const struct thread_table *t, uint64_t key)
{
    return t->cap > 0 ? t->nodes[slot_of(t, key)] : 0;
}

void thread_table_put(struct thread_table *t, uint64_t key, uint32_t node)
{
    if (4 * t->len >= 3 * t->cap)
        grow(t);
    size_t slot = slot_of(t, key);
    t->len += t->nodes[slot] == 0;
    t->keys[slot] = key;
    t->nodes[slot] = node;
}

void thread_table_release(struct thread_table *t)
{
    free(t->keys);
    free(t->nodes);
    *t = (struct thread_table){0};
}

/* ---- Nodes */

void threads_init(struct threads *t, enum thread_algorithm algorithm)
{
    t->algorithm = algorithm;
    if (getrandom(&t->seed, sizeof(t->seed), 0) != sizeof(t->seed))
        BUG("no random numbers");
    array_push(&t->nodes, (struct thread_node){.number = 0}); /* the root */
}

void threads_release(struct threads *t)
{
    thread_table_release(&t->ids);
    array_release(&t->nodes);
}

uint32_t thread_make_node(struct threads *t)
{
    if (t->nodes.len >= NODES_MAX)
        return 0;
    array_push(&t->nodes, (struct thread_node){.number = 0});
    return (uint32_t)(t->nodes.len - 1);
}

void thread_link(struct threads *t, uint32_t parent, uint32_t child)
{
    struct thread_node *c = thread_at(t, child), *p = thread_at(t, parent);
    c->parent = parent;
    c->prev = 0;
    c->next = p->first;
    if (c->next != 0)
        thread_at(t, c->next)->prev = child;
    p->first = child;
}

void thread_unlink(struct threads *t, uint32_t child)
{
    struct thread_node *c = thread_at(t, child);
    if (c->next != 0)
        thread_at(t, c->next)->prev = c->prev;
    if (c->prev != 0)
        thread_at(t, c->prev)->next = c->next;
    else if (thread_at(t, c->parent)->first == child)
        thread_at(t, c->parent)->first = c->next;
    c->parent = c->prev = c->next = 0;
}

/* The node that stands for a message-id; made when it is new. 0 when there are too many. */
static uint32_t node_of(struct threads *t, struct str message_id)
{
    uint64_t hash = hash_of(t, message_id);
    uint32_t node = thread_table_get(&t->ids, hash);
    if (node != 0)
        return node;
    node = thread_make_node(t);
    if (node != 0)
        thread_table_put(&t->ids, hash, node);
    return node;
}

/* ---- RFC 5256 3, REFERENCES, step 1 */

/* Would `child` become its own ancestor? "Yes" also when it is too far to look. */
static bool makes_loop(const struct threads *t, uint32_t parent, uint32_t child)
{
    if (parent == child)
        return true;
    if (thread_at(t, child)->first == 0) /* what has no children is nobody's ancestor */
        return false;
    for (unsigned steps = 0; parent != 0; parent = thread_at(t, parent)->parent)
        if (parent == child || steps++ == WALK_MAX)
            return true;
    return false;
}

/* 1 A: what the message names, one below the other. Links that are there already stay. Returns the
 * last one. */
static bool link_references(struct threads *t, const struct thread_message *m, uint32_t *ret_last)
{
    uint32_t parent = 0;
    for (size_t i = 0; i < m->reference_count; i++) {
        uint32_t node = node_of(t, m->references[i]);
        if (node == 0)
            return false;
        if (parent != 0 && thread_at(t, node)->parent == 0 && !makes_loop(t, parent, node))
            thread_link(t, parent, node);
        parent = node;
    }
    *ret_last = parent;
    return true;
}

/* The message's own node. A message-id that is missing or taken is as good as one of its own. */
static uint32_t own_node(struct threads *t, const struct thread_message *m)
{
    if (t->algorithm == THREAD_REFERENCES && m->message_id.len > 0) {
        uint32_t node = node_of(t, m->message_id);
        if (node == 0 || thread_at(t, node)->number == 0)
            return node;
    }
    return thread_make_node(t);
}

bool threads_add(struct threads *t, const struct thread_message *m, struct err *err)
{
    uint32_t parent = 0;
    bool ok = t->algorithm != THREAD_REFERENCES || link_references(t, m, &parent);
    uint32_t place = ok ? own_node(t, m) : 0;
    if (place == 0)
        return err_set(err, ERR_LIMIT, "too many messages and references");
    struct thread_node *node = thread_at(t, place);
    node->number = node->order = m->number;
    node->date_s = m->date_s;
    node->subject = hash_of(t, m->subject);
    node->is_reply = m->is_reply;
    /* 1 B: its own word about its parent counts for more than that of others. */
    thread_unlink(t, place);
    if (parent != 0 && !makes_loop(t, parent, place))
        thread_link(t, parent, place);
    return true;
}

/* ---- Order */

/* What nodes are put in order by, beside them, as qsort knows no context. */
struct sortable {
    uint64_t subject;
    int64_t date_s;
    uint32_t order;
    uint32_t node;
};

static struct sortable sortable_of(const struct threads *t, uint32_t place)
{
    const struct thread_node *node = thread_at(t, place);
    return (struct sortable){node->subject, node->date_s, node->order, place};
}

static int by_date(const void *left, const void *right)
{
    const struct sortable *a = left, *b = right;
    if (a->date_s != b->date_s)
        return a->date_s > b->date_s ? 1 : -1;
    return (a->order > b->order) - (a->order < b->order);
}

/* Any order of subjects will do: it brings together those that are equal. */
static int by_subject(const void *left, const void *right)
{
    const struct sortable *a = left, *b = right;
    if (a->subject != b->subject)
        return a->subject > b->subject ? 1 : -1;
    return by_date(left, right);
}

void thread_sort_children(struct threads *t, uint32_t parent)
{
    ARRAY_OF(struct sortable) children = {0};
    uint32_t first = thread_at(t, parent)->first;
    if (first == 0 || thread_at(t, first)->next == 0)
        return;
    for (uint32_t child = first; child != 0; child = thread_at(t, child)->next)
        array_push(&children, sortable_of(t, child));
    qsort(children.items, children.len, sizeof(*children.items), by_date);
    thread_at(t, parent)->first = 0;
    for (size_t i = children.len; i > 0; i--)
        thread_link(t, parent, children.items[i - 1].node);
    array_release(&children);
}

/* ---- RFC 5256 3, ORDEREDSUBJECT: the first message with a subject is the parent of all others. */

static void build_by_subject(struct threads *t)
{
    size_t count = t->nodes.len - 1;
    uint32_t thread = 0;
    struct sortable *all = xcalloc(count + 1, sizeof(*all));
    for (size_t i = 0; i < count; i++)
        all[i] = sortable_of(t, (uint32_t)i + 1);
    qsort(all, count, sizeof(*all), by_subject);
    for (size_t i = 0; i < count; i++) {
        if (thread != 0 && thread_at(t, thread)->subject == all[i].subject) {
            thread_link(t, thread, all[i].node);
            continue;
        }
        thread = all[i].node;
        thread_link(t, 0, thread);
    }
    free(all);
    for (uint32_t node = thread_at(t, 0)->first; node != 0; node = thread_at(t, node)->next)
        thread_sort_children(t, node);
    thread_sort_children(t, 0);
}

void threads_build(struct threads *t)
{
    thread_table_release(&t->ids);
    if (t->algorithm == THREAD_REFERENCES)
        threads_build_by_references(t);
    else
        build_by_subject(t);
    t->at = thread_at(t, 0)->first;
    t->leaving = false;
}

/* ---- Writing: thread-list = "(" (thread-members / thread-nested) ")" */

static bool has_parentheses(const struct threads *t, const struct thread_node *node)
{
    return thread_at(t, node->parent)->number == 0 || node->prev != 0 || node->next != 0;
}

static void enter(struct threads *t, struct buf *out)
{
    const struct thread_node *node = thread_at(t, t->at);
    if (thread_at(t, node->parent)->number != 0 && node->prev == 0)
        buf_append_char(out, ' ');
    if (has_parentheses(t, node))
        buf_append_char(out, '(');
    if (node->number != 0)
        buf_append_u64(out, node->number);
    t->leaving = node->first == 0;
    if (node->first != 0)
        t->at = node->first;
}

static void leave(struct threads *t, struct buf *out)
{
    const struct thread_node *node = thread_at(t, t->at);
    if (has_parentheses(t, node))
        buf_append_char(out, ')');
    t->leaving = node->next == 0;
    t->at = node->next != 0 ? node->next : node->parent;
}

bool threads_write(struct threads *t, struct buf *out)
{
    if (t->at == 0)
        return false;
    if (t->leaving)
        leave(t, out);
    else
        enter(t, out);
    return true;
}
