#include "services/imap/command.h"
#include "services/imap/metadata.h"
#include "services/imap/names.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/search.h"
#include "services/imap/search_filter.h"
#include "services/imap/shared.h"

/* GETMETADATA and SETMETADATA (RFC 5464). The mailbox "" is the account as a whole. */

#define BYTES_MAX "1000000" /* of all names and values, as store has it */

struct get {
    struct str mailbox;
    bool has_max_size, has_depth;
    uint64_t max_size;
    size_t depth; /* levels below an entry; SIZE_MAX: all */
    struct str *names;
    size_t count;
    bool denied;
};

/* ---- GETMETADATA (4.2) */

/* "MAXSIZE" SP number / "DEPTH" SP ("0" / "1" / "infinity"), each once */
static void take_option(struct cursor *c, struct get *get)
{
    if (!get->has_max_size && cursor_skip_nocase(c, STR("MAXSIZE "))) {
        get->has_max_size = true;
        get->max_size = cursor_take_number(c, INT64_MAX, "size");
    } else if (!get->has_depth && cursor_skip_nocase(c, STR("DEPTH "))) {
        get->has_depth = true;
        if (cursor_skip_nocase(c, STR("infinity")))
            get->depth = SIZE_MAX;
        else
            get->depth = (size_t)cursor_take_number(c, 1, "depth");
    } else {
        cursor_fail(c, "MAXSIZE or DEPTH, once");
    }
}

/* In front of the mailbox as in the grammar, or behind it as in the examples. */
static void take_options(struct cursor *c, struct get *get)
{
    cursor_expect(c, '(');
    do
        take_option(c, get);
    while (cursor_skip(c, ' '));
    cursor_expect(c, ')');
    parse_space(c);
}

static bool at_options(const struct cursor *c)
{
    struct cursor look = *c;
    return cursor_skip(&look, '(') &&
           (cursor_skip_nocase(&look, STR("MAXSIZE ")) || cursor_skip_nocase(&look, STR("DEPTH ")));
}

/* "/" and "" stand for everything. */
static void take_name(struct imap *imap, struct cursor *c, struct get *get)
{
    struct cursor mark = cursor_mark(c);
    struct str name = parse_astring(c, &imap->arena);
    bool root = name.len == 0 || str_eq(name, STR("/"));
    if (cursor_failed(c))
        return;
    if (get->count == METADATA_ENTRIES_MAX) {
        cursor_fail_too_long(c, "list of entries");
        return;
    }
    if (!root) {
        cursor_rewind(c, mark);
        name = metadata_take_entry(c, &imap->arena, &get->denied);
    }
    get->names[get->count++] = root ? STR("") : name;
}

static bool take_get(struct imap *imap, struct cursor *c, struct get *get, struct err *err)
{
    get->names = arena_new_array(&imap->arena, METADATA_ENTRIES_MAX, struct str);
    if (!get->names)
        return err_set(err, ERR_LIMIT, "command too large");
    parse_space(c);
    if (at_options(c))
        take_options(c, get);
    get->mailbox = name_take(imap, c);
    parse_space(c);
    if (at_options(c))
        take_options(c, get);
    if (cursor_skip(c, '(')) {
        do
            take_name(imap, c, get);
        while (cursor_skip(c, ' '));
        cursor_expect(c, ')');
    } else {
        take_name(imap, c, get);
    }
    return cursor_finish(c, err);
}

/* Is `name` the wanted entry, or so few levels below it? */
static bool is_below(struct str name, struct str wanted, size_t depth)
{
    if (!str_starts_with(name, wanted))
        return false;
    struct str rest = str_skip(name, wanted.len);
    if (rest.len == 0)
        return true;
    size_t levels = 0;
    for (size_t i = 0; i < rest.len; i++)
        levels += rest.ptr[i] == '/';
    return rest.ptr[0] == '/' && levels <= depth;
}

static bool is_wanted(const struct get *get, const struct annotation *a)
{
    for (size_t i = 0; i < get->count; i++)
        if (is_below(a->name, get->names[i], get->depth))
            return true;
    return false;
}

static enum session_next give(struct imap *imap, const struct get *get,
                              const struct annotations *all)
{
    struct buf *out = imap_out(imap);
    size_t given = 0;
    uint64_t longest = 0;
    for (size_t i = 0; i < all->len; i++) {
        const struct annotation *a = &all->items[i];
        if (!is_wanted(get, a))
            continue;
        if (get->has_max_size && a->value.len > get->max_size) {
            longest = a->value.len > longest ? a->value.len : longest;
            continue;
        }
        if (given++ == 0) {
            buf_append(out, STR("* METADATA "));
            respond_mailbox(imap, out, get->mailbox);
        }
        buf_append(out, given == 1 ? STR(" (") : STR(" "));
        buf_append(out, a->name);
        buf_append_char(out, ' ');
        metadata_write_value(imap, out, a);
    }
    if (given > 0)
        buf_append(out, STR(")\r\n"));
    if (longest > 0)
        return respond_ok(imap, "[METADATA LONGENTRIES %llu] some are larger",
                          (unsigned long long)longest);
    return respond_ok(imap, "entries given");
}

static enum session_next failed(struct imap *imap, const struct err *err)
{
    if (err->kind == ERR_NOT_FOUND)
        return respond_no(imap, "[TRYCREATE] no such mailbox");
    return respond_err(imap, err);
}

/* RFC 5464 5: the codes of what SETMETADATA would store. */
static enum session_next not_set(struct imap *imap, const struct err *err)
{
    if (err->kind == ERR_STATE)
        return respond_no(imap, "[METADATA (TOOMANY)] too many entries");
    if (err->kind == ERR_LIMIT)
        return respond_no(imap, "[METADATA (MAXSIZE " BYTES_MAX ")] the entries are too large");
    return failed(imap, err);
}

enum session_next cmd_getmetadata(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct get get = {.depth = 0};
    struct annotations all;
    if (!take_get(imap, args, &get, &err))
        return respond_syntax(imap, &err);
    if (get.denied)
        return respond_no(imap, "[CANNOT] no such kind of entry");
    struct annotation_query query = {.one_mailbox = true};
    struct backend_call call = imap_call(imap);
    if (!shared_find(imap, get.mailbox, &call, &query.mailbox, &err) ||
        !backend_annotations(imap->server->backend, &call, &query, &all.items, &all.len,
                             &all.modseq, &err))
        return failed(imap, &err);
    return give(imap, &get, &all);
}

/* ---- SETMETADATA (4.3) */

/* value = nstring / literal8 */
static void take_value(struct cursor *c, struct arena *arena, struct annotation *a)
{
    a->binary = cursor_next_is(c, '~');
    a->value = a->binary ? parse_literal8(c) : parse_nstring(c, arena);
}

/* "(" entry SP value *(SP entry SP value) ")" */
static size_t take_entries(struct cursor *c, struct arena *arena, struct annotation *items,
                           bool *denied)
{
    size_t count = 0;
    cursor_expect(c, '(');
    do {
        if (count == METADATA_ENTRIES_MAX) {
            cursor_fail_too_long(c, "list of entries");
            break;
        }
        items[count].name = metadata_take_entry(c, arena, denied);
        parse_space(c);
        take_value(c, arena, &items[count]);
        count++;
    } while (cursor_skip(c, ' '));
    cursor_expect(c, ')');
    return count;
}

/* RFC 5466 3.2: what is to be a filter must be a search program. */
static bool are_filters(struct imap *imap, const struct annotation *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (search_filter_is_entry(items[i].name) && !str_is_null(items[i].value) &&
            !search_is_program(imap, items[i].value))
            return false;
    return true;
}

static bool has_private(const struct annotation *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_starts_with(items[i].name, STR("/private/")))
            return true;
    return false;
}

enum session_next cmd_setmetadata(struct imap *imap, struct cursor *args)
{
    struct err err;
    bool denied = false;
    struct annotation *items =
        arena_new_array(&imap->arena, METADATA_ENTRIES_MAX, struct annotation);
    if (!items)
        return respond_no(imap, "[LIMIT] command too large");
    parse_space(args);
    struct str mailbox = name_take(imap, args);
    parse_space(args);
    size_t count = take_entries(args, &imap->arena, items, &denied);
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    if (denied)
        return respond_no(imap, "[CANNOT] no such kind of entry");
    if (mailbox.len == 0 && imap_has_capability(imap, STR("FILTERS")) &&
        !are_filters(imap, items, count))
        return respond_no(imap, "[CANNOT] a filter is a search program");
    struct backend_call call = imap_call(imap);
    if (!shared_find(imap, mailbox, &call, &mailbox, &err))
        return failed(imap, &err);
    if (call.owner != 0 && has_private(items, count))
        return respond_no(imap, "[METADATA (NOPRIVATE)] only the owner has private entries");
    if (!backend_annotate(imap->server->backend, &call, mailbox, items, count, &imap->metadata_own,
                          &err))
        return not_set(imap, &err);
    imap->metadata_own_owner = call.owner;
    return respond_ok(imap, "entries set");
}
