#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/mail/compose.h"
#include "common/mail/header.h"
#include "services/submission/policy.h"

#include <sys/random.h>

#define PREFIX_MAX 8192

/* ---- What a message must have */

static struct smtp_reply check_form(struct smtpd_session *s, struct str header, struct str message)
{
    const struct smtpd_config *config = smtpd_config(s);
    if (!s->tx.data.has_separator)
        return SMTP_REPLY(554, 5, 6, 0, "no empty line between header and body");
    /* RFC 5322 4: obsolete, never to be generated; IMAP cannot show it (RFC 9051 4.3). */
    if (str_find_char(message, '\0') >= 0)
        return SMTP_REPLY(554, 5, 6, 0, "a NUL byte in the message");
    if (!config->pedantic)
        return SMTP_REPLY(250, 2, 0, 0, "fine");
    if (s->tx.data.has_8bit && !s->tx.mail.body_8bit)
        return SMTP_REPLY(500, 5, 6, 0, "8-bit text needs BODY=8BITMIME");
    if (header_count(header, STR("Return-Path")) > 0)
        return SMTP_REPLY(550, 5, 6, 0, "Return-Path is not for senders to write");
    return SMTP_REPLY(250, 2, 0, 0, "fine");
}

/* Is SMTPUTF8 needed to carry this? What the client says may be too much or too little. */
static bool needs_smtputf8(const struct smtpd_session *s, const struct structure *structure)
{
    if (structure->needs_smtputf8 || address_needs_smtputf8(s->tx.mail.from.address))
        return true;
    for (size_t i = 0; i < s->tx.recipients.len; i++)
        if (address_needs_smtputf8(s->tx.recipients.items[i].path.address))
            return true;
    return false;
}

/* RFC 8689 3, 5: the header counts when all of its fields say "no", and REQUIRETLS was not given.
 */
static enum backend_tls_need tls_need(const struct smtpd_session *s, struct str header)
{
    struct header_walk walk = header_walk_init(header);
    struct header_field field;
    bool no = false;
    if (s->tx.mail.requiretls)
        return BACKEND_TLS_REQUIRED;
    while (header_next(&walk, &field)) {
        if (!str_eq_nocase(field.name, STR("TLS-Required")))
            continue;
        if (!str_eq_nocase(str_trim(field.raw_value), STR("no")))
            return BACKEND_TLS_DEFAULT;
        no = true;
    }
    return no ? BACKEND_TLS_NOT_REQUIRED : BACKEND_TLS_DEFAULT;
}

/* ---- What it gets from us: Received, Message-ID, Date, in this order (spec 10 B9) */

static void add_message_id(struct smtpd_session *s, struct buf *out)
{
    unsigned char random[16];
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        BUG("no random bytes");
    struct buf id;
    buf_init(&id, 512);
    compose_message_id(&id, random, smtpd_config(s)->hostname);
    compose_ids_field(out, "Message-ID", buf_str(&id));
    buf_release(&id);
}

static struct str added_headers(struct smtpd_session *s, struct str header)
{
    struct buf out;
    buf_init(&out, PREFIX_MAX);
    /* With several recipients all copies are the same: none is named. */
    bool single = s->tx.recipients.len == 1;
    smtpd_write_received(s, single ? &s->tx.recipients.items[0].path.address : NULL, &out);
    if (header_count(header, STR("Message-ID")) == 0)
        add_message_id(s, &out);
    if (header_count(header, STR("Date")) == 0)
        compose_date_field(&out, "Date", (struct date){.time_s = clock_wall_s()});
    struct str prefix = out.overflow ? STR_NULL : arena_copy(&s->arena, buf_str(&out));
    buf_release(&out);
    return prefix;
}

static bool is_complete(struct str header)
{
    return header_count(header, STR("Message-ID")) > 0 && header_count(header, STR("Date")) > 0;
}

static bool fill_draft(struct smtpd_session *s, struct str header, struct str message,
                       const struct structure *structure, struct draft *draft)
{
    draft->tls = tls_need(s, header);
    draft->prefix = added_headers(s, header);
    /* Received alone changes nothing of what the structure says. */
    if (!is_complete(header))
        structure = structure_parse_prefixed(draft->prefix, message, &s->arena);
    /* Copies: the message's bytes go when the spool file is finished. */
    draft->message_id = arena_copy(&s->arena, structure->envelope->message_id);
    draft->subject = arena_copy(&s->arena, structure->envelope->subject);
    struct err err;
    return !str_is_null(draft->prefix) &&
           smtpd_encode_structure(s, structure, &draft->structure, &err);
}

struct smtp_reply submission_examine(struct smtpd_session *s, struct str message)
{
    struct str header = str_slice(message, 0, header_size(message));
    struct smtp_reply reply = check_form(s, header, message);
    if (!smtp_reply_is_positive(&reply))
        return reply;
    const struct structure *structure = structure_parse(message, &s->arena);
    reply = submission_check_from(s, header, structure);
    if (!smtp_reply_is_positive(&reply))
        return reply;
    bool smtputf8 = needs_smtputf8(s, structure);
    if (smtputf8 && !s->tx.mail.smtputf8 && smtpd_config(s)->pedantic)
        return SMTP_REPLY(550, 5, 6, 0, "this message needs SMTPUTF8");
    s->tx.mail.smtputf8 = smtputf8; /* Received says what is true */
    struct draft *draft = arena_new(&s->arena, struct draft);
    if (!draft || !fill_draft(s, header, message, structure, draft))
        return SMTP_REPLY(554, 5, 6, 0, "too much in this message");
    s->tx.examined = draft;
    return SMTP_REPLY(250, 2, 0, 0, "fine");
}
