#include "services/mailrail/mailbox_option.h"

struct str mailbox_option(struct invocation *inv)
{
    struct str first, rest, name = invocation_text(inv, "--mailbox");
    if (str_is_null(name))
        return name;
    bool has_rest = str_cut(name, '/', &first, &rest);
    if (!str_eq_nocase(first, STR("Inbox")))
        return name;
    return has_rest ? arena_printf(&inv->arena, "Inbox/%.*s", STR_ARG(rest)) : STR("Inbox");
}
