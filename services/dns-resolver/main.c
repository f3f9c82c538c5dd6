#include "common/base/clock.h"
#include "services/dns-resolver/handlers.h"

/* A lookup can take half a minute; at the end it gets this long. */
#define STOP_AFTER_MS 1000

static bool start(struct service *service, struct err *err)
{
    struct dns_resolver *dns = arena_new(&service->arena, struct dns_resolver);
    service->state = dns;
    dns->config = service->config;
    dns->resolver = resolver_new(dns->config, err);
    return dns->resolver && dns_door_open(dns, service, err);
}

static void stop(struct service *service)
{
    struct dns_resolver *dns = service->state;
    if (dns->resolver)
        resolver_stop_by(dns->resolver, clock_monotonic_ms() + STOP_AFTER_MS);
    service->is_busy = !rpc_server_free(dns->door, (int64_t)service->settings->drain_ms);
    if (!service->is_busy)
        resolver_free(dns->resolver);
}

int main(int argc, char **argv)
{
    const struct service_definition definition = {
        .name = "dns-resolver",
        .summary = "answers DNS questions, validated by DNSSEC",
        .options = dns_resolver_options,
        .option_count = dns_resolver_option_count,
        .config_size = sizeof(struct dns_resolver_config),
        .check = dns_resolver_check_config,
        .without_data = true,
        .start = start,
        .stop = stop,
    };
    return service_main(argc, argv, &definition);
}
