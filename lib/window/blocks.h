/*
 * blocks: the cells of instants that follow each other, put together, so that a window of many
 * instants is the sum of a few blocks.
 *
 * A block of level 1 is 16 instants, one of the next level 16 of those. A key's instants are
 * numbered as they are done, in order, and a block begins at a multiple of its width. Blocks
 * are memory alone: where one is missing, its parts are taken, so they need not outlive
 * anything. They cost a 15th of what the instants do, and for what keeps the values
 * themselves, as lists do, as much as that a level.
 */
#ifndef SK_WINDOW_BLOCKS_H
#define SK_WINDOW_BLOCKS_H

#include "window/engine.h"

#define BLOCKS_LEVELS 4
#define BLOCKS_WORTH 64     /* instants in a window; below, each is taken by itself */

/* What is in a block. */
struct block_of {
	uint64_t first;         /* instant */
	struct fold_scratch sum;
	struct buf key;         /* its text */
};

struct blocks;              /* of one key */
struct blocks_all;          /* of a task */

struct blocks_all *blocks_open(struct windows *);
void blocks_close(struct blocks_all *);

static inline uint64_t
blocks_width(unsigned level)
{
	return (uint64_t)1 << 4 * level;
}

/* The blocks of a key, none at first. */
struct blocks *blocks_of(struct blocks_all *, struct key128 owner);
void blocks_drop(struct blocks_all *, struct key128 owner);
/* Instants before this one are gone, and so are blocks that hold one of them. */
void blocks_forget(struct blocks_all *, struct key128 owner, uint64_t first);

struct block_of *blocks_new(struct blocks *, unsigned level, uint64_t first);
const struct block_of *blocks_get(const struct blocks *, unsigned level, uint64_t first);
/* The widest that begins with first and ends not after end; *level is its. */
const struct block_of *blocks_best(const struct blocks *, uint64_t first, uint64_t end,
	unsigned *level);

/* Add a block to a sum, and its key's text, of which the better one stays; or to a block. */
int block_add(struct windows *, const struct block_of *, struct fold_cell *sum, struct buf *key);
int block_merge(struct windows *, struct block_of *to, const struct block_of *from);

#endif
