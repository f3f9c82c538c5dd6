#include "services/imap/command.h"
#include "services/imap/names.h"
#include "services/imap/parse.h"
#include "services/imap/respond.h"
#include "services/imap/rights.h"
#include "services/imap/shared.h"

/*
 * QUOTA (RFC 9208). An account has one quota root, named "", with what its limits are about:
 * STORAGE, in units of 1024 octets, and MESSAGE. Only administrators set them: there is no
 * SETQUOTA.
 */

#define STORAGE_UNIT 1024

static uint64_t in_units(uint64_t bytes)
{
    return bytes / STORAGE_UNIT + (bytes % STORAGE_UNIT != 0);
}

/* quota-resource = resource-name SP resource-usage SP resource-limit */
static void write_resource(struct buf *out, bool *first, const char *name, uint64_t used,
                           uint64_t limit)
{
    if (limit == 0)
        return;
    buf_printf(out, "%s%s %llu %llu", *first ? "" : " ", name, (unsigned long long)used,
               (unsigned long long)limit);
    *first = false;
}

/* "QUOTA" SP quota-root-name SP "(" [quota-resource *(SP quota-resource)] ")"
 * The list may be empty by RFC 9208 4.2.1, and by RFC 2087; section 7 forgets that. */
static void write_quota(struct imap *imap, const struct quota *quota)
{
    struct buf *out = imap_out(imap);
    bool first = true;
    buf_append(out, STR("* QUOTA \"\" ("));
    write_resource(out, &first, "STORAGE", in_units(quota->bytes), in_units(quota->bytes_max));
    write_resource(out, &first, "MESSAGE", quota->messages, quota->messages_max);
    buf_append(out, STR(")\r\n"));
}

/* "GETQUOTA" SP quota-root-name */
enum session_next cmd_getquota(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct quota quota;
    parse_space(args);
    struct str root = parse_astring(args, &imap->arena);
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    if (root.len > 0)
        return respond_no(imap, "[NONEXISTENT] no such quota root");
    struct backend_call call = imap_call(imap);
    if (!backend_quota(imap->server->backend, &call, 0, &quota, &err))
        return respond_err(imap, &err);
    write_quota(imap, &quota);
    return respond_ok(imap, "quota given");
}

/* The owner's root is nobody else's business; and whether there is such a mailbox is not that of
 * one who may not look it up. */
static enum session_next respond_others(struct imap *imap, const struct backend_call *call,
                                        struct str shown, struct str name)
{
    struct err err;
    struct rights_list mine;
    struct rights_query query = {.name = name};
    if (!backend_rights(imap->server->backend, call, &query, &mine, &err))
        return respond_err(imap, &err);
    if (!(mine.rights & RIGHT_LOOKUP))
        return respond_no(imap, "[NONEXISTENT] no such mailbox");
    buf_append(imap_out(imap), STR("* QUOTAROOT "));
    respond_mailbox(imap, imap_out(imap), shown);
    buf_append(imap_out(imap), STR("\r\n"));
    return respond_ok(imap, "no quota root of yours");
}

/* "GETQUOTAROOT" SP mailbox: also of an own one that does not exist (RFC 9208 4.1.3). */
enum session_next cmd_getquotaroot(struct imap *imap, struct cursor *args)
{
    struct err err;
    struct quota quota;
    parse_space(args);
    struct str name = name_take(imap, args);
    if (!cursor_finish(args, &err))
        return respond_syntax(imap, &err);
    struct str own_name;
    struct backend_call call = imap_call(imap);
    if (!shared_find(imap, name, &call, &own_name, &err))
        return respond_err(imap, &err);
    if (call.owner != 0)
        return respond_others(imap, &call, name, own_name);
    buf_append(imap_out(imap), STR("* QUOTAROOT "));
    respond_mailbox(imap, imap_out(imap), name);
    buf_append(imap_out(imap), STR(" \"\"\r\n"));
    if (!backend_quota(imap->server->backend, &call, 0, &quota, &err))
        return respond_err(imap, &err);
    if (quota.bytes_max > 0 || quota.messages_max > 0)
        write_quota(imap, &quota);
    return respond_ok(imap, "quota root given");
}
