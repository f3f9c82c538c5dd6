#ifndef COMMON_TEXT_CURSOR_H
#define COMMON_TEXT_CURSOR_H

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/text/charclass.h"

/*
 * The one parser of text: a position in a string, a bound, and the first failure.
 *
 * A failure sticks: after it every take returns empty, every expect does nothing, and the position
 * stays where it went wrong. A grammar is therefore a flat list of calls, judged once at the end:
 *
 *     // RFC 5321 4.1.2: Path = "<" Mailbox ">"
 *     struct cursor c = cursor_init(line);
 *     cursor_expect(&c, '<');
 *     struct str local = cursor_take_while(&c, is_atext, 64, "local-part");
 *     cursor_expect(&c, '@');
 *     struct str domain = cursor_take_while(&c, is_domain_text, 255, "domain");
 *     cursor_expect(&c, '>');
 *     return cursor_finish(&c, err);      // ERR_SYNTAX "expected \"@\" at offset 6"
 *
 * Strings taken borrow from the input. Every take has a maximum. Nothing here allocates.
 */

struct cursor {
    const char *begin;
    const char *at;
    const char *end;
    const char *failure; /* what was expected; NULL while all is well */
    char failure_char;   /* when a single character was expected */
    bool too_long;       /* the failure was a maximum */
};

struct cursor cursor_init(struct str input);

/* State. */

static inline bool cursor_failed(const struct cursor *c)
{
    return c->failure != NULL;
}
/* True at the end of input, and after a failure: loops end. */
static inline bool cursor_at_end(const struct cursor *c)
{
    return c->failure != NULL || c->at == c->end;
}
/* The bytes not yet taken (empty after a failure). */
struct str cursor_rest(const struct cursor *c);
static inline size_t cursor_offset(const struct cursor *c)
{
    return (size_t)(c->at - c->begin);
}
/* Fails with "expected WHAT"; `what` must outlive the cursor. Only the first failure counts. */
void cursor_fail(struct cursor *c, const char *what);
/* Fails because WHAT passed its maximum. */
void cursor_fail_too_long(struct cursor *c, const char *what);

/* True when everything was taken and nothing failed; otherwise ERR_SYNTAX (ERR_LIMIT for a
 * maximum) naming what was expected and where. */
bool cursor_finish(struct cursor *c, struct err *err) MUST_USE;
/* As cursor_finish, but input may be left. */
bool cursor_check(struct cursor *c, struct err *err) MUST_USE;

/* Looking: never move, never fail. */

/* The next byte, or -1 at the end. */
int cursor_peek(const struct cursor *c);
bool cursor_next_is(const struct cursor *c, char ch);
bool cursor_next_is_class(const struct cursor *c, charclass *is_member);

/* Optional input: taken and true when it is there, else nothing happens. */

bool cursor_skip(struct cursor *c, char ch);
bool cursor_skip_str(struct cursor *c, struct str s);
bool cursor_skip_nocase(struct cursor *c, struct str s);
/* A run of the class, of any length, possibly empty. Returns how many were skipped. */
size_t cursor_skip_while(struct cursor *c, charclass *is_member);

/* Required input: fails when it is not there. */

void cursor_expect(struct cursor *c, char ch);
/* ASCII case does not matter. `s` must outlive the cursor. */
void cursor_expect_nocase(struct cursor *c, struct str s);
/* One or more bytes of the class, at most `max`; `what` names it in the error. */
struct str cursor_take_while(struct cursor *c, charclass *is_member, size_t max, const char *what);
/* Zero or more. */
struct str cursor_take_while0(struct cursor *c, charclass *is_member, size_t max, const char *what);
/* Everything before the next `ch`, which must exist within `max` bytes; `ch` stays. */
struct str cursor_take_until(struct cursor *c, char ch, size_t max, const char *what);
/* Exactly `count` bytes. */
struct str cursor_take(struct cursor *c, size_t count, const char *what);
/* All that is left, at most `max`. */
struct str cursor_take_rest(struct cursor *c, size_t max, const char *what);
/* Decimal digits giving at most `max`; no sign. Leading zeros are accepted. */
uint64_t cursor_take_number(struct cursor *c, uint64_t max, const char *what);

/* Trying a grammar: remember a place, and go back to it (which also clears a failure). */

struct cursor cursor_mark(const struct cursor *c);
void cursor_rewind(struct cursor *c, struct cursor mark);

#endif
