#include "tests/unit/support/smtpd_fixture.h"

#include "common/base/bug.h"
#include "common/service/layout.h"
#include "common/sys/file.h"
#include "tests/unit/support/remove_tree.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void smtpd_fixture_init(struct smtpd_fixture *f)
{
    struct err err;
    *f = (struct smtpd_fixture){.directory = "/tmp/mailrail-smtpd-XXXXXX"};
    BUG_ON(!mkdtemp(f->directory));
    arena_init(&f->service.arena, 1 << 20);
    struct str data = str_from_cstr(f->directory);
    if (!directory_make(layout_spool_directory(data, STR("")).text, 0700, &err))
        BUG("%s", err.detail);
    signal(SIGPIPE, SIG_IGN); /* as service_main does */
    f->log = log_new(STDERR_FILENO, LOG_ERROR);
    f->service.name = "test";
    f->service.log = log_root(f->log, "test");
    f->service.metrics = metrics_new();
    f->settings = (struct settings){
        .hostname = STR("mx.ours.example"),
        .data = data,
        .tls_certificate = arena_printf(&f->service.arena, "%s/cert.pem", f->directory),
        .tls_key = arena_printf(&f->service.arena, "%s/key.pem", f->directory),
    };
    f->service.settings = &f->settings;
    if (!tls_make_self_signed(STR("mx.ours.example"), f->settings.tls_certificate,
                              f->settings.tls_key, &err))
        BUG("%s", err.detail);
}

static void *run_server(void *server)
{
    smtpd_run(server);
    return NULL;
}

uint16_t smtpd_fixture_start(struct smtpd_fixture *f, const struct smtpd_config *config,
                             const struct smtpd_policy *policy, void *user,
                             enum smtpd_listen_mode mode)
{
    struct err err;
    f->server = smtpd_new(config, policy, user, &f->service, &err);
    if (!f->server ||
        (mode != SMTPD_PLAIN &&
         !smtpd_use_tls(f->server, f->settings.tls_certificate, f->settings.tls_key, &err)) ||
        !smtpd_listen(f->server, STR("127.0.0.1"), 0, mode, &err))
        BUG("%s", err.detail);
    BUG_ON(pthread_create(&f->thread, NULL, run_server, f->server) != 0);
    return smtpd_port(f->server, 0);
}

void smtpd_fixture_release(struct smtpd_fixture *f)
{
    if (f->server) {
        smtpd_drain(f->server, 1000);
        pthread_join(f->thread, NULL);
        smtpd_free(f->server);
    }
    metrics_free(f->service.metrics);
    log_free(f->log);
    arena_release(&f->service.arena);
    remove_tree(f->directory);
}

static int is_dialogue(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

unsigned smtpd_fixture_play_all(const char *service,
                                bool (*play)(const char *path, struct err *err))
{
    char directory[512], path[1024];
    const char *root = getenv("MAILRAIL_SOURCE_DIR"); /* set by ctest */
    snprintf(directory, sizeof(directory), "%s/tests/unit/services/%s/dialogues", root ? root : ".",
             service);
    struct dirent **entries;
    int count = scandir(directory, &entries, is_dialogue, alphasort);
    if (count <= 0)
        BUG("no dialogues in %s", directory);
    unsigned failures = 0;
    for (int i = 0; i < count; i++) {
        struct err err;
        snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
        if (!play(path, &err)) {
            fprintf(stderr, "%s\n", err.detail);
            failures++;
        }
        free(entries[i]);
    }
    free(entries);
    return failures;
}
