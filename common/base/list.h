#ifndef COMMON_BASE_LIST_H
#define COMMON_BASE_LIST_H

#include "common/base/attr.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * A doubly linked list whose links live inside the elements. The head is a link too, pointing at
 * itself while the list is empty. Elements are owned elsewhere; an element is on one list per link.
 *
 *     struct conn { struct list_link link; ... };
 *     list_append(&idle, &conn->link);
 *     LIST_FOREACH(link, &idle) { struct conn *c = CONTAINER_OF(link, struct conn, link); ... }
 */

struct list_link {
    struct list_link *prev;
    struct list_link *next;
};

static inline void list_init(struct list_link *head)
{
    head->prev = head->next = head;
}
static inline bool list_is_empty(const struct list_link *head)
{
    return head->next == head;
}
static inline void list_insert_after(struct list_link *at, struct list_link *link)
{
    link->prev = at;
    link->next = at->next;
    at->next->prev = link;
    at->next = link;
}
static inline void list_append(struct list_link *head, struct list_link *link)
{
    list_insert_after(head->prev, link);
}
static inline void list_prepend(struct list_link *head, struct list_link *link)
{
    list_insert_after(head, link);
}
/* Takes the element off its list; removing it again is harmless. */
static inline void list_remove(struct list_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}
/* The first element, taken off; NULL when the list is empty. */
static inline struct list_link *list_take_first(struct list_link *head)
{
    struct list_link *link = head->next;
    if (link == head)
        return NULL;
    list_remove(link);
    return link;
}

/* The body must not remove elements other than by leaving the loop. */
#define LIST_FOREACH(link, head)                                                                   \
    for (struct list_link *link = (head)->next; link != (head); link = link->next)

#endif
