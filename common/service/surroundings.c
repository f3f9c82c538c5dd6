#include "common/service/surroundings.h"

#include "common/service/layout.h"
#include "common/sys/file.h"

#include <errno.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void limit_memory(void)
{
    /* A service has many threads that allocate little: few arenas, and freed memory goes back. */
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

static void raise_open_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void surroundings_prepare(void)
{
    umask(077);
    limit_memory();
    raise_open_files();
}

bool surroundings_check_data(const struct settings *settings, struct err *err)
{
    struct layout_path data;
    struct stat st;
    if (!str_copy_cstr(settings->data, data.text, sizeof(data.text)))
        return err_set(err, ERR_SYNTAX, "data: not a path");
    if (stat(data.text, &st) < 0)
        return err_set_errno(err, errno, "data: %s", data.text);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_SYNTAX, "data: %s: is not a directory", data.text);
    if (access(data.text, R_OK | X_OK) < 0)
        return err_set_errno(err, errno, "data: %s", data.text);
    return true;
}

bool surroundings_make_run(const struct settings *settings, struct err *err)
{
    struct layout_path run;
    if (!str_copy_cstr(settings->run, run.text, sizeof(run.text)))
        return err_set(err, ERR_SYNTAX, "run: not a path");
    if (!directory_make(run.text, 0700, err))
        return err_wrap(err, "run");
    if (access(run.text, W_OK | X_OK) < 0)
        return err_set_errno(err, errno, "run: %s", run.text);
    return true;
}

struct log *surroundings_make_log(const struct settings *settings)
{
    enum log_level level = LOG_INFO;
    (void)!log_level_parse(settings->log_level, &level); /* the settings were checked */
    struct log *log = log_new(STDOUT_FILENO, level);
    for (size_t i = 0; i < settings->log_levels.len; i++) {
        struct str package, name;
        str_cut(settings->log_levels.items[i], '=', &package, &name);
        if (log_level_parse(name, &level))
            log_set_package_level(log, package, level);
    }
    return log;
}
