#include "services/smtp-in/decide.h"

#include "common/mail/header.h"

#define RECEIVED_MAX 100

/* RFC 5321 6.3 */
static bool is_looping(const struct evidence *evidence)
{
    return header_count(evidence->header, STR("Received")) > RECEIVED_MAX;
}

struct verdict decide(const struct evidence *evidence)
{
    if (is_looping(evidence))
        return (struct verdict){
            .decision = DECISION_REFUSE,
            .reason = "mail-loop",
            .reply = SMTP_REPLY(550, 5, 4, 6, "mail loop: too many Received headers"),
        };
    return (struct verdict){.decision = DECISION_ACCEPT, .reason = "no-bad-signals"};
}
