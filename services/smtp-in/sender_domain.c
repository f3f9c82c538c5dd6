#include "common/base/clock.h"
#include "services/smtp-in/policy.h"

/*
 * Mail from a domain that takes no mail cannot be answered, and no DSN about it can be delivered
 * (RFC 5321 3.6, RFC 7505 4.2): it is refused at MAIL.
 */

#define LOOKUPS_MS 60000 /* all hosts together */
#define TAKES_NO_MAIL SMTP_REPLY(550, 5, 7, 27, "the sender's domain takes no mail")
#define LOOKUP_FAILED SMTP_REPLY(451, 4, 4, 0, "cannot look up the sender's domain now")

static bool checks_are_off(const struct smtp_in *in)
{
    return !in->config->check_sender_domain || in->settings->localserve;
}

/* RFC 1123 5.2.5 lets us look; only a name that surely does not exist is refused. */
struct smtp_reply smtp_in_check_hello(struct smtpd_session *s, const struct smtp_hello *hello,
                                      bool extended)
{
    struct smtp_in *in = smtpd_user(s);
    struct smtp_reply ok = SMTP_REPLY(250, 2, 0, 0, "hello");
    if (extended || !in->config->check_hello || in->settings->localserve)
        return ok;
    enum backend_dns_status status;
    struct err err;
    if (!backend_lookup_ip(in->backend, session_cid(s->conn), hello->name, &s->arena, &status,
                           &err))
        return ok;
    return status == BACKEND_DNS_NOT_FOUND ? SMTP_REPLY(550, 5, 5, 0, "no such host name") : ok;
}

/* Any of the hosts will do. One that cannot be looked up now counts only when none is found. A
 * domain with many hosts that time out must not hold a worker for long: its owner chose them. */
static struct smtp_reply check_hosts(struct smtpd_session *s, const struct str *hosts, size_t count)
{
    struct smtp_in *in = smtpd_user(s);
    struct smtp_reply reply = TAKES_NO_MAIL;
    int64_t deadline_ms = clock_monotonic_ms() + LOOKUPS_MS;
    for (size_t i = 0; i < count; i++) {
        if (clock_monotonic_ms() >= deadline_ms)
            return LOOKUP_FAILED;
        enum backend_dns_status status;
        struct err err;
        if (!backend_lookup_ip(in->backend, session_cid(s->conn), hosts[i], &s->arena, &status,
                               &err))
            return smtpd_failed(s, "cannot look up a mail host of the sender", &err);
        if (status == BACKEND_DNS_FOUND)
            return SMTP_REPLY(250, 2, 1, 0, "sender ok");
        if (status == BACKEND_DNS_FAILED)
            reply = LOOKUP_FAILED;
    }
    return reply;
}

struct smtp_reply smtp_in_check_mail(struct smtpd_session *s)
{
    struct smtp_in *in = smtpd_user(s);
    const struct smtp_path *from = &s->tx.mail.from;
    if (smtp_path_is_null(from))
        return SMTP_REPLY(250, 2, 1, 0, "sender ok");
    if (address_is_literal(from->address))
        return SMTP_REPLY(550, 5, 7, 0, "an IP address is no domain to send from");
    if (checks_are_off(in))
        return SMTP_REPLY(250, 2, 1, 0, "sender ok");
    struct str domain = from->address.domain;
    struct backend_mx_list mx;
    struct err err;
    if (!backend_lookup_mx(in->backend, session_cid(s->conn), domain, &s->arena, &mx, &err))
        return smtpd_failed(s, "cannot look up the sender's domain", &err);
    if (mx.status == BACKEND_DNS_FAILED)
        return LOOKUP_FAILED;
    if (mx.status == BACKEND_DNS_NOT_FOUND)
        return check_hosts(s, &domain, 1); /* RFC 5321 5.1: the implicit MX */
    if (mx.count == 1 && str_eq(mx.hosts[0], STR(".")))
        return TAKES_NO_MAIL;
    return check_hosts(s, mx.hosts, mx.count);
}
