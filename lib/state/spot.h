/*
 * spot: one look for several calls, of a state of variable values. A spot is where a key lies,
 * until the next call that makes or removes one. Its value may be changed there where
 * state_edit's might: behind state_append.
 *
 * Keys that come together are brought near in memory beforehand: first where they lie,
 *
 *	state_prefetch_all(s, task, key + 2 * STATE_NEAR, STATE_NEAR);
 *	state_near_all(s, task, key + STATE_NEAR, STATE_NEAR, &next);
 *
 * then what lies there; and who comes to a key looks there first:
 *
 *	if (state_at(&now, 0, key[0], &spot) || state_find(s, task, key[0], &spot)) ...
 */
#ifndef SK_STATE_SPOT_H
#define SK_STATE_SPOT_H

#include "state/state.h"

struct state_spot {
	struct slice value;
	struct task *task;  /* the state's */
	char *slot;
};

/* Where keys lay, most likely, some calls ago, none of which was assign, revoke or rollback;
 * {0}: nothing is known. */
#define STATE_NEAR 16
struct state_near {
	struct task *task;  /* all of it the state's */
	const uint64_t *now;
	uint64_t moved;
	char *slot[STATE_NEAR];
};

void state_prefetch_all(const struct state *, uint32_t task, const struct key128 *, size_t n);
/* n is STATE_NEAR at the most. */
void state_near_all(const struct state *, uint32_t task, const struct key128 *, size_t n,
	struct state_near *);

/* Before the bytes of a value. */
struct held {
	uint32_t n;
	uint32_t cap : 31;
	uint32_t dirty : 1; /* changed in this epoch and not yet in the log; its key is listed */
	char p[];
};

/* The value of a slot. */
static inline struct held *
held_of(const char *slot)
{
	struct held *h;

	memcpy(&h, slot + sizeof(struct key128), sizeof(h));
	return h;
}

/* True if the key, the i-th of those, is where it lay; else nothing is known of it. */
static inline bool
state_at(const struct state_near *near, size_t i, struct key128 key, struct state_spot *spot)
{
	char *slot = near->slot[i];
	struct key128 there;
	struct held *h;

	if (!near->now || *near->now != near->moved)
		return false;
	memcpy(&there, slot, sizeof(there));
	/* A free slot is like the key of zeros. */
	if (!key128_eq(there, key) || !(key.hi | key.lo))
		return false;
	h = held_of(slot);
	*spot = (struct state_spot){{h->p, h->n}, near->task, slot};
	return true;
}

/* True if the key is there; else the spot is for state_make. */
bool state_find(const struct state *, uint32_t task, struct key128, struct state_spot *);
/* Make a key that state_find has not found, with a value of n bytes, to be filled in at once,
 * and room for so many more. NULL: as state_add. */
char *state_make(struct state *, struct state_spot *, struct key128, size_t n, size_t room,
	struct failure *why);
/* Append to the value: 1; 0: the bounds do not let it be done here, but state_put may; -1. */
int state_append(struct state *, struct state_spot *, struct slice tail, struct failure *why);
int state_remove_spot(struct state *, struct state_spot *, struct failure *why);

#endif
