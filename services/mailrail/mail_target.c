#include "services/mailrail/mail_target.h"

#include "common/base/bug.h"
#include "common/sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_MAX (256u << 10)
#define DIRECTORY_MODE 0700
#define FILE_MODE 0600

static FILE *create(const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file)
        return file;
    int failure = errno;
    fd_cleanup(&fd);
    err_set_errno(err, failure, "create %s", path);
    if (failure == EEXIST)
        err->kind = ERR_CONFLICT;
    return NULL;
}

static bool write_out(struct mail_target *t, struct str bytes, struct err *err)
{
    return bytes.len == 0 || fwrite(bytes.ptr, 1, bytes.len, t->file) == bytes.len ||
           err_set_errno(err, errno, "write %s", t->is_mbox ? t->path : t->file_path);
}

/* What the writer of mbox has put into `out`. */
static bool flush(struct mail_target *t, struct err *err)
{
    bool ok = write_out(t, buf_str(&t->out), err);
    buf_reset(&t->out);
    return ok;
}

/* ---- Opening */

static bool make_directory(const char *path, struct err *err)
{
    return directory_make(path, DIRECTORY_MODE, err);
}

static bool open_maildir(struct mail_target *t, struct err *err)
{
    static const char *const parts[] = {"cur", "new", "tmp"};
    char path[sizeof(t->path) + 8];
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        snprintf(path, sizeof(path), "%s/%s", t->path, parts[i]);
        TRY(make_directory(path, err));
    }
    return true;
}

static bool open_mbox(struct mail_target *t, struct err *err)
{
    char directory[sizeof(t->path)];
    snprintf(directory, sizeof(directory), "%s", t->path);
    *strrchr(directory, '/') = '\0';
    TRY(make_directory(directory, err));
    t->file = create(t->path, err);
    return t->file != NULL;
}

bool mail_target_open(struct mail_target *t, bool is_mbox, const char *path, struct err *err)
{
    *t = (struct mail_target){.is_mbox = is_mbox};
    arena_init(&t->arena, 1 << 20);
    buf_init(&t->out, 2 * PIECE_MAX + MBOX_WRITE_MORE);
    int len = snprintf(t->path, sizeof(t->path), "%s%s", path, is_mbox ? ".mbox" : "");
    if (len < 0 || (size_t)len >= sizeof(t->path))
        return err_set(err, ERR_LIMIT, "the path of the mailbox is too long");
    return is_mbox ? open_mbox(t, err) : open_maildir(t, err);
}

/* ---- Messages */

static bool begin_file(struct mail_target *t, const struct outgoing *m, struct err *err)
{
    struct buf name;
    buf_init(&name, 256);
    uint32_t letters = maildir_letters(&t->keywords, m->flags, &t->arena);
    bool ok = maildir_write_name(&name, m->received_s, m->id, m->flags->bits, letters) ||
              err_set(err, ERR_LIMIT, "the name of the file is too long");
    if (ok) {
        snprintf(t->file_path, sizeof(t->file_path), "%s/%s/%.*s", t->path,
                 m->flags->bits & MAIL_SEEN ? "cur" : "new", STR_ARG(buf_str(&name)));
        t->file = create(t->file_path, err);
    }
    buf_release(&name);
    t->line_ends = (struct line_ends){0};
    return ok && t->file;
}

bool mail_target_begin(struct mail_target *t, const struct outgoing *m, struct err *err)
{
    t->received_s = m->received_s;
    if (!t->is_mbox)
        return begin_file(t, m, err);
    return mbox_write_begin(&t->writer, m->mail_from, m->received_s, m->flags, &t->out) &&
           flush(t, err);
}

static bool write_lines(struct mail_target *t, struct str bytes, struct err *err)
{
    struct str span;
    while (line_ends_to_lf(&t->line_ends, &bytes, &span))
        TRY(write_out(t, span, err));
    return true;
}

bool mail_target_write(struct mail_target *t, struct str bytes, struct err *err)
{
    if (!t->is_mbox)
        return write_lines(t, bytes, err);
    while (bytes.len > 0) {
        struct str piece = str_slice(bytes, 0, PIECE_MAX);
        bytes = str_skip(bytes, piece.len);
        if (!mbox_write(&t->writer, piece, &t->out))
            return err_set(err, ERR_LIMIT, "the flags need too much room");
        TRY(flush(t, err));
    }
    return true;
}

static bool end_file(struct mail_target *t, struct err *err)
{
    const struct timespec times[2] = {{.tv_sec = t->received_s}, {.tv_sec = t->received_s}};
    TRY(write_out(t, line_ends_last(&t->line_ends), err));
    bool ok = fflush(t->file) == 0 && futimens(fileno(t->file), times) == 0;
    if (!ok)
        err_set_errno(err, errno, "write %s", t->file_path);
    fclose(t->file);
    t->file = NULL;
    return ok;
}

bool mail_target_end(struct mail_target *t, struct err *err)
{
    if (!t->is_mbox)
        return end_file(t, err);
    return mbox_write_end(&t->writer, &t->out) ? flush(t, err)
                                               : err_set(err, ERR_LIMIT, "a line is too long");
}

/* ---- Closing */

static bool write_keywords(struct mail_target *t, struct err *err)
{
    struct buf text;
    char path[sizeof(t->path) + 32];
    if (t->keywords.words[0].len == 0)
        return true;
    buf_init(&text, 1 << 16);
    snprintf(path, sizeof(path), "%s/%s", t->path, MAILDIR_KEYWORDS_FILE);
    bool ok = maildir_write_keywords(&text, &t->keywords) &&
              file_replace(path, buf_str(&text), FILE_MODE, err);
    buf_release(&text);
    return ok;
}

bool mail_target_close(struct mail_target *t, struct err *err)
{
    bool ok = t->is_mbox || write_keywords(t, err);
    if (t->file && fclose(t->file) != 0)
        ok = err_set_errno(err, errno, "write %s", t->path);
    t->file = NULL;
    buf_release(&t->out);
    arena_release(&t->arena);
    return ok;
}
