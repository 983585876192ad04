/*
 * arena: memory for things that die together.
 *
 * Allocation moves a pointer; nothing is freed alone. arena_reset() forgets everything
 * and keeps the largest chunk, so a loop that resets once per record soon allocates
 * nothing. {0} is an empty arena. Blocks are aligned to 16 bytes.
 */
#ifndef SK_BASE_ARENA_H
#define SK_BASE_ARENA_H

#include "base/slice.h"

struct arena_chunk;

struct arena {
	char *at, *end;             /* free bytes of the newest chunk */
	struct arena_chunk *chunks; /* newest first */
	size_t total;               /* bytes in all chunks */
};

void *arena_slow(struct arena *, size_t n);
void arena_reset(struct arena *);
void arena_release(struct arena *);

/* n bytes, not zeroed, until the next reset. */
static inline void *
arena_alloc(struct arena *a, size_t n)
{
	size_t need = (n + 15) & ~(size_t)15;
	char *p = a->at;

	if (__builtin_expect((size_t)(a->end - p) < need || need < n, 0))
		return arena_slow(a, n);
	a->at = p + need;
	return p;
}

static inline struct slice
arena_copy(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.n);

	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct slice){p, s.n};
}

#endif
