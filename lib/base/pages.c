/* Pages of the system. */
#define _GNU_SOURCE /* mremap */
#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>

#include "base/mem.h"

#define LARGE PAGES_LARGE

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
