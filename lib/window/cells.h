/*
 * cells: what is kept of one key in one window, pane or instant, as it lies in the state.
 *
 *	cell     head | fixed bytes of all folds | key, as JSON text
 *	room     head | bytes, of one fold of one cell
 *	index    head | items | key: the cells of a key whose windows its records make
 *	events   head | records of one key at one instant, that wait to be counted | key
 *
 * All are values of variable size of one state, changed where they lie. A cell that is open
 * is good until something else in the state changes: cells_ready says whether, and opens it
 * again. Of the cells that were used last some are found without a look at the state.
 */
#ifndef SK_WINDOW_CELLS_H
#define SK_WINDOW_CELLS_H

#include <stdatomic.h>

#include "state/state.h"
#include "window/fold.h"
#include "window/window.h"

enum cell_kind { KIND_CELL, KIND_ROOM, KIND_INDEX, KIND_EVENTS, KIND_CLOCK };

struct cell_head {
	uint8_t kind;             /* first in heads of all kinds */
	uint8_t changed;          /* since its windows were written last */
	uint16_t unused;
	uint32_t key_n;
	struct span span;         /* of the pane, the window so far, or an instant */
	struct key128 owner;      /* the key's own */
	uint64_t rooms;           /* a bit for each fold that has one */
	uint64_t times;           /* records */
};

struct room_head {
	uint8_t kind;
	uint8_t unused[7];
	struct key128 cell;
};

struct events_head {
	uint8_t kind;
	uint8_t unused[3];
	uint32_t key_n;
	uint64_t n, cap;          /* bytes of records, and for them */
	int64_t us;
	struct key128 owner;
};

struct cells;

/* Opened by cells_open: what the folds work on, first. */
struct cell {
	struct fold_cell fold;
	struct cells *cells;
	uint32_t task;
	struct key128 key;
	struct cell_head *head;
	bool *noted;              /* the caller's, kept with it */
	uint64_t version;         /* the cells' */
	struct fold_room *own;
};

struct cells *cells_new(const struct state_options *, const struct op_context *,
	const struct fold *, size_t nfolds, size_t fixed);
void cells_free(struct cells *);
struct state *cells_state(const struct cells *);
struct cell *cell_new(struct cells *);
void cell_free(struct cell *);

/* What any thread may make keys of keys with, ahead of the records' turn; they hold as long as
 * assigned is what it was before. */
struct cell_keys {
	const struct state *state;
	atomic_uint assigned;
};
const struct cell_keys *cells_keys(const struct cells *);
/* The state was given a task, and may have another secret. */
void cells_assigned(struct cells *);

/* The key of a key, and that of its cell at an instant. */
struct key128 cells_owner(const struct cells *, struct slice identity);
struct key128 cells_key(struct key128 owner, int64_t us);

static inline struct slice
cell_key_text(const struct cell_head *h, size_t fixed)
{
	return slice_of((const char *)(h + 1) + fixed, h->key_n);
}

/* Open a cell to be changed: 1; 0: it is not there; -1. */
int cells_open(struct cell *, uint32_t task, struct key128, struct failure *why);
/* Make one that is not there, and open it. head: its span and owner. */
int cells_make(struct cell *, uint32_t task, struct key128, const struct cell_head *head,
	struct slice key_text, struct failure *why);
/* Open a cell to be looked at only: true. */
bool cells_look(struct cell *, uint32_t task, struct key128);
/* Was what is open given up while something was added to it? That goes nowhere. */
static inline bool
cell_is_lost(const struct cell *c)
{
	return c->fold.room != c->own;
}
/* What is opened may be changed, still or again. -1. */
int cells_ready(struct cell *, struct failure *why);
/* Of two texts of one key the shorter stays, or the one that sorts first. */
void cells_key_seen(struct cell *, struct slice key_text);
/* Take a cell and its rooms out. */
int cells_remove(struct cells *, uint32_t task, struct key128, struct failure *why);

/* The cell of a plain key (reading.h) at an instant, if it was used lately: it has seen that
 * text. Else NULL, and cells_remember makes one to be opened, which is shown the text then. */
struct cell *cells_recent(struct cells *, uint32_t task, struct key128 owner, int64_t us);
struct cell *cells_remember(struct cells *, uint32_t task, struct key128 owner);

/* Cells that were given up for the bounds of the state. Their rooms go with them, and what
 * belongs to a room goes with that, at the next cells_tidy. */
uint64_t cells_evicted(const struct cells *);
/* lost is told of each index that goes, and calls cell for each of its cells. */
void cells_on_lost(struct cells *, void (*lost)(void *arg, struct key128 owner, struct slice value,
	void (*cell)(struct cells *, struct key128)), void *arg);
int cells_tidy(struct cells *, struct failure *why);

#endif
