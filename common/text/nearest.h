#ifndef COMMON_TEXT_NEAREST_H
#define COMMON_TEXT_NEAREST_H

#include "common/base/str.h"

/*
 * "Did you mean ...?": finds the known name that a mistyped one is nearest to.
 *
 *     struct nearest n = nearest_to(STR("hostnmae"));
 *     nearest_consider(&n, STR("hostname"));
 *     nearest_consider(&n, STR("data"));
 *     if (!str_is_empty(n.best)) ...                  // "hostname"
 *
 * Near means: insertions, deletions, replacements and swaps of neighbours for at most a third of
 * the letters. Case does not matter, and "-" equals "_".
 */

struct nearest {
    struct str wanted;
    struct str best; /* borrows what was considered; empty: nothing is near */
    size_t distance;
};

struct nearest nearest_to(struct str wanted);
void nearest_consider(struct nearest *n, struct str known);

#endif
