#include "services/imap/announce.h"
#include "services/imap/command.h"
#include "services/imap/condstore.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/select.h"

#define ROWS 128

/* STORE (RFC 9051 6.4.6): one call to store, then a FETCH line for each message named. */

struct store_work {
    struct uid_set uids;
    struct uid_set modified; /* of them, those that failed UNCHANGEDSINCE */
    struct uid_set numbers;  /* of `modified`, in a STORE by number */
    struct uid_set news;     /* with .SILENT: those that others changed as well */
    bool silent;
    bool expunged; /* some are gone, though the client has not been told */
    uint32_t after_uid;
};

#define MODIFIED_MAX (16u << 20) /* bytes of the set in the answer */

static void work_free(void *pointer)
{
    struct store_work *work = pointer;
    uid_set_release(&work->uids);
    uid_set_release(&work->modified);
    uid_set_release(&work->numbers);
    uid_set_release(&work->news);
    free(work);
}

struct store_arguments {
    struct sequence_set set;
    bool has_unchanged_since;
    uint64_t unchanged_since;
    enum store_mode mode;
    bool silent;
    struct flag_list flags;
};

/* [SP "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")"] (RFC 7162 3.1.3) */
static void take_modifier(struct imap *imap, struct cursor *c, struct store_arguments *ret)
{
    if (!imap_has_capability(imap, STR("CONDSTORE")) || !cursor_skip(c, '('))
        return;
    cursor_expect_nocase(c, STR("UNCHANGEDSINCE"));
    parse_space(c);
    ret->has_unchanged_since = true;
    ret->unchanged_since = condstore_take_modseq(c);
    cursor_expect(c, ')');
    parse_space(c);
}

/* SP sequence-set SP [modifier SP] (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP
 * flag))) */
static bool take_arguments(struct imap *imap, struct cursor *c, struct store_arguments *ret,
                           struct err *err)
{
    *ret = (struct store_arguments){.mode = STORE_REPLACE};
    parse_space(c);
    ret->set = parse_sequence_set(c, &imap->arena);
    parse_space(c);
    take_modifier(imap, c, ret);
    if (cursor_skip(c, '+'))
        ret->mode = STORE_ADD;
    else if (cursor_skip(c, '-'))
        ret->mode = STORE_REMOVE;
    cursor_expect_nocase(c, STR("FLAGS"));
    ret->silent = cursor_skip_nocase(c, STR(".SILENT"));
    parse_space(c);
    if (cursor_next_is(c, '(')) {
        ret->flags = parse_flag_list(c, &imap->arena);
    } else {
        do
            parse_flag(c, &imap->arena, &ret->flags);
        while (cursor_skip(c, ' '));
    }
    return cursor_finish(c, err);
}

/* "MODIFIED set", in the numbers that the command has used. */
static enum session_next finish(struct imap *imap, const struct store_work *work)
{
    struct buf set;
    if (uid_set_is_empty(&work->modified))
        return respond_ok(imap, work->expunged ? "[EXPUNGEISSUED] stored" : "stored");
    buf_init(&set, MODIFIED_MAX);
    uid_set_write(imap->uid ? &work->modified : &work->numbers, &set);
    enum session_next next =
        respond_ok(imap, "[MODIFIED %.*s] some had changed", STR_ARG(buf_str(&set)));
    buf_release(&set);
    return next;
}

/* One line of the answer; none for what is gone: nothing was stored there. */
static void answer(struct imap *imap, struct store_work *work, const struct view_row *row)
{
    bool modified = uid_set_has(&work->modified, row->message.uid);
    if (modified)
        uid_set_add(&work->numbers, row->seq);
    bool flags = modified || !work->silent || uid_set_has(&work->news, row->message.uid);
    if (row->message.expunged != 0)
        work->expunged = true;
    else if (flags || imap->condstore)
        announce_fetch(imap, row, flags);
}

/* Without CONDSTORE, .SILENT leaves nothing to say but what others did. With it the client learns
 * the new modseqs, and what the messages that were not changed have. */
static enum session_next store_more(struct imap *imap)
{
    struct store_work *work = imap->work;
    struct view_row rows[ROWS];
    struct selected *selected = &imap->selected;
    size_t count;
    imap->more = store_more;
    do {
        if (session_out_is_full(imap->session))
            return SESSION_MORE;
        count = view_read(selected->view, selected->user.horizon, &work->uids, work->after_uid,
                          rows, ROWS);
        for (size_t i = 0; i < count; i++) {
            answer(imap, work, &rows[i]);
            work->after_uid = rows[i].message.uid;
        }
    } while (count == ROWS);
    return finish(imap, work);
}

/* ---- What of the result the client knows without being told */

static bool has_keyword(const struct changes *changes, size_t k, struct str keyword)
{
    uint32_t i = k > 0 ? changes->keyword_end[k - 1] : 0;
    while (i < changes->keyword_end[k] &&
           !str_eq(changes->mailbox.keywords[changes->keyword_index[i]], keyword))
        i++;
    return i < changes->keyword_end[k];
}

static bool is_kept(const struct store_flags *op, struct str keyword)
{
    if (op->mode == STORE_REPLACE)
        return false;
    for (size_t i = 0; i < op->keyword_count; i++)
        if (str_eq(op->keywords[i], keyword))
            return false; /* taken away, or counted with the others of the command */
    return true;
}

/* The k-th message has the keywords that the command alone gives one with those of `before`. */
static bool keywords_are_expected(const struct store_flags *op, const struct keyword_set *before,
                                  const struct changes *changes, size_t k)
{
    struct str keyword, rest = before ? before->text : STR("");
    size_t expected = 0, given = op->mode == STORE_REMOVE ? 0 : op->keyword_count;
    if (!changes->keyword_end)
        return !before && given == 0;
    while (rest.len > 0) {
        str_cut(rest, ' ', &keyword, &rest);
        if (is_kept(op, keyword) && !has_keyword(changes, k, keyword))
            return false;
        expected += is_kept(op, keyword);
    }
    for (size_t i = 0; i < given; i++)
        if (!has_keyword(changes, k, op->keywords[i]))
            return false;
    uint32_t begin = k > 0 ? changes->keyword_end[k - 1] : 0;
    return expected + given == changes->keyword_end[k] - begin;
}

static bool is_expected(const struct store_flags *op, const struct view_message *before,
                        const struct changes *changes, size_t k)
{
    uint32_t flags = op->mode == STORE_REPLACE ? 0 : before->flags & ~op->flags;
    if (op->mode != STORE_REMOVE)
        flags |= op->flags;
    return changes->flags[k] == flags && keywords_are_expected(op, before->keywords, changes, k);
}

/* Did the command change a message of which the client does not know what it has now? When another
 * session has brought the result into the view already, nobody can say any more what there was to
 * be told before. */
static bool is_news(const struct imap *imap, const struct store_flags *op,
                    const struct store_result *result, const struct view_message *before, size_t *k)
{
    const struct changes *changes = &result->changes;
    const struct flag_change *derived = &changes->derived;
    bool known = op->mode == STORE_REPLACE || announce_is_told(imap, before->modseq);
    if (derived->len > 0) /* nobody else was there */
        return !known && (before->modseq == result->modseq ||
                          ((before->flags | derived->added) & ~derived->removed) != before->flags);
    while (*k < changes->len && changes->uid[*k] < before->uid)
        ++*k;
    bool changed = *k < changes->len && changes->uid[*k] == before->uid &&
                   changes->modseq[*k] == result->modseq;
    return changed && !(known && is_expected(op, before, changes, *k));
}

/* With .SILENT: what others changed must be told with what the command did, for the message has but
 * one modseq. */
static void find_news(const struct imap *imap, const struct store_flags *op,
                      const struct store_result *result, struct store_work *work)
{
    struct view_row rows[ROWS];
    const struct selected *selected = &imap->selected;
    uint32_t after = 0;
    size_t count, k = 0;
    do {
        count = view_read(selected->view, selected->user.horizon, &work->uids, after, rows, ROWS);
        for (size_t i = 0; i < count; i++) {
            after = rows[i].message.uid;
            if (is_news(imap, op, result, &rows[i].message, &k))
                uid_set_add(&work->news, after);
        }
    } while (count == ROWS);
}

/* True when all that has the result's modseq are messages of the command: it may be another
 * session's when the command changed nothing. */
static bool is_ours(const struct store_result *result, const struct uid_set *uids)
{
    const struct changes *changes = &result->changes;
    for (size_t i = 0; i < changes->len; i++)
        if (changes->modseq[i] == result->modseq &&
            (changes->createseq[i] == result->modseq || !uid_set_has(uids, changes->uid[i])))
            return false;
    for (size_t i = 0; i < changes->vanished_len; i++)
        if (changes->vanished_modseq[i] == result->modseq)
            return false;
    return !changes->more;
}

/* Nothing else is in the changes. */
static bool is_alone(const struct store_result *result)
{
    const struct changes *changes = &result->changes;
    for (size_t i = 0; i < changes->len; i++)
        if (changes->modseq[i] != result->modseq)
            return false;
    return changes->vanished_len == 0;
}

/* What the command did needs no other announcement than its answer, whatever else is to be told. In
 * doubt there is one more FETCH line, which is harmless. */
static void skip_own(struct imap *imap, const struct store_flags *op,
                     const struct store_result *result, struct store_work *work)
{
    if (result->modseq <= op->since_modseq || !is_ours(result, &work->uids))
        return;
    const struct selected *selected = &imap->selected;
    bool nothing_before =
        op->since_modseq <= selected->user.horizon || op->since_modseq <= selected->own_until;
    if (work->silent && !(nothing_before && result->changes.len == 0))
        find_news(imap, op, result, work);
    announce_skip(imap, result->modseq, nothing_before && is_alone(result));
}

static bool store(struct imap *imap, const struct store_arguments *arguments,
                  struct store_work *work, struct err *err)
{
    struct view *view = imap->selected.view;
    struct store_flags store = {.mailbox_id = view_info(view).mailbox_id,
                                .mode = arguments->mode,
                                .flags = arguments->flags.flags,
                                .keywords = arguments->flags.keywords,
                                .keyword_count = arguments->flags.keyword_count,
                                .has_unchanged_since = arguments->has_unchanged_since,
                                .unchanged_since = arguments->unchanged_since,
                                .since_modseq = view_modseq(view)};
    TRY(selected_check(imap, err));
    TRY(selected_list_uids(imap, &work->uids, &store.uids, err));
    if (store.uids.len == 0)
        return true;
    struct store_result result;
    struct backend_call call = imap_call_on(imap, view);
    TRY(backend_store_flags(imap->server->backend, &call, &store, &result, err));
    skip_own(imap, &store, &result, work);
    view_apply(view, store.since_modseq, &result.changes);
    for (size_t i = 0; i < result.modified.len; i++)
        uid_set_add(&work->modified, result.modified.uids[i]);
    return true;
}

enum session_next cmd_store(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct store_arguments arguments;
    struct uid_set uids;
    if (!take_arguments(imap, args, &arguments, &err) ||
        !selected_resolve(imap, &arguments.set, imap->uid, &uids, &err))
        return respond_syntax(imap, &err);
    struct store_work *work = xcalloc(1, sizeof(*work));
    work->uids = uids;
    work->silent = arguments.silent;
    imap_set_work(imap, work, work_free);
    if (arguments.has_unchanged_since)
        condstore_enable(imap);
    if (!store(imap, &arguments, work, &err))
        return respond_err(imap, &err);
    bool is_quiet = arguments.silent && !imap->condstore && uid_set_is_empty(&work->news);
    return is_quiet ? respond_ok(imap, "stored") : store_more(imap);
}
