#ifndef SERVICES_IMAP_CONTEXT_H
#define SERVICES_IMAP_CONTEXT_H

#include "services/imap/fetch.h"
#include "services/imap/search_return.h"
#include "services/imap/search_run.h"
#include "services/imap/sort.h"

/*
 * Contexts (RFC 5267): searches with UPDATE, whose results the client is kept informed of. A
 * context keeps its search program and which messages are in its result; for SORT their sort keys
 * too. When a session tells what changed (announce.h), the messages that changed, and only these,
 * are asked again, and ESEARCH lines say which came into the result or left it.
 *
 * docs/decisions/0026-contexts.md says why so.
 *
 *     struct context *context = context_new(imap, &returns, args);   // before the program is read
 *     ... the search ...
 *     context_install(imap, context, &run, NULL);
 */

#define CONTEXTS_MAX 10                /* of a session */
#define CONTEXTS_BYTES_MAX (32u << 20) /* of a session, that they keep */

struct context {
    struct context *next;
    struct arena arena; /* of the text that the program and the items borrow from */
    struct str tag;
    bool uid;
    bool names_mailbox;       /* its answers do (RFC 7377 2.1) */
    struct fetch_items items; /* of new messages (RFC 5465 7); none: no FETCH */
    struct search_program program;
    struct uid_set members;
    struct uid_set pending; /* messages that changed, but could not be asked again */
    bool is_sorted;
    struct sort sort; /* its records are the members, in order */
    bool has_holes;   /* it holds memory of records that left */
};

/* May this command use UPDATE? Its tag must not be that of a context. */
bool context_tag_is_free(const struct imap *imap);
/* For a command with UPDATE, else NULL. What is left of the command moves into its memory. */
struct context *context_new(struct imap *imap, const struct search_returns *returns,
                            struct cursor *args);
void context_free(struct context *context);

/* The search is done: takes the context, the program and hits of `run`, and `sort` unless it is
 * NULL. Past the limits the context ends here, and the client is told that (RFC 5267 4.3.1). Does
 * nothing for NULL. */
void context_install(struct imap *imap, struct context *context, struct search_run *run,
                     struct sort *sort);
/* False when there is no context with this tag. */
bool context_cancel(struct imap *imap, struct str tag);
void contexts_free(struct imap *imap);
/* After it grew: past the limits it ends, and the client is told. */
void context_check_size(struct imap *imap, struct context *context);

/* ---- Telling changes */

/* Some have messages that were to be asked again and could not be. */
bool contexts_have_pending(const struct imap *imap);
/* Before the client hears that messages vanished: rows with the numbers that it knows, of which
 * `before` were expunged meanwhile, all in front of them. */
void contexts_remove(struct imap *imap, const struct view_row *rows, size_t count, uint32_t before);
/* After it has heard of everything else up to the announcement's target. False when it is to be
 * called again; `announcement.broken` says that it is not. */
bool contexts_update(struct imap *imap);
/* Of an announcement that ends early. */
void contexts_update_free(struct imap *imap);

#endif
