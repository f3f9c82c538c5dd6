#ifndef COMMON_BASE_RECENT_H
#define COMMON_BASE_RECENT_H

#include "common/base/arena.h"

/*
 * Answers that were got a moment ago: a burst of the same question asks once. Each is kept for the
 * same short time, and no more than `entries_max`; then all are dropped, which costs some questions
 * and no bookkeeping.
 *
 *     struct recent *recent = recent_new(8192, 1000);
 *     if (!recent_find(recent, question, now_ms, &arena, &answer)) {
 *         ask(question, &answer);
 *         recent_add(recent, question, answer, now_ms);
 *     }
 *
 * Thread-safe.
 */

struct recent;

struct recent *recent_new(size_t entries_max, int64_t lifetime_ms);
void recent_free(struct recent *recent);

/* `now_ms` is of the monotonic clock. The value is copied to arena; false as well when it has no
 * room there. */
bool recent_find(struct recent *recent, struct str key, int64_t now_ms, struct arena *arena,
                 struct str *ret_value) MUST_USE;
/* Copies both. Replaces what was there. `now_ms` is from before the question was asked. */
void recent_add(struct recent *recent, struct str key, struct str value, int64_t now_ms);
/* Something changed that answers depend on: none of them is kept, nor what was asked until now. */
void recent_forget(struct recent *recent, int64_t now_ms);

#endif
