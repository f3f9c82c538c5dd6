#include "services/submission/config.h"

#include "common/service/option_check.h"

const struct option submission_options[] = {
    OPTION_NUMBER(submission_config, port, "587", 0, 65535, NULL,
                  "TCP port with STARTTLS; 0 for none"),
    OPTION_NUMBER(submission_config, tls_port, "465", 0, 65535, NULL,
                  "TCP port with TLS from the first byte, which needs a certificate; 0 for none"),
    OPTION_BOOL(submission_config, cleartext_auth, "false",
                "let users log in and send without TLS"),
    OPTION_BOOL(submission_config, client_certificates, "true",
                "ask clients under TLS for a certificate, whose key may log them in; programs "
                "that have one may ask their user"),
    SMTPD_OPTIONS,
};
const size_t submission_option_count = ARRAY_LEN(submission_options);

void submission_check_config(const void *values, const struct settings *settings,
                             struct option_report *report)
{
    const struct submission_config *config = values;
    smtpd_options_check(&config->smtpd, settings, report);
    option_check_login_port(report, "port", config->port, config->cleartext_auth, settings);
    option_check_tls_port(report, "tls_port", config->tls_port, settings);
}

struct smtpd_config submission_server_config(const struct submission_config *config,
                                             const struct settings *settings)
{
    struct smtpd_config server = smtpd_options_config(&config->smtpd, settings, "submission");
    server.submission = true;
    server.space_after_colon = true;
    server.requiretls = true;
    server.tls_needed = !config->cleartext_auth;
    server.cleartext_auth = config->cleartext_auth;
    server.client_certificates = config->client_certificates;
    return server;
}
