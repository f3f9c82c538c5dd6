#include "services/imap/command.h"
#include "services/imap/context.h"
#include "services/imap/mailbox_filter.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/rights.h"
#include "services/imap/shared.h"
#include "services/imap/search_return.h"
#include "services/imap/search_run.h"

#include <string.h>

/*
 * ESEARCH (RFC 7377): one search over several mailboxes, one after the other. Each is looked at as
 * a session that selects it would see it; the selected one as its session does. UIDs only.
 */

#define FILTERS_MAX 100

struct esearch_work {
    struct mailbox_filter *filters;
    size_t filter_count;
    struct search_returns returns;
    struct cursor program; /* stands at the search program, which each mailbox reads again */
    /* What is left to be searched. */
    struct str *names;
    size_t name_count;
    size_t at;
    bool selected_too; /* after the others */
    bool selected_done;
    /* The mailbox that is searched. */
    struct imap *imap;
    struct account *account; /* that `view` is in */
    struct view *view;       /* of ours; NULL: none, or the selected one */
    struct view_user user;
    struct search_run run;
    bool running;
    struct context *context;  /* of the selected mailbox, with UPDATE */
    struct progress progress; /* of the whole command */
};

static void end_mailbox(struct esearch_work *work)
{
    if (work->running) {
        work->progress = work->run.progress;
        work->progress.before += work->run.read;
        search_run_release(&work->run);
        memset(&work->run, 0, sizeof(work->run));
    }
    if (work->view) {
        view_leave(work->view, &work->user);
        account_close_view(work->account, work->view);
    }
    registry_leave(work->imap->server->registry, work->account);
    work->account = NULL;
    work->running = false;
    work->view = NULL;
}

static void work_free(void *pointer)
{
    struct esearch_work *work = pointer;
    end_mailbox(work);
    context_free(work->context);
    free(work);
}

/* ---- Arguments */

/* RFC 7377 2.1: as in NOTIFY, but without "selected-delayed". */
static void take_filter(struct imap *imap, struct cursor *c, struct esearch_work *work)
{
    struct mailbox_filter filter = mailbox_filter_take(imap, c, &imap->arena);
    if (filter.scope == FILTER_SELECTED_DELAYED)
        cursor_fail(c, "which mailboxes to search");
    else if (work->filter_count == FILTERS_MAX)
        cursor_fail_too_long(c, "list of mailboxes");
    else
        work->filters[work->filter_count++] = filter;
}

/* esearch-source-opts = "IN" SP "(" filter-mailboxes *(SP filter-mailboxes) ")"; without it, the
 * selected mailbox. */
static void take_source(struct imap *imap, struct cursor *c, struct esearch_work *work)
{
    work->filters = arena_new_array(&imap->arena, FILTERS_MAX, struct mailbox_filter);
    if (!work->filters) {
        cursor_fail_too_long(c, "command");
    } else if (!cursor_skip_nocase(c, STR(" IN "))) {
        work->filters[work->filter_count++].scope = FILTER_SELECTED;
    } else {
        cursor_expect(c, '(');
        do
            take_filter(imap, c, work);
        while (cursor_skip(c, ' '));
        cursor_expect(c, ')');
    }
}

/* ---- Which mailboxes */

static bool is_subscribed(const struct mailbox_list *list, struct str name)
{
    for (size_t i = 0; i < list->subscription_count; i++)
        if (str_eq(list->subscriptions[i], name))
            return true;
    return false;
}

static bool is_searched(const struct esearch_work *work, const struct mailbox_list *list,
                        const struct mailbox_info *info)
{
    bool subscribed = is_subscribed(list, info->name);
    for (size_t i = 0; i < work->filter_count; i++) {
        if (mailbox_filter_covers(&work->filters[i], info->name, subscribed))
            return true;
    }
    return false;
}

static bool names_selected(const struct esearch_work *work)
{
    for (size_t i = 0; i < work->filter_count; i++)
        if (work->filters[i].scope == FILTER_SELECTED)
            return true;
    return false;
}

/* Each mailbox once, whatever it is named by; those that do not exist are left out (RFC 7377 2.2).
 */
static bool find_mailboxes(struct imap *imap, struct esearch_work *work, struct err *err)
{
    struct mailbox_list list;
    struct backend_call call = imap_call(imap);
    uint64_t own = account_id(imap->account);
    uint64_t selected_id = imap->selected.view ? view_info(imap->selected.view).mailbox_id : 0;
    uint64_t selected_owner = imap->selected.view ? view_owner(imap->selected.view) : 0;
    work->selected_too = names_selected(work);
    if (work->filter_count == 1 && work->selected_too)
        return true;
    TRY(backend_list(imap->server->backend, &call, shared_is_shown(imap), &list, err));
    work->names = arena_new_array(&imap->arena, list.len, struct str);
    if (!work->names)
        return err_set(err, ERR_LIMIT, "too many mailboxes");
    for (size_t i = 0; i < list.len; i++) {
        const struct mailbox_info *info = &list.mailboxes[i];
        if (!(info->rights & RIGHT_READ) || !is_searched(work, &list, info))
            continue;
        if (info->id == selected_id && (info->owner ? info->owner : own) == selected_owner)
            work->selected_too = true;
        else
            work->names[work->name_count++] = info->name;
    }
    return true;
}

/* ---- Searching */

/* A search in one place. The program was checked before: it can only be too large. */
static bool begin_search(struct imap *imap, struct esearch_work *work,
                         const struct view_place *place, struct err *err)
{
    struct cursor program = work->program;
    search_run_init_in(&work->run, imap, place);
    work->running = true;
    work->run.progress = work->progress;
    work->run.enough = search_returns_enough(&work->returns);
    work->returns.mailbox = place->view;
    TRY(search_take(imap, &program, &work->run.program, err));
    if (search_is_refused(&work->run.program)) /* a filter was changed meanwhile */
        return err_set(err, ERR_STATE, "a filter was changed meanwhile");
    return true;
}

static bool begin_other(struct imap *imap, struct esearch_work *work, struct err *err)
{
    struct backend_call call = imap_call(imap);
    struct str name = work->names[work->at++], own_name;
    if (!shared_find(imap, name, &call, &own_name, err))
        return err->kind == ERR_NOT_FOUND;
    work->account = registry_enter(imap->server->registry, shared_owner(imap, &call));
    if (!account_open_view(work->account, &call, own_name, &work->view, err)) {
        end_mailbox(work);
        return err->kind == ERR_NOT_FOUND || err->kind == ERR_FORBIDDEN; /* since the list */
    }
    work->returns.prefix = call.owner != 0 ? str_slice(name, 0, name.len - own_name.len) : STR("");
    work->user = (struct view_user){.handle = session_handle(imap->session)};
    view_join(work->view, &work->user);
    TRY(view_load(work->view, imap->server->backend, &call, err));
    struct view_place place = {.view = work->view, .horizon = work->user.horizon};
    return begin_search(imap, work, &place, err);
}

/* The next mailbox. False with err->kind ERR_NONE when there is none. */
static bool begin_next(struct imap *imap, struct esearch_work *work, struct err *err)
{
    err->kind = ERR_NONE;
    if (work->at < work->name_count)
        return begin_other(imap, work, err);
    if (!work->selected_too || work->selected_done)
        return false;
    struct view_place place = selected_place(imap);
    struct backend_call call = imap_call_on(imap, place.view);
    work->returns.prefix = buf_str(&imap->selected.prefix);
    work->selected_done = true;
    work->context = context_new(imap, &work->returns, &work->program);
    if (work->context)
        work->context->names_mailbox = true;
    return selected_check(imap, err) && view_load(place.view, imap->server->backend, &call, err) &&
           begin_search(imap, work, &place, err);
}

static void answer(struct imap *imap, struct esearch_work *work)
{
    struct search_run *run = &work->run;
    struct uid_set named = {0};
    if (run->hits > 0) { /* else there is no answer */
        search_returns_named(&work->returns, &run->uids, &named);
        search_returns_write(
            imap, &work->returns, &run->uids,
            run->program.modseq ? search_returns_modseq(&run->program.place, &named) : 0);
    }
    search_returns_save(imap, &work->returns, &named);
    uid_set_release(&named);
    if (!work->view) {
        context_install(imap, work->context, run, NULL);
        work->context = NULL;
    }
}

static enum session_next fail(struct imap *imap, struct esearch_work *work, const struct err *err)
{
    search_returns_fail(imap, &work->returns);
    return err->kind == ERR_SYNTAX ? respond_syntax(imap, err) : respond_err(imap, err);
}

static enum session_next esearch_more(struct imap *imap)
{
    struct err err;
    struct esearch_work *work = imap->work;
    imap->more = esearch_more;
    if (!work->running && !begin_next(imap, work, &err)) {
        if (err.kind != ERR_NONE)
            return fail(imap, work, &err);
        return respond_ok(imap, "searched");
    }
    if (!work->running)
        return SESSION_MORE;
    switch (search_run_step(imap, &work->run, &err)) {
    case SEARCH_MORE:
        return SESSION_MORE;
    case SEARCH_FAILED:
        return fail(imap, work, &err);
    case SEARCH_DONE:
        break;
    }
    answer(imap, work);
    end_mailbox(work);
    return SESSION_MORE;
}

/* ---- The command */

/* Reads the program once, for a mailbox without messages: what it says is right or wrong for all.
 */
static bool check_program(struct imap *imap, struct esearch_work *work, struct search_program *ret,
                          struct err *err)
{
    struct cursor program = work->program;
    return search_take(imap, &program, ret, err);
}

static enum session_next begin(struct imap *imap, struct esearch_work *work,
                               const struct search_program *program)
{
    struct err err;
    if (search_is_refused(program))
        return search_refuse(imap, program);
    if (names_selected(work) && !imap->selected.view)
        return respond_bad(imap, "no mailbox is selected");
    if (!find_mailboxes(imap, work, &err))
        return fail(imap, work, &err);
    bool only_selected = work->name_count == 0 && work->selected_too;
    work->progress.in_parts = work->name_count + work->selected_too > 1;
    if (work->returns.update && !work->selected_too) /* RFC 7377 2.2 */
        return respond_bad(imap, "updates are for the selected mailbox");
    if (work->returns.update && !context_tag_is_free(imap))
        return respond_bad(imap, "the tag is in use, for updates");
    if ((work->returns.options & RETURN_SAVE) && !only_selected)
        return respond_bad(imap, "only what is found in the selected mailbox can be saved");
    if (program->uses_saved && !only_selected)
        return respond_no(imap, "what was saved belongs to the selected mailbox");
    return esearch_more(imap);
}

/* "ESEARCH" [SP source] [search-return-opts] SP search-program */
enum session_next cmd_esearch(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct search_program program = {0};
    if (!imap_has_capability(imap, STR("MULTISEARCH")))
        return respond_bad(imap, "unknown command");
    struct esearch_work *work = xcalloc(1, sizeof(*work));
    work->imap = imap;
    work->progress = progress_start(imap);
    imap_set_work(imap, work, work_free);
    imap->uid = true; /* the answer is in UIDs */
    take_source(imap, args, work);
    work->returns = search_returns_take(imap, args, STR("CONTEXT=SEARCH"));
    work->returns.extended = true;
    work->program = *args;
    enum session_next next = check_program(imap, work, &program, &err) ? begin(imap, work, &program)
                                                                       : respond_syntax(imap, &err);
    search_release(&program);
    return next;
}
