#ifndef COMMON_BUS_CALL_KEY_H
#define COMMON_BUS_CALL_KEY_H

/*
 * Keys of calls that change something: a call that is repeated with the same key, because its
 * answer was lost, is not made twice.
 */

#define CALL_KEY_SIZE 16

/* A new key: the time in ms, then 10 random bytes (like the UUID version 7 of RFC 9562 5.7). Who
 * keeps keys in order adds each beside the one before it. */
void call_key_make(unsigned char ret_key[CALL_KEY_SIZE]);

#endif
