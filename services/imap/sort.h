#ifndef SERVICES_IMAP_SORT_H
#define SERVICES_IMAP_SORT_H

#include "common/text/cursor.h"
#include "services/imap/sort_keys.h"

/*
 * Messages in the order of RFC 5256 and 5957: of each one a short record is kept, with its sort
 * keys made comparable (texts by i;unicode-casemap, RFC 5051), never the message.
 *
 *     sort_init(&sort);
 *     sort_take_criteria(imap, c, &sort);
 *     ... for each batch of a walk with sort_wanted(&sort): sort_add(&sort, &walk, &err)
 *     sort_run(&sort, 0);
 *     use(sort.records[0].uid);
 */

enum sort_by {
    SORT_ARRIVAL,
    SORT_CC,
    SORT_DATE,
    SORT_DISPLAYFROM,
    SORT_DISPLAYTO,
    SORT_FROM,
    SORT_SIZE,
    SORT_SUBJECT,
    SORT_TO,
};

struct sort_criterion {
    enum sort_by by;
    bool reverse;
};
#define SORT_CRITERIA_MAX 16

union sort_value {
    int64_t number;
    struct str text;
};

struct sort_record {
    uint32_t uid;
    uint32_t seq;
    const union sort_value *values; /* one for each criterion */
};

struct sort {
    struct sort_criterion criteria[SORT_CRITERIA_MAX];
    size_t criteria_count;
    ARRAY_OF(struct sort_record) records;
    struct arena arena; /* values */
};

/* Of zeroed memory. */
void sort_init(struct sort *sort);
void sort_release(struct sort *sort);

/* sort-criteria = "(" sort-criterion *(SP sort-criterion) ")" */
void sort_take_criteria(const struct imap *imap, struct cursor *c, struct sort *sort);
/* What a walk has to ask for: bits of enum sort_key. */
unsigned sort_wanted(const struct sort *sort);

/* Adds the messages of a batch. ERR_LIMIT when their keys are too many. */
bool sort_add(struct sort *sort, const struct key_walk *batch, struct err *err) MUST_USE;
/* Puts the records in order; equal ones stay in that of the mailbox. Those before `from` are in
 * order already. */
void sort_run(struct sort *sort, size_t from);
/* Bytes that it holds, and giving back those of records that were taken out. */
size_t sort_bytes(const struct sort *sort);
void sort_compact(struct sort *sort);

/* The instant that a message is sorted by: Date, else INTERNALDATE (RFC 5256 2.2). */
int64_t sort_date(const struct key_walk *batch, size_t at);

#endif
