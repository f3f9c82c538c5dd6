#include "tests/unit/common/sys/toy.h"

#include "common/base/clock.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Test(session, commands_are_answered_until_quit)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "ECHO one", "one");
    toy_ask(&c, "ECHO two", "two");
    toy_ask(&c, "TLS", "none");
    toy_ask(&c, "QUIT", "bye");
    toy_expect(&c, "");
    toy_close(&c);
    toy_stop(&toy);
    cr_assert_eq(atomic_load(&toy.closed), 1);
}

Test(session, input_is_framed_however_it_is_cut)
{
    struct toy toy;
    struct toy_client c;
    static const char input[] = "ECHO byte by byte\r\nECHO again\r\n";
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    for (size_t cut = 1; cut < sizeof(input) - 1; cut++) {
        char first[64] = {0};
        memcpy(first, input, cut);
        toy_send(&c, first);
        usleep(1000);
        toy_send(&c, input + cut);
        toy_expect(&c, "byte by byte");
        toy_expect(&c, "again");
    }
    for (size_t i = 0; i < sizeof(input) - 1; i++) {
        toy_send(&c, (char[]){input[i], '\0'});
        usleep(200);
    }
    toy_expect(&c, "byte by byte");
    toy_expect(&c, "again");
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, pipelined_commands_are_answered_in_one_packet)
{
    struct toy toy;
    struct toy_client c;
    char answer[64] = {0};
    toy_start(&toy, &(struct toy_options){0});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_send(&c, "ECHO 1\r\nMORE?\r\nMORE?\r\nQUIT\r\nECHO never\r\n");
    usleep(50000);
    toy_read(&c, answer, sizeof(answer) - 1);
    cr_assert_str_eq(answer, "1\r\nyes\r\nyes\r\nbye\r\n", "%s", answer);
    toy_expect(&c, "");
    toy_close(&c);
    toy_stop(&toy);
}

Test(session, starttls_then_commands)
{
    struct toy toy;
    struct toy_client c;
    toy_start(&toy, &(struct toy_options){.tls = true});
    toy_connect(&c, &toy);
    toy_expect(&c, "hello");
    toy_ask(&c, "STARTTLS", "go");
    toy_client_tls(&c, "localhost", 0);
    toy_ask(&c, "TLS", "TLSv1.3");
    toy_ask(&c, "ECHO hidden", "hidden");
    toy_ask(&c, "QUIT", "bye");
    toy_expect(&c, "");
    toy_close(&c);
    toy_stop(&toy);
}
