#include "services/store/junk_rules.h"

#include "services/store/flags.h"

#include <string.h>

static const uint32_t outcome[3] = {FLAG_JUNK, 0, FLAG_NOTJUNK};

static bool compile(regex_t *ret, struct str pattern, struct err *err)
{
    char text[JUNK_PATTERN_MAX + 1], why[256];
    if (!str_copy_cstr(pattern, text, sizeof(text)))
        return err_set(err, ERR_SYNTAX, "junk rule of %zu bytes: at most %d", pattern.len,
                       JUNK_PATTERN_MAX);
    int failure = regcomp(ret, text, REG_EXTENDED | REG_NOSUB);
    if (failure == 0)
        return true;
    regerror(failure, ret, why, sizeof(why));
    return err_set(err, ERR_SYNTAX, "junk rule \"%s\" is no regular expression: %s", text, why);
}

bool junk_rules_init(struct junk_rules *r, bool enabled, const struct str patterns[3],
                     struct err *err)
{
    *r = (struct junk_rules){.enabled = enabled};
    for (size_t i = 0; i < 3; i++) {
        if (str_is_null(patterns[i]))
            continue;
        r->has[i] = compile(&r->pattern[i], patterns[i], err);
        if (!r->has[i]) {
            junk_rules_release(r);
            return false;
        }
    }
    return true;
}

void junk_rules_release(struct junk_rules *r)
{
    for (size_t i = 0; i < 3; i++) {
        if (r->has[i])
            regfree(&r->pattern[i]);
        r->has[i] = false;
    }
}

/* The rule for a name: 0 to 2, or -1 for none. */
static int find_rule(const struct junk_rules *r, struct str mailbox)
{
    char name[2048];
    if (!str_copy_cstr(mailbox, name, sizeof(name)))
        return -1;
    for (char *p = name; *p; p++)
        *p = ascii_lower(*p);
    int given = 0, missing = -1;
    for (int i = 0; i < 3; i++) {
        if (!r->has[i])
            missing = i;
        else if (regexec(&r->pattern[i], name, 0, NULL, 0) == 0)
            return i;
        given += r->has[i];
    }
    return given == 2 ? missing : -1;
}

uint32_t junk_rules_apply(const struct junk_rules *r, struct str mailbox, struct str special_use,
                          uint32_t flags)
{
    int rule = -1;
    if (str_eq(special_use, STR("\\Junk")))
        rule = 0;
    else if (r->enabled)
        rule = find_rule(r, mailbox);
    if (rule < 0)
        return flags;
    return (flags & ~(uint32_t)(FLAG_JUNK | FLAG_NOTJUNK)) | outcome[rule];
}
