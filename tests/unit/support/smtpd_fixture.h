#ifndef TESTS_UNIT_SUPPORT_SMTPD_FIXTURE_H
#define TESTS_UNIT_SUPPORT_SMTPD_FIXTURE_H

#include "common/smtpd/smtpd.h"

#include <pthread.h>

/*
 * A whole SMTP server inside a test: the real engine on a port of its own, a data directory that
 * goes away, a self-signed certificate. The policy is the service's, its backend the test's.
 */

struct smtpd_fixture {
    char directory[64];
    struct log *log;
    struct service service;
    struct settings settings;
    struct smtpd *server;
    pthread_t thread;
};

/* Makes the directory, the certificate and the service. `settings` may be changed afterwards. */
void smtpd_fixture_init(struct smtpd_fixture *f);
/* Starts a server with this policy; `config` and `policy` must stay. Returns its port. */
uint16_t smtpd_fixture_start(struct smtpd_fixture *f, const struct smtpd_config *config,
                             const struct smtpd_policy *policy, void *user,
                             enum smtpd_listen_mode mode);
/* Stops it, and removes all traces. */
void smtpd_fixture_release(struct smtpd_fixture *f);

/* Plays every file of `dialogues/` beside the tests of the service, in order of their names, and
 * prints what went wrong. Returns how many failed. */
unsigned smtpd_fixture_play_all(const char *service,
                                bool (*play)(const char *path, struct err *err));

#endif
