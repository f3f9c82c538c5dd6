#include "fixture.h"

#include "common/mail/header.h"
#include "common/mail/search.h"
#include "common/text/utf8.h"
#include "services/store/text_fill.h"
#include "services/store/upgrade.h"
#include "tests/unit/support/die_at_change.h"

#include <sys/wait.h>

/*
 * The text index never misses a message that a search by reading finds, is exact about the fields
 * that it has values of, and stays so whatever happens to messages, files and processes.
 */

static struct fixture f;
static unsigned seed = 1;

static unsigned pick(unsigned below)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 16) % below;
}

/* ---- Random messages */

static const char *const words[] = {
    "Straße",  "STRASSE", "caf\xc3\xa9", "CAFÉ", "ΣΊΣΥΦΟΣ", "σίσυφος", "bread", "Bread\t", "butter",
    "a",       "be",      "\xff\xfe",    "日本", "日本語",  "<x@y>",   "=?",    "zyx",     "xyzzy",
    "encoded", "folded",  "Ünïcödé",     "İ",    "ﬁnance",  "ss",      "oo",    "ooo",     "oooo"};

static const char *pick_word(void)
{
    return words[pick(ARRAY_LEN(words))];
}

static void add_words(struct buf *out, unsigned count, const char *between)
{
    for (; count > 0; count--) {
        buf_append_cstr(out, pick_word());
        buf_append_cstr(out, between);
    }
}

static void add_field(struct buf *out, const char *name)
{
    static const char *const encoded[] = {"=?utf-8?q?Stra=C3=9Fe?=", "=?iso-8859-1?Q?caf=E9_bar?=",
                                          "=?utf-8?b?0JrQvtGCINC4?= =?utf-8?q?_Hund?="};
    buf_append_cstr(out, name);
    buf_append_cstr(out, ": ");
    add_words(out, pick(3), " ");
    if (pick(3) == 0)
        buf_append_cstr(out, encoded[pick(3)]);
    if (pick(3) == 0)
        buf_append_cstr(out, pick(2) ? "\r\n\tfolded" : "\r\n  oo");
    add_words(out, pick(2), " ");
    buf_append_cstr(out, "\r\n");
}

static void add_body(struct buf *out)
{
    switch (pick(4)) {
    case 0:
        buf_append_cstr(out, "Content-Type: text/plain; charset=iso-8859-1\r\n"
                             "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                             "Gr=FC=DFe, caf=E9 b=\r\nread\r\n");
        break;
    case 1:
        buf_append_cstr(out, "Content-Type: text/html; charset=utf-8\r\n"
                             "Content-Transfer-Encoding: base64\r\n\r\n"
                             "PGI+U3RyYcOfZSBi\r\ndXR0ZXI8L2I+\r\n");
        break;
    case 2:
        buf_append_cstr(out, "Content-Type: image/png\r\n\r\nbutter hidden\r\n");
        break;
    default:
        buf_append_cstr(out, "\r\n");
        add_words(out, pick(30), pick(2) ? " " : "\r\n");
        buf_append_cstr(out, "\r\n");
    }
}

static struct str make_message(struct arena *arena)
{
    static const char *const fields[] = {"From", "To", "Cc", "Bcc", "Subject", "X-Other", "FROM"};
    struct buf out;
    buf_init(&out, 1 << 20);
    for (unsigned n = pick(8); n > 0; n--)
        add_field(&out, fields[pick(ARRAY_LEN(fields))]);
    if (pick(3) == 0) {
        buf_append_cstr(&out, "Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n");
        add_body(&out);
        buf_append_cstr(&out, "--q\r\nContent-Type: message/rfc822\r\n\r\n");
        add_field(&out, "Subject");
        add_body(&out);
        buf_append_cstr(&out, "--q--\r\n");
    } else {
        add_body(&out);
    }
    struct str text = arena_copy(arena, buf_str(&out));
    buf_release(&out);
    return text;
}

/* ---- Searching by reading */

static bool field_matches(struct search *search, const char *name, struct str header)
{
    bool found = false;
    struct arena arena;
    struct header_walk walk = header_walk_init(header);
    struct header_field field;
    arena_init(&arena, 1 << 20);
    while (!found && header_next(&walk, &field))
        found = str_eq_nocase(field.name, str_from_cstr(name)) &&
                search_text_contains(search, search_field_value(field.raw_value, &arena));
    arena_release(&arena);
    return found;
}

static const char *const names[] = {"X-Other", "From", "To", "Cc", "Bcc", "Subject"};

/* As the keys SEARCH_WORDS and SEARCH_HEADER. TEXT_ANYWHERE: also in some other field. */
static bool matches(struct str prefix, struct str message, enum text_field field, struct str word,
                    struct arena *arena)
{
    struct search *search = search_new(&word, 1, NULL, 0, SEARCH_TEXT, arena);
    const struct structure *s = structure_parse(message, arena);
    return (field == TEXT_ANYWHERE && search_matches(search, prefix, message, s)) ||
           field_matches(search, names[field], prefix) ||
           field_matches(search, names[field], message);
}

static bool has_id(const struct message_ids *ids, uint64_t id)
{
    for (size_t i = 0; i < ids->len; i++)
        if (ids->items[i] == id)
            return true;
    return false;
}

/* In runs, first and count by turns. */
static bool has_id_in_runs(const struct message_ids *runs, uint64_t id)
{
    for (size_t i = 0; i + 1 < runs->len; i += 2)
        if (runs->items[i] <= id && id - runs->items[i] < runs->items[i + 1])
            return true;
    return false;
}

static size_t count_runs(const struct message_ids *runs)
{
    size_t count = 0;
    for (size_t i = 0; i + 1 < runs->len; i += 2)
        count += runs->items[i + 1];
    return count;
}

static struct text_needle make_needle(enum text_field field, struct str word, struct arena *arena)
{
    struct text_needle needle = {.field = field, .word = utf8_casefold(word, arena)};
    if (field == TEXT_ANYWHERE && needle.word.len < TEXT_GRAM_SIZE)
        needle.word = STR("");
    needle.gram_count = text_grams_of(needle.word, needle.grams, TEXT_NEEDLE_GRAMS);
    return needle;
}

struct message {
    uint64_t id;
    struct str prefix, text;
};

/* Returns how many messages the index knows. */
static size_t check_needle(struct text_index *index, const struct message *messages, size_t count,
                           enum text_field field, struct str word)
{
    struct arena arena;
    struct text_found found;
    arena_init(&arena, 64 << 20);
    struct text_needle needle = make_needle(field, word, &arena);
    cr_assert(text_index_find(index, &needle, 1, &found, &f.err), "%s", f.err.detail);
    for (size_t i = 0; i < count && needle.word.len > 0; i++) {
        const struct message *m = &messages[i];
        if (!has_id_in_runs(&found.indexed, m->id))
            continue;
        bool reading = matches(m->prefix, m->text, field, word, &arena);
        bool indexed = has_id(&found.hits[0], m->id);
        cr_assert(field == TEXT_ANYWHERE ? indexed || !reading : indexed == reading,
                  "field %d, \"%.*s\": %d by reading, %d by index\n%.*s", (int)field, STR_ARG(word),
                  reading, indexed, STR_ARG(m->text));
    }
    size_t known = count_runs(&found.indexed);
    text_found_release(&found, 1);
    arena_release(&arena);
    return known;
}

/* A word, the beginning of one and the end of another, or a single letter. */
static struct str pick_needle(struct arena *arena)
{
    struct str first = str_from_cstr(pick_word()), second = str_from_cstr(pick_word());
    const struct str both[] = {first, second};
    struct str word = pick(2) ? first : arena_join(arena, both, 2, ' ');
    if (pick(3) == 0)
        word = str_slice(word, pick(3), word.len);
    return word.len > 0 && utf8_is_valid(word) ? word : STR("butter");
}

static void check_random(struct text_index *index, const struct message *messages, size_t count,
                         unsigned needles)
{
    for (; needles > 0; needles--) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        enum text_field field = (enum text_field)pick(TEXT_FIELD_COUNT);
        check_needle(index, messages, count, field, pick_needle(&arena));
        arena_release(&arena);
    }
}

/* ---- The index by itself */

static struct text_index solo;

static void solo_open(void)
{
    fixture_open(&f);
    struct layout_path path;
    snprintf(path.text, sizeof(path.text), "%s/text.db", f.data);
    text_index_init(&solo, path);
}

static void solo_close(void)
{
    text_index_release(&solo);
    fixture_close(&f);
}

static void solo_add(const struct message *messages, size_t count)
{
    struct text_digest digest;
    text_digest_init(&digest);
    cr_assert(text_index_begin(&solo, &f.err), "%s", f.err.detail);
    for (size_t i = 0; i < count; i++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        text_digest_take(&digest, messages[i].prefix, messages[i].text,
                         structure_parse(messages[i].text, &arena));
        cr_assert(text_index_add(&solo, messages[i].id, &digest, &f.err), "%s", f.err.detail);
        arena_release(&arena);
    }
    cr_assert(text_index_commit(&solo, &f.err), "%s", f.err.detail);
    text_digest_release(&digest);
}

static struct message *make_messages(size_t count)
{
    struct message *messages = arena_new_array(&f.arena, count, struct message);
    for (size_t i = 0; i < count; i++)
        messages[i] = (struct message){.id = 3 * i + 1,
                                       .prefix = pick(2) ? STR("X-Other: prefixed\r\n") : STR(""),
                                       .text = make_message(&f.arena)};
    return messages;
}

Test(text_index, finds_what_reading_finds)
{
    solo_open();
    const size_t count = TEXT_BLOCK_MESSAGES + 200;
    struct message *messages = make_messages(count);
    solo_add(messages, 100);
    check_random(&solo, messages, 100, 200); /* waiting */
    solo_add(messages + 100, count - 100);
    cr_expect(check_needle(&solo, messages, 0, TEXT_FROM, STR("x")) == count);
    check_random(&solo, messages, count, 25); /* a block */
    solo_close();
}

static size_t count_hits(enum text_field field, const char *word)
{
    struct text_found found;
    struct text_needle needle = make_needle(field, str_from_cstr(word), &f.arena);
    cr_assert(text_index_find(&solo, &needle, 1, &found, &f.err), "%s", f.err.detail);
    size_t count = found.hits[0].len;
    text_found_release(&found, 1);
    return count;
}

Test(text_index, is_precise)
{
    solo_open();
    struct message messages[TEXT_BLOCK_MESSAGES + 50];
    for (size_t i = 0; i < ARRAY_LEN(messages); i++)
        messages[i] = (struct message){
            .id = i + 1,
            .text = arena_printf(&f.arena, "Subject: number %zu;\r\n\r\nBody word-%zu.\r\n", i, i)};
    solo_add(messages, ARRAY_LEN(messages));
    cr_expect(count_hits(TEXT_SUBJECT, "NUMBER 2047;") == 1);
    cr_expect(count_hits(TEXT_SUBJECT, "number 2090;") == 1);
    cr_expect(count_hits(TEXT_SUBJECT, "number") == ARRAY_LEN(messages));
    cr_expect(count_hits(TEXT_SUBJECT, "word") == 0);
    cr_expect(count_hits(TEXT_ANYWHERE, "Subject: number 77;") < 60);
    cr_expect(count_hits(TEXT_ANYWHERE, "nowhere") == 0);
    cr_expect(count_hits(TEXT_ANYWHERE, "word-1") > 1000);
    solo_close();
}

Test(text_index, too_much_text_is_not_indexed)
{
    solo_open();
    struct buf text;
    buf_init(&text, 4 << 20);
    buf_append_cstr(&text, "Subject: noise\r\n\r\n");
    for (unsigned i = 0; i < 400000; i++)
        buf_append_char(&text, (char)('!' + pick(90)));
    struct message messages[] = {{1, STR(""), buf_str(&text)},
                                 {2, STR(""), STR("\r\nsilence\r\n")}};
    solo_add(messages, 2);
    cr_expect(check_needle(&solo, messages, 2, TEXT_ANYWHERE, STR("silence")) == 1);
    struct text_counts counts;
    cr_assert(text_index_counts(&solo, &counts, &f.err));
    cr_expect(counts.indexed == 1 && counts.unfit == 1 && counts.bytes > 0);
    buf_release(&text);
    solo_close();
}

/* Compares with ids from `first` up in steps of `step`, all of them entries; returns how many are
 * missing. */
static size_t compare(uint64_t first, uint64_t step, size_t count, uint64_t highest)
{
    struct message_ids entries = {0}, none = {0}, missing = {0};
    for (size_t i = 0; i < count; i++)
        array_push(&entries, first + i * step);
    cr_assert(text_index_compare(&solo, &entries, &none, highest, &missing, &f.err), "%s",
              f.err.detail);
    size_t len = missing.len;
    array_release(&entries);
    array_release(&missing);
    return len;
}

static size_t indexed(void)
{
    struct text_counts counts;
    cr_assert(text_index_counts(&solo, &counts, &f.err), "%s", f.err.detail);
    return counts.indexed;
}

Test(text_index, forgets_what_is_gone)
{
    const size_t block = TEXT_BLOCK_MESSAGES;
    solo_open();
    struct message *messages = make_messages(block + 10); /* ids 1, 4, 7, ... */
    solo_add(messages, block + 10);
    cr_expect(compare(1, 3, block + 10, 1000000) == 0);
    cr_expect(indexed() == block + 10);
    cr_expect(compare(1, 3, block + 20, 1000000) == 10, "new ones are missing");
    cr_expect(compare(1, 3, block, 1000000) == 0);
    cr_expect(indexed() == block, "those that waited are gone");
    cr_expect(compare(1, 3, block - 900, 1000000) == 0);
    cr_expect(indexed() == block, "most of the block is alive");
    cr_expect(compare(1, 3, 900, 1000000) == 900);
    cr_expect(indexed() == 0, "most of the block was gone");
    solo_add(messages, 5);
    cr_expect(compare(1, 3, 5, 12) == 5, "these ids were never given away");
    cr_expect(indexed() == 0);
    solo_close();
}

static bool file_has(const char *path, struct str text)
{
    struct str bytes;
    cr_assert(file_read(path, 64 << 20, &f.arena, &bytes, &f.err), "%s", f.err.detail);
    return str_find(bytes, text) >= 0;
}

/* Nothing of an erased message stays in the file, and all others are found as before. */
Test(text_index, a_block_forgets_one_message)
{
    bool more = true;
    struct message_ids entries = {0}, none = {0};
    solo_open();
    struct message *messages = make_messages(TEXT_BLOCK_MESSAGES);
    messages[700].text = STR("From: zaphod@heartofgold.example\r\n\r\nbabelfish\r\n");
    solo_add(messages, TEXT_BLOCK_MESSAGES);
    for (size_t i = 0; i < TEXT_BLOCK_MESSAGES; i++)
        if (i != 700)
            array_push(&entries, messages[i].id);
    cr_expect(count_hits(TEXT_FROM, "heartofgold") == 1 && count_hits(0, "babelfish") == 1);
    cr_assert(text_index_forget(&solo, &entries, &none, &more, &f.err), "%s", f.err.detail);
    cr_expect(!more && count_hits(TEXT_FROM, "heartofgold") == 0 &&
              count_hits(0, "babelfish") == 0);
    messages[700].text = STR("\r\n");
    check_random(&solo, messages, TEXT_BLOCK_MESSAGES, 20);
    struct layout_path path = solo.path;
    text_index_release(&solo); /* with it goes the journal */
    cr_expect(!file_has(path.text, STR("heartofgold")));
    text_index_init(&solo, path);
    array_release(&entries);
    solo_close();
}

static void damage(const char *path, long offset)
{
    char noise[8192];
    memset(noise, 0x5a, sizeof(noise));
    FILE *file = fopen(path, "r+");
    cr_assert(file && fseek(file, offset, SEEK_SET) == 0);
    cr_assert(fwrite(noise, 1, sizeof(noise), file) == sizeof(noise) && fclose(file) == 0);
}

Test(text_index, damage_is_noticed_and_mended)
{
    solo_open();
    struct message *messages = make_messages(TEXT_BLOCK_MESSAGES);
    for (long offset = 0; offset <= 4096; offset += 4096) {
        solo_add(messages, TEXT_BLOCK_MESSAGES);
        struct layout_path path = solo.path;
        text_index_release(&solo); /* with it goes the journal */
        damage(path.text, offset);
        text_index_init(&solo, path);
        struct text_needle needle = make_needle(TEXT_FROM, STR("a"), &f.arena);
        struct text_found found;
        cr_expect(!text_index_find(&solo, &needle, 1, &found, &f.err));
        cr_expect(f.err.kind == ERR_CORRUPT, "%s", f.err.detail);
        text_found_release(&found, 1);
        cr_expect(!text_index_begin(&solo, &f.err) && f.err.kind == ERR_CORRUPT);
        cr_expect(check_needle(&solo, messages, 0, TEXT_FROM, STR("a")) == 0);
        cr_expect(compare(1, 3, 20, 1000000) == 20);
        solo_add(messages, 20);
        check_random(&solo, messages, 20, 20);
        cr_assert(text_index_discard(&solo, &f.err));
    }
    solo_close();
}

Test(text_index, switched_off_it_knows_nothing)
{
    solo_open();
    struct message *messages = make_messages(3);
    solo_add(messages, 3);
    atomic_store(&solo.is_on, false);
    cr_expect(check_needle(&solo, messages, 3, TEXT_FROM, STR("a")) == 0);
    atomic_store(&solo.is_on, true);
    cr_expect(check_needle(&solo, messages, 3, TEXT_FROM, STR("a")) == 3);
    cr_assert(text_index_discard(&solo, &f.err));
    cr_expect(check_needle(&solo, messages, 3, TEXT_FROM, STR("a")) == 0);
    cr_expect(access(solo.path.text, F_OK) < 0);
    solo_close();
}

/* ---- With an account */

static size_t fill(void)
{
    bool again = false;
    struct message_ids missing = {0};
    cr_assert(text_fill_compare(f.account, &missing, &again, &f.err), "%s", f.err.detail);
    size_t len = missing.len;
    if (len > 0)
        cr_assert(text_fill_add(f.account, missing.items, len, &f.err), "%s", f.err.detail);
    array_release(&missing);
    return len;
}

static size_t account_indexed(void)
{
    struct text_counts counts;
    cr_assert(text_index_counts(&f.account->text, &counts, &f.err), "%s", f.err.detail);
    return counts.indexed;
}

Test(text_fill, follows_the_account)
{
    struct copy copied;
    fixture_open(&f);
    cr_expect(fill() == 0);
    cr_expect(access(f.account->text.path.text, F_OK) < 0, "there is nothing to index");
    for (int i = 0; i < 5; i++)
        fixture_deliver(&f, "Inbox", TEXT);
    cr_expect(fill() == 5 && fill() == 0 && account_indexed() == 5);
    cr_assert(fixture_copy(&f, "Inbox", "Archive", false, UIDS(&f, 1, 2), &copied));
    cr_assert(fixture_copy(&f, "Inbox", "Trash", true, UIDS(&f, 3), &copied));
    cr_expect(fill() == 2, "copies are messages of their own, moved ones stay what they were");
    fixture_flag(&f, "Inbox", STORE_ADD, FLAG_DELETED, UIDS(&f, 1, 2));
    fixture_expunge(&f, "Inbox");
    cr_expect(fill() == 0 && account_indexed() == 7, "sessions may still show them");
    f.config.erase_after_s = 0;
    cr_assert(account_tend(f.account, &f.err), "%s", f.err.detail);
    cr_expect(fill() == 0 && account_indexed() == 5);
    fixture_close(&f);
}

/* What is searched of a message depends on its structure. */
Test(text_fill, what_is_parsed_anew_is_not_trusted)
{
    fixture_open(&f);
    for (int i = 0; i < 3; i++)
        fixture_deliver(&f, "Inbox", TEXT);
    cr_assert(fill() == 3 && account_indexed() == 3);
    fixture_sql(&f, "UPDATE upgrade SET version = 1, at = 0 WHERE kind = 1");
    fixture_reopen(&f);
    cr_assert(account_indexed() == 3, "an index stays");
    cr_assert(upgrade_run(f.account, UPGRADE_STRUCTURE, false, NULL, &f.err), "%s", f.err.detail);
    cr_expect(account_indexed() == 0);
    cr_assert(text_index_discard(&f.account->text, &f.err), "%s", f.err.detail);
    cr_expect(fill() == 3 && account_indexed() == 3);
    fixture_close(&f);
}

Test(text_fill, what_cannot_be_read_is_left_out)
{
    fixture_open(&f);
    struct delivery d = fixture_deliver(&f, "Inbox", TEXT);
    fixture_deliver(&f, "Inbox", TEXT);
    struct layout_path path = account_message_path(f.account, d.message.id);
    char aside[LAYOUT_PATH_MAX + 8];
    snprintf(aside, sizeof(aside), "%s.aside", path.text);
    cr_assert(rename(path.text, aside) == 0);
    cr_expect(fill() == 2 && account_indexed() == 1);
    cr_assert(rename(aside, path.text) == 0);
    cr_expect(fill() == 1 && account_indexed() == 2);
    fixture_close(&f);
}

/* ---- kill -9 */

#define KILL_MESSAGES 60
#define KILL_LAST 600 /* change of a file: the index was forgotten and made anew twice by then */

/* Indexes in small batches, forgets all, and begins again. */
static void index_until_killed(unsigned change)
{
    bool ok = true;
    fixture_start(&f);
    die_at_change(change);
    for (unsigned batches = 0; ok && batches <= change;) { /* each makes a change */
        struct message_ids missing = {0};
        struct err err;
        bool again;
        ok = text_fill_compare(f.account, &missing, &again, &err);
        for (size_t i = 0; ok && i < missing.len; i += 3, batches++)
            ok = text_fill_add(f.account, missing.items + i,
                               missing.len - i < 3 ? missing.len - i : 3, &err);
        ok = ok && (missing.len > 0 || text_index_discard(&f.account->text, &err));
        array_release(&missing);
    }
    _exit(1);
}

static void kill_indexer(unsigned change)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        index_until_killed(change);
    cr_assert(waitpid(child, &status, 0) == child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "at change %u", change);
}

static bool has_file(const char *suffix)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/accounts/%d/text.db%s", f.data, FIXTURE_ACCOUNT, suffix);
    return access(path, F_OK) == 0;
}

Test(text_crash, a_killed_indexer_leaves_nothing_wrong)
{
    struct message messages[KILL_MESSAGES];
    size_t while_made = 0, while_filled = 0;
    fixture_open(&f);
    for (size_t i = 0; i < KILL_MESSAGES; i++) {
        struct str text = make_message(&f.arena);
        struct delivery d = fixture_deliver(&f, "Inbox", arena_cstr(&f.arena, text));
        messages[i] = (struct message){d.message.id, STR(""), text};
    }
    fill();
    fixture_stop(&f);
    /* Close together at first, where the files are removed and made. */
    for (unsigned change = 1; change <= KILL_LAST; change += 1 + change / 16) {
        kill_indexer(change);
        while_made += has_file("-journal");
        while_filled += has_file("-wal");
        fixture_start(&f);
        check_random(&f.account->text, messages, KILL_MESSAGES, 5);
        fill();
        cr_expect(account_indexed() == KILL_MESSAGES, "after change %u", change);
        check_random(&f.account->text, messages, KILL_MESSAGES, 5);
        fixture_stop(&f);
    }
    cr_expect(while_made > 0 && while_filled > 0, "%zu and %zu", while_made, while_filled);
    fixture_start(&f);
    fixture_close(&f);
}
