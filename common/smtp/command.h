#ifndef COMMON_SMTP_COMMAND_H
#define COMMON_SMTP_COMMAND_H

#include "common/smtp/path.h"
#include "common/smtp/reply.h"

/*
 * Commands as a server reads them (RFC 5321 4.1). The names of the verbs stand in one table in
 * command.c; what a verb may do and when is the server's table.
 *
 *     struct str argument;
 *     switch (smtp_verb_take(line, &argument)) { ... }
 *
 * Arguments are judged whole. A refusal is a reply: its text is constant or in arena.
 */

enum smtp_verb {
    SMTP_VERB_UNKNOWN,
    SMTP_VERB_HELO,
    SMTP_VERB_EHLO,
    SMTP_VERB_STARTTLS,
    SMTP_VERB_AUTH,
    SMTP_VERB_MAIL,
    SMTP_VERB_RCPT,
    SMTP_VERB_DATA,
    SMTP_VERB_RSET,
    SMTP_VERB_VRFY,
    SMTP_VERB_EXPN,
    SMTP_VERB_HELP,
    SMTP_VERB_NOOP,
    SMTP_VERB_QUIT,
    SMTP_VERB_COUNT,
};

/* "MAIL"; "unknown" for SMTP_VERB_UNKNOWN. */
const char *smtp_verb_name(enum smtp_verb verb);
/* The verb of a line (without its line end), and what follows the one space after it; STR_NULL when
 * the line ends with the verb. */
enum smtp_verb smtp_verb_take(struct str line, struct str *ret_argument);

/* What the server offers and tolerates. */
struct smtp_rules {
    bool space_after_colon; /* "MAIL FROM: <a@b>" */
    size_t localpart_max;
    uint64_t size_max;   /* of a message */
    bool requiretls;     /* RFC 8689 is offered */
    bool tls;            /* the connection has TLS */
    bool future_release; /* RFC 4865 is offered */
};

/* The argument of HELO or EHLO: a domain or address literal. */
struct smtp_hello {
    struct str name; /* A-labels in lower case, or the literal with brackets; in arena */
    bool is_literal;
};

/* `literals` false: a domain only (HELO). RFC 5321 4.1.3; text after a literal is ignored. */
bool smtp_hello_parse(struct str argument, bool literals, struct arena *arena,
                      struct smtp_hello *ret, struct smtp_reply *ret_refusal) MUST_USE;

/* MAIL FROM with its parameters. */
struct smtp_mail {
    struct smtp_path from;
    uint64_t size;  /* declared; 0: not */
    bool body_8bit; /* BODY=8BITMIME */
    bool smtputf8;
    bool requiretls;
    uint64_t hold_for_s;       /* HOLDFOR; 0: not given */
    int64_t hold_until_ms;     /* HOLDUNTIL, wall clock; 0: not given */
    struct str future_release; /* the request for DSNs, "for;60" (RFC 4865 4), in arena */
};

bool smtp_mail_parse(struct str argument, const struct smtp_rules *rules, struct arena *arena,
                     struct smtp_mail *ret, struct smtp_reply *ret_refusal) MUST_USE;

/* RCPT TO; `smtputf8` as MAIL said. Parameters are refused: none is offered. */
bool smtp_rcpt_parse(struct str argument, const struct smtp_rules *rules, bool smtputf8,
                     struct arena *arena, struct smtp_path *ret,
                     struct smtp_reply *ret_refusal) MUST_USE;

/* RFC 4954 4: the mechanism, and the initial response as it was sent (STR_NULL: none). `spaces`
 * says how many spaces may stand between them: 1, or more for the lenient. */
bool smtp_auth_parse(struct str argument, bool lenient, struct str *ret_mechanism,
                     struct str *ret_initial, struct smtp_reply *ret_refusal) MUST_USE;

#endif
