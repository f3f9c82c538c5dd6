#include "services/submission/policy.h"

static bool listen_everywhere(struct submission *submission, struct err *err)
{
    const struct submission_config *config = submission->config;
    const struct settings *settings = submission->settings;
    struct smtpd *server = submission->server;
    if (settings->tls_certificate.len > 0)
        TRY(smtpd_use_tls(server, settings->tls_certificate, settings->tls_key, err));
    for (size_t i = 0; i < config->smtpd.listen.len; i++) {
        struct str address = config->smtpd.listen.items[i];
        if (config->port > 0)
            TRY(smtpd_listen(server, address, (uint16_t)config->port, SMTPD_STARTTLS, err));
        if (config->tls_port > 0)
            TRY(smtpd_listen(server, address, (uint16_t)config->tls_port, SMTPD_TLS, err));
    }
    return true;
}

static void login_ended(void *user, const char *ip, bool succeeded)
{
    smtpd_login_ended(user, ip, succeeded);
}

static bool start(struct service *service, struct err *err)
{
    struct submission *submission = arena_new(&service->arena, struct submission);
    service->state = submission;
    submission->config = service->config;
    submission->settings = service->settings;
    submission->server_config = submission_server_config(submission->config, service->settings);
    submission->backend = backend_open(service, err);
    if (!submission->backend)
        return false;
    submission->server =
        smtpd_new(&submission->server_config, &submission_policy, submission, service, err);
    if (!submission->server)
        return false;
    bool counts_logins = submission->server_config.limit_connections;
    TRY(backend_listen(submission->backend, service, counts_logins ? login_ended : NULL,
                       submission->server, err));
    return listen_everywhere(submission, err);
}

static void run(struct service *service)
{
    struct submission *submission = service->state;
    smtpd_run(submission->server);
}

static void drain(struct service *service)
{
    struct submission *submission = service->state;
    smtpd_drain(submission->server, (int64_t)submission->settings->drain_ms);
}

static void stop(struct service *service)
{
    struct submission *submission = service->state;
    backend_unlisten(submission->backend);
    smtpd_free(submission->server);
    backend_close(submission->backend);
}

static bool ready(struct service *service, struct err *err)
{
    struct submission *submission = service->state;
    return backend_is_ready(submission->backend, err);
}

static bool reload(struct service *service, struct err *err)
{
    struct submission *submission = service->state;
    return smtpd_reload_tls(submission->server, err);
}

int main(int argc, char **argv)
{
    const struct service_definition definition = {
        .name = "submission",
        .summary = "takes mail from logged-in users (SMTP, ports 465 and 587)",
        .options = submission_options,
        .option_count = submission_option_count,
        .config_size = sizeof(struct submission_config),
        .check = submission_check_config,
        .start = start,
        .run = run,
        .drain = drain,
        .stop = stop,
        .ready = ready,
        .reload = reload,
    };
    return service_main(argc, argv, &definition);
}
