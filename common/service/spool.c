#include "common/service/spool.h"

#include "common/service/layout.h"
#include "common/sys/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_ATTEMPTS 100

void spool_init(struct spool_file *f, struct str data, const char *service)
{
    *f = (struct spool_file){.data = data, .service = service, .fd = -1};
    buf_init(&f->pending, SPOOL_MEMORY_MAX);
}

void spool_keep_little(struct spool_file *f)
{
    buf_init(&f->pending, SPOOL_LITTLE);
}

static bool make_one(const char *path, struct err *err)
{
    return mkdir(path, 0750) == 0 || errno == EEXIST || err_set_errno(err, errno, "make %s", path);
}

/* Not its parents: a data directory that is not there is an error, not to be hidden. */
bool spool_make_directory(struct str data, const char *service, struct err *err)
{
    return make_one(layout_spool_directory(data, STR("")).text, err) &&
           make_one(layout_spool_directory(data, str_from_cstr(service)).text, err);
}

/* The first message makes the directory. Another replica, in a process namespace of its own, may
 * have our pid: names that are taken are stepped over. */
static bool create_file(struct spool_file *f, struct err *err)
{
    static atomic_ulong counter;
    for (int attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
        snprintf(f->name, sizeof(f->name), "%s/%ld-%lu", f->service, (long)getpid(),
                 atomic_fetch_add(&counter, 1));
        struct layout_path path = layout_spool(f->data, str_from_cstr(f->name));
        snprintf(f->path, sizeof(f->path), "%s", path.text);
        f->fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        if (f->fd >= 0)
            return true;
        err_set_errno(err, errno, "create %s", f->path);
        bool made = attempt == 0 && err->kind == ERR_NOT_FOUND &&
                    spool_make_directory(f->data, f->service, err);
        if (!made && err->kind != ERR_CONFLICT)
            break;
    }
    /* To whoever has a message to store, a missing place is not a missing mailbox, and one that we
     * may not write to is not a mailbox that its owner may not write to. */
    if (err->kind == ERR_NOT_FOUND || err->kind == ERR_DENIED)
        err->kind = ERR_TEMPORARY;
    return false;
}

static bool make_file(struct spool_file *f, struct err *err)
{
    if (f->fd >= 0)
        return true;
    TRY(create_file(f, err));
    /* The lock tells spool_clean, in whatever process, that the receiver lives. */
    return flock(f->fd, LOCK_EX | LOCK_NB) == 0 || err_set_errno(err, errno, "lock %s", f->path);
}

bool spool_open(struct spool_file *f, struct str data, const char *service, struct err *err)
{
    spool_init(f, data, service);
    if (make_file(f, err))
        return true;
    spool_discard(f);
    return false;
}

static bool write_pending(struct spool_file *f, struct err *err)
{
    TRY(make_file(f, err));
    bool ok = file_write_all(f->fd, buf_str(&f->pending), err);
    buf_reset(&f->pending);
    return ok || err_wrap(err, "%s", f->path);
}

bool spool_write(struct spool_file *f, struct str bytes, struct err *err)
{
    f->size += bytes.len;
    if (bytes.len <= buf_room(&f->pending)) {
        buf_append(&f->pending, bytes);
        return true;
    }
    TRY(write_pending(f, err));
    if (bytes.len >= f->pending.max)
        return file_write_all(f->fd, bytes, err) || err_wrap(err, "%s", f->path);
    buf_append(&f->pending, bytes);
    return true;
}

bool spool_is_in_memory(const struct spool_file *f)
{
    return f->size == f->pending.len;
}

struct str spool_content(const struct spool_file *f)
{
    return spool_is_in_memory(f) ? buf_str(&f->pending) : STR("");
}

bool spool_finish(struct spool_file *f, struct err *err)
{
    TRY(write_pending(f, err));
    buf_release(&f->pending);
    /* Content and size reach the disk; store syncs the directory that the file ends up in. */
    if (fdatasync(f->fd) < 0)
        return err_set_errno(err, errno, "sync %s", f->path);
    return true;
}

bool spool_text_open(const struct spool_file *f, struct spool_text *ret, struct err *err)
{
    *ret = (struct spool_text){.bytes = spool_content(f)};
    if (spool_is_in_memory(f))
        return true;
    TRY(file_map_open(f->fd, &ret->map, err));
    ret->bytes = ret->map.bytes;
    return true;
}

void spool_text_close(struct spool_text *text)
{
    file_map_close(&text->map);
}

void spool_discard(struct spool_file *f)
{
    buf_release(&f->pending);
    if (f->fd < 0)
        return;
    unlink(f->path);
    fd_cleanup(&f->fd);
}

/* "<pid>-<n>" */
static bool is_spool_name(struct str name)
{
    struct str pid, number;
    uint64_t value;
    return str_cut(name, '-', &pid, &number) && str_to_u64(pid, INT64_MAX, &value) &&
           str_to_u64(number, UINT64_MAX, &value);
}

static void remove_unless_in_use(int directory, const char *name)
{
    CLEANUP(fd_cleanup) int fd = openat(directory, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        unlinkat(directory, name, 0);
}

void spool_clean(struct str data, const char *service)
{
    struct layout_path path = layout_spool_directory(data, str_from_cstr(service));
    DIR *dir = opendir(path.text);
    if (!dir)
        return;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (is_spool_name(str_from_cstr(entry->d_name)))
            remove_unless_in_use(dirfd(dir), entry->d_name);
    closedir(dir);
}
