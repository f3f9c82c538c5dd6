#include "services/smtp-in/decide.h"

#include "common/mail/header.h"

#define RECEIVED_MAX 100

/* RFC 5321 6.3 */
static bool is_looping(const struct evidence *evidence)
{
    return header_count(evidence->header, STR("Received")) > RECEIVED_MAX;
}

/* RFC 5322 4: obsolete, never to be generated; IMAP cannot show it (RFC 9051 4.3). */
static bool has_nul(const struct evidence *evidence)
{
    return str_find_char(evidence->header, '\0') >= 0;
}

struct verdict decide(const struct evidence *evidence)
{
    if (is_looping(evidence))
        return (struct verdict){
            .decision = DECISION_REFUSE,
            .reason = "mail-loop",
            .reply = SMTP_REPLY(550, 5, 4, 6, "mail loop: too many Received headers"),
        };
    if (has_nul(evidence))
        return (struct verdict){
            .decision = DECISION_REFUSE,
            .reason = "nul-in-header",
            .reply = SMTP_REPLY(554, 5, 6, 0, "a NUL byte in the header"),
        };
    return (struct verdict){.decision = DECISION_ACCEPT, .reason = "no-bad-signals"};
}
