#include "services/mailrail/backend_call.h"

#include "common/base/clock.h"
#include "common/service/door.h"

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

void backend_drop_method(struct err *err, const char *method)
{
    struct str detail = str_from_cstr(err->detail), name = str_from_cstr(method);
    if (str_starts_with(detail, name) && str_starts_with(str_skip(detail, name.len), STR(": ")))
        memmove(err->detail, err->detail + name.len + 2, detail.len - name.len - 1);
}

/* Who typed a command knows neither methods nor deadlines. */
static void for_people(struct err *err, const char *method, const char *url)
{
    if (err->kind == ERR_UNAVAILABLE)
        err_set(err, ERR_UNAVAILABLE, "nobody answers at %s: is Mailrail running?", url);
    else if (err->kind == ERR_TIMEOUT)
        err_set(err, ERR_TIMEOUT, "no answer from %s in time: perhaps it was done, perhaps not",
                url);
    else
        backend_drop_method(err, method);
}

bool backend_call(struct backend *b, const char *door, const ProtobufCServiceDescriptor *service,
                  const char *method, const ProtobufCMessage *request, ProtobufCMessage **ret_reply,
                  struct err *err)
{
    struct bus_address at = door_address(b->settings, "mailrail", door, b->arena);
    struct rpc_client *client = rpc_client_new(at, service, err);
    if (!client)
        return false;
    bool ok = call_until_there(b, client, method, request, ret_reply, err);
    if (!ok)
        for_people(err, method, at.url);
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
