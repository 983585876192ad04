/* groups as they lie in memory: what groups.c and due.c share; nobody else includes it. */
#ifndef SK_GROUP_MANY_H
#define SK_GROUP_MANY_H

#include "group/closed.h"
#include "group/groups.h"
#include "window/timers.h"

struct task {
	uint32_t id;
	struct timers timers;
	struct closed closed;
	struct key128 current; /* sorted: of the open group */
	bool open;
	int64_t forgotten_us;  /* up to where closed keys were forgotten */
};

struct groups {
	struct groups_options opt;
	struct state *state;
	struct task *task;     /* by id */
	size_t ntasks, cap_tasks;
	bool ending;
	uint64_t evicted, assigned;
	uint64_t made;         /* the number of the group made next */
	size_t bytes;          /* that the last group which was finished where it lay had */
	struct key128 hand;    /* of the group loaded last, */
	bool hand_gone;        /* and whether it was given up since */
	struct json_scan scan;
	struct buf order;
};

static inline struct task *
task_of(const struct groups *g, uint32_t id)
{
	size_t i;

	for (i = 0; i + 1 < g->ntasks && g->task[i].id != id; i++)
		;
	return &g->task[i];
}

static inline bool
groups_timed(const struct groups *g)
{
	return g->opt.timeout_us || g->opt.max_age_us;
}

/* ---- due.c ------------------------------------------------------------------------- */

/* The queue and the rest of a task, from its state. */
void groups_make_again(struct groups *, struct task *);
/* A group is kept; was: as before, or NULL. A timer is set where none will do. */
void groups_set_timer(struct groups *, struct task *, struct key128, const struct group_head *,
	const struct group_head *was, struct slice kept);

#endif
