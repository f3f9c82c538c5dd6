#include "common/text/nearest.h"

#define NAME_MAX_LEN 40

static char fold(char c)
{
    return c == '-' ? '_' : ascii_lower(c);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The "optimal string alignment" distance, row by row; only the last three rows are kept. */
static size_t distance(struct str a, struct str b)
{
    size_t rows[3][NAME_MAX_LEN + 1];
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *two_before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            char x = fold(a.ptr[i - 1]), y = fold(b.ptr[j - 1]);
            now[j] = least(before[j - 1] + (x != y), least(before[j], now[j - 1]) + 1);
            bool swapped = i > 1 && j > 1 && x == fold(b.ptr[j - 2]) && fold(a.ptr[i - 2]) == y;
            if (swapped)
                now[j] = least(now[j], two_before[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

struct nearest nearest_to(struct str wanted)
{
    return (struct nearest){.wanted = wanted, .distance = (wanted.len + 2) / 3 + 1};
}

void nearest_consider(struct nearest *n, struct str known)
{
    if (n->wanted.len > NAME_MAX_LEN || known.len > NAME_MAX_LEN)
        return;
    size_t d = distance(n->wanted, known);
    if (d < n->distance) {
        n->best = known;
        n->distance = d;
    }
}
