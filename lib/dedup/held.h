/*
 * held: the newest record of each key, held until it is sure to be the last.
 *
 * Without a window that is at the complete end of the input; the records then come in the
 * order of their arrival. With a window of D it is when time has passed the last instant at
 * which a duplicate could be, D after the first record of the window (with --refresh: after
 * the newest), or when a record of the same key comes that is beyond that: by deadlines, and
 * where these are equal in the order in which the windows began. Newest is then what has the
 * latest event time, and of equals what came last. What has been written is remembered for
 * as long as memory remembers keys, and what comes for it still is late.
 *
 * Memory: the held records, 56 bytes and a timer for each.
 */
#ifndef SK_DEDUP_HELD_H
#define SK_DEDUP_HELD_H

#include "dedup/memory.h"

struct held;

/* What becomes of a record that is held no more, or never was. */
enum held_as { HELD_LAST, HELD_DUPLICATE, HELD_LATE };

struct held_options {
	const struct dedup_plan *plan;
	/* -1 ends the run. */
	int (*write)(void *arg, const struct record *, enum held_as, struct failure *why);
	void *arg;
};

/* The memory's state is of STATE_VARIABLE; it is used together with this. */
struct held *held_new(const struct held_options *, struct memory *);
void held_free(struct held *);

/* 1: the record is held now; 0: it was written. envelope: it may leave as one. */
int held_take(struct held *, const struct record *, struct key128, bool envelope,
	struct failure *why);
/* Write what is due before us; INT64_MAX: everything, and without a window forget it. */
int held_due(struct held *, uint32_t task, int64_t us, struct failure *why);

/* Beside those of memory. rollback: after it. */
int held_assign(struct held *, uint32_t task);
void held_revoke(struct held *, uint32_t task);
int held_rollback(struct held *);
size_t held_ntasks(const struct held *);
uint32_t held_task(const struct held *, size_t i);

#endif
