#include "fixture.h"
#include "services/store/junk_settings.h"

#define NEUTRAL "^(inbox|introbox|neutral|postmaster|dmarc|tlsrpt|rejects)"

Test(junk_rules, by_mailbox)
{
    static const struct {
        const char *name;
        bool enabled;
        const char *junk, *neutral, *notjunk;
        const char *mailbox, *special_use;
        uint32_t before, after;
    } rows[] = {
        {"archive is not junk", true, "^(junk|spam)", NEUTRAL, NULL, "Archive", "", 0,
         FLAG_NOTJUNK},
        {"inbox is neutral", true, "^(junk|spam)", NEUTRAL, NULL, "Inbox", "", FLAG_NOTJUNK, 0},
        {"$Junk does not stay in inbox", true, "^(junk|spam)", NEUTRAL, NULL, "Inbox", "",
         FLAG_JUNK | FLAG_SEEN, FLAG_SEEN},
        {"spam child", true, "^(junk|spam)", NEUTRAL, NULL, "Spam/x", "", 0, FLAG_JUNK},
        {"role wins when off", false, "^(junk|spam)", NEUTRAL, NULL, "x", "\\Junk", FLAG_NOTJUNK,
         FLAG_JUNK},
        {"off", false, "^(junk|spam)", NEUTRAL, NULL, "Archive", "", FLAG_JUNK, FLAG_JUNK},
        {"one pattern, no match", true, "^junk", NULL, NULL, "x", "", FLAG_JUNK, FLAG_JUNK},
        {"three patterns, no match", true, "^junk", "^n", "^a", "x", "", FLAG_JUNK, FLAG_JUNK},
        {"junk is the third", true, NULL, "^n", "^a", "x", "", 0, FLAG_JUNK},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct junk_rules rules;
        struct err err;
        struct str patterns[3] = {str_from_cstr(rows[i].junk), str_from_cstr(rows[i].neutral),
                                  str_from_cstr(rows[i].notjunk)};
        cr_assert(junk_rules_init(&rules, rows[i].enabled, patterns, &err), "%s", rows[i].name);
        uint32_t after = junk_rules_apply(&rules, str_from_cstr(rows[i].mailbox),
                                          str_from_cstr(rows[i].special_use), rows[i].before);
        cr_expect(after == rows[i].after, "%s: flags %u", rows[i].name, after);
        junk_rules_release(&rules);
    }
}

Test(junk_rules, what_is_remembered_of_a_name_is_for_that_name_alone)
{
    static const struct {
        const char *mailbox;
        uint32_t flags;
    } rows[] = {{"Junk", FLAG_JUNK},
                {"Junk", FLAG_JUNK},
                {"Jun", 0},
                {"Inbox", FLAG_NOTJUNK},
                {"", 0},
                {"", 0},
                {"Junk", FLAG_JUNK}};
    struct junk_rules rules;
    struct err err;
    struct str patterns[3] = {STR("^junk"), STR("^jun$|^$"), STR("^inbox")};
    cr_assert(junk_rules_init(&rules, true, patterns, &err));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_expect_eq(junk_rules_apply(&rules, str_from_cstr(rows[i].mailbox), STR(""), 0),
                     rows[i].flags, "%zu", i);
    junk_rules_release(&rules);
}

Test(junk_rules, a_bad_pattern_is_named)
{
    struct junk_rules rules;
    struct err err;
    struct str patterns[3] = {STR("("), STR_NULL, STR_NULL};
    cr_expect(!junk_rules_init(&rules, true, patterns, &err));
    cr_expect(err.kind == ERR_SYNTAX);
    cr_expect(strstr(err.detail, "\"(\"") != NULL, "%s", err.detail);
}

Test(junk_rules, a_refused_pattern_is_named_with_reason_and_place)
{
    static const struct {
        const char *pattern, *detail;
    } rows[] = {
        {"^(inbox", "neutral rule \"^(inbox\" is no regular expression: missing closing parenthesis"
                    " at offset 7"},
        {"(((a{1,200}){1,200}){1,200})", "regular expression is too large at offset"},
        {"^(.*)(.*)(.*)(.*)(.*)(.*)\\1\\2\\3\\4\\5\\6q$", "reference to non-existent subpattern"},
        {"(?<x>.*)\\k<x>q", "back reference"},
        {"((((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))))",
         "parentheses are too deeply nested"},
        {"a\\Cb", "using \\C is disabled"},
        {"\xff", "UTF-8 error"},
        {"^a\n", "neutral rule: control character 0x0a at offset 2"},
        {"\x7f", "neutral rule: control character 0x7f at offset 0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct junk_rules rules;
        struct err err;
        struct str patterns[3] = {STR("a"), str_from_cstr(rows[i].pattern), STR("b")};
        cr_assert(!junk_rules_init(&rules, true, patterns, &err), "%s", rows[i].pattern);
        cr_expect(err.kind == ERR_SYNTAX);
        cr_expect(strstr(err.detail, rows[i].detail) != NULL, "%s: %s", rows[i].pattern,
                  err.detail);
    }
}

/* The flags that $Junk becomes in a mailbox when these are the rules for junk and not junk. */
static uint32_t flags_by(const char *junk, const char *not_junk, struct str mailbox)
{
    struct junk_rules rules;
    struct err err;
    struct str patterns[3] = {str_from_cstr(junk), STR_NULL, str_from_cstr(not_junk)};
    cr_assert(junk_rules_init(&rules, true, patterns, &err), "%s: %s", junk, err.detail);
    uint32_t flags = junk_rules_apply(&rules, mailbox, STR(""), FLAG_JUNK);
    junk_rules_release(&rules);
    return flags;
}

/* What takes too many steps says nothing, and nothing follows from it. */
Test(junk_rules, a_match_that_costs_too_much_is_none)
{
    static const char *const patterns[] = {
        "^(a*)*b$",
        "^(a|aa)*b$",
        "^(?:.*)(?:.*)(?:.*)(?:.*)(?:.*)(?:.*)q$",
        "(?:a|[^z])*(a*)*zq",
        "(?s)(?:.+)+z$",
        "(*LIMIT_MATCH=4000000000)^(a*)*b$",
        "(?R)?a",
        "a+qz",
        "(?:a?b?)*?q$",
    };
    char name[1000];
    memset(name, 'a', sizeof(name));
    memcpy(name + sizeof(name) - 4, "bqzc", 4);
    struct str long_name = str_make(name, sizeof(name));
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        cr_expect_eq(flags_by(patterns[i], "^n", long_name), FLAG_JUNK, "%s", patterns[i]);
        cr_expect_eq(flags_by(patterns[i], "bqzc$", long_name), FLAG_NOTJUNK, "%s", patterns[i]);
    }
}

/* The limits are for what no one wants: not for these, on the longest of names. */
Test(junk_rules, usual_patterns_match_long_names)
{
    static const char *const patterns[] = {
        "bqzc$",          "^.*zc$",  "/?(spam|junk|zc)$", "^([a-z]|/)*zc$",
        "[[:alpha:]]+c$", "^a+bqzc", "^[^/]+c$",
    };
    char name[1000];
    memset(name, 'a', sizeof(name));
    memcpy(name + sizeof(name) - 4, "BQZC", 4);
    struct str long_name = str_make(name, sizeof(name));
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
        cr_expect_eq(flags_by("^x", patterns[i], long_name), FLAG_NOTJUNK, "%s", patterns[i]);
    cr_expect_eq(flags_by("^x", "^.\xc3\xa9.$", STR("\xe2\x82\xac\xc3\xa9\xc3\xa4")), FLAG_NOTJUNK,
                 "a character is one, whatever its bytes");
    cr_expect_eq(flags_by("^x", "^a", STR("a\xff")), FLAG_NOTJUNK, "a name that is not UTF-8");
}

/* ---- As they are kept with an account */

static struct fixture f;

static uint32_t flags_after(const char *mailbox)
{
    fixture_deliver(&f, mailbox, TEXT);
    struct changes c = fixture_pull(&f, mailbox, 0);
    return c.flags[c.count - 1] & (FLAG_JUNK | FLAG_NOTJUNK);
}

Test(junk_settings, count_at_once_and_stay)
{
    fixture_open(&f);
    struct junk_settings settings;
    cr_assert(junk_settings_get(f.account, &f.arena, &settings, &f.err), "%s", f.err.detail);
    cr_expect(settings.enabled && str_eq(settings.patterns[0], STR("^(junk|spam)")) &&
              str_eq(settings.patterns[1], STR(NEUTRAL)) && str_is_empty(settings.patterns[2]));
    cr_expect_eq(flags_after("Archive"), FLAG_NOTJUNK);
    settings.patterns[0] = STR("^archive$");
    settings.patterns[2] = STR("^inbox");
    settings.patterns[1] = STR("");
    cr_assert(junk_settings_set(f.account, &settings, &f.err), "%s", f.err.detail);
    for (int round = 0; round < 2; round++) {
        cr_expect_eq(flags_after("Archive"), FLAG_JUNK);
        cr_expect_eq(flags_after("Inbox"), FLAG_NOTJUNK);
        cr_expect_eq(flags_after("Spam/x"), 0);
        fixture_reopen(&f);
    }
    settings.enabled = false;
    cr_assert(junk_settings_set(f.account, &settings, &f.err), "%s", f.err.detail);
    cr_expect_eq(flags_after("Archive"), 0);
    fixture_close(&f);
}

Test(junk_settings, a_bad_pattern_changes_nothing)
{
    char text[JUNK_PATTERN_MAX + 1];
    const struct str bad[] = {STR("(a"), STR("[z-a]"), STR("^a\nb"), {text, sizeof(text)}};
    memset(text, 'a', sizeof(text));
    fixture_open(&f);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct junk_settings settings = {.enabled = true, .patterns = {STR("^archive"), bad[i]}};
        cr_assert(!junk_settings_set(f.account, &settings, &f.err), "%zu", i);
        cr_expect(f.err.kind == ERR_SYNTAX, "%zu: %s", i, f.err.detail);
        cr_expect_eq(flags_after("Archive"), FLAG_NOTJUNK, "%zu", i);
        cr_assert(junk_settings_get(f.account, &f.arena, &settings, &f.err));
        cr_expect(str_eq(settings.patterns[0], STR("^(junk|spam)")), "%zu", i);
    }
    fixture_close(&f);
}

/* It was accepted when rules were POSIX expressions. */
Test(junk_settings, a_stored_rule_that_is_refused_now_closes_no_account)
{
    fixture_open(&f);
    fixture_sql(&f, "UPDATE account SET neutral_pattern = '^(a)\\1'");
    fixture_reopen(&f);
    cr_expect_eq(flags_after("Archive"), 0);
    cr_expect_eq(flags_after("Spam"), 0, "no rule at all: the others would say more than they did");
    struct junk_settings settings;
    cr_assert(junk_settings_get(f.account, &f.arena, &settings, &f.err), "%s", f.err.detail);
    cr_expect(str_eq(settings.patterns[1], STR("^(a)\\1")), "shown as it is kept");
    settings.patterns[1] = STR("^inbox");
    cr_assert(junk_settings_set(f.account, &settings, &f.err), "%s", f.err.detail);
    cr_expect_eq(flags_after("Archive"), FLAG_NOTJUNK);
    fixture_close(&f);
}
