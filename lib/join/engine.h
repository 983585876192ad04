/*
 * engine: what the files share that pair records. Internal to the room.
 *
 *	pairs.c   records that come, and turns that are due
 *	run.c     records that are taken together
 *	turn.c    a turn, and the end of an item's time
 *	inner.c   a turn, where the end of an item's time leads to nothing
 *	bounds.c  how much is kept
 *	tasks.c   tasks, and their state
 */
#ifndef SK_JOIN_ENGINE_H
#define SK_JOIN_ENGINE_H

#include "join/agenda.h"
#include "join/index.h"
#include "join/journal.h"
#include "join/pairs.h"
#include "join/queue.h"
#include "join/shelf.h"
#include "join/spill.h"

struct task {
	uint32_t id;
	struct agenda waiting;  /* for their turn */
	struct spill *spill;    /* the same on disk, or NULL */
	struct index index;     /* had their turn */
	struct queue due[2];    /* the same by side, in the order in which their time is over */
	struct agenda expiring[2]; /* the same, those that are in no such order */
	struct shelf shelf;     /* with pairs.inner, instead of all three */
	struct journal_mark mark;
};

struct pairs {
	const struct join_plan *plan;
	struct flow_place *place;
	struct result *result;
	struct journal *journal;/* NULL: memory alone */
	struct pool pool;
	struct task **task;
	size_t ntasks, cap_tasks;
	uint64_t items, max_items, max_memory;
	bool evict;
	/* The end of an item's time leads to something. Else it doesn't matter if one goes a
	 * little later, behind one that had its turn before. */
	bool exact;
	/* Of items that had their turn nothing is needed but to find them until their time is
	 * over: an inner join, in memory alone, whose bounds don't count them. */
	bool inner;
	uint64_t worry;         /* bytes of the pool from which on the bounds are looked at */
	uint64_t seed;
	struct item **batch;    /* of one instant */
	struct item **met;      /* by one item */
	size_t cap_batch, cap_met;
	struct emit *emit;      /* of the callback in hand */
	struct failure *why;
};

/* tasks.c */
struct task *pairs_task(const struct pairs *, uint32_t id);
/* All of a task but the items. */
void task_release(struct pairs *, struct task *);

/* ---- turn.c ------------------------------------------------------------------------ */

/* Take all of the earliest instant out of an agenda into the batch, in their order; how many. */
size_t turn_instant(struct pairs *, struct agenda *);
/* Put an item into the batch, which has n. */
void turn_batch(struct pairs *, size_t n, struct item *);
/* The turn of an item, which is kept or goes. */
int turn_take(struct pairs *, struct task *, struct item *);
/* Keep one that had its turn. */
void turn_keep(struct pairs *, struct task *, struct item *);
/* An item goes; early: its time is not over. */
int turn_let_go(struct pairs *, struct task *, struct item *, bool early);
/* One that had its turn, and whose time is over, or never comes (early). */
int turn_time_is_over(struct pairs *, struct task *, struct item *, bool early);
/* All whose time was over before us. */
int turn_expire(struct pairs *, struct task *, int64_t us);

/* ---- inner.c ----------------------------------------------------------------------- */

/* The same as turn_take, with pairs.inner. */
int inner_take(struct pairs *, struct task *, struct item *);
/* Those that wait and whose turn is before us, as long as no two are of one instant. */
int inner_take_all(struct pairs *, struct task *, int64_t us);

/* ---- bounds.c ---------------------------------------------------------------------- */

/* There is more than there may be: until it is not. */
int bounds_make_room(struct pairs *, struct task *);

#endif
