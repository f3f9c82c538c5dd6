#include "common/service/received_id.h"
#include "services/mailrail/commands.h"
#include "services/mailrail/connect.h"

#include <inttypes.h>
#include <stdio.h>

static bool show_cid(struct invocation *inv, struct err *err)
{
    struct received_id_key key;
    uint64_t cid;
    TRY(invocation_read_settings(inv, err));
    TRY(received_id_key_read(inv->settings.data, &key, err));
    TRY(received_id_decode(&key, invocation_arg(inv, 0), &cid, err));
    printf("%" PRIx64 "\n", cid);
    return true;
}

const struct command trace_commands[] = {
    {
        .name = "trace cid",
        .arguments = "ID",
        .summary = "find the log lines of a message by its Received header",
        .manual =
            "Received headers and error replies name the connection by an ID of 22 letters,\n"
            "which tells strangers nothing. This prints the cid that the log of every service\n"
            "has for it. Needs to read the key in the data directory.",
        .examples = "grep cid=$(mailrail trace cid AQw5Zx0mXhY3Vn2k7RbTjg) /var/log/mail.log",
        .args_min = 1,
        .args_max = 1,
        .run = show_cid,
    },
    {.name = NULL},
};
