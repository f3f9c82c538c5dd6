#ifndef SERVICES_QUEUE_DELIVERER_JOB_H
#define SERVICES_QUEUE_DELIVERER_JOB_H

#include "common/base/list.h"
#include "common/mail/address.h"
#include "services/queue-deliverer/handover.h"
#include "services/queue-deliverer/verdict.h"

/*
 * One leased group: a message and its recipients in one domain, to be attempted together. Made from
 * a lease (backend.h), worked on by one thread, ended by its results (results.c), which free it.
 * What the thread and the end of the process share is in handover.h.
 */

/* An address that was connected to: "mx.far.example" and "192.0.2.1". */
struct dialed {
    struct str host;
    struct str ip;
};

#define JOB_DIALED_MAX 64

struct recipient {
    uint64_t queue_id;
    uint64_t lease;
    struct address address;
    unsigned max_attempts;
    bool notify_delay;
    int64_t next_attempt_ms;
    int64_t last_attempt_planned_ms;
    enum handover_stage stage; /* with given_back: under the job's handover.lock */
    bool given_back;
    /* Of the attempt. */
    struct verdict verdict;
    bool unreported;        /* the lease is left to run out, or was given back */
    struct str remote_host; /* that gave the verdict; empty: none did. In the job's arena */
    struct str remote_ip;
};

struct job {
    struct handover handover;
    struct list_link link;  /* in its lane, then in the results */
    struct list_link all;   /* of the deliverer: leases to be extended */
    struct arena arena;     /* of all strings here */
    int64_t lease_until_ms; /* monotonic */
    bool lost;              /* somebody else has it: nothing more is done about it */
    uint64_t base_id;
    uint64_t cid;
    uint64_t account_id; /* of the sender */
    struct str account;
    struct str domain;
    unsigned lane;
    struct address mail_from; /* both empty: null reverse path */
    bool is_dsn;
    struct str prefix;
    struct str structure;
    uint64_t file_size; /* of the text */
    bool in_file;       /* the text is a file of the queue */
    struct str content; /* else it came with the lease: this */
    bool has_8bit;
    bool smtputf8;
    bool tls_required; /* REQUIRETLS */
    struct str message_id;
    struct str subject;
    struct str future_release;
    int64_t queued_ms;
    unsigned attempt; /* this one */
    struct recipient *recipients;
    size_t recipient_count;
    struct dialed dialed[JOB_DIALED_MAX]; /* in earlier attempts, then in this one */
    size_t dialed_count;
    size_t dialed_before;
    int64_t started_ms; /* wall */
    int64_t duration_ms;
};

struct job *job_new(void);
void job_free(struct job *job);

/* The same verdict for all recipients that have none. */
void job_decide(struct job *job, struct verdict verdict);
bool job_is_decided(const struct job *job);
/* Who gave the verdict. Copies. */
void recipient_set_remote(struct job *job, struct recipient *recipient, struct str host,
                          struct str ip);
void job_add_dialed(struct job *job, struct str host, struct str ip);

#endif
