#include "services/store/message_text.h"

#include "common/service/layout.h"
#include "common/sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_one_of(struct str service, const char *const *receivers)
{
    while (*receivers && !str_eq(service, str_from_cstr(*receivers)))
        receivers++;
    return *receivers != NULL;
}

static bool check_file(const struct message_text *text, const char *const *receivers,
                       struct err *err)
{
    struct str service;
    if (!layout_spool_name_is_valid(text->spool_name, &service))
        return err_set(err, ERR_SYNTAX, "bad spool file name");
    if (!is_one_of(service, receivers))
        return err_set(err, ERR_DENIED, "a spool file of %.*s", STR_ARG(service));
    return text->content.len == 0 || err_set(err, ERR_SYNTAX, "both a spool file and content");
}

static bool check_content(const struct message_text *text, struct err *err)
{
    if (text->content.len > MESSAGE_CONTENT_MAX)
        return err_set(err, ERR_SYNTAX, "content of %zu bytes", text->content.len);
    return text->content.len == text->size ||
           err_set(err, ERR_SYNTAX, "content of %zu bytes, not %" PRIu64, text->content.len,
                   text->size);
}

bool message_text_check(const struct message_text *text, const char *const *receivers,
                        struct err *err)
{
    if (text->size > MESSAGE_SIZE_MAX)
        return err_set(err, ERR_LIMIT, "a message of %" PRIu64 " bytes", text->size);
    return message_text_is_content(text) ? check_content(text, err)
                                         : check_file(text, receivers, err);
}

/* Looks at the link, which nobody but store can exchange. */
static bool check_placed(const struct message_text *text, const char *path, struct err *err)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return err_set_errno(err, errno, "%s", path);
    return (S_ISREG(st.st_mode) && (uint64_t)st.st_size == text->size) ||
           err_set(err, ERR_SYNTAX, "spool file %.*s is not a file of %" PRIu64 " bytes",
                   STR_ARG(text->spool_name), text->size);
}

static bool place_file(const struct message_text *text, struct str data, const char *path,
                       struct err *err)
{
    struct layout_path spool = layout_spool(data, text->spool_name);
    const char *from = text->path.len > 0 ? text->path.ptr : spool.text;
    TRY(file_link_or_copy(from, path, err));
    if (check_placed(text, path, err))
        return true;
    unlink(path);
    return false;
}

bool message_text_write(const struct message_text *text, const char *path, int how, int *ret_fd,
                        struct err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | how, MESSAGE_FILE_MODE);
    if (fd < 0)
        return err_set_errno(err, errno, "create %s", path);
    if (file_write_all(fd, text->content, err)) {
        *ret_fd = fd;
        return true;
    }
    close(fd);
    return err_wrap(err, "%s", path);
}

static bool place_content(const struct message_text *text, const char *path, struct err *err)
{
    int fd;
    TRY(message_text_write(text, path, O_CREAT | O_EXCL, &fd, err));
    bool ok = fdatasync(fd) == 0 || err_set_errno(err, errno, "sync %s", path);
    close(fd);
    return ok;
}

bool message_text_place(const struct message_text *text, struct str data, const char *path,
                        struct err *err)
{
    return message_text_is_content(text) ? place_content(text, path, err)
                                         : place_file(text, data, path, err);
}
