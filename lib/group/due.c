/*
 * A timer stands in the queue for each open group, at its deadline or before: a part that moves
 * the deadline out moves no timer. A timer that comes before its group's deadline is put back
 * to it; one that comes after it is void, since another was set when the deadline moved in.
 * Two that were put back to one deadline come one behind the other, and one goes.
 */
#include "group/many.h"

#include <stdlib.h>

#include "json/sortable.h"

/* ---- deadlines --------------------------------------------------------------------- */

static int64_t
later(int64_t us, int64_t by)
{
	return us > INT64_MAX - by ? INT64_MAX : us + by;
}

/* The least of all where there is none: then all are due at the end. */
static int64_t
deadline_of(const struct groups *g, const struct group_head *h, const char **by)
{
	int64_t us = INT64_MIN, age;

	*by = "timeout";
	if (h->first_us == TIME_NONE)
		return us;
	if (g->opt.timeout_us)
		us = later(h->last_us, g->opt.timeout_us);
	if (g->opt.max_age_us) {
		age = later(h->first_us, g->opt.max_age_us);
		if (!g->opt.timeout_us || age <= us) {
			us = age;
			*by = "max-age";
		}
	}
	return us;
}

/* Timers of one deadline stand in the order of the keys that people read. */
static void
add_timer(struct groups *g, struct task *t, int64_t us, struct key128 key, struct slice kept)
{
	struct slice text = slice_of(kept.p + sizeof(struct group_head),
		entry_head_of(kept).key_n);
	struct failure ignored;
	struct json_doc d;

	buf_reset(&g->order);
	if (json_doc_of(&g->scan, text, &d, &ignored) == 0)
		json_add_sortable(&g->order, &d, 0);
	timers_add(&t->timers, us, key, buf_slice(&g->order));
}

void
groups_set_timer(struct groups *g, struct task *t, struct key128 key, const struct group_head *is,
	const struct group_head *was, struct slice kept)
{
	const char *by;
	int64_t us = deadline_of(g, is, &by);

	if (!was || us < deadline_of(g, was, &by))
		add_timer(g, t, us, key, kept);
}

bool
groups_due(struct groups *g, uint32_t task, int64_t us, struct due *due)
{
	struct task *t = task_of(g, task);
	struct timer timer;
	struct group_head h;
	bool found = false;

	while (!found && timers_due(&t->timers, us == INT64_MAX ? us : us - 1, &timer)) {
		due->key = timer.key;
		if (groups_find(g, task, timer.key, &due->kept) == GROUP_IS_OPEN) {
			h = group_head_of(due->kept);
			due->us = deadline_of(g, &h, &due->by);
			found = due->us == timer.us;
			if (due->us > timer.us)
				timers_add(&t->timers, due->us, timer.key, timer.order);
		}
		free((void *)(uintptr_t)timer.order.p);
	}
	return found;
}

/* ---- made again from the state ----------------------------------------------------- */

struct visit {
	struct groups *g;
	struct task *t;
	uint64_t open;
};

static int
take_up(void *arg, struct key128 key, struct slice kept)
{
	struct visit *v = arg;
	struct closed_entry closed;
	struct group_head h;
	const char *by;

	if (entry_head_of(kept).is == ENTRY_CLOSED && v->g->opt.closed) {
		memcpy(&closed, kept.p, sizeof(closed));
		closed_found(&v->t->closed, closed.number, key);
	}
	if (entry_head_of(kept).is != ENTRY_OPEN)
		return 0;
	h = group_head_of(kept);
	v->t->open = true;
	v->t->current = key;
	if (groups_timed(v->g) || v->g->ending)
		add_timer(v->g, v->t, deadline_of(v->g, &h, &by), key, kept);
	return 0;
}

void
groups_make_again(struct groups *g, struct task *t)
{
	struct visit v = {g, t, 0};

	timers_release(&t->timers);
	closed_release(&t->closed);
	t->open = false;
	t->forgotten_us = INT64_MIN;
	state_each(g->state, t->id, take_up, &v);
	closed_sort(&t->closed);
}

static int
count_open(void *arg, struct key128 key, struct slice kept)
{
	struct visit *v = arg;

	(void)key;
	v->open += entry_head_of(kept).is == ENTRY_OPEN;
	return 0;
}

uint64_t
groups_open(struct groups *g)
{
	struct visit v = {g, NULL, 0};
	size_t i;

	for (i = 0; i < g->ntasks; i++)
		state_each(g->state, g->task[i].id, count_open, &v);
	return v.open;
}

void
groups_all_due(struct groups *g)
{
	size_t i;

	g->ending = true;
	for (i = 0; i < g->ntasks && !groups_timed(g); i++)
		groups_make_again(g, &g->task[i]);
}
