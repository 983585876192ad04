/*
 * row_blocks: the lines of a table, block by block, scanned and noted (notes.h). From the second
 * block on another thread does that ahead, where there is a processor for it: who takes the
 * blocks has only to put their rows in.
 */
#ifndef SK_JOIN_ROW_BLOCKS_H
#define SK_JOIN_ROW_BLOCKS_H

#include "flow/flow.h"
#include "join/sides.h"

struct row_block {
	struct block block;
	struct json_scan scan;
	double part;            /* of the table that is read by then; 0: not known */
};

struct row_blocks;

/* Source and sides are the caller's. alone: no other thread. */
struct row_blocks *row_blocks_new(struct source *, const struct sides *, bool alone);
/* The next block, there until the call after: 1, 0 at the end, or -1. What is too long is not
 * scanned. */
int row_blocks_next(struct row_blocks *, struct row_block **, struct failure *why);
/* Ends the thread, wherever it waits. */
void row_blocks_free(struct row_blocks *);

#endif
