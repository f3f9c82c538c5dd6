#include "common/service/spool.h"
#include "common/sys/admission.h"
#include "common/sys/tls.h"
#include "services/imap/backend_bus.h"
#include "services/imap/session.h"

#define WRITE_TIMEOUT_MS 30000

struct process {
    struct imap_server imap;
    struct tls_context *tls; /* NULL: no certificate is configured */
    struct session_server *server;
};

static bool open_tls(struct process *p, const struct settings *settings, struct err *err)
{
    if (settings->tls_certificate.len == 0)
        return true;
    const struct tls_certificate certificate = {settings->tls_certificate, settings->tls_key};
    const struct tls_server_config config = {
        .certificates = &certificate,
        .certificate_count = 1,
        .request_client_certificate = p->imap.config->client_certificates,
    };
    p->tls = tls_context_new_server(&config, err);
    return p->tls != NULL;
}

static bool listen_on(struct process *p, struct str address, uint64_t port, bool implicit,
                      struct err *err)
{
    const struct imap_config *config = p->imap.config;
    const struct session_listener listener = {.ops = &imap_ops,
                                              .address = address,
                                              .port = (uint16_t)port,
                                              .tls = p->tls,
                                              .tls_implicit = implicit,
                                              .proxy_networks = config->proxy_networks.items,
                                              .proxy_network_count = config->proxy_networks.len,
                                              .keepalive_s = (unsigned)config->keepalive_s,
                                              .admission = p->imap.admission,
                                              .admission_logins = true,
                                              .user = &p->imap};
    return session_server_listen(p->server, &listener, err);
}

static bool listen_everywhere(struct process *p, struct err *err)
{
    const struct imap_config *config = p->imap.config;
    for (size_t i = 0; i < config->listen.len; i++) {
        struct str address = config->listen.items[i];
        if (config->port > 0)
            TRY(listen_on(p, address, config->port, false, err));
        if (config->tls_port > 0)
            TRY(listen_on(p, address, config->tls_port, true, err));
    }
    return true;
}

static void login_ended(void *user, const char *ip, bool succeeded)
{
    admission_login_ended(user, ip, succeeded);
}

static bool open_backend(struct process *p, struct service *service, struct err *err)
{
    p->imap.backend = backend_open(service, err);
    if (!p->imap.backend)
        return false;
    p->imap.registry = registry_new(p->imap.backend);
    const struct backend_events events = {
        .changed = registry_changed,
        .reconnected = registry_reconnected,
        .user = p->imap.registry,
        .login_ended = p->imap.admission ? login_ended : NULL,
        .login_user = p->imap.admission,
    };
    return backend_listen(p->imap.backend, service, &events, err);
}

static bool start(struct service *service, struct err *err)
{
    struct process *p = arena_new(&service->arena, struct process);
    const struct imap_config *config = service->config;
    service->state = p;
    p->imap.settings = service->settings;
    p->imap.config = config;
    bool limits = config->limit_connections && !service->settings->localserve;
    p->imap.admission = limits ? admission_new() : NULL;
    p->imap.commands =
        metrics_histogram(service->metrics, "mailrail_imap_command_seconds",
                          "IMAP commands by verb and result", "command", "result", NULL);
    spool_clean(service->settings->data, "imap");
    const struct session_server_config server = {.log = &service->log,
                                                 .metrics = service->metrics,
                                                 .workers_max = (unsigned)config->workers_max,
                                                 .sessions_max = (unsigned)config->sessions_max,
                                                 .write_timeout_ms = WRITE_TIMEOUT_MS,
                                                 .next_cid = service_next_cid};
    p->server = session_server_new(&server);
    return open_backend(p, service, err) && open_tls(p, service->settings, err) &&
           listen_everywhere(p, err);
}

static void run(struct service *service)
{
    struct process *p = service->state;
    session_server_run(p->server);
}

static void drain(struct service *service)
{
    struct process *p = service->state;
    session_server_drain(p->server, (int64_t)service->settings->drain_ms);
}

/* Sessions first, then what they use. */
static void stop(struct service *service)
{
    struct process *p = service->state;
    session_server_free(p->server);
    backend_free(p->imap.backend);
    registry_free(p->imap.registry);
    tls_context_free(p->tls);
    admission_free(p->imap.admission);
}

static bool ready(struct service *service, struct err *err)
{
    struct process *p = service->state;
    return backend_is_connected(p->imap.backend) ||
           err_set(err, ERR_UNAVAILABLE, "store does not answer");
}

static bool reload(struct service *service, struct err *err)
{
    struct process *p = service->state;
    return !p->tls || tls_context_reload(p->tls, NULL, err);
}

int main(int argc, char **argv)
{
    const struct service_definition definition = {
        .name = "imap",
        .summary = "IMAP server (ports 143 and 993)",
        .options = imap_options,
        .option_count = imap_option_count,
        .config_size = sizeof(struct imap_config),
        .check = imap_check_config,
        .start = start,
        .run = run,
        .drain = drain,
        .stop = stop,
        .ready = ready,
        .reload = reload,
    };
    return service_main(argc, argv, &definition);
}
