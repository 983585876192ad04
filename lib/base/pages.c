/* Pages of the system. */
#define _GNU_SOURCE /* mremap */
#include "base/pages.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/mem.h"

#define LARGE PAGES_LARGE
#define SMALL ((size_t)1 << 20) /* bytes up to which an array is */

/* A range of addresses that begins where a large page can. NULL: there is none. */
static char *
reserve(size_t bytes, int protection)
{
	size_t whole = bytes + LARGE, before;
	char *p = mmap(NULL, whole, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	before = (LARGE - (uintptr_t)p % LARGE) % LARGE;
	if (before)
		munmap(p, before);
	munmap(p + before + bytes, LARGE - before);
	return p + before;
}

char *
pages_new(size_t bytes)
{
	char *p = reserve(bytes, PROT_READ | PROT_WRITE);

	if (!p)
		mem_none();
	(void)madvise(p, bytes, MADV_HUGEPAGE); /* a kernel without them does as well */
	return p;
}

char *
pages_grow(char *p, size_t bytes, size_t more)
{
	char *to, *at = mremap(p, bytes, more, 0);

	if (at != MAP_FAILED)
		return at;
	to = reserve(more, PROT_NONE);
	at = to ? mremap(p, bytes, more, MREMAP_MAYMOVE | MREMAP_FIXED, to) : MAP_FAILED;
	if (at == MAP_FAILED)
		mem_none();
	return at;
}

void
pages_free(char *p, size_t bytes)
{
	munmap(p, bytes);
}

void
pages_forget(char *p, size_t from, size_t to)
{
	/* In large pages, lest one be split. */
	from = (from + LARGE - 1) / LARGE * LARGE;
	to = to / LARGE * LARGE;
	if (from < to)
		(void)madvise(p + from, to - from, MADV_DONTNEED);
}

/* n * size is known not to overflow, once it was had. */
static inline bool
is_small(size_t n, size_t size)
{
	return n <= SMALL / size;
}

void *
pages_array(size_t n, size_t size)
{
	if (!n)
		return NULL;
	if (n > SIZE_MAX / 2 / size)
		mem_none();
	return is_small(n, size) ? mem_zalloc(n * size) : (void *)pages_new(pages_round(n * size));
}

void
pages_array_free(void *p, size_t n, size_t size)
{
	if (is_small(n, size))
		free(p);
	else
		pages_free(p, pages_round(n * size));
}
