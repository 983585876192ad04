/*
 * rows: a table that is read once and then only looked at: what results take of each row, by
 * key. A row that has the key of one before takes its place. {0} is empty. 8 bytes a slot, at
 * most 3/4 of which are taken, and 8 bytes a row beside key and content, rounded up to 8.
 *
 * Rows stand one behind the other, in the order in which they came. One whose place was taken
 * stays where it is until half of all are such; then the others move together.
 */
#ifndef SK_JOIN_ROWS_H
#define SK_JOIN_ROWS_H

#include "base/prefetch.h"
#include "base/slice.h"

struct rows {
	uint64_t *slot;    /* ROWS_PLACE_BITS of a place, above a part of the hash; 0: free */
	size_t n, mask;    /* rows; slots - 1, 0 without slots */
	size_t expected;   /* rows, as far as is known; 0: it is not */
	char *p;           /* rows */
	size_t used, cap;  /* bytes */
	size_t lost;       /* of them, of rows whose place was taken */
};

#define ROWS_PLACE_BITS 40 /* in units of 8 bytes */
#define ROWS_PLACE_MASK ((UINT64_C(1) << ROWS_PLACE_BITS) - 1)

/* hash: hash64 of the key, with hash_process_seed(). */
void rows_put(struct rows *, uint64_t hash, struct slice key, struct slice content);

/* The content of the row of that key, until the next is put; p == NULL: there is none. */
struct slice rows_find(const struct rows *, uint64_t hash, struct slice key);

#define ROWS_NEAR 8   /* slots, mostly of one line of the cache */
#define ROWS_SHORT 40 /* bytes that most rows have, or more */

/* Two steps of bringing a row near: its slot, and, some time later, the row. */
PREFETCHES static inline void
rows_prefetch(const struct rows *r, uint64_t hash)
{
	if (r->slot)
		__builtin_prefetch(&r->slot[hash & r->mask]);
}

PREFETCHES static inline void
rows_prefetch_row(const struct rows *r, uint64_t hash)
{
	const char *row;
	uint64_t s = 0;
	size_t i;

	if (!r->slot)
		return;
	for (i = 0; i < ROWS_NEAR; i++) {
		s = r->slot[(hash + i) & r->mask];
		if (!s || !((s ^ hash) & ~ROWS_PLACE_MASK))
			break;
	}
	row = r->p + (s & ROWS_PLACE_MASK) * 8;
	__builtin_prefetch(row);
	__builtin_prefetch(row + ROWS_SHORT);
}

uint64_t rows_memory(const struct rows *);
void rows_release(struct rows *);

#endif
