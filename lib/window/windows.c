/* Tasks, and which engine a call is for. */
#include "window/windows.h"

#include <stdlib.h>

#include "base/mem.h"
#include "json/sortable.h"
#include "window/blocks.h"
#include "window/engine.h"

/* What a task knows of time, as it lies in the state from barrier to barrier. */
struct task_clock {
	uint8_t kind;
	uint8_t unused[7];
	int64_t closed_us, tick;
};

struct engine {
	enum windows_became (*add)(struct windows *, struct windows_task *,
		const struct reading *);
	int (*close)(struct windows *, struct windows_task *);
	int (*tick)(struct windows *, struct windows_task *);
	int (*found)(struct windows *, struct windows_task *, struct key128, struct slice);
	void (*lost)(struct windows *, struct key128, struct slice,
		void (*)(struct cells *, struct key128));
};

static const struct engine engines[WINDOW_KINDS] = {
	[WINDOW_TUMBLING] = {panes_add, panes_close, panes_tick, panes_found},
	[WINDOW_HOPPING] = {panes_add, panes_close, panes_tick, panes_found},
	[WINDOW_CUMULATE] = {panes_add, panes_close, panes_tick, panes_found},
	[WINDOW_SESSION] = {sessions_add, sessions_close, sessions_tick, sessions_found,
		sessions_lost},
	[WINDOW_SLIDING] = {sliding_add, sliding_close, NULL, sliding_found, sliding_lost},
	[WINDOW_COUNT] = {count_add, count_close, NULL, count_found},
};

static const struct engine *
engine_of(const struct windows *w)
{
	return &engines[w->plan->shape.kind];
}

static void
lost(void *arg, struct key128 owner, struct slice value,
	void (*cell)(struct cells *, struct key128))
{
	struct windows *w = arg;

	w->lost = true;
	if (engine_of(w)->lost)
		engine_of(w)->lost(w, owner, value, cell);
}

/* ---- making ------------------------------------------------------------------------ */

struct windows *
windows_new(const struct windows_plan *plan, const struct state_options *options,
	const struct op_context *ctx)
{
	struct windows *w = mem_zalloc(sizeof(*w));

	w->plan = plan;
	w->cells = cells_new(options, ctx, plan->fold, plan->nfolds, plan->fixed);
	w->state = cells_state(w->cells);
	cells_on_lost(w->cells, lost, w);
	w->cell = cell_new(w->cells);
	w->view = cell_new(w->cells);
	fold_scratch_init(&w->sum, plan->fixed, plan->nfolds);
	fold_scratch_init(&w->part, plan->fixed, plan->nfolds);
	w->inputs = mem_zalloc((plan->nfolds + 1) * sizeof(*w->inputs));
	w->no_room = mem_zalloc((plan->nfolds + 1) * sizeof(*w->no_room));
	w->evicts = ctx->place->evict;
	return w;
}

const struct cell_keys *
windows_keys(const struct windows *w)
{
	return cells_keys(w->cells);
}

static void
task_release(struct windows_task *t)
{
	panes_release(t);
	timers_release(&t->timers);
	blocks_close(t->blocks);
	t->blocks = NULL;
}

void
windows_free(struct windows *w)
{
	size_t i;

	if (!w)
		return;
	for (i = 0; i < w->ntasks; i++)
		task_release(&w->task[i]);
	free(w->task);
	free(w->list);
	cell_free(w->cell);
	cell_free(w->view);
	cells_free(w->cells);
	fold_scratch_release(&w->sum);
	fold_scratch_release(&w->part);
	free(w->no_room);
	free(w->inputs);
	fold_work_release(&w->work);
	json_scan_release(&w->scan);
	buf_release(&w->key);
	buf_release(&w->room);
	buf_release(&w->order);
	arena_release(&w->arena);
	free(w);
}

struct windows_task *
windows_task_of(const struct windows *w, uint32_t id)
{
	size_t i;

	for (i = 0; i + 1 < w->ntasks && w->task[i].id != id; i++)
		;
	return &w->task[i];
}

/* ---- what the engines share -------------------------------------------------------- */

void
windows_add_order(struct windows *w, struct slice key_text, struct buf *b)
{
	struct failure ignored;
	struct json_doc d;

	if (key_text.n && !json_add_sortable_plain(b, key_text) &&
		json_doc_of(&w->scan, key_text, &d, &ignored) == 0)
		json_add_sortable(b, &d, 0);
}

int
windows_fold(struct windows *w, struct cell *c, const struct reading *r)
{
	const struct reading_input *in = r->input, *end = in + r->n;

	for (; in < end; in++)
		if (fold_add(&w->plan->fold[in->fold], &c->fold, in->fold, &in->in, &w->work,
			w->why) < 0)
			return -1;
	return 0;
}

int
windows_merge(struct windows *w, struct fold_cell *to, const struct fold_cell *from)
{
	unsigned i;

	for (i = 0; i < w->plan->nfolds; i++)
		if (fold_merge(&w->plan->fold[i], to, i, from, &w->work, w->why) < 0)
			return -1;
	return 0;
}

int64_t
windows_closed(const struct windows *w, int64_t us)
{
	int64_t late = w->plan->shape.lateness_us;

	return us == INT64_MAX ? us : us < INT64_MIN + late ? INT64_MIN : us - late;
}

/* ---- callbacks --------------------------------------------------------------------- */

int
windows_assign(struct windows *w, uint32_t task, struct failure *why)
{
	size_t at = w->ntasks;

	if (state_assign(w->state, task, why) < 0)
		return -1;
	cells_assigned(w->cells);
	w->task = mem_grow(w->task, &w->cap_tasks, w->ntasks + 1, sizeof(*w->task));
	for (; at && w->task[at - 1].id > task; at--)
		w->task[at] = w->task[at - 1];
	w->task[at] = (struct windows_task){.id = task, .closed_us = INT64_MIN,
		.tick = INT64_MIN};
	w->ntasks++;
	return 0;
}

int
windows_revoke(struct windows *w, uint32_t task, struct failure *why)
{
	struct windows_task *t = windows_task_of(w, task);

	task_release(t);
	w->ntasks--;
	memmove(t, t + 1, (size_t)(w->task + w->ntasks - t) * sizeof(*t));
	return state_revoke(w->state, task, why);
}

struct visit {
	struct windows *w;
	struct windows_task *t;
};

static int
visit(void *arg, struct key128 key, struct slice value)
{
	struct visit *v = arg;

	return engine_of(v->w)->found(v->w, v->t, key, value);
}

static struct key128
clock_key(const struct windows *w)
{
	return state_key(w->state, SLICE("what time it is"));
}

int
windows_rollback(struct windows *w, uint64_t epoch, struct failure *why)
{
	struct windows_task *t;
	struct task_clock clock;
	struct slice v;
	size_t i;

	if (state_rollback(w->state, epoch, why) < 0)
		return -1;
	state_own(w->state, clock_key(w));
	for (i = 0; i < w->ntasks; i++) {
		t = &w->task[i];
		task_release(t);
		t->closed_us = t->tick = INT64_MIN;
		if (state_get(w->state, t->id, clock_key(w), &v)) {
			memcpy(&clock, v.p, sizeof(clock));
			t->closed_us = clock.closed_us;
			t->tick = clock.tick;
		}
		if (state_each(w->state, t->id, visit, &(struct visit){w, t}) < 0)
			return -1;
	}
	return 0;
}

int
windows_barrier(struct windows *w, uint64_t epoch, struct failure *why)
{
	struct task_clock clock = {.kind = KIND_CLOCK};
	size_t i;

	for (i = 0; i < w->ntasks; i++) {
		clock.closed_us = w->task[i].closed_us;
		clock.tick = w->task[i].tick;
		if (state_put(w->state, w->task[i].id, clock_key(w),
			slice_of((const char *)&clock, sizeof(clock)), why) < 0)
			return -1;
	}
	return state_barrier(w->state, epoch, why);
}

/* The timers of what was given up stand in the queue until their time comes: it is made anew
 * when it has doubled. */
static int
thin_timers(struct windows *w, struct windows_task *t)
{
	if (!w->evicts || t->timers.n <= t->timers_most)
		return 0;
	timers_release(&t->timers);
	if (state_each(w->state, t->id, visit, &(struct visit){w, t}) < 0)
		return -1;
	t->timers_most = 2 * t->timers.n + 64;
	return 0;
}

/* Sums of what was given up are none of what is there. */
static void
drop_blocks(struct windows *w)
{
	size_t i;

	if (!w->evicts || (!w->lost && cells_evicted(w->cells) == w->evicted))
		return;
	w->lost = false;
	w->evicted = cells_evicted(w->cells);
	for (i = 0; i < w->ntasks; i++) {
		blocks_close(w->task[i].blocks);
		w->task[i].blocks = NULL;
	}
}

/* What was given up takes what belongs to it along. */
static enum windows_became
tidy(struct windows *w, struct windows_task *t, enum windows_became became)
{
	if (became != WINDOWS_FAILED &&
		(cells_tidy(w->cells, w->why) < 0 || thin_timers(w, t) < 0))
		return WINDOWS_FAILED;
	drop_blocks(w);
	return became;
}

enum windows_became
windows_add(struct windows *w, uint32_t task, const struct reading *r, struct emit *e,
	struct failure *why)
{
	struct windows_task *t = windows_task_of(w, task);

	w->emit = e;
	w->why = why;
	return tidy(w, t, engine_of(w)->add(w, t, r));
}

enum windows_became
windows_take(struct windows *w, uint32_t task, const struct record *r, struct emit *e,
	struct failure *why)
{
	struct windows_task *t = windows_task_of(w, task);

	w->emit = e;
	w->why = why;
	return tidy(w, t, partials_take(w, t, r));
}

static int
pass_time(struct windows *w, struct windows_task *t, int64_t us)
{
	int64_t every = w->plan->every_us, tick;

	if (every && engine_of(w)->tick && us != INT64_MAX) {
		tick = us / every - (us % every < 0);
		/* The first one only tells where they begin. */
		if (tick > t->tick && t->tick != INT64_MIN && engine_of(w)->tick(w, t) < 0)
			return -1;
		if (tick > t->tick)
			t->tick = tick;
	}
	us = windows_closed(w, us);
	if (us <= t->closed_us)
		return 0;
	t->closed_us = us;
	return engine_of(w)->close(w, t);
}

int
windows_watermark(struct windows *w, uint32_t task, int64_t us, struct emit *e,
	struct failure *why)
{
	w->emit = e;
	w->why = why;
	return pass_time(w, windows_task_of(w, task), us);
}

int
windows_end(struct windows *w, struct emit *e, struct failure *why)
{
	int64_t closed_us;
	size_t i;

	w->emit = e;
	w->why = why;
	for (i = 0; i < w->ntasks; i++) {
		/* A later run, over what the input has grown by, goes on from here. */
		closed_us = w->task[i].closed_us;
		if (pass_time(w, &w->task[i], INT64_MAX) < 0)
			return -1;
		w->task[i].closed_us = closed_us;
	}
	return 0;
}

uint64_t
windows_evicted(const struct windows *w)
{
	return cells_evicted(w->cells);
}
