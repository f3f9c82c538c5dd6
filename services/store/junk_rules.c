#include "services/store/junk_rules.h"

#include "common/base/bug.h"
#include "common/text/utf8.h"
#include "services/store/flags.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#define NAME_MAX_BYTES 2048 /* no mailbox has a longer name */
#define SHOWN_MAX 100       /* bytes of a rule in an error */

/* What a rule may cost. Compiled it is at most 64 KiB, a limit of the library's own. */
#define NESTED_MAX 32      /* parentheses */
#define STEPS_MAX 5000     /* of a match, from all places of the name together */
#define STEP_BYTES 16      /* of the name that may be gone over for the price of another step */
#define DEPTH_MAX 5000     /* of what a match may come back to */
#define MATCH_KIB_MAX 1024 /* memory of a match */

static const char *const rule_name[3] = {"junk", "neutral", "not-junk"};
static const uint32_t outcome[3] = {FLAG_JUNK, 0, FLAG_NOTJUNK};

/* ---- Compiling */

static bool refuse(const char *which, struct str text, const char *why, size_t at, struct err *err)
{
    struct str shown = utf8_truncate_bytes(text, SHOWN_MAX);
    return err_set(err, ERR_SYNTAX, "%s rule \"%.*s\" is no regular expression: %s at offset %zu",
                   which, STR_ARG(shown), why, at);
}

static bool check_text(const char *which, struct str text, struct err *err)
{
    if (text.len > JUNK_PATTERN_MAX)
        return err_set(err, ERR_SYNTAX, "%s rule of %zu bytes: at most %d", which, text.len,
                       JUNK_PATTERN_MAX);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return err_set(err, ERR_SYNTAX, "%s rule: control character 0x%02x at offset %zu",
                           which, (unsigned)text.ptr[i], i);
    return true;
}

static pcre2_code *compile_text(struct str text, int *ret_failure, size_t *ret_at)
{
    const uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
                             PCRE2_NO_AUTO_CAPTURE | PCRE2_AUTO_CALLOUT;
    pcre2_compile_context *limits = pcre2_compile_context_create(NULL);
    BUG_ON(!limits);
    pcre2_set_parens_nest_limit(limits, NESTED_MAX);
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)text.ptr, text.len, options, ret_failure, ret_at, limits);
    pcre2_compile_context_free(limits);
    return code;
}

static bool compile(const char *which, struct str text, pcre2_code **ret, struct err *err)
{
    int failure;
    size_t at;
    uint32_t back_references;
    TRY(check_text(which, text, err));
    pcre2_code *code = compile_text(text, &failure, &at);
    if (!code) {
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(failure, why, sizeof(why));
        return refuse(which, text, (const char *)why, at, err);
    }
    pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &back_references);
    if (back_references > 0) {
        pcre2_code_free(code);
        return refuse(which, text, "back reference", 0, err);
    }
    *ret = code;
    return true;
}

bool junk_rules_init(struct junk_rules *r, bool enabled, const struct str patterns[3],
                     struct err *err)
{
    *r = (struct junk_rules){.enabled = enabled};
    buf_init(&r->last_name, NAME_MAX_BYTES);
    for (size_t i = 0; i < 3; i++) {
        if (str_is_null(patterns[i]) || compile(rule_name[i], patterns[i], &r->rule[i], err))
            continue;
        junk_rules_release(r);
        return false;
    }
    return true;
}

void junk_rules_release(struct junk_rules *r)
{
    for (size_t i = 0; i < 3; i++) {
        pcre2_code_free(r->rule[i]);
        r->rule[i] = NULL;
    }
    buf_release(&r->last_name);
    r->has_last = false;
}

/* ---- Matching */

struct steps {
    size_t at; /* in the name */
    size_t left;
};

/* Before each item of an expression. The library's own limit on steps begins anew at each place of
 * the name from which it tries, and takes going over any number of bytes for one. What an item goes
 * over in vain is not seen here: [^z]{900} may do so in each step, which makes no more than some
 * 30 ms of what is usually less than one. */
static int count_step(pcre2_callout_block *block, void *ctx)
{
    struct steps *steps = ctx;
    size_t at = block->current_position;
    size_t distance = at > steps->at ? at - steps->at : steps->at - at;
    size_t cost = 1 + distance / STEP_BYTES;
    if (cost > steps->left)
        return PCRE2_ERROR_MATCHLIMIT;
    *steps = (struct steps){.at = at, .left = steps->left - cost};
    return 0;
}

enum answer { NO_MATCH, MATCH, TOO_EXPENSIVE };

static enum answer match(const pcre2_code *rule, struct str name)
{
    struct steps steps = {.left = STEPS_MAX};
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    BUG_ON(!limits || !data);
    pcre2_set_match_limit(limits, STEPS_MAX);
    pcre2_set_depth_limit(limits, DEPTH_MAX);
    pcre2_set_heap_limit(limits, MATCH_KIB_MAX);
    pcre2_set_callout(limits, count_step, &steps);
    int rc = pcre2_match(rule, (PCRE2_SPTR)name.ptr, name.len, 0, 0, data, limits);
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    if (rc >= 0)
        return MATCH;
    return rc == PCRE2_ERROR_NOMATCH ? NO_MATCH : TOO_EXPENSIVE;
}

/* The rule for a name: 0 to 2, or -1 for none. */
static int find_rule(const struct junk_rules *r, struct str mailbox)
{
    char name[NAME_MAX_BYTES];
    if (mailbox.len > sizeof(name))
        return -1;
    for (size_t i = 0; i < mailbox.len; i++)
        name[i] = ascii_lower(mailbox.ptr[i]);
    int unmatched = 0, missing = -1;
    for (int i = 0; i < 3; i++) {
        enum answer answer = NO_MATCH;
        if (!r->rule[i])
            missing = i;
        else if ((answer = match(r->rule[i], str_make(name, mailbox.len))) == MATCH)
            return i;
        unmatched += r->rule[i] && answer == NO_MATCH;
    }
    return unmatched == 2 ? missing : -1;
}

static int find_rule_once(struct junk_rules *r, struct str mailbox)
{
    if (r->has_last && str_eq(buf_str(&r->last_name), mailbox))
        return r->last_rule;
    r->last_rule = find_rule(r, mailbox);
    buf_reset(&r->last_name);
    r->has_last = buf_append(&r->last_name, mailbox);
    return r->last_rule;
}

uint32_t junk_rules_apply(struct junk_rules *r, struct str mailbox, struct str special_use,
                          uint32_t flags)
{
    int rule = -1;
    if (str_eq(special_use, STR("\\Junk")))
        rule = 0;
    else if (r->enabled)
        rule = find_rule_once(r, mailbox);
    if (rule < 0)
        return flags;
    return (flags & ~(uint32_t)(FLAG_JUNK | FLAG_NOTJUNK)) | outcome[rule];
}
