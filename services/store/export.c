#include "services/store/export.h"

#include "common/mail/address.h"
#include "common/sys/file.h"
#include "services/store/message_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct str sender_of(struct str localpart, struct str domain, struct arena *arena)
{
    struct buf text;
    buf_init(&text, 1024);
    if (str_is_empty(localpart) || str_is_empty(domain))
        return STR("");
    address_write(&text, (struct address){localpart, domain});
    struct str copy = text.overflow ? STR("") : arena_copy(arena, buf_str(&text));
    buf_release(&text);
    return copy;
}

static bool read_row(struct db *db, struct arena *arena, struct export_message *m, struct err *err)
{
    struct db_query q = db_query(db, MESSAGE_EXPORT);
    db_bind_u64(&q, m->id);
    m->is_found = db_step(&q);
    if (m->is_found) {
        m->prefix = db_column_copy(&q, 0, arena);
        m->mail_from = sender_of(db_column_str(&q, 1), db_column_str(&q, 2), arena);
    }
    return db_done(&q, err);
}

static int open_file(struct account *account, uint64_t id, struct err *err)
{
    struct layout_path path = account_message_path(account, id);
    int fd = open(path.text, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        err_set_errno(err, errno, "file of message %llu", (unsigned long long)id);
    return fd;
}

static bool read_at(int fd, uint64_t offset, size_t max, struct arena *arena, struct str *ret,
                    struct err *err)
{
    char *bytes = arena_alloc(arena, max > 0 ? max : 1);
    size_t len = 0;
    if (!bytes)
        return err_set(err, ERR_LIMIT, "no room for the reply");
    while (len < max) {
        ssize_t n = pread(fd, bytes + len, max - len, (off_t)(offset + len));
        if (n < 0)
            return err_set_errno(err, errno, "read a message");
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret = str_make(bytes, len);
    return true;
}

static bool read_file(struct account *account, struct arena *arena, struct export_message *m,
                      struct err *err)
{
    CLEANUP(fd_cleanup) int fd = open_file(account, m->id, err);
    struct stat st;
    if (fd < 0)
        return false;
    if (fstat(fd, &st) < 0)
        return err_set_errno(err, errno, "file of message %llu", (unsigned long long)m->id);
    m->file_size = (uint64_t)st.st_size;
    return m->file_size > MESSAGE_CONTENT_MAX ||
           read_at(fd, 0, (size_t)m->file_size, arena, &m->content, err);
}

static bool read_message(struct account *account, struct db *db, struct arena *arena,
                         struct export_message *m, struct err *err)
{
    struct err failure;
    TRY(read_row(db, arena, m, err));
    if (m->is_found && !read_file(account, arena, m, &failure))
        m->error = arena_copy(arena, str_from_cstr(failure.detail));
    return !arena->exhausted || err_set(err, ERR_LIMIT, "no room for the reply");
}

bool export_messages(struct account *account, const uint64_t *ids, size_t count,
                     struct arena *arena, struct export_message *ret, size_t *ret_count,
                     struct err *err)
{
    struct db *db;
    size_t bytes = 0, len = 0;
    bool ok = true;
    TRY(account_read_begin(account, &db, err));
    while (ok && len < count && bytes < EXPORT_REPLY_MAX) {
        ret[len] = (struct export_message){.id = ids[len]};
        ok = read_message(account, db, arena, &ret[len], err);
        bytes += ret[len].content.len + ret[len].prefix.len;
        len++;
    }
    account_read_end(account, db);
    *ret_count = len;
    return ok;
}

bool export_text(struct account *account, uint64_t id, uint64_t offset, struct arena *arena,
                 struct str *ret, struct err *err)
{
    CLEANUP(fd_cleanup) int fd = open_file(account, id, err);
    if (offset > INT64_MAX - EXPORT_TEXT_MAX)
        return err_set(err, ERR_SYNTAX, "no file is so long");
    return fd >= 0 && read_at(fd, offset, EXPORT_TEXT_MAX, arena, ret, err);
}
