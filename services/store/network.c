#include "services/store/network.h"

struct network_masks network_masks_of(struct str remote_ip)
{
    static const unsigned v4[3] = {32, 26, 21}, v6[3] = {64, 48, 32};
    struct network_masks masks = {0};
    struct ip ip;
    if (!ip_parse(remote_ip, &ip))
        return masks;
    for (int i = 0; i < 3; i++)
        ip_format(ip_truncate(ip, ip.is_v6 ? v6[i] : v4[i]), masks.text[i]);
    return masks;
}
