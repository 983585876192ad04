/* Chunks that double in size, newest first; a reset keeps the newest, the largest. */
#include "base/arena.h"

#include <stdlib.h>

#include "base/mem.h"

#define ARENA_FIRST 4096

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; /* usable bytes */
};

/* Chunks begin after their header, rounded so that blocks keep their alignment. */
#define HEADER ((sizeof(struct arena_chunk) + 15) & ~(size_t)15)

void *
arena_slow(struct arena *a, size_t n)
{
	size_t need = (n + 15) & ~(size_t)15;
	size_t size = a->chunks ? a->chunks->size * 2 : ARENA_FIRST;
	struct arena_chunk *c;
	char *p;

	if (need < n || need > SIZE_MAX - HEADER)
		need = SIZE_MAX - HEADER; /* malloc will refuse it */
	if (size < need || size > SIZE_MAX / 4)
		size = need;
	c = mem_alloc(HEADER + size);
	c->older = a->chunks;
	c->size = size;
	a->chunks = c;
	a->total += size;
	p = (char *)c + HEADER;
	a->at = p + need;
	a->end = p + size;
	return p;
}

/* One huge record must not pin its memory for the rest of the run. */
#define ARENA_KEEP ((size_t)4 << 20)

void
arena_reset(struct arena *a)
{
	struct arena_chunk *c = a->chunks, *older;

	if (!c)
		return;
	if (c->size > ARENA_KEEP) {
		arena_release(a);
		return;
	}
	for (older = c->older; older; older = c->older) {
		c->older = older->older;
		a->total -= older->size;
		free(older);
	}
	a->at = (char *)c + HEADER;
	a->end = a->at + c->size;
}

void
arena_release(struct arena *a)
{
	struct arena_chunk *c, *older;

	for (c = a->chunks; c; c = older) {
		older = c->older;
		free(c);
	}
	*a = (struct arena){0};
}
