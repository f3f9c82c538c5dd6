#include "services/mailrail/offline.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/service/layout.h"
#include "common/sys/file.h"
#include "services/mailrail/child.h"
#include "services/mailrail/siblings.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_MS 60000
#define LOOK_EVERY_MS 20

extern char **environ;

struct offline {
    struct child child;
    struct settings settings;
    char run[64];
    char data[LAYOUT_PATH_MAX];
    char config[128];
    char health[128];
    struct arena arena;
};

/* Nothing expunged is erased there, though its time has come. */
static bool write_config(struct offline *o, struct err *err)
{
    struct buf text;
    buf_init(&text, 8192);
    buf_printf(&text,
               "hostname = \"offline.invalid\";\ndata = \"%s\";\nrun = \"%s\";\n"
               "log_level = \"error\";\n"
               "store = { erase_after_s = 2592000; };\n",
               o->data, o->run);
    bool ok = file_replace(o->config, buf_str(&text), 0600, err);
    buf_release(&text);
    return ok;
}

static bool prepare(struct offline *o, const char *data, struct err *err)
{
    char *path = realpath(data, NULL);
    bool fits = path && str_copy_cstr(str_from_cstr(path), o->data, sizeof(o->data) - 128);
    int failure = errno;
    free(path);
    if (!fits)
        return err_set_errno(err, path ? ENAMETOOLONG : failure, "%s", data);
    if (access(layout_unfinished(str_from_cstr(o->data)).text, F_OK) == 0)
        return err_set(err, ERR_STATE,
                       "%s is a backup that was cut off before its end: it cannot be restored."
                       " Remove it, and make another",
                       data);
    if (access(layout_directory_db(str_from_cstr(o->data)).text, F_OK) < 0)
        return err_set(err, ERR_NOT_FOUND, "%s is no data directory: it has no directory.db", data);
    strcpy(o->run, "/tmp/mailrail-XXXXXX");
    if (!mkdtemp(o->run)) {
        o->run[0] = '\0';
        return err_set_errno(err, errno, "make a directory in /tmp");
    }
    snprintf(o->config, sizeof(o->config), "%s/mailrail.conf", o->run);
    snprintf(o->health, sizeof(o->health), "%s/store.health", o->run);
    o->settings.data = str_from_cstr(o->data);
    o->settings.run = str_from_cstr(o->run);
    return write_config(o, err);
}

static bool wait_for_it(struct offline *o, struct err *err)
{
    int status = 0;
    int64_t give_up_ms = clock_monotonic_ms() + START_MS;
    while (!child_becomes_ready(&o->child)) {
        if (waitpid(o->child.pid, &status, WNOHANG) == o->child.pid) {
            o->child.pid = 0;
            return err_set(err, ERR_STATE, "the store on %s does not start", o->data);
        }
        if (clock_monotonic_ms() > give_up_ms)
            return err_set(err, ERR_TIMEOUT, "the store on %s does not become ready", o->data);
        nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY_MS * 1000000L}, NULL);
    }
    return true;
}

/* What the environment says is meant for the system, not for this store. */
static void forget_environment(void)
{
    char name[256];
    for (char **at = environ; *at;) {
        struct str key, value;
        str_cut(str_from_cstr(*at), '=', &key, &value);
        bool is_option = str_starts_with(key, STR("MAILRAIL_"));
        if (is_option && str_copy_cstr(key, name, sizeof(name)) && unsetenv(name) == 0)
            at = environ;
        else
            at++;
    }
}

/* Its log is not what the command has to say. */
static bool start_child(struct offline *o, struct err *err)
{
    fflush(stdout);
    int out = dup(STDOUT_FILENO);
    if (out < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return err_set_errno(err, errno, "standard output");
    bool ok = child_start(&o->child, o->config, err);
    dup2(out, STDOUT_FILENO);
    close(out);
    return ok;
}

static bool start(struct offline *o, const char *data, struct err *err)
{
    struct str directory = STR_NULL;
    TRY(prepare(o, data, err) && siblings_directory(&o->arena, &directory, err));
    struct str program = arena_printf(&o->arena, "%.*s/mailrail-store", STR_ARG(directory));
    o->child = (struct child){
        .name = "store", .program = arena_cstr(&o->arena, program), .health = o->health};
    forget_environment();
    return start_child(o, err) && wait_for_it(o, err);
}

bool offline_open(const char *data, struct offline **ret, struct err *err)
{
    struct offline *o = xcalloc(1, sizeof(*o));
    arena_init(&o->arena, 64 << 10);
    *ret = o;
    if (start(o, data, err))
        return true;
    offline_close(o);
    *ret = NULL;
    return false;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void offline_close(struct offline *o)
{
    int status;
    if (!o)
        return;
    if (o->child.pid > 0) {
        kill(o->child.pid, SIGTERM);
        while (waitpid(o->child.pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    if (o->run[0] != '\0')
        nftw(o->run, remove_one, 4, FTW_DEPTH | FTW_PHYS);
    arena_release(&o->arena);
    free(o);
}

const struct settings *offline_settings(const struct offline *o)
{
    return &o->settings;
}
