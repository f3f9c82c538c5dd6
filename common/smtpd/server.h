#ifndef COMMON_SMTPD_SERVER_H
#define COMMON_SMTPD_SERVER_H

#include "common/sys/admission.h"
#include "common/service/received_id.h"
#include "common/smtpd/smtpd.h"

#include <stdatomic.h>

/*
 * What a server is inside; private to this directory.
 */

#define SMTPD_HOLD_MAX_S 5184000 /* FUTURERELEASE: 60 days */
/* Memory of one transaction: the envelope, then the structure of any message and its encoding. */
#define SMTPD_ARENA_MAX (64u << 20)
#define SMTPD_ENVELOPE_MAX (16u << 20)

struct smtpd {
    const struct smtpd_config *config;
    const struct smtpd_policy *policy;
    void *user;
    struct service *service;
    struct session_ops ops; /* logs and metrics bear the service's name */
    struct session_server *sessions;
    struct tls_context *tls;
    struct admission *admission; /* NULL: no limits */
    struct received_id_key id_key;
    atomic_uint receiving; /* sessions between DATA and its end */
    struct metric_family *command_durations;
    struct metric_family *messages;
    struct metric_family *logins;
    struct metric *message_bytes;
    struct metric *connections;
};

void smtpd_count_command(struct smtpd *server, enum smtp_verb verb, const struct smtp_reply *reply,
                         int64_t duration_us);
void smtpd_count_message(struct smtpd *server, const struct smtp_reply *reply, uint64_t size);

#endif
