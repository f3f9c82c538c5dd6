/* Connections to the doors. The calls are in backend_queue.c, backend_delivery.c, backend_dns.c. */
#include "services/queue-deliverer/backend.h"

#include "proto/delivery.pb-c.h"
#include "proto/dns.pb-c.h"
#include "proto/queue.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool backend_open(struct backend *b, struct service *service, struct err *err)
{
    char host[64] = "";
    if (gethostname(host, sizeof(host) - 1) != 0)
        strcpy(host, "unknown");
    snprintf(b->deliverer, sizeof(b->deliverer), "%s-%ld-%" PRIx64, host, (long)getpid(),
             service_next_cid());
    b->queue = service_connect(service, "queue", &mailrail__queue__descriptor, err);
    if (b->queue)
        b->delivery = service_connect(service, "delivery", &mailrail__delivery__descriptor, err);
    if (b->delivery)
        b->dns = service_connect(service, "dns", &mailrail__dns__descriptor, err);
    if (b->dns)
        return true;
    backend_close(b);
    return false;
}

void backend_close(struct backend *b)
{
    rpc_client_free(b->queue);
    rpc_client_free(b->delivery);
    rpc_client_free(b->dns);
    *b = (struct backend){0};
}

bool backend_has_queue(const struct backend *b)
{
    return rpc_client_is_connected(b->queue);
}

bool backend_is_ready(const struct backend *b, struct err *err)
{
    const struct {
        struct rpc_client *client;
        const char *door;
    } doors[] = {{b->queue, "queue"}, {b->delivery, "delivery"}, {b->dns, "dns"}};
    for (size_t i = 0; i < ARRAY_LEN(doors); i++)
        if (!rpc_client_is_connected(doors[i].client))
            return err_set(err, ERR_UNAVAILABLE, "no connection to door %s", doors[i].door);
    return true;
}
