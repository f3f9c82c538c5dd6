#ifndef COMMON_BUS_NNG_MEND_H
#define COMMON_BUS_NNG_MEND_H

/* Whoever opens an nng socket calls this first: it makes the linker take nng_mend.c along, which
 * keeps doors alive, lets closed connections end and notices dead hosts; and starts nng, with two
 * threads. Before anything else of nng. See docs/decisions/0016-nng-mended.md and
 * 0019-dead-hosts.md. */
void nng_mend(void);

typedef void nng_mend_function(void); /* to be cast to what it is */

/* The function of that name that stands behind ours: the C library's, or nng's own. `known` keeps
 * it. */
nng_mend_function *nng_mend_original(_Atomic(nng_mend_function *) *known, const char *name);

#endif
