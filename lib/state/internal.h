/*
 * What the files of this room share: a state, its tasks, and the verbs by which one file
 * calls another.
 *
 *	state.c     keys and values
 *	bounds.c    memory and number of keys, and what gives way
 *	life.c      assign, revoke, rollback, barrier
 */
#ifndef SK_STATE_INTERNAL_H
#define SK_STATE_INTERNAL_H

#include "state/parts.h"
#include "state/record.h"
#include "state/state.h"

/* A value of no fixed size. */
struct held {
	uint32_t n;
	uint32_t cap : 31;
	uint32_t dirty : 1; /* changed in this epoch and not yet in the log; its key is listed */
	char p[];
};

struct task {
	uint32_t id;
	struct parts parts;
	int64_t horizon;      /* values of an earlier time are not there */
	bool horizon_moved;   /* in this epoch */
	uint64_t stamp;       /* of the key made next */
	uint64_t credit;      /* slots that may be looked at for what expired */
	unsigned hand;        /* part that is swept next */
};

struct state {
	struct state_options opt;
	const struct flow_place *place;
	size_t entry;         /* bytes of a slot */
	bool variable, evict;
	struct task **task;   /* by id */
	size_t ntasks, cap_tasks;
	struct task *last;    /* looked up last */
	struct keyed secret;
	uint64_t max_memory, max_keys; /* 0: no bound */
	uint64_t keys;        /* of all tasks, those included that expired and still lie there */
	uint64_t tables, values, buffers; /* bytes */
	uint64_t rest;        /* keys given up before all parts are swept again for a bound */

	/* The oldest keys, the next one to go last. */
	struct elder *elder;
	size_t nelders, cap_elders;
	int (*evicted)(void *, uint32_t, struct key128, struct slice);
	void *evicted_arg;
};

/* ---- state.c ------------------------------------------------------------------------------- */

struct task *state_task(const struct state *, uint32_t id); /* NULL: not assigned */
struct slice state_value(const struct state *, const char *slot);
void state_set_value(struct state *, char *slot, struct slice value, bool fresh);
void state_drop(struct state *, struct task *, char *slot);
/* Forget all that a task holds. */
void state_empty(struct state *, struct task *);
/* Take what expired out of a part. */
void state_sweep(struct state *, struct task *, unsigned part);
/* A change that comes from a file. */
void state_apply(struct state *, struct task *, const struct change *);

static inline int64_t
value_time(struct slice value)
{
	int64_t us = INT64_MAX;

	if (value.n >= sizeof(us))
		memcpy(&us, value.p, sizeof(us));
	return us;
}

static inline bool
state_gone(const struct state *s, const struct task *t, const char *slot)
{
	return s->opt.expires && value_time(state_value(s, slot)) < t->horizon;
}

static inline uint64_t *
slot_stamp(const struct state *s, const char *slot)
{
	return (uint64_t *)(uintptr_t)(slot + s->entry - sizeof(uint64_t));
}

/* ---- bounds.c ------------------------------------------------------------------------------ */

/* A quarter of what the machine, or the control group, has. */
uint64_t state_default_memory(void);
/* Make the part of key fit for one more, and room for so many bytes and keys. */
int state_room(struct state *, struct task *, struct key128, uint64_t bytes,
	unsigned keys, struct failure *why);
void state_elders_release(struct state *);

/* ---- log.c --------------------------------------------------------------------------------- */

static inline int
log_put(struct state *s, struct task *t, char *slot, struct failure *why)
{
	(void)s, (void)t, (void)slot, (void)why;
	return 0;
}

static inline int
log_remove(struct state *s, struct task *t, struct key128 key, struct failure *why)
{
	(void)s, (void)t, (void)key, (void)why;
	return 0;
}

#endif
