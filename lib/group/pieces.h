/*
 * pieces: the long texts of a group, beside it in the state.
 *
 * A text that only grows would be copied, and logged, again and again with the group that it
 * belongs to. So what is longer than PIECE_BYTES goes to a piece, an entry of the state that
 * is written once, and goes with its group; the group keeps the number of pieces and what
 * came since. Texts of one group are told apart by the number of their stream: 0 is the list
 * of --merge array, the others are fields'. What a unique field has seen, once that is in
 * pieces, is an entry for each value.
 *
 * What a record adds waits here, and reaches the state by pieces_keep.
 */
#ifndef SK_GROUP_PIECES_H
#define SK_GROUP_PIECES_H

#include "base/table.h"
#include "expr/expr.h"
#include "state/state.h"

#define PIECE_BYTES 4096
#define STREAM_UNIQUE UINT32_C(0x80000000) /* its values are entries too */

struct fresh_piece {
	uint32_t stream, index;
	size_t at, n;            /* in text */
};

struct pieces {
	/* Where those of the group are that were kept: */
	struct state *state;
	uint32_t task;
	struct key128 key;       /* of the group, */
	uint64_t made;           /* and its number */
	/* What the record in hand adds: */
	struct fresh_piece *fresh;
	size_t nfresh, cap;
	struct buf text;
	struct table seen;
};

/* For the group of this key and number. {0} is for none. */
void pieces_place(struct pieces *, struct state *, uint32_t task, struct key128 key,
	uint64_t made);
void pieces_release(struct pieces *);

/* A further piece of a stream: its index is their number so far. */
void pieces_add(struct pieces *, uint32_t stream, uint32_t index, struct slice text);

/* The pieces of a stream in order, of which there are n; with index == n all were there. What
 * is kept lives until the state changes.
 *
 *	for (it = (struct piece_iter){.stream = 0, .n = n}; pieces_step(p, &it);) ... it.text
 */
struct piece_iter {
	uint32_t stream, n, index;
	struct slice text;
	size_t fresh;
};
bool pieces_step(const struct pieces *, struct piece_iter *);
/* Append all of them. -1: EXIT_INTERNAL, one is missing. */
int pieces_add_text(const struct pieces *, uint32_t stream, uint32_t n, struct buf *,
	struct failure *why);
int pieces_missing(const struct piece_iter *, struct failure *why);

/* Was this value of a unique stream seen? From now on it is. */
bool pieces_saw(struct pieces *, uint32_t stream, struct slice canonical);

/* What is fresh is put into the state, or forgotten. */
int pieces_keep(struct pieces *, struct failure *why);
void pieces_forget(struct pieces *);

/* All entries of a group go, but its own: these are its bytes, a copy. */
int pieces_remove(const struct pieces *, struct slice kept, struct failure *why);

#endif
