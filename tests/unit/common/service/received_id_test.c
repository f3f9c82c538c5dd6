#include "common/service/received_id.h"

#include "common/base/bug.h"
#include "tests/unit/support/remove_tree.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

Test(received_id, is_never_taken_for_an_option)
{
    struct received_id_key key = {"0123456789abcde", "1234567"};
    for (uint64_t cid = 1763683200000; cid < 1763683200000 + 4096; cid++) {
        char text[RECEIVED_ID_LEN + 1];
        uint64_t back = 0;
        struct err err;
        received_id_encode(&key, cid, text);
        cr_assert_neq(text[0], '-');
        cr_assert(received_id_decode(&key, str_from_cstr(text), &back, &err));
        cr_assert_eq(back, cid);
    }
}

Test(received_id, of_former_times_may_begin_like_an_option)
{
    struct received_id_key key = {"0123456789abcde", "1234567"};
    uint64_t cid = 0;
    struct err err;
    cr_assert(received_id_decode(&key, STR("-WZFtoMajRRpnMAtVwDjIg"), &cid, &err), "%s",
              err.detail);
    cr_assert_eq(cid, 1763683200000 + 2);
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

static void write_key(const char *directory, const char *name, const char *bytes)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    cr_assert(f && fwrite(bytes, 1, 24, f) == 24 && fclose(f) == 0);
}

static bool has_former(const char *directory)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/received-id.key", directory);
    return access(path, F_OK) == 0;
}

Test(received_id, a_key_in_its_former_place_moves)
{
    static const char old[] = "0123456789abcdefABCDEFGH", other[] = "another--another-another";
    char directory[] = "/tmp/mailrail-received-id-XXXXXX", path[128];
    BUG_ON(!mkdtemp(directory));
    struct received_id_key key;
    struct err err;
    struct stat st;
    write_key(directory, "received-id.key", old);
    cr_assert(received_id_key_open(str_from_cstr(directory), &key, &err), "%s", err.detail);
    cr_expect_eq(memcmp(&key, old, sizeof(key)), 0);
    cr_expect(!has_former(directory));
    snprintf(path, sizeof(path), "%s/keys/received-id.key", directory);
    cr_expect(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640 && st.st_nlink == 1);
    /* Cut off before the last step: both are there, and the same. */
    write_key(directory, "received-id.key", old);
    cr_assert(received_id_key_open(str_from_cstr(directory), &key, &err), "%s", err.detail);
    cr_expect(!has_former(directory));
    /* Another one is somebody's, and the one in use stays. */
    write_key(directory, "received-id.key", other);
    cr_assert(received_id_key_open(str_from_cstr(directory), &key, &err), "%s", err.detail);
    cr_expect_eq(memcmp(&key, old, sizeof(key)), 0);
    cr_expect(has_former(directory));
    remove_tree(directory);
}
