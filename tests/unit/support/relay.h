#ifndef TESTS_UNIT_SUPPORT_RELAY_H
#define TESTS_UNIT_SUPPORT_RELAY_H

/* A stretch of network between a client and a server on this host, which can fail. It listens at a
 * port of its own on 127.0.0.1, and passes on to another. */

struct relay;

struct relay *relay_new(int to_port);
void relay_free(struct relay *r);
int relay_port(const struct relay *r);

/* As when a host dies without a word and comes back: what stands now is never heard of again, and
 * new connections work. */
void relay_die(struct relay *r);
/* Closes what stands now. */
void relay_cut(struct relay *r);
/* How many connections have come so far. */
unsigned relay_count(const struct relay *r);

/* A port that nobody listens at. */
int relay_free_port(void);

#endif
