/*
 * pool: blocks of memory that come and go by the million, without malloc.
 *
 * A block is taken from a list of free ones of its size, or cut from a slab. Sizes go in
 * steps of 16 bytes up to 512 and by an eighth beyond; what is larger than 32 KiB is
 * malloc's. What was given back is taken again first, while it is still in the cache. Slabs
 * grow with the pool, and come in large pages then. They are freed with it, so its memory is
 * the most that was in use of each size. {0} is empty.
 */
#ifndef SK_JOIN_POOL_H
#define SK_JOIN_POOL_H

#include "base/slice.h"

#define POOL_CLASSES 96

struct pool {
	void *free[POOL_CLASSES];  /* a list each */
	char *at, *end;            /* what is left of the newest slab */
	struct slab *slab;         /* a list */
	size_t slabs;              /* bytes of all of them */
	void *large;               /* a list, both ways */
	uint64_t used;             /* bytes of the blocks that are taken */
};

/* n bytes, aligned to 16, not zeroed; POOL_PADDING bytes behind them are readable. */
#define POOL_PADDING 32
void *pool_take(struct pool *, size_t n);
void pool_give(struct pool *, void *, size_t n);

/* What a block of n bytes counts for in used. */
size_t pool_size(size_t n);

void pool_release(struct pool *);

#endif
