/* Groups in the state. */
#include "group/many.h"

#include <stdlib.h>

#include "base/mem.h"

#define ROOM_MOST 1024  /* bytes that a group is made with, in expectation of its parts */
#define FORGET_STEPS 64 /* a closed key is kept for this part of its time too long */

static int
given_up(void *arg, uint32_t task, struct key128 key, struct slice kept)
{
	struct groups *g = arg;

	(void)task;
	if (entry_head_of(kept).is != ENTRY_OPEN)
		return 0;
	g->evicted++;
	g->hand_gone |= key128_eq(key, g->hand);
	return 0;
}

uint64_t
groups_evicted(const struct groups *g)
{
	return g->evicted;
}

struct groups *
groups_new(const struct groups_options *options, const struct state_options *state_options,
	const struct op_context *ctx)
{
	struct groups *g = mem_zalloc(sizeof(*g));
	struct state_options own = *state_options;

	g->opt = *options;
	own.value_bytes = STATE_VARIABLE;
	own.expires = options->closed_us > 0;
	g->state = state_new(&own, ctx);
	state_on_evict(g->state, given_up, g);
	g->made = keyed_draw().k0;
	return g;
}

static void
task_release(struct task *t)
{
	timers_release(&t->timers);
	closed_release(&t->closed);
}

void
groups_free(struct groups *g)
{
	size_t i;

	if (!g)
		return;
	for (i = 0; i < g->ntasks; i++)
		task_release(&g->task[i]);
	free(g->task);
	state_free(g->state);
	json_scan_release(&g->scan);
	buf_release(&g->order);
	free(g);
}

struct key128
groups_key(const struct groups *g, struct slice canonical)
{
	return state_key(g->state, canonical);
}

void
groups_key_all(const struct groups *g, const struct slice *canonical, size_t n,
	struct key128 *keys)
{
	state_key_all(g->state, canonical, n, keys);
}

uint64_t
groups_assigned(const struct groups *g)
{
	return g->assigned;
}

struct state *
groups_state(const struct groups *g)
{
	return g->state;
}

/* ---- callbacks --------------------------------------------------------------------- */

int
groups_assign(struct groups *g, uint32_t task, struct failure *why)
{
	size_t at = g->ntasks;

	g->assigned++;
	if (state_assign(g->state, task, why) < 0)
		return -1;
	g->task = mem_grow(g->task, &g->cap_tasks, g->ntasks + 1, sizeof(*g->task));
	for (; at && g->task[at - 1].id > task; at--)
		g->task[at] = g->task[at - 1];
	g->task[at] = (struct task){.id = task, .forgotten_us = INT64_MIN};
	g->ntasks++;
	return 0;
}

int
groups_revoke(struct groups *g, uint32_t task, struct failure *why)
{
	struct task *t = task_of(g, task);

	task_release(t);
	g->ntasks--;
	memmove(t, t + 1, (size_t)(g->task + g->ntasks - t) * sizeof(*t));
	return state_revoke(g->state, task, why);
}

int
groups_rollback(struct groups *g, uint64_t epoch, struct failure *why)
{
	size_t i;

	if (state_rollback(g->state, epoch, why) < 0)
		return -1;
	g->ending = false;
	for (i = 0; i < g->ntasks; i++)
		groups_make_again(g, &g->task[i]);
	return 0;
}

int
groups_barrier(struct groups *g, uint64_t epoch, struct failure *why)
{
	return state_barrier(g->state, epoch, why);
}

int
groups_watermark(struct groups *g, uint32_t task, int64_t us, struct failure *why)
{
	struct task *t = task_of(g, task);
	int64_t step = g->opt.closed_us / FORGET_STEPS + 1;

	if (!g->opt.closed_us || us < INT64_MIN + g->opt.closed_us + step)
		return 0;
	us -= g->opt.closed_us;
	us -= (us % step + step) % step;
	if (us <= t->forgotten_us)
		return 0;
	t->forgotten_us = us;
	return state_expire(g->state, task, us, why);
}

size_t
groups_ntasks(const struct groups *g)
{
	return g->ntasks;
}

uint32_t
groups_task(const struct groups *g, size_t i)
{
	return g->task[i].id;
}

/* ---- one group --------------------------------------------------------------------- */

enum group_is
groups_find(struct groups *g, uint32_t task, struct key128 key, struct slice *kept)
{
	if (!state_get(g->state, task, key, kept))
		return GROUP_IS_NEW;
	return entry_head_of(*kept).is == ENTRY_OPEN ? GROUP_IS_OPEN : GROUP_IS_CLOSED;
}

void
groups_load(struct groups *g, uint32_t task, struct key128 key, struct slice kept,
	struct group *group)
{
	group_load(group, kept);
	pieces_place(&group->pieces, g->state, task, key, group->h.made);
	g->hand = key;
	g->hand_gone = false;
}

void
groups_begin(struct groups *g, uint32_t task, struct key128 key, struct slice key_json,
	struct group *group)
{
	group_begin(group, key_json);
	group->h.made = g->made++;
	pieces_place(&group->pieces, g->state, task, key, group->h.made);
}

bool
groups_other(struct groups *g, uint32_t task, struct key128 key, struct key128 *other,
	struct slice *kept)
{
	struct task *t = task_of(g, task);

	if (!g->opt.sorted || !t->open || key128_eq(t->current, key))
		return false;
	*other = t->current;
	return groups_find(g, task, t->current, kept) == GROUP_IS_OPEN;
}

/*
 * Where groups are given up for the bounds, the eldest entries go. A group has to be older than
 * its pieces, so it is put before them; and one with pieces that goes while a part is put in
 * has gone with the part. Pieces that are left behind are nobody's, since a group that is made
 * again has another number, and go when they are the eldest.
 */
int
groups_keep(struct groups *g, uint32_t task, struct key128 key, struct group *group,
	const struct group_head *was, struct failure *why)
{
	struct task *t = task_of(g, task);
	struct slice kept = group_keep(group);

	if (was && was->spilled && g->hand_gone)
		return 0;
	t->open = true;
	t->current = key;
	if (groups_timed(g))
		groups_set_timer(g, t, key, &group->h, was, kept);
	if (state_put(g->state, task, key, kept, why) < 0)
		return -1;
	return pieces_keep(&group->pieces, why);
}

int
groups_drop_pieces(struct groups *g, uint32_t task, struct key128 key,
	const struct group_head *was, struct failure *why)
{
	struct pieces p = {0};
	struct buf copy = {0};
	struct slice kept;
	int rc;

	if (!was->spilled || groups_find(g, task, key, &kept) != GROUP_IS_OPEN)
		return 0;
	buf_add_slice(&copy, kept);
	pieces_place(&p, g->state, task, key, was->made);
	rc = pieces_remove(&p, buf_slice(&copy), why);
	buf_release(&copy);
	return rc;
}

int
groups_close(struct groups *g, uint32_t task, struct key128 key, const struct group_head *was,
	int64_t us, struct failure *why)
{
	struct closed_entry mark = {.e = {.expires_us = us, .is = ENTRY_CLOSED}};
	struct task *t = task_of(g, task);
	struct key128 eldest;

	if (t->open && key128_eq(t->current, key))
		t->open = false;
	if (was && was->spilled && groups_drop_pieces(g, task, key, was, why) < 0)
		return -1;
	if (!g->opt.closed && !g->opt.closed_us)
		return was ? state_remove(g->state, task, key, why) : 0;
	if (g->opt.closed)
		mark.number = closed_add(&t->closed, key);
	if (state_put(g->state, task, key, slice_of((const char *)&mark, sizeof(mark)), why) < 0)
		return -1;
	while (closed_eldest(&t->closed, g->opt.closed, &eldest))
		if (state_remove(g->state, task, eldest, why) < 0)
			return -1;
	return 0;
}

/* ---- where it lies ----------------------------------------------------------------- */

/* With room for what the one before came to. */
char *
groups_make(struct groups *g, struct state_spot *spot, struct key128 key, size_t n,
	struct failure *why)
{
	char *p = state_make(g->state, spot, key, n, g->bytes > n ? g->bytes - n : 0, why);

	if (p)
		((struct group_head *)(void *)p)->made = g->made++;
	return p;
}

int
groups_finished(struct groups *g, struct state_spot *spot, struct failure *why)
{
	g->bytes = spot->value.n < ROOM_MOST ? spot->value.n : ROOM_MOST;
	return state_remove_spot(g->state, spot, why);
}
