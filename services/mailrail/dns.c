#include "services/mailrail/commands.h"
#include "services/mailrail/connect.h"

#include <inttypes.h>
#include <stdio.h>

static bool lookup(struct invocation *inv, struct err *err)
{
    struct backend b;
    struct dns_answer answer;
    bool has_type = inv->arg_count == 2;
    struct str type = has_type ? invocation_arg(inv, 0) : STR("IP");
    struct str name = invocation_arg(inv, has_type ? 1 : 0);
    if (!backend_dns_has_type(type))
        return usage_error(inv, err, "unknown record type %.*s", STR_ARG(type));
    TRY(invocation_backend(inv, &b, err));
    TRY(backend_dns_lookup(&b, type, name, &answer, err));
    for (size_t i = 0; i < answer.records.len; i++)
        printf("%.*s\n", STR_ARG(answer.records.items[i]));
    if (!str_eq(answer.status, STR("ok")) && answer.detail.len > 0)
        fprintf(stderr, "%.*s: %.*s", STR_ARG(answer.status), STR_ARG(answer.detail));
    else
        fprintf(stderr, "%.*s", STR_ARG(answer.status));
    fprintf(stderr, ", %s", answer.authentic ? "authentic (DNSSEC)" : "not protected by DNSSEC");
    if (answer.canonical_name.len > 0)
        fprintf(stderr, ", name %.*s", STR_ARG(answer.canonical_name));
    fprintf(stderr, ", ttl %" PRIu64 " s\n", answer.ttl_s);
    inv->status = str_eq(answer.status, STR("ok")) ? 0 : 1;
    return true;
}

const struct command dns_commands[] = {
    {
        .name = "dns lookup",
        .arguments = "[TYPE] NAME",
        .summary = "look a name up as the mail services do",
        .manual =
            "Asks Mailrail's own resolver, and says whether DNSSEC protects the answer. TYPE is\n"
            "a record type (A, AAAA, MX, TXT, TLSA, ...) or IP for A and AAAA, the default.\n"
            "For PTR, NAME may be an IP address. Records go to standard output, the rest to\n"
            "standard error; exit status 1 when there is no such record.",
        .examples = "mailrail dns lookup MX example.org\n"
                    "mailrail dns lookup TLSA _25._tcp.mx.example.org",
        .args_min = 1,
        .args_max = 2,
        .run = lookup,
    },
    {.name = NULL},
};
