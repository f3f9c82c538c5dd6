#ifndef SERVICES_STORE_TRAINING_H
#define SERVICES_STORE_TRAINING_H

#include "services/store/account.h"

/*
 * What the junk filter of an account is to learn (spec 20 1.14): rows that a reader pulls and
 * acknowledges, as proto/training.proto promises it. While nobody reads there are none.
 *
 * As what a message is to be known follows from its flags alone, so that no state of it has to be
 * kept: a row says from what to what it changed.
 */

/* As TrainedAs of proto/training.proto. */
enum trained_as { TRAINED_AS_NOTHING, TRAINED_AS_JUNK, TRAINED_AS_NOT_JUNK };

enum trained_as training_of(uint32_t flags);

/* The flags of a message changed; those of one that is new, or goes, were or will be 0. */
bool training_note(struct change *c, uint64_t message_id, uint32_t flags_before,
                   uint32_t flags_after, struct err *err) MUST_USE;

#define TRAINING_ROWS_MAX 1000 /* given out and not acknowledged */

struct training_row {
    uint64_t sequence;
    uint64_t message_id;
    enum trained_as from;
    enum trained_as to;
};

struct training_pull {
    uint64_t acknowledge;
    bool from_start; /* then there is nothing to acknowledge */
    size_t limit;    /* at most TRAINING_ROWS_MAX */
    /* Result; rows are in arena. */
    struct training_row *rows;
    size_t len;
    uint64_t acknowledged;
    bool frees_texts; /* of expunged messages */
};

/* ERR_STATE: the reader has to start anew. */
bool training_pull(struct account *account, struct training_pull *op, struct arena *arena,
                   struct err *err) MUST_USE;

#define TRAINING_WAIT_S (7 * 86400) /* for a reader, at most, with the text of a message */

/* Gives the reader up when a message that was expunged before `before_s` waits for it. */
bool training_expire(struct account *account, int64_t before_s, struct err *err) MUST_USE;

#endif
