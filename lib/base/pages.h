/*
 * pages: zeroed memory right from the system, in large pages where it gives them (2 MiB: a
 * table of gigabytes is walked at random without missing the processor's table of pages at
 * each step). It grows without being copied, by moving entries of the page table, and goes
 * back to the system at once. Where there is none to be had the process ends, as mem.h says.
 */
#ifndef SK_BASE_PAGES_H
#define SK_BASE_PAGES_H

#include <stddef.h>

/* What is no multiple of these ends in small pages, and keeps them when it grows. */
#define PAGES_LARGE ((size_t)2 << 20)

/* Round up to what pages_new and pages_grow take: whole pages. */
static inline size_t
pages_round(size_t bytes)
{
	return (bytes + 4095) & ~(size_t)4095;
}

char *pages_new(size_t bytes);
/* The same memory with more behind it; it may lie elsewhere. */
char *pages_grow(char *p, size_t bytes, size_t more);
void pages_free(char *p, size_t bytes);

/* The same for what may be small, and is malloc's then, aligned as that does; 0 bytes: NULL. */
void *pages_array(size_t n, size_t size);
void pages_array_free(void *, size_t n, size_t size);

/* What lies in p[from..to) is not needed: the pages that are wholly in there become zero and
 * are the system's until they are written to. */
void pages_forget(char *p, size_t from, size_t to);

#endif
