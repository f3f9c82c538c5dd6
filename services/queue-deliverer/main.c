#include "services/queue-deliverer/deliverer.h"
#include "services/queue-deliverer/hosts.h"

int main(int argc, char **argv)
{
    const struct service_definition definition = {
        .name = "queue-deliverer",
        .summary = "Delivers queued mail to other servers and to local mailboxes",
        .options = deliverer_options,
        .option_count = deliverer_option_count,
        .config_size = sizeof(struct deliverer_config),
        .check = hosts_check_config,
        .start = deliverer_start,
        .run = deliverer_run,
        .drain = deliverer_drain,
        .stop = deliverer_stop,
        .ready = deliverer_ready,
    };
    return service_main(argc, argv, &definition);
}
