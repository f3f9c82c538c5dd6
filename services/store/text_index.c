#include "services/store/text_index.h"

#include "common/base/bug.h"
#include "common/text/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITER_CACHE_KIB 4096
/* The values of one field of 150,000 messages, so that a second search does not read them. */
#define READER_CACHE_KIB 8192
/* The journal is copied back when it has 16 MiB: each time costs a sync, of which the disk has
 * better use. */
#define WAL_PAGES "PRAGMA wal_autocheckpoint=4096"
/* What messages said does not stay in free pages, nor in the journal. */
#define NO_REMAINS "PRAGMA secure_delete=ON"
#define EMPTY_JOURNAL "PRAGMA wal_checkpoint(TRUNCATE)"
#define FORGET_BLOCKS 4 /* in one transaction */
#define SKETCH_SIZE (TEXT_GRAMS / 8 / 8)
#define GRAMS_BYTES_MAX (TEXT_GRAMS * 2)

/* SQLite's own "-journal" is there only while the file is made, or when that was cut short. */
static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};

void text_index_init(struct text_index *index, struct layout_path path)
{
    index->path = path;
    index->writer = NULL;
    pthread_mutex_init(&index->reader_lock, NULL);
    atomic_init(&index->is_on, true);
    atomic_init(&index->is_damaged, false);
    atomic_init(&index->is_distrusted, false);
}

/* With the lock held. */
static void close_reader(struct text_index *index)
{
    db_close(index->reader);
    index->reader = NULL;
    array_release(&index->known.runs);
    index->known.version = 0;
}

void text_index_release(struct text_index *index)
{
    close_reader(index);
    db_close(index->writer);
    index->writer = NULL;
    pthread_mutex_destroy(&index->reader_lock);
}

static struct layout_path file_of(const struct text_index *index, size_t suffix)
{
    struct layout_path path = index->path;
    size_t len = strlen(path.text);
    snprintf(path.text + len, sizeof(path.text) - len, "%s", suffixes[suffix]);
    return path;
}

/* The database goes last: a journal that stayed without it would be taken for the next one's. */
static bool remove_files(const struct text_index *index, struct err *err)
{
    for (size_t i = ARRAY_LEN(suffixes); i-- > 0;) {
        struct layout_path path = file_of(index, i);
        if (unlink(path.text) < 0 && errno != ENOENT)
            return err_set_errno(err, errno, "remove %s", path.text);
    }
    return true;
}

void text_index_distrust(struct text_index *index)
{
    struct err err;
    atomic_store(&index->is_distrusted, true);
    atomic_store(&index->is_damaged, true);
    pthread_mutex_lock(&index->reader_lock);
    close_reader(index);
    (void)!remove_files(index, &err); /* the writer will say so */
    pthread_mutex_unlock(&index->reader_lock);
}

bool text_index_discard(struct text_index *index, struct err *err)
{
    db_close(index->writer);
    index->writer = NULL;
    pthread_mutex_lock(&index->reader_lock);
    close_reader(index);
    bool ok = remove_files(index, err);
    if (ok) {
        atomic_store(&index->is_damaged, false);
        atomic_store(&index->is_distrusted, false);
    }
    pthread_mutex_unlock(&index->reader_lock);
    return ok;
}

/* ---- Writing */

static bool is_there(const struct text_index *index)
{
    return access(index->path.text, F_OK) == 0;
}

static bool open_writer(struct text_index *index, struct err *err)
{
    if (atomic_load(&index->is_damaged))
        return err_set(err, ERR_CORRUPT, "%s is to be made anew", index->path.text);
    if (index->writer)
        return true;
    index->writer = db_open(index->path.text, &text_schema, DB_READ_WRITE, WRITER_CACHE_KIB, err);
    return index->writer && db_exec(index->writer, WAL_PAGES, err) &&
           db_exec(index->writer, NO_REMAINS, err);
}

static bool noted(struct text_index *index, bool ok, const struct err *err)
{
    if (!ok && err->kind == ERR_CORRUPT)
        atomic_store(&index->is_damaged, true);
    return ok;
}

bool text_index_begin(struct text_index *index, struct err *err)
{
    return noted(index, open_writer(index, err) && db_begin(index->writer, false, err), err);
}

void text_index_undo(struct text_index *index)
{
    if (index->writer)
        db_rollback(index->writer);
}

static bool run_id(struct db *db, enum text_statement statement, uint64_t id, struct err *err)
{
    struct db_query q = db_query(db, statement);
    db_bind_u64(&q, id);
    return db_run(&q, err);
}

/* Gram g is bit g / 8 of the sketch. */
static void make_sketch(const struct gram_set *grams, unsigned char *sketch)
{
    memset(sketch, 0, SKETCH_SIZE);
    for (size_t i = 0; i < TEXT_GRAMS / 64; i++)
        for (unsigned byte = 0; grams->bits[i] != 0 && byte < 8; byte++)
            if (grams->bits[i] >> (8 * byte) & 0xff)
                sketch[i] |= (unsigned char)(1u << byte);
}

static bool add_waiting(struct db *db, uint64_t id, const struct text_digest *d, struct err *err)
{
    unsigned char sketch[SKETCH_SIZE];
    make_sketch(&d->grams, sketch);
    struct db_query q = db_query(db, TEXT_WAITING_ADD);
    db_bind_u64(&q, id);
    db_bind_blob(&q, str_make((const char *)sketch, sizeof(sketch)));
    for (size_t f = TEXT_FROM; f < TEXT_FIELD_COUNT; f++)
        db_bind_blob(&q, buf_str(&d->values[f]));
    return db_run(&q, err);
}

/* A message may have none. */
static bool add_grams(struct db *db, uint64_t id, const struct gram_set *grams, struct err *err)
{
    if (gram_set_count(grams) == 0)
        return true;
    struct buf bytes;
    buf_init(&bytes, GRAMS_BYTES_MAX);
    for (unsigned gram = 0; gram < TEXT_GRAMS; gram++)
        if (gram_set_has(grams, (uint16_t)gram))
            wire_put_u16(&bytes, (uint16_t)gram);
    struct db_query q = db_query(db, TEXT_GRAMS_ADD);
    db_bind_u64(&q, id);
    db_bind_blob(&q, buf_str(&bytes));
    bool ok = db_run(&q, err);
    buf_release(&bytes);
    return ok;
}

bool text_index_add(struct text_index *index, uint64_t id, const struct text_digest *digest,
                    struct err *err)
{
    struct db *db = index->writer;
    bool ok = digest->is_unfit
                  ? run_id(db, TEXT_UNFIT_ADD, id, err)
                  : add_waiting(db, id, digest, err) && add_grams(db, id, &digest->grams, err);
    return noted(index, ok, err);
}

static bool pack_waiting(struct db *db, struct err *err)
{
    for (;;) {
        struct db_query q = db_query(db, TEXT_WAITING_COUNT);
        uint64_t waiting = db_step(&q) ? db_column_u64(&q, 0) : 0;
        TRY(db_done(&q, err));
        if (waiting < TEXT_BLOCK_MESSAGES)
            return true;
        TRY(text_block_pack(db, err));
    }
}

bool text_index_commit(struct text_index *index, struct err *err)
{
    return noted(index, pack_waiting(index->writer, err) && db_commit(index->writer, err), err);
}

/* ---- Comparing */

static bool has_id(const struct message_ids *ids, uint64_t id)
{
    size_t low = 0, high = ids->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ids->items[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ids->len && ids->items[low] == id;
}

static int by_number(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static void sort_ids(struct message_ids *ids)
{
    size_t at = 1;
    while (at < ids->len && ids->items[at - 1] < ids->items[at])
        at++;
    if (at >= ids->len)
        return;
    qsort(ids->items, ids->len, sizeof(*ids->items), by_number);
    size_t kept = 1;
    for (size_t i = 1; i < ids->len; i++)
        if (ids->items[i] != ids->items[kept - 1])
            ids->items[kept++] = ids->items[i];
    ids->len = kept;
}

struct comparison {
    struct db *db;
    const struct message_ids *entries;
    const struct message_ids *expunged;
    struct message_ids known; /* ids that stay in the index */
    struct message_ids gone;  /* blocks, or messages, to be removed */
    uint64_t highest;
};

static bool exists(const struct comparison *c, uint64_t id)
{
    return has_id(c->entries, id) || has_id(c->expunged, id);
}

static void compare_block(struct comparison *c, uint64_t block, struct str messages)
{
    size_t before = c->known.len, alive = 0;
    message_ids_add_bytes(&c->known, messages);
    for (size_t i = before; i < c->known.len; i++) {
        alive += exists(c, c->known.items[i]);
        c->highest = c->known.items[i] > c->highest ? c->known.items[i] : c->highest;
    }
    if (2 * alive >= c->known.len - before)
        return;
    c->known.len = before;
    array_push(&c->gone, block);
}

static bool compare_blocks(struct comparison *c, struct err *err)
{
    struct db_query q = db_query(c->db, TEXT_BLOCK_ALL);
    while (db_step(&q))
        compare_block(c, db_column_u64(&q, 0), db_column_str(&q, 1));
    TRY(db_done(&q, err));
    for (size_t i = 0; i < c->gone.len; i++)
        TRY(text_block_remove(c->db, c->gone.items[i], err));
    return true;
}

/* Of `waiting` or `unfit`. */
static bool compare_single(struct comparison *c, enum text_statement list, uint64_t limit,
                           enum text_statement remove1, enum text_statement remove2,
                           struct err *err)
{
    c->gone.len = 0;
    struct db_query q = db_query(c->db, list);
    if (limit > 0)
        db_bind_u64(&q, limit);
    while (db_step(&q)) {
        uint64_t id = db_column_u64(&q, 0);
        c->highest = id > c->highest ? id : c->highest;
        if (exists(c, id))
            array_push(&c->known, id);
        else
            array_push(&c->gone, id);
    }
    TRY(db_done(&q, err));
    for (size_t i = 0; i < c->gone.len; i++)
        TRY(run_id(c->db, remove1, c->gone.items[i], err) &&
            run_id(c->db, remove2, c->gone.items[i], err));
    return true;
}

static bool compare(struct comparison *c, struct err *err)
{
    return compare_blocks(c, err) &&
           compare_single(c, TEXT_WAITING_IDS, INT64_MAX, TEXT_WAITING_REMOVE, TEXT_GRAMS_REMOVE,
                          err) &&
           compare_single(c, TEXT_UNFIT_ALL, 0, TEXT_UNFIT_REMOVE, TEXT_UNFIT_REMOVE, err);
}

static void find_missing(struct comparison *c, struct message_ids *ret)
{
    sort_ids(&c->known);
    size_t known = 0;
    for (size_t i = 0; i < c->entries->len; i++) {
        while (known < c->known.len && c->known.items[known] < c->entries->items[i])
            known++;
        if (known == c->known.len || c->known.items[known] != c->entries->items[i])
            array_push(ret, c->entries->items[i]);
    }
}

bool text_index_compare(struct text_index *index, const struct message_ids *entries,
                        const struct message_ids *expunged, uint64_t highest,
                        struct message_ids *ret_missing, struct err *err)
{
    TRY(!atomic_load(&index->is_damaged) || text_index_discard(index, err));
    if (entries->len == 0 && !is_there(index)) /* most accounts of a new server */
        return true;
    TRY(text_index_begin(index, err));
    struct comparison c = {.db = index->writer, .entries = entries, .expunged = expunged};
    bool ok = noted(index, compare(&c, err) && db_commit(index->writer, err), err);
    if (!ok)
        text_index_undo(index);
    if (ok && c.highest > highest) {
        c.known.len = 0;
        ok = text_index_discard(index, err);
    }
    if (ok)
        find_missing(&c, ret_missing);
    array_release(&c.known);
    array_release(&c.gone);
    return ok;
}

/* ---- Forgetting */

/* What is gone of a block, that was not when it was last looked at. */
struct stale_block {
    uint64_t id;
    struct message_ids places;
};

struct forgetting {
    const struct message_ids *entries;
    const struct message_ids *expunged;
    struct stale_block blocks[FORGET_BLOCKS];
    size_t count;
    bool more;
};

static void look_at_block(struct forgetting *f, uint64_t id, struct str messages,
                          uint64_t forgotten)
{
    struct message_ids ids = {0}, places = {0};
    message_ids_add_bytes(&ids, messages);
    for (size_t i = 0; i < ids.len; i++)
        if (!has_id(f->entries, ids.items[i]) && !has_id(f->expunged, ids.items[i]))
            array_push(&places, i);
    array_release(&ids);
    if (places.len > forgotten && f->count < FORGET_BLOCKS) {
        f->blocks[f->count++] = (struct stale_block){id, places};
        return;
    }
    f->more |= places.len > forgotten;
    array_release(&places);
}

static bool forget(struct db *db, struct forgetting *f, struct err *err)
{
    struct db_query q = db_query(db, TEXT_BLOCK_ALL);
    while (db_step(&q))
        look_at_block(f, db_column_u64(&q, 0), db_column_str(&q, 1), db_column_u64(&q, 2));
    TRY(db_done(&q, err));
    for (size_t i = 0; i < f->count; i++) {
        const struct stale_block *block = &f->blocks[i];
        TRY(text_block_forget(db, block->id, block->places.items, block->places.len, err));
    }
    return true;
}

bool text_index_forget(struct text_index *index, const struct message_ids *entries,
                       const struct message_ids *expunged, bool *ret_more, struct err *err)
{
    struct forgetting f = {.entries = entries, .expunged = expunged};
    struct err busy;
    *ret_more = false;
    if (!is_there(index))
        return true;
    TRY(text_index_begin(index, err));
    bool ok = noted(index, forget(index->writer, &f, err) && db_commit(index->writer, err), err);
    if (!ok)
        text_index_undo(index);
    else if (f.count > 0)
        (void)!db_exec(index->writer, EMPTY_JOURNAL, &busy); /* somebody reads: the next one will */
    for (size_t i = 0; i < f.count; i++)
        array_release(&f.blocks[i].places);
    *ret_more = ok && f.more;
    return ok;
}

/* ---- Reading */

void text_found_release(struct text_found *found, size_t count)
{
    for (size_t i = 0; found->hits && i < count; i++)
        array_release(&found->hits[i]);
    free(found->hits);
    array_release(&found->indexed);
    found->hits = NULL;
}

static bool is_asked(const struct text_needle *needle, bool anywhere)
{
    return needle->word.len > 0 && (needle->field == TEXT_ANYWHERE) == anywhere;
}

struct finding {
    struct db *db;
    const struct text_needle *needles;
    size_t count;
    struct text_found *found;
};

/* The place is that of a message in its block. */
static bool add_hits(const struct message_ids *places, struct str messages,
                     struct message_ids *hits)
{
    bool sound = true;
    for (size_t i = 0; i < places->len; i++) {
        struct str id = str_slice(messages, (size_t)places->items[i] * 8, 8);
        sound &= id.len == 8;
        message_ids_add_bytes(hits, id);
    }
    return sound;
}

static bool find_in_blocks(struct finding *f, struct err *err)
{
    bool ok = true;
    struct message_ids places = {0};
    struct db_query q = db_query(f->db, TEXT_BLOCK_ALL);
    while (ok && db_step(&q)) {
        uint64_t block = db_column_u64(&q, 0);
        for (size_t i = 0; ok && i < f->count; i++) {
            places.len = 0;
            ok = f->needles[i].word.len == 0 ||
                 text_block_find(f->db, block, &f->needles[i], &places, err);
            if (ok && places.len > 0 &&
                !add_hits(&places, db_column_str(&q, 1), &f->found->hits[i]))
                ok = err_set(err, ERR_CORRUPT, "block %llu of the text index",
                             (unsigned long long)block);
        }
    }
    array_release(&places);
    struct err ignored;
    return db_done(&q, ok ? err : &ignored) && ok;
}

static bool sketch_has(struct str sketch, const struct text_needle *needle)
{
    if (sketch.len != SKETCH_SIZE)
        return true;
    for (size_t i = 0; i < needle->gram_count; i++) {
        unsigned bit = needle->grams[i] / 8;
        if (!((unsigned char)sketch.ptr[bit / 8] >> (bit % 8) & 1))
            return false;
    }
    return true;
}

/* Of any field, or of those that have values. */
static bool any_is_asked(const struct finding *f, bool anywhere)
{
    bool any = false;
    for (size_t i = 0; i < f->count; i++)
        any |= is_asked(&f->needles[i], anywhere);
    return any;
}

static bool find_in_sketches(struct finding *f, struct err *err)
{
    if (!any_is_asked(f, true))
        return true;
    struct db_query q = db_query(f->db, TEXT_WAITING_SKETCHES);
    while (db_step(&q)) {
        for (size_t i = 0; i < f->count; i++)
            if (is_asked(&f->needles[i], true) && sketch_has(db_column_str(&q, 1), &f->needles[i]))
                array_push(&f->found->hits[i], db_column_u64(&q, 0));
    }
    return db_done(&q, err);
}

static bool find_in_values(struct finding *f, struct err *err)
{
    if (!any_is_asked(f, false))
        return true;
    struct db_query q = db_query(f->db, TEXT_WAITING_FIELDS);
    db_bind_i64(&q, INT64_MAX);
    while (db_step(&q)) {
        for (size_t i = 0; i < f->count; i++) {
            const struct text_needle *n = &f->needles[i];
            if (is_asked(n, false) && str_find(db_column_str(&q, (int)n->field), n->word) >= 0)
                array_push(&f->found->hits[i], db_column_u64(&q, 0));
        }
    }
    return db_done(&q, err);
}

static bool find(struct finding *f, struct err *err)
{
    return find_in_blocks(f, err) && find_in_sketches(f, err) && find_in_values(f, err);
}

/* ---- What is known, which seldom changes between two searches */

static void add_run(struct message_ids *runs, uint64_t id)
{
    if (runs->len > 0 && runs->items[runs->len - 2] + array_last(runs) == id) {
        array_last(runs)++;
        return;
    }
    array_push(runs, id);
    array_push(runs, 1);
}

static bool read_known(struct db *db, struct message_ids *ret_runs, struct err *err)
{
    struct message_ids ids = {0};
    struct db_query q = db_query(db, TEXT_BLOCK_ALL);
    while (db_step(&q))
        message_ids_add_bytes(&ids, db_column_str(&q, 1));
    bool ok = db_done(&q, err);
    q = db_query(db, TEXT_WAITING_IDS);
    db_bind_i64(&q, INT64_MAX);
    while (ok && db_step(&q))
        array_push(&ids, db_column_u64(&q, 0));
    ok = db_done(&q, err) && ok;
    sort_ids(&ids);
    for (size_t i = 0; ok && i < ids.len; i++)
        add_run(ret_runs, ids.items[i]);
    array_release(&ids);
    return ok;
}

static bool refresh_known(struct text_index *index, struct err *err)
{
    struct text_known *known = &index->known;
    struct db_query q = db_query(index->reader, TEXT_VERSION);
    uint64_t version = db_step(&q) ? db_column_u64(&q, 0) : 0;
    TRY(db_done(&q, err));
    if (version != 0 && version == known->version)
        return true;
    array_release(&known->runs);
    known->version = 0;
    TRY(read_known(index->reader, &known->runs, err));
    known->version = version;
    return true;
}

static void copy_ids(const struct message_ids *from, struct message_ids *ret)
{
    array_reserve(ret, from->len + 1);
    for (size_t i = 0; i < from->len; i++)
        ret->items[ret->len++] = from->items[i];
}

/* With the lock held, in a snapshot. *ret_there false: there is nothing to read yet. */
static bool begin_read(struct text_index *index, bool *ret_there, struct err *err)
{
    *ret_there = false;
    if (!atomic_load(&index->is_on) || atomic_load(&index->is_damaged))
        return true;
    if (!index->reader && !is_there(index))
        return true;
    if (!index->reader)
        index->reader =
            db_open(index->path.text, &text_schema, DB_READ_ONLY, READER_CACHE_KIB, err);
    if (!index->reader && err->kind == ERR_STATE) /* it is being made, or that was cut short */
        return true;
    *ret_there = index->reader && db_begin_read(index->reader, err);
    return *ret_there;
}

bool text_index_find(struct text_index *index, const struct text_needle *needles, size_t count,
                     struct text_found *ret, struct err *err)
{
    bool there;
    *ret = (struct text_found){.hits = xcalloc(count + 1, sizeof(*ret->hits))};
    pthread_mutex_lock(&index->reader_lock);
    bool ok = begin_read(index, &there, err);
    if (there) {
        struct finding f = {index->reader, needles, count, ret};
        ok = refresh_known(index, err) && find(&f, err);
        if (ok)
            copy_ids(&index->known.runs, &ret->indexed);
        db_rollback(index->reader);
    }
    pthread_mutex_unlock(&index->reader_lock);
    for (size_t i = 0; i < count; i++)
        sort_ids(&ret->hits[i]);
    return noted(index, ok, err);
}

static uint64_t bytes_of_files(const struct text_index *index)
{
    uint64_t bytes = 0;
    struct stat st;
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (stat(file_of(index, i).text, &st) == 0)
            bytes += (uint64_t)st.st_size;
    return bytes;
}

bool text_index_counts(struct text_index *index, struct text_counts *ret, struct err *err)
{
    bool there;
    *ret = (struct text_counts){.bytes = bytes_of_files(index)};
    pthread_mutex_lock(&index->reader_lock);
    bool ok = begin_read(index, &there, err);
    if (there) {
        struct db_query q = db_query(index->reader, TEXT_COUNTS);
        if (db_step(&q)) {
            ret->indexed = db_column_u64(&q, 0);
            ret->unfit = db_column_u64(&q, 1);
        }
        ok = db_done(&q, err);
        db_rollback(index->reader);
    }
    pthread_mutex_unlock(&index->reader_lock);
    return noted(index, ok, err);
}
