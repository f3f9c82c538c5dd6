#include "services/smtp-in/config.h"

#include "common/service/option_check.h"

const struct option smtp_in_options[] = {
    OPTION_NUMBER(smtp_in_config, port, "25", 0, 65535, NULL, "TCP port"),
    OPTION_BOOL(smtp_in_config, starttls, "true", "offer STARTTLS when there is a certificate"),
    OPTION_BOOL(smtp_in_config, requiretls, "true", "offer REQUIRETLS (RFC 8689) under TLS"),
    OPTION_BOOL(smtp_in_config, tls_needed, "false", "refuse recipients without TLS"),
    OPTION_BOOL(smtp_in_config, space_after_colon, "false",
                "accept \"MAIL FROM: <...>\", which mostly spammers send"),
    OPTION_BOOL(smtp_in_config, hide_unknown, "false",
                "refuse unknown recipients after the message only, and one recipient a message"),
    OPTION_BOOL(smtp_in_config, check_sender_domain, "true",
                "refuse senders whose domain takes no mail; never in localserve"),
    OPTION_BOOL(smtp_in_config, check_hello, "true",
                "refuse HELO names that do not resolve; never in localserve"),
    OPTION_STRING(smtp_in_config, catch_all_address, "",
                  "an address here that gets the mail for all domains that are not ours; only in "
                  "localserve"),
    SMTPD_OPTIONS,
};
const size_t smtp_in_option_count = ARRAY_LEN(smtp_in_options);

static void check_catch_all(const struct smtp_in_config *config, const struct settings *settings,
                            struct option_report *report)
{
    struct arena arena;
    struct address address;
    struct err why;
    if (config->catch_all_address.len == 0)
        return;
    arena_init(&arena, 65536);
    if (!settings->localserve)
        option_reject(report, "catch_all_address",
                      "would take everybody's mail: needs localserve = true");
    else if (!address_parse(config->catch_all_address, &arena, &address, &why))
        option_reject(report, "catch_all_address", "\"%.*s\" is not an address: %s",
                      STR_ARG(config->catch_all_address), why.detail);
    arena_release(&arena);
}

void smtp_in_check_config(const void *values, const struct settings *settings,
                          struct option_report *report)
{
    const struct smtp_in_config *config = values;
    smtpd_options_check(&config->smtpd, settings, report);
    if (config->tls_needed && (!config->starttls || settings->tls_certificate.len == 0))
        option_reject(report, "tls_needed",
                      "nobody can send without STARTTLS: set tls_certificate, tls_key and "
                      "smtp_in.starttls");
    check_catch_all(config, settings, report);
}

struct smtpd_config smtp_in_server_config(const struct smtp_in_config *config,
                                          const struct settings *settings)
{
    struct smtpd_config server = smtpd_options_config(&config->smtpd, settings, "smtp-in");
    server.space_after_colon = config->space_after_colon;
    server.requiretls = config->requiretls;
    server.tls_needed = config->tls_needed;
    return server;
}
