#include "services/smtp-in/policy.h"

static bool listen_everywhere(struct smtp_in *in, struct err *err)
{
    bool tls = in->config->starttls && in->settings->tls_certificate.len > 0;
    if (tls &&
        !smtpd_use_tls(in->server, in->settings->tls_certificate, in->settings->tls_key, err))
        return false;
    for (size_t i = 0; i < in->config->smtpd.listen.len; i++)
        TRY(smtpd_listen(in->server, in->config->smtpd.listen.items[i], (uint16_t)in->config->port,
                         tls ? SMTPD_STARTTLS : SMTPD_PLAIN, err));
    return true;
}

static bool find_catch_all(struct smtp_in *in, struct arena *arena, struct err *err)
{
    struct str text = in->config->catch_all_address;
    return text.len == 0 || address_parse(text, arena, &in->catch_all, err);
}

static bool start(struct service *service, struct err *err)
{
    struct smtp_in *in = arena_new(&service->arena, struct smtp_in);
    service->state = in;
    in->config = service->config;
    in->settings = service->settings;
    in->partial = partial_new();
    in->backend = backend_open(service, err);
    in->server_config = smtp_in_server_config(in->config, in->settings);
    if (in->backend)
        in->server = smtpd_new(&in->server_config, &smtp_in_policy, in, service, err);
    return in->server && find_catch_all(in, &service->arena, err) && listen_everywhere(in, err);
}

static void run(struct service *service)
{
    struct smtp_in *in = service->state;
    smtpd_run(in->server);
}

static void drain(struct service *service)
{
    struct smtp_in *in = service->state;
    smtpd_drain(in->server, (int64_t)in->settings->drain_ms);
}

static void stop(struct service *service)
{
    struct smtp_in *in = service->state;
    smtpd_free(in->server);
    backend_close(in->backend);
    partial_free(in->partial);
}

static bool ready(struct service *service, struct err *err)
{
    struct smtp_in *in = service->state;
    return backend_is_ready(in->backend, err);
}

static bool reload(struct service *service, struct err *err)
{
    struct smtp_in *in = service->state;
    return smtpd_reload_tls(in->server, err);
}

int main(int argc, char **argv)
{
    const struct service_definition definition = {
        .name = "smtp-in",
        .summary = "receives mail from the internet (SMTP, port 25)",
        .options = smtp_in_options,
        .option_count = smtp_in_option_count,
        .config_size = sizeof(struct smtp_in_config),
        .check = smtp_in_check_config,
        .start = start,
        .run = run,
        .drain = drain,
        .stop = stop,
        .ready = ready,
        .reload = reload,
    };
    return service_main(argc, argv, &definition);
}
