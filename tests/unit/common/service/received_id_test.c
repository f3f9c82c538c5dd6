#include "common/service/received_id.h"

#include "common/base/bug.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Test(received_id, can_be_read_back_with_the_key_only)
{
    struct received_id_key key = {"0123456789abcde", "1234567"};
    struct received_id_key other = {"0123456789abcdE", "1234567"};
    char text[RECEIVED_ID_LEN + 1], next[RECEIVED_ID_LEN + 1];
    uint64_t cid = 0;
    struct err err;
    received_id_encode(&key, 1763683200000, text);
    received_id_encode(&key, 1763683200001, next);
    cr_assert_eq(strlen(text), RECEIVED_ID_LEN);
    cr_assert_str_neq(text, next);
    cr_assert(received_id_decode(&key, str_from_cstr(text), &cid, &err));
    cr_assert_eq(cid, 1763683200000);
    cr_assert(!received_id_decode(&other, str_from_cstr(text), &cid, &err));
    cr_assert(!received_id_decode(&key, STR("too short"), &cid, &err));
    cr_assert(!received_id_decode(&key, STR("AAAAAAAAAAAAAAAAAAAAAA"), &cid, &err));
}

Test(received_id, the_key_is_made_once)
{
    char directory[] = "/tmp/mailrail-received-id-XXXXXX", path[128];
    BUG_ON(!mkdtemp(directory));
    struct received_id_key first, second;
    struct err err;
    cr_assert(received_id_key_open(str_from_cstr(directory), &first, &err), "%s", err.detail);
    cr_assert(received_id_key_open(str_from_cstr(directory), &second, &err), "%s", err.detail);
    cr_assert_eq(memcmp(&first, &second, sizeof(first)), 0);
    snprintf(path, sizeof(path), "%s/keys/received-id.key", directory);
    FILE *f = fopen(path, "w");
    fputs("short", f);
    fclose(f);
    cr_assert(!received_id_key_open(str_from_cstr(directory), &first, &err));
    cr_assert_eq(err.kind, ERR_CORRUPT);
    unlink(path);
    *strrchr(path, '/') = '\0';
    cr_assert_eq(rmdir(path), 0, "nothing else was left behind");
    cr_assert_eq(rmdir(directory), 0, "nothing else was left behind");
}
