#include "services/store/junk_rules.h"

#include "services/store/flags.h"

#include <criterion/criterion.h>

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

Test(junk_rules, a_bad_pattern_is_named)
{
    struct junk_rules rules;
    struct err err;
    struct str patterns[3] = {STR("("), STR_NULL, STR_NULL};
    cr_expect(!junk_rules_init(&rules, true, patterns, &err));
    cr_expect(err.kind == ERR_SYNTAX);
}
