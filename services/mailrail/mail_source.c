#include "services/mailrail/mail_source.h"

#include "common/base/buf.h"
#include "common/text/utf8.h"
#include "services/mailrail/level_name.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 51 /* levels of a mailbox, and the directory that was given */

struct finder {
    struct mail_sources *sources;
    struct arena *arena;
    unsigned depth;
};

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_LIMIT, "too many files for one import");
}

static struct str join(const struct finder *f, struct str directory, struct str name)
{
    return directory.len > 0
               ? arena_printf(f->arena, "%.*s/%.*s", STR_ARG(directory), STR_ARG(name))
               : arena_copy(f->arena, name);
}

/* ---- The fingerprint: a chain of digests */

static void note(struct mail_sources *s, struct str text, uint64_t size, int64_t time_s)
{
    struct buf link;
    buf_init(&link, 1 << 16);
    buf_append(&link, digest_str(&s->fingerprint));
    buf_printf(&link, "%" PRIu64 " %" PRId64 " ", size, time_s);
    buf_append(&link, text);
    s->fingerprint = digest_of(DIGEST_SHA256, buf_str(&link));
    buf_release(&link);
}

/* ---- Sources */

static bool add_source(struct finder *f, struct mail_source source, struct err *err)
{
    struct mail_sources *s = f->sources;
    if (!utf8_is_valid(source.mailbox))
        return err_set(err, ERR_SYNTAX, "%.*s: the mailbox's name is not UTF-8",
                       STR_ARG(source.path));
    source.mailbox = utf8_nfc(source.mailbox, f->arena);
    if (str_is_null(source.mailbox) || str_is_null(source.path))
        return no_memory(err);
    source.start = s->size;
    s->size += source.size;
    s->messages += source.file_count;
    note(s, source.mailbox, source.size, 0);
    array_push(&s->items, source);
    return true;
}

static bool add_mbox(struct finder *f, struct str path, const struct stat *st, struct str mailbox,
                     struct err *err)
{
    note(f->sources, path, (uint64_t)st->st_ino, st->st_mtime);
    return add_source(
        f, (struct mail_source){.path = path, .mailbox = mailbox, .size = (uint64_t)st->st_size},
        err);
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_maildir(const struct finder *f, struct str path)
{
    char *cur = arena_cstr(f->arena, join(f, path, STR("cur")));
    char *new = arena_cstr(f->arena, join(f, path, STR("new")));
    return cur && new && (is_directory(cur) || is_directory(new));
}

/* The names in a directory, sorted by their bytes. */
struct names {
    struct dirent **items;
    int len;
};

static int skip_dots(const struct dirent *e)
{
    return strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool list_names(const char *path, struct names *ret, struct err *err)
{
    ret->len = scandir(path, &ret->items, skip_dots, by_bytes);
    return ret->len >= 0 || err_set_errno(err, errno, "open directory %s", path);
}

static void free_names(struct names *names)
{
    for (int i = 0; i < names->len; i++)
        free(names->items[i]);
    free(names->items);
}

/* ---- Maildirs */

typedef ARRAY_OF(struct mail_file) file_list;

static bool add_file(struct finder *f, const char *directory, const char *name, bool is_cur,
                     file_list *files, struct err *err)
{
    char path[4096];
    struct stat st;
    if (name[0] == '.') /* no message: Maildirs of some servers have such files */
        return true;
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (stat(path, &st) < 0)
        return err_set_errno(err, errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_SYNTAX, "%s is no file", path);
    struct mail_file file = {.name = arena_copy(f->arena, str_from_cstr(name)),
                             .is_cur = is_cur,
                             .size = (uint64_t)st.st_size,
                             .mtime_s = st.st_mtime};
    if (str_is_null(file.name))
        return no_memory(err);
    array_push(files, file);
    note(f->sources, file.name, file.size, 0);
    return true;
}

static bool add_files(struct finder *f, struct str maildir, const char *below, bool is_cur,
                      file_list *files, struct err *err)
{
    struct names names;
    char *path = arena_cstr(f->arena, join(f, maildir, str_from_cstr(below)));
    if (!path)
        return no_memory(err);
    if (!list_names(path, &names, err))
        return err->kind == ERR_NOT_FOUND;
    bool ok = true;
    for (int i = 0; ok && i < names.len; i++)
        ok = add_file(f, path, names.items[i]->d_name, is_cur, files, err);
    free_names(&names);
    return ok;
}

/* A file counts one byte more than it has, so that an empty one has a position too. */
static bool add_maildir(struct finder *f, struct str path, struct str mailbox, struct err *err)
{
    file_list files = {0};
    struct mail_source source = {.path = path, .mailbox = mailbox, .is_maildir = true};
    bool ok = add_files(f, path, "new", false, &files, err) &&
              add_files(f, path, "cur", true, &files, err);
    source.files = ok ? arena_new_array(f->arena, files.len, struct mail_file) : NULL;
    for (size_t i = 0; source.files && i < files.len; i++) {
        source.files[i] = files.items[i];
        source.size += files.items[i].size + 1;
        source.file_count++;
    }
    array_release(&files);
    return ok && (source.files || no_memory(err)) && add_source(f, source, err);
}

/* ---- Directories */

static bool find_in(struct finder *f, struct str path, struct str mailbox, struct err *err);

static bool find_below(struct finder *f, struct str path, struct str name, struct str above,
                       struct err *err)
{
    static const struct str parts[] = {STR_INIT("cur"), STR_INIT("new"), STR_INIT("tmp")};
    struct str below = join(f, path, name);
    char *below_path = arena_cstr(f->arena, below);
    struct stat st;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (str_eq(name, parts[i]))
            return true;
    }
    if (!below_path)
        return no_memory(err);
    if (stat(below_path, &st) < 0)
        return err_set_errno(err, errno, "%s", below_path);
    if (S_ISREG(st.st_mode) && str_ends_with(name, STR(".mbox")) && name.len > 5)
        return add_mbox(f, below, &st, join(f, above, str_slice(name, 0, name.len - 5)), err);
    if (!S_ISDIR(st.st_mode))
        return true;
    bool is_folder = str_starts_with(name, STR("."));
    if (is_folder && !level_name_has_dot(name) && !is_maildir(f, below)) /* some program's files */
        return true;
    struct str level = is_folder ? level_name_of_folder(name, f->arena) : name;
    return find_in(f, below, join(f, above, level), err);
}

/* Everything below a directory, whose own mail goes to `mailbox`. */
static bool find_in(struct finder *f, struct str path, struct str mailbox, struct err *err)
{
    struct names names;
    char *directory = arena_cstr(f->arena, path);
    if (!directory)
        return no_memory(err);
    if (++f->depth > DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "%s: too many directories in one another", directory);
    bool at_top = mailbox.len == 0;
    if (is_maildir(f, path))
        TRY(add_maildir(f, path, at_top ? STR("Inbox") : mailbox, err));
    TRY(list_names(directory, &names, err));
    bool ok = true;
    for (int i = 0; ok && i < names.len; i++)
        ok = find_below(f, path, str_from_cstr(names.items[i]->d_name), mailbox, err);
    free_names(&names);
    f->depth--;
    return ok;
}

/* The mailbox of a single file, by its name. */
static struct str mailbox_of_file(struct str path)
{
    ptrdiff_t slash = str_rfind_char(path, '/');
    struct str name = str_skip(path, (size_t)(slash + 1));
    return str_ends_with(name, STR(".mbox")) ? str_slice(name, 0, name.len - 5) : name;
}

bool mail_sources_find(const char *given, struct str mailbox, struct arena *arena,
                       struct mail_sources *ret, struct err *err)
{
    *ret = (struct mail_sources){.size = 0};
    struct finder f = {.sources = ret, .arena = arena};
    struct str path = arena_copy(arena, str_from_cstr(given));
    struct stat st;
    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    if (stat(given, &st) < 0)
        return err_set_errno(err, errno, "%s", given);
    if (S_ISREG(st.st_mode))
        return add_mbox(&f, path, &st, mailbox.len > 0 ? mailbox : mailbox_of_file(path), err);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_SYNTAX, "%s is neither a file nor a directory", given);
    TRY(find_in(&f, path, mailbox, err));
    return ret->items.len > 0 ||
           err_set(err, ERR_NOT_FOUND, "%s has no mail: no file *.mbox, no directory cur or new",
                   given);
}

void mail_sources_release(struct mail_sources *sources)
{
    array_release(&sources->items);
}
