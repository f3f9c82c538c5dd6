#include "services/store/auth_door.h"
#include "services/store/delivery_door.h"
#include "services/store/directory_door.h"
#include "services/store/first_mailboxes.h"
#include "services/store/mailboxes_door.h"
#include "services/store/maintenance_door.h"
#include "services/store/queue_door.h"
#include "services/store/queueadmin_door.h"
#include "services/store/submit_door.h"
#include "services/store/training_door.h"
#include "services/store/transfer_door.h"

/* The doors, in the order in which they open. */
typedef bool door_open(struct store *store, struct service *service, struct err *err);
static door_open *const doors[] = {
    auth_door_open,        delivery_door_open, directory_door_open, mailboxes_door_open,
    maintenance_door_open, submit_door_open,   queue_door_open,     queueadmin_door_open,
    training_door_open,    transfer_door_open,
};

static bool open_events(struct service *service, struct store_events *events, struct err *err)
{
    events->accounts = service_open_events(service, "events", err);
    if (events->accounts)
        events->notices = service_open_events(service, "notices", err);
    if (events->notices)
        events->queue = service_open_events(service, "queueevents", err);
    return events->queue != NULL;
}

static void close_events(const struct store_events *events)
{
    event_publisher_free(events->accounts);
    event_publisher_free(events->notices);
    event_publisher_free(events->queue);
}

static bool start(struct service *service, struct err *err)
{
    struct store *store = arena_new(&service->arena, struct store);
    service->state = store;
    struct store_events events = {NULL};
    TRY(open_events(service, &events, err));
    TRY(store_open(store, service->settings, service->config, &service->log, service->metrics,
                   &events, err));
    for (size_t i = 0; i < ARRAY_LEN(doors); i++) {
        if (!doors[i](store, service, err))
            return false;
    }
    return true;
}

static void stop(struct service *service)
{
    struct store *store = service->state;
    if (!store)
        return;
    const struct store_events events = store->events;
    service->is_busy = !store_close(store);
    if (!service->is_busy)
        close_events(&events);
}

int main(int argc, char **argv)
{
    const struct service_definition definition = {
        .name = "store",
        .summary = "Keeps accounts, mailboxes, messages and the queue",
        .options = store_options,
        .option_count = store_option_count,
        .config_size = sizeof(struct store_config),
        .check = first_mailboxes_check_config,
        .start = start,
        .stop = stop,
    };
    return service_main(argc, argv, &definition);
}
