#include "common/smtp/command.h"

#include "common/mail/date.h"
#include "common/mail/domain.h"

#include <string.h>

static const char *const verb_names[SMTP_VERB_COUNT] = {
    [SMTP_VERB_UNKNOWN] = "unknown",   [SMTP_VERB_HELO] = "HELO", [SMTP_VERB_EHLO] = "EHLO",
    [SMTP_VERB_STARTTLS] = "STARTTLS", [SMTP_VERB_AUTH] = "AUTH", [SMTP_VERB_MAIL] = "MAIL",
    [SMTP_VERB_RCPT] = "RCPT",         [SMTP_VERB_DATA] = "DATA", [SMTP_VERB_RSET] = "RSET",
    [SMTP_VERB_VRFY] = "VRFY",         [SMTP_VERB_EXPN] = "EXPN", [SMTP_VERB_HELP] = "HELP",
    [SMTP_VERB_NOOP] = "NOOP",         [SMTP_VERB_QUIT] = "QUIT",
};

const char *smtp_verb_name(enum smtp_verb verb)
{
    return verb_names[verb];
}

enum smtp_verb smtp_verb_take(struct str line, struct str *ret_argument)
{
    struct str word;
    str_cut(line, ' ', &word, ret_argument);
    for (size_t verb = SMTP_VERB_UNKNOWN + 1; verb < SMTP_VERB_COUNT; verb++)
        if (str_eq_nocase(word, str_from_cstr(verb_names[verb])))
            return (enum smtp_verb)verb;
    return SMTP_VERB_UNKNOWN;
}

/* A refusal whose text says what the parser expected. */
static bool refuse_syntax(const struct err *err, struct arena *arena, struct smtp_reply *ret)
{
    *ret = SMTP_REPLY(501, 5, 5, 2, "syntax error");
    struct str text = arena_printf(arena, "syntax error: %s", err->detail);
    if (!str_is_null(text))
        ret->text = text;
    return false;
}

static bool refuse(struct smtp_reply *ret, struct smtp_reply reply)
{
    *ret = reply;
    return false;
}

/* ehlo = "EHLO" SP ( Domain / address-literal ); helo = "HELO" SP Domain */
bool smtp_hello_parse(struct str argument, bool literals, struct arena *arena,
                      struct smtp_hello *ret, struct smtp_reply *ret_refusal)
{
    struct cursor c = cursor_init(argument);
    struct smtp_hello hello = {.is_literal = literals && cursor_next_is(&c, '[')};
    struct err err;
    if (hello.is_literal) {
        hello.name = arena_copy(arena, smtp_address_literal_take(&c));
        if (cursor_skip(&c, ' ')) /* 4.1.3 "from" clauses of old clients say more */
            cursor_take_rest(&c, argument.len, "text");
    } else {
        struct str name = cursor_take_while(&c, is_domain_text, 255, "domain");
        if (cursor_finish(&c, &err) && !domain_parse(name, arena, &hello.name, &err))
            return refuse_syntax(&err, arena, ret_refusal);
    }
    if (!cursor_finish(&c, &err))
        return refuse_syntax(&err, arena, ret_refusal);
    *ret = hello;
    return true;
}

/* "FROM:" or "TO:", and perhaps the space that does not belong there. */
static void take_colon_word(struct cursor *c, struct str word, const struct smtp_rules *rules)
{
    cursor_expect_nocase(c, word);
    if (rules->space_after_colon)
        cursor_skip_while(c, is_space_or_tab);
}

/* The parameters of MAIL: one function for each. They take the value, if there is one, from the
 * cursor, and fail it (501) or write a refusal of their own. */
struct mail_parser {
    struct cursor c;
    const struct smtp_rules *rules;
    struct arena *arena;
    struct smtp_mail *mail;
    struct smtp_reply refusal; /* code 0: none */
};

/* RFC 1870 4: size-value ::= 1*20DIGIT */
static void take_size(struct mail_parser *p)
{
    const uint64_t large = 100u << 20;
    struct str digits = cursor_take_while(&p->c, is_digit, 20, "size");
    if (cursor_failed(&p->c))
        return;
    if (!str_to_u64(digits, UINT64_MAX, &p->mail->size))
        p->mail->size = UINT64_MAX;
    if (p->mail->size <= p->rules->size_max)
        return;
    p->refusal = p->mail->size >= large
                     ? SMTP_REPLY(552, 5, 3, 4, "message too large for this server")
                     : SMTP_REPLY(552, 5, 2, 3, "message too large");
}

/* RFC 6152 2 */
static void take_body(struct mail_parser *p)
{
    struct str value = cursor_take_while(&p->c, is_visible, 32, "body type");
    if (str_eq_nocase(value, STR("8BITMIME")))
        p->mail->body_8bit = true;
    else if (!cursor_failed(&p->c) && !str_eq_nocase(value, STR("7BIT")))
        p->refusal = SMTP_REPLY(555, 5, 5, 4, "unknown BODY type");
}

static bool is_upper_hex(unsigned char c)
{
    return is_hex_digit(c) && !(c >= 'a' && c <= 'f');
}

static bool is_xchar(unsigned char c)
{
    return is_visible(c) && c != '+' && c != '=';
}

/* RFC 4954 5: AUTH=<> or xtext (RFC 3461 4). Checked and ignored: we trust no other server's word
 * about who sent this. */
static void take_auth(struct mail_parser *p)
{
    if (cursor_skip_str(&p->c, STR("<>")))
        return;
    do {
        if (!cursor_skip(&p->c, '+')) {
            cursor_take_while(&p->c, is_xchar, 500, "xtext");
            continue;
        }
        struct cursor hex = cursor_init(cursor_take(&p->c, 2, "xtext"));
        if (cursor_skip_while(&hex, is_upper_hex) != 2)
            cursor_fail(&p->c, "upper-case hex digits");
    } while (cursor_next_is(&p->c, '+') || cursor_next_is_class(&p->c, is_xchar));
}

static void take_smtputf8(struct mail_parser *p)
{
    p->mail->smtputf8 = true;
}

/* RFC 8689 4.1: only over TLS. */
static void take_requiretls(struct mail_parser *p)
{
    p->mail->requiretls = true;
    if (!p->rules->requiretls)
        p->refusal = SMTP_REPLY(555, 5, 3, 3, "REQUIRETLS is not offered");
    else if (!p->rules->tls)
        p->refusal = SMTP_REPLY(523, 5, 7, 10, "REQUIRETLS needs TLS");
}

static void keep_future_release(struct mail_parser *p, const char *kind, struct str value)
{
    if (!str_is_null(p->mail->future_release))
        p->refusal = SMTP_REPLY(501, 5, 5, 4, "only one of HOLDFOR and HOLDUNTIL");
    p->mail->future_release = arena_printf(p->arena, "%s;%.*s", kind, STR_ARG(value));
}

/* RFC 4865 5: future-release-integer = 1*9DIGIT, not zero */
static void take_holdfor(struct mail_parser *p)
{
    struct str value = cursor_rest(&p->c);
    p->mail->hold_for_s = cursor_take_number(&p->c, 999999999, "seconds");
    if (p->mail->hold_for_s == 0)
        cursor_fail(&p->c, "seconds above 0");
    value.len -= cursor_rest(&p->c).len;
    if (value.len > 9)
        cursor_fail_too_long(&p->c, "seconds");
    if (!cursor_failed(&p->c))
        keep_future_release(p, "for", value);
}

static int take_digits(struct cursor *c, size_t count, const char *what)
{
    uint64_t value = 0;
    if (!str_to_u64(cursor_take(c, count, what), 9999, &value))
        cursor_fail(c, what);
    return (int)value;
}

/* RFC 3339 5.6 date-time, in UTC: RFC 4865 5 wants "Z". */
static int64_t take_utc_time_ms(struct cursor *c)
{
    struct date_fields fields = {0};
    fields.year = take_digits(c, 4, "year");
    cursor_expect(c, '-');
    fields.month = take_digits(c, 2, "month");
    cursor_expect(c, '-');
    fields.day = take_digits(c, 2, "day");
    cursor_expect_nocase(c, STR("T"));
    fields.hour = take_digits(c, 2, "hour");
    cursor_expect(c, ':');
    fields.minute = take_digits(c, 2, "minute");
    cursor_expect(c, ':');
    fields.second = take_digits(c, 2, "second");
    if (cursor_skip(c, '.'))
        cursor_take_while(c, is_digit, 9, "fraction");
    cursor_expect_nocase(c, STR("Z"));
    struct date date = {0};
    struct err err;
    if (!cursor_failed(c) && !date_from_fields(fields, 0, &date, &err))
        cursor_fail(c, "existing date and time");
    return date.time_s * 1000;
}

static void take_holduntil(struct mail_parser *p)
{
    struct str value = cursor_rest(&p->c);
    p->mail->hold_until_ms = take_utc_time_ms(&p->c);
    value.len -= cursor_rest(&p->c).len;
    if (!cursor_failed(&p->c))
        keep_future_release(p, "until", value);
}

static const struct mail_parameter {
    struct str keyword;
    bool has_value;
    bool future_release; /* only where that is offered */
    void (*take)(struct mail_parser *p);
} mail_parameters[] = {
    {STR_INIT("SIZE"), true, false, take_size},
    {STR_INIT("BODY"), true, false, take_body},
    {STR_INIT("AUTH"), true, false, take_auth},
    {STR_INIT("SMTPUTF8"), false, false, take_smtputf8},
    {STR_INIT("REQUIRETLS"), false, false, take_requiretls},
    {STR_INIT("HOLDFOR"), true, true, take_holdfor},
    {STR_INIT("HOLDUNTIL"), true, true, take_holduntil},
};

static bool is_esmtp_keyword(unsigned char c)
{
    return is_alnum(c) || c == '-';
}

static const struct mail_parameter *find_parameter(const struct mail_parser *p, struct str keyword)
{
    for (size_t i = 0; i < ARRAY_LEN(mail_parameters); i++)
        if (str_eq_nocase(mail_parameters[i].keyword, keyword) &&
            (!mail_parameters[i].future_release || p->rules->future_release))
            return &mail_parameters[i];
    return NULL;
}

/* esmtp-param = esmtp-keyword [ "=" esmtp-value ] */
static void take_parameter(struct mail_parser *p, unsigned *seen)
{
    struct str keyword = cursor_take_while(&p->c, is_esmtp_keyword, 64, "parameter");
    if (cursor_failed(&p->c))
        return;
    const struct mail_parameter *parameter = find_parameter(p, keyword);
    if (!parameter) {
        p->refusal = SMTP_REPLY(555, 5, 3, 3, "unknown parameter");
        return;
    }
    unsigned bit = 1u << (parameter - mail_parameters);
    if (*seen & bit)
        p->refusal = SMTP_REPLY(501, 5, 5, 4, "duplicate parameter");
    *seen |= bit;
    if (parameter->has_value)
        cursor_expect(&p->c, '=');
    if (p->refusal.code == 0 && !cursor_failed(&p->c))
        parameter->take(p);
}

/* The path may only be judged when it is known whether SMTPUTF8 was given (RFC 6531 3.3). */
static bool judge_reverse_path(struct mail_parser *p, struct str inside)
{
    struct err err;
    if (!smtp_reverse_path_parse(inside, p->rules->localpart_max, p->arena, &p->mail->from, &err))
        return refuse_syntax(&err, p->arena, &p->refusal);
    if (p->mail->from.is_utf8 && !p->mail->smtputf8)
        return refuse(&p->refusal, SMTP_REPLY(550, 5, 6, 7, "address needs SMTPUTF8"));
    return true;
}

/* mail = "MAIL FROM:" Reverse-path [ SP Mail-parameters ] */
bool smtp_mail_parse(struct str argument, const struct smtp_rules *rules, struct arena *arena,
                     struct smtp_mail *ret, struct smtp_reply *ret_refusal)
{
    struct smtp_mail mail = {0};
    struct mail_parser p = {cursor_init(argument), rules, arena, &mail, {0}};
    take_colon_word(&p.c, STR("FROM:"), rules);
    struct str inside = smtp_path_take(&p.c);
    unsigned seen = 0;
    while (!cursor_at_end(&p.c) && p.refusal.code == 0) {
        cursor_expect(&p.c, ' ');
        take_parameter(&p, &seen);
    }
    struct err err;
    if (p.refusal.code == 0 && !cursor_finish(&p.c, &err))
        return refuse_syntax(&err, arena, ret_refusal);
    if (p.refusal.code != 0 || !judge_reverse_path(&p, inside))
        return refuse(ret_refusal, p.refusal);
    *ret = mail;
    return true;
}

/* rcpt = "RCPT TO:" Forward-path [ SP Rcpt-parameters ] */
bool smtp_rcpt_parse(struct str argument, const struct smtp_rules *rules, bool smtputf8,
                     struct arena *arena, struct smtp_path *ret, struct smtp_reply *ret_refusal)
{
    struct err err;
    struct smtp_path path;
    struct cursor c = cursor_init(argument);
    take_colon_word(&c, STR("TO:"), rules);
    struct str inside = smtp_path_take(&c);
    if (!cursor_check(&c, &err))
        return refuse_syntax(&err, arena, ret_refusal);
    if (!cursor_at_end(&c)) {
        cursor_expect(&c, ' ');
        if (cursor_next_is_class(&c, is_esmtp_keyword))
            return refuse(ret_refusal, SMTP_REPLY(555, 5, 3, 3, "unknown parameter"));
        cursor_fail(&c, "parameter");
    }
    if (!cursor_finish(&c, &err) ||
        !smtp_forward_path_parse(inside, rules->localpart_max, arena, &path, &err))
        return refuse_syntax(&err, arena, ret_refusal);
    if (path.is_utf8 && !smtputf8)
        return refuse(ret_refusal, SMTP_REPLY(553, 5, 6, 7, "address needs SMTPUTF8"));
    *ret = path;
    return true;
}

/* RFC 4422 3.1: sasl-mech = 1*20mech-char, in upper case */
static bool is_mechanism(unsigned char c)
{
    return (is_alnum(c) && !(c >= 'a' && c <= 'z')) || c == '-' || c == '_';
}

bool smtp_auth_parse(struct str argument, bool lenient, struct str *ret_mechanism,
                     struct str *ret_initial, struct smtp_reply *ret_refusal)
{
    struct err err;
    struct cursor c = cursor_init(argument);
    struct str mechanism = cursor_take_while(&c, is_mechanism, 20, "mechanism");
    struct str initial = STR_NULL;
    if (cursor_skip(&c, ' ')) {
        if (lenient)
            cursor_skip_while(&c, is_space_or_tab);
        initial = cursor_take_while(&c, is_visible, argument.len, "initial response");
    }
    if (!cursor_finish(&c, &err))
        return refuse(ret_refusal, SMTP_REPLY(501, 5, 5, 2, "syntax error in AUTH"));
    *ret_mechanism = mechanism;
    *ret_initial = initial;
    return true;
}
