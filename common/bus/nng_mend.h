#ifndef COMMON_BUS_NNG_MEND_H
#define COMMON_BUS_NNG_MEND_H

/* Whoever opens an nng socket calls this first: it makes the linker take nng_mend.c along, which
 * keeps doors alive, lets closed connections end and notices dead hosts; and starts nng, with two
 * threads. Before anything else of nng. See docs/decisions/0016-nng-mended.md and
 * 0019-dead-hosts.md. */
void nng_mend(void);

/* The function of that name that stands behind ours: the C library's, or nng's own. `ret_function`
 * points to a pointer to a function of its type. */
void nng_mend_find_original(const char *name, void *ret_function);

#endif
