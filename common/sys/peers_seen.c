#include "common/sys/peers_seen.h"

bool peers_seen_note(struct peers_seen *seen, const char *ip, const char **ret_class)
{
    static const char *const names[] = {
        [IP_LOOPBACK] = "loopback", [IP_PRIVATE] = "private", [IP_PUBLIC] = "public"};
    struct ip parsed;
    if (!ip_parse(str_from_cstr(ip), &parsed))
        return false;
    enum ip_class class = ip_classify(parsed);
    *ret_class = names[class];
    unsigned bit = 1u << class;
    /* Nearly always seen already: a load costs less than an exchange. */
    return !(atomic_load_explicit(&seen->classes, memory_order_relaxed) & bit) &&
           !(atomic_fetch_or(&seen->classes, bit) & bit);
}
