#ifndef SERVICES_STORE_NETWORK_H
#define SERVICES_STORE_NETWORK_H

#include "common/sys/ip.h"

/*
 * The three networks around a sender's address by which its reputation is looked up (spec 20 1.15):
 * IPv4 /32, /26, /21; IPv6 /64, /48, /32.
 */

struct network_masks {
    char text[3][IP_TEXT_SIZE]; /* empty when the address is none */
};

struct network_masks network_masks_of(struct str remote_ip);

#endif
