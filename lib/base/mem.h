/*
 * Memory that cannot be had is the one fatal path of the library: these never return
 * NULL, they say so on stderr and end the process with status 71 (EX_OSERR). A size that
 * comes from input is bounded by its caller before it gets here. Freed with free(3).
 */
#ifndef SK_BASE_MEM_H
#define SK_BASE_MEM_H

#include <stddef.h>

_Noreturn void mem_none(void);            /* say so, and end */

void *mem_alloc(size_t n);                /* not zeroed */
void *mem_zalloc(size_t n);               /* zeroed */
void *mem_realloc(void *p, size_t n);     /* p may be NULL */
void *mem_array(size_t count, size_t size); /* zeroed; the product is checked */
void *mem_grow(void *p, size_t *cap, size_t need, size_t size);
					  /* an array of at least need elements, cap doubled */
char *mem_dup(const void *p, size_t n);   /* a copy, with a NUL after it */
char *mem_strdup(const char *s);

#endif
