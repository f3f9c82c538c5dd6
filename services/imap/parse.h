#ifndef SERVICES_IMAP_PARSE_H
#define SERVICES_IMAP_PARSE_H

#include "common/base/arena.h"
#include "common/mail/date.h"
#include "common/text/cursor.h"
#include "services/imap/flags.h"

/*
 * The words of RFC 9051 9 that several commands share, on the one cursor.
 *
 * The cursor sees a whole command as it came, literals included ("{3}\r\nabc"), so that every rule
 * is a plain function. Failures stick to the cursor; its caller judges once. What must be unescaped
 * is in arena, the rest borrows from the command.
 */

#define PARSE_STRING_MAX (100 * 1024) /* the largest literal of an ordinary command */

void parse_space(struct cursor *c);
/* tag = 1*<any ASTRING-CHAR except "+"> */
struct str parse_tag(struct cursor *c);
struct str parse_atom(struct cursor *c, const char *what);
/* string = quoted / literal. UTF-8 is accepted in both. */
struct str parse_string(struct cursor *c, struct arena *arena);
struct str parse_literal8(struct cursor *c);
/* astring = 1*ASTRING-CHAR / string */
struct str parse_astring(struct cursor *c, struct arena *arena);
/* nstring = string / nil: STR_NULL for NIL. */
struct str parse_nstring(struct cursor *c, struct arena *arena);
/* list-mailbox = 1*list-char / string */
struct str parse_list_mailbox(struct cursor *c, struct arena *arena);

/* sequence-set, or "$" (RFC 9051 9). 0 stands for "*". */
struct sequence_range {
    uint32_t first;
    uint32_t last;
};
struct sequence_set {
    const struct sequence_range *ranges;
    size_t len;
    bool saved; /* "$": the saved search result */
};
struct sequence_set parse_sequence_set(struct cursor *c, struct arena *arena);
/* True when a sequence-set can start here. */
bool parse_at_sequence_set(const struct cursor *c);

/* flag-list = "(" [flag *(SP flag)] ")"; one flag without parentheses. */
struct flag_list parse_flag_list(struct cursor *c, struct arena *arena);
void parse_flag(struct cursor *c, struct arena *arena, struct flag_list *list);

/* date = date-text / DQUOTE date-text DQUOTE, as a day number since 1970-01-01. */
int64_t parse_date(struct cursor *c);
/* date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE */
struct date parse_date_time(struct cursor *c);

#endif
