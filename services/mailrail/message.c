#include "services/mailrail/commands.h"
#include "services/mailrail/connect.h"
#include "services/mailrail/mail_draft.h"
#include "services/mailrail/mail_show.h"
#include "services/mailrail/mail_text.h"

#include "common/base/buf.h"
#include "common/bus/call_key.h"
#include "common/service/spool.h"

#include <inttypes.h>
#include <stdio.h>

#define TEXT_MAX (512u << 20)
#define SPOOL "mailrail"

/* ---- parse */

static bool collect(void *ctx, struct str bytes, struct err *err)
{
    return buf_append(ctx, bytes) ||
           err_set(err, ERR_LIMIT, "the message has more than %u MiB", TEXT_MAX >> 20);
}

static bool parse(struct invocation *inv, struct err *err)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    bool ok = mail_text_read(inv->args[0], collect, &text, err);
    if (ok)
        mail_show(buf_str(&text), invocation_has(inv, "--json"), &inv->arena);
    buf_release(&text);
    return ok;
}

/* ---- deliver */

struct delivering {
    struct invocation *inv;
    struct backend backend;
    struct mail_address sender;
    struct mail_address recipient;
    struct delivery_target target;
    struct spool_file spool;
};

static bool add_to_spool(void *ctx, struct str bytes, struct err *err)
{
    struct delivering *d = ctx;
    return spool_write(&d->spool, bytes, err);
}

/* Store links what is on disk then; a small message needs no file. */
static bool finish_text(struct delivering *d, struct delivery_message *message, struct err *err)
{
    message->size = d->spool.size;
    if (spool_is_in_memory(&d->spool)) {
        message->content = spool_content(&d->spool);
        return true;
    }
    message->spool_name = str_from_cstr(d->spool.name);
    return spool_finish(&d->spool, err);
}

static bool make_draft(struct delivering *d, struct mail_draft *ret, struct err *err)
{
    struct spool_text text;
    TRY(spool_text_open(&d->spool, &text, err));
    bool ok = mail_draft_make(text.bytes, d->sender, d->recipient, d->inv->settings.hostname,
                              &d->inv->arena, ret, err);
    spool_text_close(&text);
    return ok;
}

static bool send(struct delivering *d, uint32_t *ret_uid, struct err *err)
{
    unsigned char key[CALL_KEY_SIZE];
    struct mail_draft draft;
    struct delivery_message message = {.key = str_make(key, sizeof(key)),
                                       .sender_localpart = d->sender.localpart,
                                       .sender_domain = d->sender.domain,
                                       .recipient_localpart = d->recipient.localpart,
                                       .recipient_domain = d->recipient.domain};
    call_key_make(key);
    TRY(finish_text(d, &message, err) && make_draft(d, &draft, err));
    message.structure = draft.structure;
    message.prefix = draft.prefix;
    message.from_localpart = draft.from.localpart;
    message.from_domain = draft.from.domain;
    message.smtputf8 = draft.smtputf8;
    return backend_deliver(&d->backend, &message, &d->target, ret_uid, err);
}

static bool read_addresses(struct delivering *d, struct err *err)
{
    struct str from = invocation_text(d->inv, "--from");
    struct arena *arena = &d->inv->arena;
    d->inv->is_wrong_usage =
        !mail_draft_sender(str_is_null(from) ? STR("") : from, arena, &d->sender, err) ||
        !mail_draft_recipient(invocation_arg(d->inv, 0), arena, &d->recipient, err);
    return !d->inv->is_wrong_usage;
}

/* Whether there is such an address is asked first: nobody types a message for one that is not. */
static bool deliver(struct invocation *inv, struct err *err)
{
    struct delivering d = {.inv = inv};
    uint32_t uid;
    TRY(invocation_backend(inv, &d.backend, err) && read_addresses(&d, err));
    TRY(backend_resolve(&d.backend, d.recipient.localpart, d.recipient.domain, &d.target, err));
    spool_clean(inv->settings.data, SPOOL); /* what a command that was killed left */
    spool_init(&d.spool, inv->settings.data, SPOOL);
    bool ok = mail_text_read("-", add_to_spool, &d, err) && send(&d, &uid, err);
    spool_discard(&d.spool);
    if (ok)
        printf("delivered to %.*s, mailbox %.*s, UID %" PRIu32 "\n", STR_ARG(d.target.account),
               STR_ARG(d.target.mailbox), uid);
    return ok;
}

static const struct command_option deliver_options[] = {
    {"--from", "ADDRESS", "the sender of the envelope, for Return-Path; none when left out"},
    {NULL, NULL, NULL},
};

static const struct command_option parse_options[] = {
    {"--json", NULL, "write the parts as JSON instead of tables"},
    {NULL, NULL, NULL},
};

const struct command message_commands[] = {
    {
        .name = "message deliver",
        .arguments = "ADDRESS",
        .summary = "deliver a message from standard input",
        .manual =
            "Delivers the message on standard input to ADDRESS, an address of one of our\n"
            "domains, as mail from outside is delivered: to the mailbox that the address leads\n"
            "to, within the quota, with Return-Path, Delivered-To and Received in front. What\n"
            "smtp-in asks before that (limits, whether the sender's domain exists) is not asked.\n"
            "\n"
            "Lines may end in LF or CRLF, and are delivered with CRLF. Nothing else of the\n"
            "message is changed or added: a message without Date or From stays so. When the\n"
            "command says that it is delivered, it is on disk.\n"
            "\n"
            "A message above 64 KiB goes through spool/mailrail in the data directory, where the\n"
            "command must be able to write then.",
        .examples = "mailrail message deliver ann@example.org < letter.eml\n"
                    "mailrail message deliver ann@example.org --from bob@example.net < letter.eml",
        .options = deliver_options,
        .args_min = 1,
        .args_max = 1,
        .run = deliver,
    },
    {
        .name = "message parse",
        .arguments = "FILE",
        .summary = "show what the parser makes of a message",
        .manual =
            "Parses the message in FILE, or for - on standard input, as services do, and prints\n"
            "what they use of its header, and its parts: the number of the section as in IMAP\n"
            "(TEXT is the multipart at the top), type, charset and transfer encoding, where\n"
            "header and body begin, the size of the body as it is and decoded, its lines,\n"
            "disposition, file name, and whether the part is damaged. A type in parentheses is\n"
            "the default of a part that names none.\n"
            "\n"
            "Lines may end in LF or CRLF; places and sizes are those with CRLF. No message is so\n"
            "broken that it has no structure. Needs no running system.",
        .examples = "mailrail message parse letter.eml\n"
                    "mailrail message parse - --json < letter.eml",
        .options = parse_options,
        .args_min = 1,
        .args_max = 1,
        .run = parse,
    },
    {.name = NULL},
};
