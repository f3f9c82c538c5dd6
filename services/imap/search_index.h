#ifndef SERVICES_IMAP_SEARCH_INDEX_H
#define SERVICES_IMAP_SEARCH_INDEX_H

#include "services/imap/search.h"

/*
 * What can be said of a message without reading it: by what the view knows, and by store's text
 * index. The index knows of most messages, and of most words, whether they are in there or may be;
 * so each key is answered by yes, no, or perhaps, and so is the whole program.
 */

enum search_verdict {
    SEARCH_NO,
    SEARCH_PERHAPS, /* it must be read */
    SEARCH_YES,
};

/* Asks the index about all words of a program, once. Without an answer everything is read: that is
 * slower, and as right. */
void search_index_ask(struct imap *imap, struct search_program *program);

/* Is the answer no by its id alone? Most often it is, and then no row need be looked at. A
 * view_skip: quick when asked in the order of the view. */
bool search_index_excludes(void *program, uint64_t id);

/* Quick when messages are asked for in the order of the view. */
enum search_verdict search_index_verdict(struct search_program *program,
                                         const struct view_row *row);

#endif
