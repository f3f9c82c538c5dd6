#include "services/mailrail/mail_source.h"

#include "common/mail/header.h"
#include "common/mail/line_ends.h"
#include "common/mail/maildir.h"
#include "common/mail/mbox.h"
#include "common/mail/structure.h"
#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/sys/file.h"
#include "services/mailrail/mail_parse.h"
#include "services/mailrail/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * Reading the messages of sources. A message is collected whole, because its structure needs all of
 * it: in memory, and above MEMORY_MAX in a file without a name.
 */

#define PIECE_SIZE (256u << 10)
#define MEMORY_MAX (16u << 20)
#define KEYWORDS_FILE_MAX (64u << 10)
#define FLAGS_ARENA_MAX (1u << 20)
#define STRUCTURE_MAX (16u << 20)

struct reading {
    take_message *take;
    void *ctx;
    /* The message so far. */
    struct buf memory;
    int fd; /* -1: all is in memory */
    uint64_t size;
    struct arena arena; /* of one message: its flags */
    struct arena scratch;
    struct buf structure;
    char *piece;
};

/* ---- One message */

static void forget_message(struct reading *r)
{
    fd_cleanup(&r->fd);
    buf_reset(&r->memory);
    arena_reset(&r->arena);
    r->size = 0;
}

static bool spill(struct reading *r, struct err *err)
{
    FILE *file = tmpfile();
    if (!file)
        return err_set_errno(err, errno, "make a temporary file for a large message");
    r->fd = dup(fileno(file));
    int failure = errno;
    fclose(file);
    if (r->fd < 0)
        return err_set_errno(err, failure, "make a temporary file for a large message");
    return file_write_all(r->fd, buf_str(&r->memory), err);
}

static bool collect(struct reading *r, struct str bytes, struct err *err)
{
    r->size += bytes.len;
    if (r->fd < 0) {
        if (buf_append(&r->memory, bytes))
            return true;
        TRY(spill(r, err));
    }
    return file_write_all(r->fd, bytes, err);
}

/* `received_s` NULL: what the header says, else now. */
static bool parse(struct reading *r, struct incoming *m, const int64_t *received_s, struct err *err)
{
    arena_reset(&r->scratch);
    buf_reset(&r->structure);
    const struct structure *s = structure_parse(m->text, &r->scratch);
    TRY(structure_encode(s, &r->scratch, &r->structure, err));
    m->structure = buf_str(&r->structure);
    if (m->source->is_maildir)
        m->mail_from = mail_parse_return_path(m->text, &r->arena);
    if (received_s)
        m->received_s = *received_s;
    else
        m->received_s =
            s->envelope && s->envelope->has_date ? s->envelope->date.time_s : clock_wall_s();
    return true;
}

static bool finish_message(struct reading *r, struct incoming *m, const int64_t *received_s,
                           struct err *err)
{
    struct file_map map = {.bytes = STR_NULL};
    m->text = buf_str(&r->memory);
    if (r->fd >= 0) {
        TRY(file_map_open(r->fd, &map, err));
        m->text = map.bytes;
    }
    if (m->text.len == 0)
        m->text = STR("");
    bool ok = parse(r, m, received_s, err) && r->take(r->ctx, m, err);
    if (r->fd >= 0)
        file_map_close(&map);
    forget_message(r);
    return ok;
}

/* ---- mbox */

struct mbox_message {
    bool is_open;
    uint64_t offset;
    bool has_date;
    int64_t date_s;
    struct address mail_from; /* in the arena of the message */
};

/* The flags' fields stand in the header, which is in memory but for monsters. */
static bool finish_mbox(struct reading *r, const struct mail_source *source,
                        struct mbox_message *open, uint64_t offset, struct err *err)
{
    struct mail_flags flags = {.bits = 0};
    struct incoming m = {.source = source,
                         .flags = &flags,
                         .mail_from = open->mail_from,
                         .position = source->start + offset};
    if (!open->is_open)
        return true;
    open->is_open = false;
    mbox_read_flags(buf_str(&r->memory), &flags, &r->arena);
    return finish_message(r, &m, open->has_date ? &open->date_s : NULL, err) ||
           err_wrap(err, "%.*s, message at byte %" PRIu64, STR_ARG(source->path), open->offset);
}

static bool take_piece(struct reading *r, const struct mail_source *source,
                       struct mbox_reader *reader, struct mbox_message *open, struct str piece,
                       struct err *err)
{
    struct str text = STR_NULL;
    for (;;) {
        switch (mbox_read(reader, &piece, &text)) {
        case MBOX_NEEDS_INPUT:
            return true;
        case MBOX_TEXT:
            TRY(collect(r, text, err));
            break;
        case MBOX_MESSAGE:
            TRY(finish_mbox(r, source, open, reader->message_offset, err));
            *open = (struct mbox_message){true, reader->message_offset, reader->has_date,
                                          reader->date.time_s,
                                          mail_parse_sender(reader->sender, &r->arena)};
            break;
        case MBOX_BAD:
            return err_set(err, ERR_SYNTAX,
                           "%.*s is no mbox file: at byte %" PRIu64 " stands no \"From \" line",
                           STR_ARG(source->path), reader->offset);
        }
    }
}

/* As many bytes as the file had when it was listed: mail that comes meanwhile waits for another
 * time. */
static bool read_mbox_pieces(struct reading *r, const struct mail_source *source, int fd,
                             uint64_t offset, struct err *err)
{
    struct mbox_reader reader;
    struct mbox_message open = {.is_open = false};
    mbox_reader_init(&reader, offset);
    while (offset < source->size) {
        uint64_t left = source->size - offset;
        ssize_t n =
            pread(fd, r->piece, left < PIECE_SIZE ? (size_t)left : PIECE_SIZE, (off_t)offset);
        if (n < 0)
            return err_set_errno(err, errno, "read %.*s at byte %" PRIu64, STR_ARG(source->path),
                                 offset);
        if (n == 0)
            return err_set(err, ERR_CONFLICT, "%.*s became shorter", STR_ARG(source->path));
        offset += (uint64_t)n;
        TRY(take_piece(r, source, &reader, &open, str_make(r->piece, (size_t)n), err));
    }
    return take_piece(r, source, &reader, &open, mbox_reader_last(&reader), err) &&
           finish_mbox(r, source, &open, source->size, err);
}

static bool open_source(struct str path, int *ret_fd, struct err *err)
{
    char name[4096];
    if (!str_copy_cstr(path, name, sizeof(name)))
        return err_set(err, ERR_LIMIT, "the path is too long");
    *ret_fd = open(name, O_RDONLY | O_CLOEXEC);
    return *ret_fd >= 0 || err_set_errno(err, errno, "open %s", name);
}

static bool read_mbox(struct reading *r, const struct mail_source *source, uint64_t offset,
                      struct err *err)
{
    CLEANUP(fd_cleanup) int fd = -1;
    return open_source(source->path, &fd, err) && read_mbox_pieces(r, source, fd, offset, err);
}

/* ---- Maildir */

/* Bad lines are told, and harm nobody. A Maildir need not have the file. */
static bool read_keywords(const struct mail_source *source, struct arena *arena,
                          struct maildir_keywords *k, struct err *err)
{
    struct err bad;
    struct str text, line,
        path = arena_printf(arena, "%.*s/" MAILDIR_KEYWORDS_FILE, STR_ARG(source->path));
    char *name = arena_cstr(arena, path);
    if (!name || !file_read(name, KEYWORDS_FILE_MAX, arena, &text, err))
        return name ? err->kind == ERR_NOT_FOUND : err_set(err, ERR_LIMIT, "the path is too long");
    for (unsigned number = 1; !str_is_empty(text); number++) {
        str_cut(text, '\n', &line, &text);
        if (!maildir_keywords_line(k, line, arena, &bad))
            fprintf(stderr, "%s, line %u: skipped: %s\n", name, number, bad.detail);
    }
    return true;
}

static bool collect_file(struct reading *r, int fd, struct err *err)
{
    struct line_ends ends = {0};
    struct str rest, span;
    ssize_t n;
    while ((n = read(fd, r->piece, PIECE_SIZE)) > 0) {
        rest = str_make(r->piece, (size_t)n);
        while (line_ends_to_crlf(&ends, &rest, &span))
            TRY(collect(r, span, err));
    }
    if (n < 0)
        return err_set_errno(err, errno, "read");
    return r->size == 0 || ends.after_line || collect(r, STR("\r\n"), err);
}

static bool read_file(struct reading *r, const struct mail_source *source,
                      const struct mail_file *file, const struct maildir_keywords *k,
                      uint64_t position, struct err *err)
{
    struct mail_flags flags = {.bits = 0};
    struct maildir_name name = maildir_parse_name(file->name);
    CLEANUP(fd_cleanup) int fd = -1;
    struct str path = arena_printf(&r->arena, "%.*s/%s/%.*s", STR_ARG(source->path),
                                   file->is_cur ? "cur" : "new", STR_ARG(file->name));
    maildir_flags(&name, k, &flags, &r->arena);
    struct incoming m = {.source = source, .flags = &flags, .position = position};
    int64_t received_s = name.has_time ? name.time_s : file->mtime_s;
    return open_source(path, &fd, err) &&
           ((collect_file(r, fd, err) && finish_message(r, &m, &received_s, err)) ||
            err_wrap(err, "%.*s/%s/%.*s", STR_ARG(source->path), file->is_cur ? "cur" : "new",
                     STR_ARG(file->name)));
}

static bool read_maildir(struct reading *r, const struct mail_source *source, uint64_t position,
                         struct err *err)
{
    struct maildir_keywords k = {.words = {STR_NULL}};
    struct arena arena;
    arena_init(&arena, 1 << 20);
    bool ok = read_keywords(source, &arena, &k, err);
    uint64_t at = source->start;
    for (size_t i = 0; ok && i < source->file_count; i++) {
        at += source->files[i].size + 1;
        if (at > position)
            ok = read_file(r, source, &source->files[i], &k, at, err);
    }
    arena_release(&arena);
    return ok;
}

/* ---- All */

static bool read_all(struct reading *r, const struct mail_sources *sources, uint64_t position,
                     struct err *err)
{
    for (size_t i = 0; i < sources->items.len; i++) {
        const struct mail_source *source = &sources->items.items[i];
        if (source->start + source->size <= position)
            continue;
        uint64_t offset = position > source->start ? position - source->start : 0;
        TRY(source->is_maildir ? read_maildir(r, source, position, err)
                               : read_mbox(r, source, offset, err));
    }
    return true;
}

bool mail_sources_read(const struct mail_sources *sources, uint64_t position, take_message *take,
                       void *ctx, struct err *err)
{
    struct reading r = {.take = take, .ctx = ctx, .fd = -1, .piece = xmalloc(PIECE_SIZE)};
    buf_init(&r.memory, MEMORY_MAX);
    arena_init(&r.arena, FLAGS_ARENA_MAX);
    arena_init(&r.scratch, STRUCTURE_ARENA_SIZE);
    buf_init(&r.structure, STRUCTURE_MAX);
    bool ok = read_all(&r, sources, position, err);
    forget_message(&r);
    buf_release(&r.memory);
    arena_release(&r.arena);
    arena_release(&r.scratch);
    buf_release(&r.structure);
    free(r.piece);
    return ok;
}
