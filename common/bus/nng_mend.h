#ifndef COMMON_BUS_NNG_MEND_H
#define COMMON_BUS_NNG_MEND_H

/* Whoever opens an nng socket calls this first: it makes the linker take nng_mend.c along, which
 * keeps doors alive. See docs/decisions/0016-nng-mended.md. */
void nng_mend(void);

#endif
