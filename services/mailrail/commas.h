#ifndef SERVICES_MAILRAIL_COMMAS_H
#define SERVICES_MAILRAIL_COMMAS_H

#include "common/base/arena.h"
#include "common/service/settings.h"

/* Lists as people write them: "IDLE,MOVE". Results in arena. */

/* Borrows the text. Empty items are left out, so that "" is no item. */
struct str_list commas_split(struct str text, struct arena *arena);
/* Is one of the items empty, as in "a,,b" and "a,"? Not so of "", which has none. */
bool commas_have_empty(struct str text);
struct str commas_join(const struct str_list *list, struct arena *arena);

#endif
