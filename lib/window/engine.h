/*
 * engine: what the files share that make windows of records. Internal to the room.
 *
 *	panes.c     tumbling, hopping, cumulate; partial results of these
 *	pane.c      the table of a task's panes
 *	runs_take.c records of a grid that were folded before their turn
 *	sessions.c  session; with open.c, the index of a key
 *	sliding.c   sliding; with the blocks of blocks.c
 *	counted.c   count
 *	result.c    the lines that are written
 *	windows.c   tasks, and which of these a call is for
 */
#ifndef SK_WINDOW_ENGINE_H
#define SK_WINDOW_ENGINE_H

#include "base/arena.h"
#include "base/heap.h"
#include "window/cells.h"
#include "window/timers.h"
#include "window/windows.h"

struct pane {
	struct span span;
	struct span next;         /* the window that closes next and holds it */
	struct key128 *cell;
	size_t n, cap;
	bool changed;             /* since windows were written last: --every */
};

struct blocks_all;

struct windows_task {
	uint32_t id;
	int64_t closed_us;        /* windows that end here or before are closed */
	int64_t tick;             /* --every: the last one that has passed */
	struct heap panes;        /* by the end of next */
	struct pane **pane;       /* an open table, by start and end */
	size_t npanes, slots;
	struct timers timers;
	size_t timers_most;       /* where keys are given up: then look which of them are void */
	struct blocks_all *blocks;/* of sliding windows; NULL before the first */
};

struct windows {
	const struct windows_plan *plan;
	struct cells *cells;
	struct state *state;
	struct cell *cell;        /* that is changed */
	struct cell *view;        /* that is looked at */
	struct fold_scratch sum;  /* cells put together */
	struct fold_scratch part; /* a partial result */
	struct fold_room *no_room;/* of a cell without any */
	struct reading_input *inputs; /* of a record of a run */
	bool evicts;              /* where the state is full, what was touched last stays */
	bool lost;                /* an index was given up; */
	uint64_t evicted;         /* and cells, as far as is known */
	struct fold_work work;
	struct windows_task *task;/* by id */
	size_t ntasks, cap_tasks;
	struct emit *emit;
	struct failure *why;
	struct json_scan scan;
	struct buf key, room, order;
	struct time_memo start, end; /* of the result written last */
	struct pane **list;
	size_t cap_list;
	struct arena arena;       /* of one closing */
};

/* ---- windows.c --------------------------------------------------------------------- */

/* Append the form of a key, JSON text, whose bytes sort as keys are to. */
void windows_add_order(struct windows *, struct slice key_text, struct buf *);
struct windows_task *windows_task_of(const struct windows *, uint32_t id);
/* Add the record's values to the cell that is open. */
int windows_fold(struct windows *, struct cell *, const struct reading *);
int windows_merge(struct windows *, struct fold_cell *to, const struct fold_cell *from);
/* us less the lateness: windows are closed that end there or before. */
int64_t windows_closed(const struct windows *, int64_t us);

static inline int64_t
later(int64_t us, int64_t by)
{
	return us > INT64_MAX - by ? INT64_MAX : us + by;
}

/* ---- result.c ---------------------------------------------------------------------- */

/* Append a line, without its line feed; or write it. */
void result_add(struct windows *, struct buf *, const struct span *, struct slice key_text,
	const struct fold_cell *);
void result_write(struct windows *, const struct span *, struct slice key_text,
	const struct fold_cell *, int64_t time_us);

/* ---- pane.c ------------------------------------------------------------------------ */

/* Where a pane stands in the table, or would. */
struct pane **pane_slot(const struct windows_task *, const struct span *);
/* The pane; next: where it is new, of its windows the one that closes first. */
struct pane *pane_make(struct windows_task *, const struct span *, const struct span *next);
/* A cell of it that is new. */
void pane_add(struct windows *, const struct windows_task *, struct pane *, struct key128);
/* Where cells are given up, those that are gone stand in the list still, and those that were
 * made anew twice: no longer. */
void pane_tidy(struct windows *, const struct windows_task *, struct pane *);
/* One that is in no heap goes. */
void pane_free(struct windows_task *, struct pane *);
void panes_release(struct windows_task *);

/* ---- panes.c ----------------------------------------------------------------------- */

enum windows_became panes_add(struct windows *, struct windows_task *, const struct reading *);
/* Open or make the cell of a key in a pane; window: of those of a new pane the one that closes
 * first. */
int panes_open_cell(struct windows *, struct windows_task *, struct cell *, struct key128 owner,
	const struct span *pane, const struct span *window, struct slice key_text);
/* Merge a cell that is not of this state into a window's. */
enum windows_became panes_take(struct windows *, struct windows_task *, const struct span *,
	struct slice identity, struct slice key_text, const struct fold_cell *);
int panes_close(struct windows *, struct windows_task *);
/* Write what has changed. */
int panes_tick(struct windows *, struct windows_task *);
int panes_found(struct windows *, struct windows_task *, struct key128, struct slice value);

/* ---- partials.c -------------------------------------------------------------------- */

enum windows_became partials_take(struct windows *, struct windows_task *,
	const struct record *);

/* ---- sessions.c -------------------------------------------------------------------- */

enum windows_became sessions_add(struct windows *, struct windows_task *,
	const struct reading *);
enum windows_became sessions_take(struct windows *, struct windows_task *,
	const struct span *, struct slice identity, struct slice key_text,
	const struct fold_cell *);
int sessions_close(struct windows *, struct windows_task *);
int sessions_tick(struct windows *, struct windows_task *);
int sessions_found(struct windows *, struct windows_task *, struct key128, struct slice value);
/* An index is given up for the bounds: so are its cells. */
void sessions_lost(struct windows *, struct key128, struct slice value,
	void (*cell)(struct cells *, struct key128));

/* ---- sliding.c and counted.c ------------------------------------------------------- */

enum windows_became sliding_add(struct windows *, struct windows_task *,
	const struct reading *);
int sliding_close(struct windows *, struct windows_task *);
int sliding_found(struct windows *, struct windows_task *, struct key128, struct slice value);
void sliding_lost(struct windows *, struct key128, struct slice value,
	void (*cell)(struct cells *, struct key128));
enum windows_became count_add(struct windows *, struct windows_task *, const struct reading *);
int count_close(struct windows *, struct windows_task *);
int count_found(struct windows *, struct windows_task *, struct key128, struct slice value);

#endif
