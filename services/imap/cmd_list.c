#include "services/imap/acl.h"
#include "services/imap/command.h"
#include "services/imap/metadata.h"
#include "services/imap/names.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/rights.h"
#include "services/imap/shared.h"
#include "services/imap/status.h"

#include <stdlib.h>

/* LIST with RFC 5258, 5819 and 6154 (all in RFC 9051 6.3.9), and LSUB (RFC 3501 6.3.9). */

#define PATTERNS_MAX 64
#define NOTES_ARENA_MAX (4u << 20) /* annotations of one account */

enum list_option {
    LIST_SUBSCRIBED = 1,
    LIST_REMOTE = 2,
    LIST_RECURSIVEMATCH = 4,
    LIST_SPECIAL_USE = 8,
    LIST_CHILDREN = 16,
    LIST_STATUS = 32,
    LIST_METADATA = 64,  /* RFC 9590 */
    LIST_MYRIGHTS = 128, /* RFC 8440 */
};

/* A name of the account: a mailbox, a subscription, both, or (`info` NULL, not subscribed) a level
 * above a subscribed name that does not exist. */
struct list_entry {
    struct str name;
    const struct mailbox_info *info;
    bool subscribed;
    bool is_above_others; /* a level of their namespace */
    bool has_children;
    bool has_subscribed_below;
};

/* One LIST or LSUB on its way; in the command's arena. */
struct list_work {
    bool lsub;
    unsigned select; /* enum list_option */
    unsigned give;
    struct str reference;
    struct str patterns[PATTERNS_MAX];
    size_t pattern_count;
    bool extended;
    struct status_items status;
    struct str *metadata; /* names of entries */
    size_t metadata_count;
    bool metadata_denied;
    bool in_metadata; /* the second walk, after all LIST lines */
    struct arena notes_arena;
    struct annotations notes; /* of one account: own mailboxes come together, and each other's */
    bool has_notes;
    bool notes_failed; /* there are none to be had of `notes_owner` */
    uint64_t notes_owner;
    struct list_entry *entries; /* by name */
    size_t len;
    size_t next;
};

/* ---- Arguments */

static const struct option_word {
    struct str word;
    enum list_option option;
} select_words[] =
    {
        {STR_INIT("SUBSCRIBED"), LIST_SUBSCRIBED},
        {STR_INIT("REMOTE"), LIST_REMOTE},
        {STR_INIT("RECURSIVEMATCH"), LIST_RECURSIVEMATCH},
        {STR_INIT("SPECIAL-USE"), LIST_SPECIAL_USE},
},
  return_words[] = {
      {STR_INIT("SUBSCRIBED"), LIST_SUBSCRIBED},   {STR_INIT("CHILDREN"), LIST_CHILDREN},
      {STR_INIT("SPECIAL-USE"), LIST_SPECIAL_USE}, {STR_INIT("STATUS"), LIST_STATUS},
      {STR_INIT("METADATA"), LIST_METADATA},       {STR_INIT("MYRIGHTS"), LIST_MYRIGHTS},
};

/* "(" entry *(SP entry) ")" */
static void take_metadata(struct imap *imap, struct cursor *c, struct list_work *work)
{
    work->metadata = arena_new_array(&imap->arena, METADATA_ENTRIES_MAX, struct str);
    work->metadata_count = 0;
    cursor_expect(c, '(');
    do {
        if (!work->metadata || work->metadata_count == METADATA_ENTRIES_MAX) {
            cursor_fail_too_long(c, "list of entries");
            return;
        }
        work->metadata[work->metadata_count++] =
            metadata_take_entry(c, &imap->arena, &work->metadata_denied);
    } while (cursor_skip(c, ' '));
    cursor_expect(c, ')');
}

/* "(" [option *(SP option)] ")" */
static unsigned take_options(struct imap *imap, struct cursor *c, const struct option_word *words,
                             size_t count, struct list_work *work)
{
    unsigned options = 0;
    cursor_expect(c, '(');
    while (!cursor_at_end(c) && !cursor_next_is(c, ')')) {
        struct str word = parse_atom(c, "list option");
        unsigned option = 0;
        for (size_t i = 0; i < count; i++)
            if (str_eq_nocase(word, words[i].word))
                option = words[i].option;
        if (option == LIST_METADATA && !imap_has_capability(imap, STR("LIST-METADATA")))
            option = 0;
        if (option == LIST_MYRIGHTS && !imap_has_capability(imap, STR("LIST-MYRIGHTS")))
            option = 0;
        if (option == 0)
            cursor_fail(c, "a known list option");
        if (option == LIST_STATUS) {
            parse_space(c);
            work->status = status_take_items(imap, c);
        }
        if (option == LIST_METADATA) {
            parse_space(c);
            take_metadata(imap, c, work);
        }
        options |= option;
        if (!cursor_next_is(c, ')'))
            parse_space(c);
    }
    cursor_expect(c, ')');
    return options;
}

static void take_patterns(struct imap *imap, struct cursor *c, struct list_work *work)
{
    if (!cursor_skip(c, '(')) {
        work->patterns[work->pattern_count++] = name_take_pattern(imap, c);
        return;
    }
    work->extended = true;
    do {
        struct str pattern = name_take_pattern(imap, c);
        if (work->pattern_count == PATTERNS_MAX)
            cursor_fail_too_long(c, "list of patterns");
        else
            work->patterns[work->pattern_count++] = pattern;
    } while (cursor_skip(c, ' '));
    cursor_expect(c, ')');
}

static bool take_list(struct imap *imap, struct cursor *c, struct list_work *work, struct err *err)
{
    parse_space(c);
    if (!work->lsub && cursor_next_is(c, '(')) {
        work->extended = true;
        work->select = take_options(imap, c, select_words, ARRAY_LEN(select_words), work);
        parse_space(c);
    }
    work->reference = name_take(imap, c);
    parse_space(c);
    take_patterns(imap, c, work);
    if (!work->lsub && cursor_skip(c, ' ')) {
        work->extended = true;
        cursor_expect_nocase(c, STR("RETURN "));
        work->give = take_options(imap, c, return_words, ARRAY_LEN(return_words), work);
    }
    if ((work->select & LIST_RECURSIVEMATCH) && !(work->select & LIST_SUBSCRIBED))
        cursor_fail(c, "RECURSIVEMATCH with SUBSCRIBED");
    return cursor_finish(c, err);
}

/* Reference and pattern as one path; STR_NULL for what can match nothing. */
static struct str join(struct imap *imap, struct str reference, struct str pattern)
{
    if (str_starts_with(reference, STR("/")) || str_starts_with(pattern, STR("/")) ||
        pattern.len == 0)
        return STR_NULL;
    while (reference.len > 0 && str_ends_with(reference, STR("/")))
        reference.len--;
    if (reference.len > 0)
        pattern = arena_printf(&imap->arena, "%.*s/%.*s", STR_ARG(reference), STR_ARG(pattern));
    return name_fix_inbox(pattern, &imap->arena);
}

/* ---- Entries */

static int by_name(const void *left, const void *right)
{
    const struct list_entry *a = left, *b = right;
    int order = str_cmp(a->name, b->name);
    return order != 0 ? order : (a->info == NULL) - (b->info == NULL);
}

/* How many of the levels above the name there are. */
static size_t count_levels(struct str name)
{
    size_t count = 0;
    for (size_t i = 0; i < name.len; i++)
        count += name.ptr[i] == '/';
    return count;
}

static struct list_entry *find_entry(struct list_work *work, struct str name)
{
    struct list_entry key = {.name = name};
    size_t low = 0, high = work->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(work->entries[middle].name, key.name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < work->len && str_eq(work->entries[low].name, name);
    return found ? &work->entries[low] : NULL;
}

/* Tells the levels above each entry what is below them. */
static void mark_parents(struct list_work *work)
{
    for (size_t i = 0; i < work->len; i++) {
        struct str above = work->entries[i].name;
        ptrdiff_t slash;
        while ((slash = str_rfind_char(above, '/')) > 0) {
            above = str_slice(above, 0, (size_t)slash);
            struct list_entry *parent = find_entry(work, above);
            if (!parent)
                continue;
            parent->has_children = parent->has_children || work->entries[i].info;
            parent->has_subscribed_below =
                parent->has_subscribed_below || work->entries[i].subscribed;
        }
    }
}

/* Sorts, and makes one of the entries of the same name. */
static void merge_entries(struct list_work *work)
{
    qsort(work->entries, work->len, sizeof(*work->entries), by_name);
    size_t kept = 0;
    for (size_t i = 0; i < work->len; i++) {
        if (kept > 0 && str_eq(work->entries[kept - 1].name, work->entries[i].name)) {
            work->entries[kept - 1].subscribed |= work->entries[i].subscribed;
            work->entries[kept - 1].is_above_others |= work->entries[i].is_above_others;
        } else {
            work->entries[kept++] = work->entries[i];
        }
    }
    work->len = kept;
}

/* "Other Users" and "Other Users/<who>" are there for each mailbox below them. */
static void add_levels_of_others(struct list_work *work, struct str name)
{
    struct str who, rest;
    struct str others = STR(SHARED_NAMESPACE);
    str_cut(str_skip(name, others.len + 1), '/', &who, &rest);
    work->entries[work->len++] = (struct list_entry){.name = others, .is_above_others = true};
    work->entries[work->len++] = (struct list_entry){
        .name = str_slice(name, 0, others.len + 1 + who.len), .is_above_others = true};
}

static bool make_entries(struct imap *imap, struct list_work *work, const struct mailbox_list *list)
{
    bool levels = work->lsub || (work->select & LIST_RECURSIVEMATCH);
    size_t max = 3 * list->len + list->subscription_count;
    for (size_t i = 0; levels && i < list->subscription_count; i++)
        max += count_levels(list->subscriptions[i]);
    work->entries = arena_new_array(&imap->arena, max > 0 ? max : 1, struct list_entry);
    if (!work->entries)
        return false;
    for (size_t i = 0; i < list->len; i++) {
        const struct mailbox_info *info = &list->mailboxes[i];
        work->entries[work->len++] = (struct list_entry){.name = info->name, .info = info};
        if (info->owner != 0)
            add_levels_of_others(work, info->name);
    }
    for (size_t i = 0; i < list->subscription_count; i++) {
        struct str name = list->subscriptions[i];
        work->entries[work->len++] = (struct list_entry){.name = name, .subscribed = true};
        ptrdiff_t slash;
        while (levels && (slash = str_rfind_char(name, '/')) > 0) {
            name = str_slice(name, 0, (size_t)slash);
            work->entries[work->len++] = (struct list_entry){.name = name};
        }
    }
    merge_entries(work);
    mark_parents(work);
    return true;
}

/* ---- Answers */

static bool matches(const struct list_work *work, struct str name)
{
    for (size_t i = 0; i < work->pattern_count; i++)
        if (!str_is_null(work->patterns[i]) && name_matches(work->patterns[i], name))
            return true;
    return false;
}

static bool is_selected_list(const struct list_work *work, const struct list_entry *entry)
{
    bool recursive = (work->select & LIST_RECURSIVEMATCH) && entry->has_subscribed_below;
    if ((work->select & LIST_SUBSCRIBED) && !entry->subscribed && !recursive)
        return false;
    if ((work->select & LIST_SPECIAL_USE) && (!entry->info || entry->info->special_use.len == 0))
        return false;
    return entry->info || entry->is_above_others || (work->select & LIST_SUBSCRIBED);
}

/* RFC 3501 6.3.9: with "%" at the end, a level above subscribed names is shown too. */
static bool is_selected_lsub(const struct list_work *work, const struct list_entry *entry)
{
    bool percent = work->pattern_count > 0 && str_ends_with(work->patterns[0], STR("%"));
    return entry->subscribed || (percent && entry->has_subscribed_below);
}

static void write_attribute(struct buf *out, bool *first, struct str attribute)
{
    if (!*first)
        buf_append_char(out, ' ');
    *first = false;
    buf_append(out, attribute);
}

static void write_attributes(struct buf *out, const struct list_work *work,
                             const struct list_entry *entry)
{
    bool first = true;
    bool subscriptions = (work->select | work->give) & LIST_SUBSCRIBED;
    if (work->lsub && !entry->subscribed)
        write_attribute(out, &first, STR("\\NoSelect"));
    if (work->lsub)
        return;
    if (subscriptions && entry->subscribed)
        write_attribute(out, &first, STR("\\Subscribed"));
    if (!entry->info && entry->is_above_others)
        write_attribute(out, &first, STR("\\NoSelect"));
    else if (!entry->info)
        write_attribute(out, &first, STR("\\NonExistent"));
    if (work->give & LIST_CHILDREN)
        write_attribute(out, &first,
                        entry->has_children ? STR("\\HasChildren") : STR("\\HasNoChildren"));
    if (entry->info && entry->info->special_use.len > 0)
        write_attribute(out, &first, entry->info->special_use);
}

static void write_entry(struct imap *imap, const struct list_work *work,
                        const struct list_entry *entry)
{
    struct buf *out = imap_out(imap);
    buf_append(out, work->lsub ? STR("* LSUB (") : STR("* LIST ("));
    write_attributes(out, work, entry);
    buf_append(out, STR(") \"/\" "));
    respond_mailbox(imap, out, entry->name);
    if ((work->select & LIST_RECURSIVEMATCH) && entry->has_subscribed_below)
        buf_append(out, STR(" (\"CHILDINFO\" (\"SUBSCRIBED\"))"));
    buf_append(out, STR("\r\n"));
    if ((work->give & LIST_MYRIGHTS) && entry->info)
        acl_write_mine(imap, entry->name, entry->info->rights);
    if ((work->give & LIST_STATUS) && entry->info && entry->info->has_status)
        status_write(imap, &work->status, entry->info);
}

static void work_free(void *pointer)
{
    struct list_work *work = pointer; /* in the command's arena, but for this */
    arena_release(&work->notes_arena);
}

/* Reads the annotations of an account when its mailboxes are reached. Those of another may not be
 * readable any more: the list goes on without them (RFC 9590 3). */
static bool read_notes(struct imap *imap, struct list_work *work, uint64_t owner, struct err *err)
{
    struct annotation_query query = {.one_mailbox = false};
    if (work->has_notes && work->notes_owner == owner)
        return true;
    arena_reset(&work->notes_arena);
    work->has_notes = true;
    work->notes_owner = owner;
    struct backend_call call = imap_call_in(imap, &work->notes_arena);
    call.owner = owner;
    bool ok = backend_annotations(imap->server->backend, &call, &query, &work->notes.items,
                                  &work->notes.len, &work->notes.modseq, err);
    work->notes_failed = !ok;
    return ok || owner != 0;
}

/* RFC 5464 3: what it takes to read the annotations of another's mailbox; store asks for it too. */
static bool may_have_notes(const struct mailbox_info *info)
{
    unsigned some = RIGHT_READ | RIGHT_SEEN | RIGHT_WRITE | RIGHT_INSERT | RIGHT_POST;
    return info->owner == 0 || (info->rights & some);
}

static bool write_notes(struct imap *imap, struct list_work *work, const struct mailbox_info *info,
                        struct err *err)
{
    if (!info || !may_have_notes(info))
        return true;
    TRY(read_notes(imap, work, info->owner, err));
    if (!work->notes_failed)
        metadata_write_list(imap, info, &work->notes, work->metadata, work->metadata_count);
    return true;
}

static enum session_next list_more(struct imap *imap)
{
    struct err err;
    struct list_work *work = imap->work;
    while (work->next < work->len) {
        if (session_out_is_full(imap->session)) {
            imap->more = list_more;
            return SESSION_MORE;
        }
        const struct list_entry *entry = &work->entries[work->next++];
        bool wanted = work->lsub ? is_selected_lsub(work, entry) : is_selected_list(work, entry);
        if (!wanted || !matches(work, entry->name))
            continue;
        if (!work->in_metadata)
            write_entry(imap, work, entry);
        else if (!write_notes(imap, work, entry->info, &err))
            return respond_err(imap, &err);
    }
    if ((work->give & LIST_METADATA) && !work->in_metadata) {
        work->in_metadata = true;
        work->next = 0;
        return list_more(imap);
    }
    return respond_ok(imap, "listed");
}

/* That of another may have gone meanwhile, or not be readable: the list goes on without its STATUS.
 */
static bool complete_status(struct imap *imap, const struct list_work *work,
                            struct mailbox_info *info, struct err *err)
{
    if (!(info->rights & RIGHT_READ) || !matches(work, info->name))
        return true;
    info->has_status = status_complete(imap, &work->status, info, err);
    return info->has_status || info->owner != 0;
}

static bool complete(struct imap *imap, struct list_work *work, const struct mailbox_list *list,
                     struct err *err)
{
    for (size_t i = 0; i < list->len && (work->give & LIST_STATUS); i++)
        TRY(complete_status(imap, work, &list->mailboxes[i], err));
    return true;
}

static enum session_next list(struct imap *imap, struct cursor *args, bool lsub)
{
    struct err err;
    struct list_work *work = arena_new(&imap->arena, struct list_work);
    work->lsub = lsub;
    if (!take_list(imap, args, work, &err))
        return respond_syntax(imap, &err);
    if (work->metadata_denied)
        return respond_no(imap, "[CANNOT] no such kind of entry");
    if (!work->extended && !lsub && work->patterns[0].len == 0) {
        respond_untagged(imap, "LIST () \"/\" \"\"");
        return respond_ok(imap, "hierarchy separator listed");
    }
    for (size_t i = 0; i < work->pattern_count; i++)
        work->patterns[i] = join(imap, work->reference, work->patterns[i]);
    struct mailbox_list mailboxes;
    struct backend_call call = imap_call(imap);
    if (!backend_list(imap->server->backend, &call, shared_is_shown(imap), &mailboxes, &err) ||
        !complete(imap, work, &mailboxes, &err))
        return respond_err(imap, &err);
    if (!make_entries(imap, work, &mailboxes))
        return respond_no(imap, "[LIMIT] too many mailboxes");
    arena_init(&work->notes_arena, NOTES_ARENA_MAX);
    imap_set_work(imap, work, work_free);
    return list_more(imap);
}

enum session_next cmd_list(struct imap *imap, struct cursor *args)
{
    return list(imap, args, false);
}

enum session_next cmd_lsub(struct imap *imap, struct cursor *args)
{
    return list(imap, args, true);
}
