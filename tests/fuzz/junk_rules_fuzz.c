/* Target functions: junk_rules_*. Input: an expression, a line end, the name of a mailbox.
 * Properties: what is refused says why; the answer is one of the three, or none, and the same each
 * time; no input takes long. */
#include "common/base/bug.h"
#include "services/store/flags.h"
#include "services/store/junk_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {.kind = ERR_NONE};
    struct junk_rules rules;
    struct str patterns[3] = {STR_NULL, STR("^inbox"), STR_NULL}, mailbox;
    str_cut(str_make(data, size), '\n', &patterns[0], &mailbox);
    if (!junk_rules_init(&rules, true, patterns, &err)) {
        BUG_ON(err.kind != ERR_SYNTAX || err.detail[0] == '\0');
        return 0;
    }
    uint32_t flags = junk_rules_apply(&rules, mailbox, STR(""), FLAG_SEEN);
    BUG_ON(flags != FLAG_SEEN && flags != (FLAG_SEEN | FLAG_JUNK) &&
           flags != (FLAG_SEEN | FLAG_NOTJUNK));
    BUG_ON(junk_rules_apply(&rules, mailbox, STR(""), FLAG_SEEN) != flags);
    junk_rules_release(&rules);
    return 0;
}
