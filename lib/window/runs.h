/*
 * runs: records that follow one another, folded before their turn comes.
 *
 * What a window keeps does not depend on the order in which it came, and can be merged. So the
 * records of a block are folded where the block is scanned, maybe on another thread, into cells
 * of its own: one for each key and pane. In their turn these are merged, and no record of them
 * is looked at again.
 *
 * Of functions that keep more than some bytes of a cell there is little to merge. Their records
 * are not folded ahead, but put into their windows by what was seen of them alone.
 *
 * That holds as long as no window closes among them. A run is cut where its own times would
 * close one, and in its turn it is taken only if none does, and no record of it is late; else
 * its records go one by one. So do all of which something has to be evaluated, or checked.
 * Where keys are so many that there is little to merge, it is left for a while.
 */
#ifndef SK_WINDOW_RUNS_H
#define SK_WINDOW_RUNS_H

#include "window/seen.h"
#include "window/spec.h"

/* Of a key in a pane. */
struct run_cell {
	struct key128 owner;
	struct span span;
	uint32_t at, n;           /* the key's text in the block; "" without -k */
	char fixed[];             /* of all folds */
};

struct run {
	uint32_t n;               /* records */
	uint32_t ncells;          /* which follow */
	uint32_t assigned;        /* cell_keys, when their owners were made */
	uint32_t unused;
	int64_t first_us, newest_us, least_us;
};

struct runs_plan {
	const struct window_shape *shape;
	const struct fold *fold;
	size_t nfolds, fixed;
	const struct seen_plan *seen;
	int *value;               /* of each fold: which value of a line it is given; -1: none */
	int64_t behind_us;        /* what closes is so far behind the newest */
	bool folds;               /* ahead; else runs have no cells */
	struct fold_room *room;   /* none, nfolds times */
	atomic_uint rest;         /* blocks that it is left for */
};

/* value: as above, owned from here on. The other arguments are the caller's as long as it is
 * there. False: there are no runs of such folds; nothing is to be released. */
bool runs_init(struct runs_plan *, const struct window_shape *, const struct fold *,
	size_t nfolds, size_t fixed, const struct seen_plan *, int *value, int64_t behind_us);
void runs_release(struct runs_plan *);

/* What was seen of a block is in the notes; runs go behind it. By any thread. */
void runs_make(struct runs_plan *, const struct json_scan *, struct buf *notes);

/* The run that begins with this line, or NULL. */
const struct run *runs_at(const struct runs_plan *, const struct block *, size_t line);

static inline size_t
run_cell_bytes(size_t fixed)
{
	return sizeof(struct run_cell) + fixed;
}

/* A run's cells, one behind the other. */
static inline const struct run_cell *
run_cells(const struct run *r)
{
	return (const struct run_cell *)(const void *)(r + 1);
}

static inline const struct run_cell *
run_cell_after(const struct run_cell *c, size_t fixed)
{
	return (const struct run_cell *)(const void *)((const char *)c + run_cell_bytes(fixed));
}

#endif
