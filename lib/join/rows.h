/*
 * rows: a table that is read once and then only looked at: what results take of each row, by
 * key. A row that has the key of one before takes its place. {0} is empty. 16 bytes a slot at
 * most 3/4 of which are taken, and 16 bytes a row beside key and content.
 */
#ifndef SK_JOIN_ROWS_H
#define SK_JOIN_ROWS_H

#include "join/pool.h"

struct rows_slot {
	uint64_t hash;
	struct row *row;   /* NULL: free */
};

struct rows {
	struct rows_slot *slot;
	size_t n, mask;    /* slots - 1; 0 without slots */
	size_t expected;   /* rows, as far as is known; 0: it is not */
	struct pool pool;
};

void rows_put(struct rows *, uint64_t hash, struct slice key, struct slice content);

/* The content of the row of that key; p == NULL: there is none. */
struct slice rows_find(const struct rows *, uint64_t hash, struct slice key);

#define ROWS_NEAR 4 /* slots, mostly of one line of the cache */

/* Two steps of bringing a row near: its slot, and, some time later, the row. */
static inline void
rows_prefetch(const struct rows *r, uint64_t hash)
{
	if (r->slot)
		__builtin_prefetch(&r->slot[hash & r->mask]);
}

static inline void
rows_prefetch_row(const struct rows *r, uint64_t hash)
{
	const struct rows_slot *s = NULL;
	size_t i;

	if (!r->slot)
		return;
	for (i = 0; i < ROWS_NEAR; i++) {
		s = &r->slot[(hash + i) & r->mask];
		if (s->hash == hash || !s->row)
			break;
	}
	if (s->row) {
		__builtin_prefetch(s->row);
		__builtin_prefetch((const char *)s->row + 64);
	}
}

uint64_t rows_memory(const struct rows *);
void rows_release(struct rows *);

#endif
