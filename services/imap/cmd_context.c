#include "services/imap/command.h"
#include "services/imap/context.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"

/* "CANCELUPDATE" 1*(SP quoted) (RFC 5267 4.3.5): tags of searches with UPDATE. */
enum session_next cmd_cancelupdate(struct imap *imap, struct cursor *args)
{
    struct err err;
    bool all_known = true;
    if (!imap_has_capability(imap, STR("CONTEXT=SEARCH")) &&
        !imap_has_capability(imap, STR("CONTEXT=SORT")))
        return respond_bad(imap, "unknown command");
    struct cursor check = *args;
    do {
        parse_space(&check);
        parse_astring(&check, &imap->arena);
    } while (!cursor_failed(&check) && !cursor_at_end(&check));
    if (!cursor_finish(&check, &err))
        return respond_syntax(imap, &err);
    while (!cursor_at_end(args)) {
        parse_space(args);
        all_known = context_cancel(imap, parse_astring(args, &imap->arena)) && all_known;
    }
    if (!all_known)
        return respond_no(imap, "no updates under some of these tags");
    return respond_ok(imap, "no further updates");
}
