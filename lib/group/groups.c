/*
 * A timer stands in the queue for each open group, at its deadline or before: a part that moves
 * the deadline out moves no timer. A timer that comes before its group's deadline is put back
 * to it; one that comes after it is void, since another was set when the deadline moved in.
 * Two that were put back to one deadline come one behind the other, and one goes.
 */
#include "group/groups.h"

#include <stdlib.h>

#include "base/mem.h"
#include "group/closed.h"
#include "json/sortable.h"
#include "window/timers.h"

#define ROOM_MOST 1024  /* bytes that a group is made with, in expectation of its parts */
#define FORGET_STEPS 64 /* a closed key is kept for this part of its time too long */

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

static struct task *
task_of(const struct groups *g, uint32_t id)
{
	size_t i;

	for (i = 0; i + 1 < g->ntasks && g->task[i].id != id; i++)
		;
	return &g->task[i];
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

void
groups_prefetch(const struct groups *g, uint32_t task, struct key128 key)
{
	state_prefetch(g->state, task, key);
}

struct state_near
groups_near(const struct groups *g, uint32_t task, struct key128 key)
{
	return state_near(g->state, task, key);
}

/* ---- deadlines --------------------------------------------------------------------- */

static bool
is_timed(const struct groups *g)
{
	return g->opt.timeout_us || g->opt.max_age_us;
}

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
	if (is_timed(v->g) || v->g->ending)
		add_timer(v->g, v->t, deadline_of(v->g, &h, &by), key, kept);
	return 0;
}

static void
make_again(struct groups *g, struct task *t)
{
	struct visit v = {g, t, 0};

	task_release(t);
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
	for (i = 0; i < g->ntasks && !is_timed(g); i++)
		make_again(g, &g->task[i]);
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
		make_again(g, &g->task[i]);
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
	const char *by;
	int64_t us;

	if (was && was->spilled && g->hand_gone)
		return 0;
	t->open = true;
	t->current = key;
	if (is_timed(g)) {
		us = deadline_of(g, &group->h, &by);
		if (!was || us < deadline_of(g, was, &by))
			add_timer(g, t, us, key, kept);
	}
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

bool
groups_spot(const struct groups *g, uint32_t task, struct key128 key, struct state_near near,
	struct state_spot *spot)
{
	return state_find(g->state, task, key, near, spot);
}

/* With room for what the one before came to. */
char *
groups_make(struct groups *g, struct state_spot *spot, struct key128 key, struct group_head *h,
	size_t n, struct failure *why)
{
	size_t bytes = sizeof(*h) + n;
	char *p = state_make(g->state, spot, key, bytes, g->bytes > bytes ? g->bytes - bytes : 0,
		why);

	if (!p)
		return NULL;
	h->made = g->made++;
	memcpy(p, h, sizeof(*h));
	return p + sizeof(*h);
}

int
groups_append(struct groups *g, struct state_spot *spot, const struct group_head *h,
	struct slice tail, struct failure *why)
{
	int rc = state_append(g->state, spot, tail, why);

	if (rc > 0)
		memcpy((char *)(uintptr_t)spot->value.p, h, sizeof(*h));
	return rc;
}

int
groups_finished(struct groups *g, struct state_spot *spot, struct failure *why)
{
	g->bytes = spot->value.n < ROOM_MOST ? spot->value.n : ROOM_MOST;
	return state_remove_spot(g->state, spot, why);
}
