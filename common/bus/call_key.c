#include "common/bus/call_key.h"

#include "common/base/bug.h"
#include "common/base/clock.h"

#include <sys/random.h>

#define TIME_SIZE 6

void call_key_make(unsigned char ret_key[CALL_KEY_SIZE])
{
    uint64_t ms = (uint64_t)clock_wall_ms();
    for (size_t i = 0; i < TIME_SIZE; i++)
        ret_key[i] = (unsigned char)(ms >> (8 * (TIME_SIZE - 1 - i)));
    if (getrandom(ret_key + TIME_SIZE, CALL_KEY_SIZE - TIME_SIZE, 0) != CALL_KEY_SIZE - TIME_SIZE)
        BUG("no random bytes");
}
