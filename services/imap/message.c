#include "services/imap/message.h"

#include "common/service/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool message_need_structure(const struct message *m, struct err *err)
{
    if (m->structure_damaged)
        return err_set(err, ERR_CORRUPT,
                       "what is stored of its parts cannot be decoded (see reparse)");
    return m->structure || err_set(err, ERR_NOT_FOUND, "message %u is gone", m->row->uid);
}

bool message_open(struct message *m, struct err *err)
{
    if (m->fd >= 0)
        return true;
    if (m->prefix_damaged)
        return err_set(err, ERR_CORRUPT,
                       "its prefix does not have the %u bytes of its row (see fix-message-sizes)",
                       (unsigned)m->row->prefix_size);
    struct layout_path path = layout_message(m->data, m->account_id, m->row->id);
    int fd = open(path.text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        err_set_errno(err, errno, "open %s", path.text);
        /* That we may not read it is a fault of ours, and says nothing about the session. */
        if (err->kind == ERR_DENIED)
            err->kind = ERR_CORRUPT;
        return false;
    }
    struct stat st;
    if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != message_file_size(m)) {
        close(fd);
        return err_set(err, ERR_CORRUPT,
                       "%s does not have the %llu bytes of its row (see fix-message-sizes)",
                       path.text, (unsigned long long)message_file_size(m));
    }
    m->fd = fd;
    return true;
}

bool message_map(struct message *m, struct str *ret, struct err *err)
{
    TRY(message_open(m, err));
    if (str_is_null(m->map.bytes))
        TRY(file_map_open(m->fd, &m->map, err));
    *ret = m->map.bytes;
    return true;
}

bool message_read(struct message *m, uint64_t offset, size_t len, struct buf *out, struct err *err)
{
    TRY(message_open(m, err));
    char *dst = buf_reserve(out, len);
    if (!dst)
        return err_set(err, ERR_LIMIT, "no room for %zu bytes", len);
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(m->fd, dst + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, errno, "read message %llu", (unsigned long long)m->row->id);
        if (n == 0)
            return err_set(err, ERR_CORRUPT, "message %llu is cut", (unsigned long long)m->row->id);
        done += (size_t)n;
    }
    buf_commit(out, len);
    return true;
}

void message_close(struct message *m)
{
    file_map_close(&m->map);
    m->map = (struct file_map){0};
    fd_cleanup(&m->fd);
    m->fd = -1;
}
