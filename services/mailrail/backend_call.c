#include "services/mailrail/backend_call.h"

#include "common/base/clock.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#define CALL_MS 120000 /* a check of a large account takes its time */
#define CONNECT_MS 1500
#define RETRY_MS 10

static bool call_until_there(struct backend *b, struct rpc_client *client, const char *method,
                             const ProtobufCMessage *request, ProtobufCMessage **ret_reply,
                             struct err *err)
{
    int64_t give_up_ms = clock_monotonic_ms() + CONNECT_MS;
    for (;;) {
        struct rpc_context context = rpc_context_ms((uint64_t)clock_wall_ms(), CALL_MS);
        if (rpc_call(client, &context, method, request, b->arena, ret_reply, err))
            return true;
        if (err->kind != ERR_UNAVAILABLE || clock_monotonic_ms() > give_up_ms)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000}, NULL);
    }
}

bool backend_call(struct backend *b, const char *door, const ProtobufCServiceDescriptor *service,
                  const char *method, const ProtobufCMessage *request, ProtobufCMessage **ret_reply,
                  struct err *err)
{
    const char *url = settings_door_url(b->settings, door, b->arena);
    struct rpc_client *client = rpc_client_new(url, service, err);
    if (!client)
        return err_wrap(err, "%s", url);
    bool ok = call_until_there(b, client, method, request, ret_reply, err);
    if (!ok && err->kind == ERR_UNAVAILABLE)
        err_set(err, ERR_UNAVAILABLE, "nobody answers at %s: is Mailrail running?", url);
    rpc_client_free(client);
    return ok;
}

char *backend_text(struct backend *b, struct str s)
{
    char *text = arena_alloc(b->arena, s.len + 1);
    static char empty[] = "";
    if (!text)
        return empty;
    if (s.len > 0)
        memcpy(text, s.ptr, s.len);
    return text;
}
