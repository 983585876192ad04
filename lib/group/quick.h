/*
 * quick: a part that is known at a glance goes into its group where that lies in the state, or
 * completes it, without the group being taken out and put back. Of jobs in which nothing but
 * the parts themselves completes a group: no time, no order of keys, no expressions.
 */
#ifndef SK_GROUP_QUICK_H
#define SK_GROUP_QUICK_H

#include "flow/emit.h"
#include "group/rules.h"

/* All of it is borrowed. For a glance that notes members. */
struct quick {
	const struct glance *glance;
	struct groups *groups;
	struct state *state; /* of these */
	uint64_t size; /* of every group, or 0 */
};

/* The record in hand: 1; 0: nothing was done, the long way has to be gone; -1. */
int quick_take(const struct quick *, const struct rules *, struct emit *, struct failure *why);

/* Records of a block, up to one that has to go the long way: operator.noted. */
int quick_take_all(const struct quick *, struct noted *, struct emit *, struct failure *why);

#endif
