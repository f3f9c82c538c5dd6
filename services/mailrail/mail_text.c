#include "services/mailrail/mail_text.h"

#include "common/mail/line_ends.h"
#include "common/sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PIECE_SIZE (64u << 10)

struct reading {
    const char *name; /* for errors */
    mail_text_sink *sink;
    void *ctx;
    struct line_ends line_ends;
    uint64_t size;
};

static bool pass_on(struct reading *r, struct str bytes, struct err *err)
{
    struct str span;
    r->size += bytes.len;
    while (line_ends_to_crlf(&r->line_ends, &bytes, &span))
        TRY(r->sink(r->ctx, span, err));
    return true;
}

static bool read_all(struct reading *r, int fd, struct err *err)
{
    char piece[PIECE_SIZE];
    ssize_t n;
    while ((n = read(fd, piece, sizeof(piece))) != 0) {
        if (n > 0)
            TRY(pass_on(r, str_make(piece, (size_t)n), err));
        else if (errno != EINTR)
            return err_set_errno(err, errno, "read %s", r->name);
    }
    if (r->size == 0)
        return err_set(err, ERR_SYNTAX, "%s is empty", r->name);
    return r->line_ends.after_line || pass_on(r, STR("\n"), err);
}

bool mail_text_read(const char *path, mail_text_sink *sink, void *ctx, struct err *err)
{
    struct reading r = {.name = path, .sink = sink, .ctx = ctx};
    if (strcmp(path, "-") == 0) {
        r.name = "standard input";
        return read_all(&r, STDIN_FILENO, err);
    }
    CLEANUP(fd_cleanup) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "open %s", path);
    return read_all(&r, fd, err);
}
