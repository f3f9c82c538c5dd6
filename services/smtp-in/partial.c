#include "services/smtp-in/partial.h"

#include "common/base/bug.h"
#include "common/base/clock.h"
#include "common/base/openssl.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define SLOTS 1024
#define LIFETIME_MS (24 * 3600 * (int64_t)1000)
#define DIGEST_SIZE 32

/* A message under its key, or (key all zero) a deferral; by what it is about. */
struct slot {
    int64_t until_ms; /* 0: free */
    unsigned char digest[DIGEST_SIZE];
    unsigned char key[CALL_KEY_SIZE];
};

struct partial {
    pthread_mutex_t lock;
    atomic_uint used; /* read without the lock: usually 0 */
    size_t next;      /* the oldest, to be replaced */
    struct slot slots[SLOTS];
};

struct partial *partial_new(void)
{
    struct partial *p = xcalloc(1, sizeof(*p));
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void partial_free(struct partial *p)
{
    if (!p)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p);
}

bool partial_is_empty(struct partial *p)
{
    return atomic_load(&p->used) == 0;
}

/* SHA-256 of the strings, each after its length, so that no two lists look alike. */
static void digest_of(const struct str *parts, size_t count, unsigned char ret[DIGEST_SIZE])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || !EVP_DigestInit_ex(context, EVP_sha256(), NULL))
        BUG("SHA-256 is missing");
    for (size_t i = 0; i < count; i++) {
        uint64_t len = parts[i].len;
        EVP_DigestUpdate(context, &len, sizeof(len));
        EVP_DigestUpdate(context, parts[i].ptr, parts[i].len);
    }
    EVP_DigestFinal_ex(context, ret, NULL);
    EVP_MD_CTX_free(context);
}

static void digest_message(struct address from, struct str message, unsigned char ret[DIGEST_SIZE])
{
    struct str parts[] = {STR("message"), from.localpart, from.domain, message};
    digest_of(parts, ARRAY_LEN(parts), ret);
}

static void digest_deferral(struct address from, struct address to, unsigned char ret[DIGEST_SIZE])
{
    struct str parts[] = {STR("deferral"), from.localpart, from.domain, to.localpart, to.domain};
    digest_of(parts, ARRAY_LEN(parts), ret);
}

/* With the lock held. */
static struct slot *find(struct partial *p, const unsigned char digest[DIGEST_SIZE])
{
    int64_t now_ms = clock_monotonic_ms();
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &p->slots[i];
        if (slot->until_ms > now_ms && memcmp(slot->digest, digest, DIGEST_SIZE) == 0)
            return slot;
    }
    return NULL;
}

static void free_slot(struct partial *p, struct slot *slot)
{
    *slot = (struct slot){0};
    atomic_fetch_sub(&p->used, 1);
}

static void remember(struct partial *p, const unsigned char digest[DIGEST_SIZE],
                     const unsigned char key[CALL_KEY_SIZE])
{
    pthread_mutex_lock(&p->lock);
    struct slot *slot = find(p, digest);
    if (!slot)
        slot = &p->slots[p->next++ % SLOTS];
    if (slot->until_ms == 0)
        atomic_fetch_add(&p->used, 1);
    slot->until_ms = clock_monotonic_ms() + LIFETIME_MS;
    memcpy(slot->digest, digest, DIGEST_SIZE);
    memcpy(slot->key, key, CALL_KEY_SIZE);
    pthread_mutex_unlock(&p->lock);
}

bool partial_find_key(struct partial *p, struct address mail_from, struct str message,
                      unsigned char ret_key[CALL_KEY_SIZE])
{
    if (partial_is_empty(p))
        return false;
    unsigned char digest[DIGEST_SIZE];
    digest_message(mail_from, message, digest);
    pthread_mutex_lock(&p->lock);
    struct slot *slot = find(p, digest);
    if (slot)
        memcpy(ret_key, slot->key, CALL_KEY_SIZE);
    pthread_mutex_unlock(&p->lock);
    return slot != NULL;
}

void partial_remember_key(struct partial *p, struct address mail_from, struct str message,
                          const unsigned char key[CALL_KEY_SIZE])
{
    unsigned char digest[DIGEST_SIZE];
    digest_message(mail_from, message, digest);
    remember(p, digest, key);
}

void partial_forget_key(struct partial *p, const unsigned char key[CALL_KEY_SIZE])
{
    if (partial_is_empty(p))
        return;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < SLOTS; i++)
        if (p->slots[i].until_ms > 0 && memcmp(p->slots[i].key, key, CALL_KEY_SIZE) == 0)
            free_slot(p, &p->slots[i]);
    pthread_mutex_unlock(&p->lock);
}

void partial_defer(struct partial *p, struct address mail_from, struct address recipient)
{
    static const unsigned char no_key[CALL_KEY_SIZE];
    unsigned char digest[DIGEST_SIZE];
    digest_deferral(mail_from, recipient, digest);
    remember(p, digest, no_key);
}

bool partial_take_deferral(struct partial *p, struct address mail_from, struct address recipient)
{
    if (partial_is_empty(p))
        return false;
    unsigned char digest[DIGEST_SIZE];
    digest_deferral(mail_from, recipient, digest);
    pthread_mutex_lock(&p->lock);
    struct slot *slot = find(p, digest);
    if (slot)
        free_slot(p, slot);
    pthread_mutex_unlock(&p->lock);
    return slot != NULL;
}
