/*
 * timers: what is to be done at an instant of event time.
 *
 * An exact queue: timers come out by (deadline, key), whatever the order in which they went
 * in, so that a replay gives the same bytes. The key is the one under which the timer's
 * state is kept; equal deadlines are ordered by the bytes of order, which the caller keeps
 * where it pleases (the key as people read it: json_add_sortable), since 128 hashed bits
 * have an order that differs from state to state.
 *
 * A binary heap, 40 bytes and the order's bytes a timer. Nothing is taken out singly: a
 * timer that was set again is set twice, and the caller, to whom the deadline in its state
 * tells the truth, passes over the ones that are void. Timers are not logged: they are made
 * again from the state after a recovery.
 */
#ifndef SK_WINDOW_TIMERS_H
#define SK_WINDOW_TIMERS_H

#include "base/keyed.h"
#include "time/time.h"

struct timer {
	int64_t us;           /* deadline, event time */
	struct key128 key;
	struct slice order;   /* the queue's copy */
};

/* {0} is an empty queue. */
struct timers {
	struct timer *heap;
	size_t n, cap;
	size_t bytes;         /* of all orders */
};

void timers_add(struct timers *, int64_t us, struct key128 key, struct slice order);

/* The next timer whose deadline is not after us, taken out: true. order is the caller's,
 * to be freed. */
bool timers_due(struct timers *, int64_t us, struct timer *);

/* The earliest deadline, or INT64_MAX. */
static inline int64_t
timers_next(const struct timers *t)
{
	return t->n ? t->heap[0].us : INT64_MAX;
}

void timers_release(struct timers *);

#endif
