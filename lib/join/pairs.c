/* Turns, meetings, and the end of waiting. */
#include "join/pairs.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "join/agenda.h"
#include "join/index.h"
#include "join/journal.h"
#include "join/queue.h"
#include "join/spill.h"

#define AHEAD 16 /* of those whose time is over, for the cache; */
#define SOON 8   /* of turns; */
#define MANY 64  /* turns wait: who comes now has time */

struct task {
	uint32_t id;
	struct agenda waiting;  /* for their turn */
	struct spill *spill;    /* the same on disk, or NULL */
	struct index index;     /* had their turn */
	struct queue due[2];    /* the same by side, in the order in which their time is over */
	struct agenda expiring; /* the same, those that are in no such order */
	struct journal_mark mark;
};

struct pairs {
	const struct join_plan *plan;
	struct flow_place *place;
	struct result *result;
	struct journal *journal;/* NULL: memory alone */
	struct pool pool;
	struct task **task;
	size_t ntasks, cap_tasks;
	uint64_t items, max_items, max_memory;
	bool evict;
	/* The end of an item's time leads to something. Else it doesn't matter if one goes a
	 * little later, behind one that had its turn before. */
	bool exact;
	uint64_t worry;         /* bytes of the pool from which on the bounds are looked at */
	uint64_t seed;
	struct item **batch;    /* of one instant */
	size_t cap_batch;
	struct emit *emit;      /* of the callback in hand */
	struct failure *why;
};

struct pairs *
pairs_new(const struct join_plan *plan, const struct op_context *ctx, struct result *result)
{
	struct flow_place *place = ctx->place;
	struct pairs *p = mem_zalloc(sizeof(*p));

	p->plan = plan;
	p->result = result;
	p->seed = hash_process_seed();
	p->max_memory = place->max_memory ? place->max_memory : state_default_memory();
	p->max_items = place->max_keys ? place->max_keys : UINT64_MAX;
	p->evict = place->evict;
	p->exact = plan->missing != MISSING_DROP || p->evict;
	p->place = place;
	return p;
}

static struct task *
task_of(const struct pairs *p, uint32_t id)
{
	size_t i;

	for (i = 0; i + 1 < p->ntasks && p->task[i]->id != id; i++)
		;
	return p->task[i];
}

uint64_t
pairs_given_up(const struct pairs *p)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < p->ntasks; i++)
		n += p->task[i]->mark.given_up;
	return n;
}

/* ---- the end of an item ------------------------------------------------------------------ */

/* early: its time is not over. */
static int
let_go(struct pairs *p, struct task *t, struct item *i, bool early)
{
	int rc = journal_forget(p->journal, t->id, i, early, p->why);

	item_free(&p->pool, i);
	p->items--;
	return rc;
}

static int
unmatched(struct pairs *p, const struct item *left, int64_t us)
{
	switch (p->plan->missing) {
	case MISSING_DROP:
		break;
	case MISSING_EMIT:
		return result_of_items(p->result, p->emit, left, NULL, us, p->why);
	case MISSING_DEAD:
		result_dead(p->result, p->emit, left);
		break;
	}
	return 0;
}

/* --expires may lie before the record's own time. */
static int64_t
over_us(const struct item *i)
{
	return i->us > i->until_us ? i->us : i->until_us;
}

/* One that had its turn, and whose time is over, or never comes (early). */
static int
time_is_over(struct pairs *p, struct task *t, struct item *i, bool early)
{
	int rc = 0;

	if (!i->done) {
		index_remove(&t->index, i);
		if (i->side == SIDE_LEFT && !i->paired) {
			result_forget(p->result);
			rc = unmatched(p, i, over_us(i));
		}
	}
	/* What is done was taken out of the journal then. */
	return (let_go(p, t, i, early && !i->done) < 0 || rc < 0) ? -1 : 0;
}

/* Take all of the earliest instant out of an agenda, in their order; how many. */
static size_t
take_instant(struct pairs *p, struct agenda *a)
{
	int64_t us = agenda_next(a);
	size_t n;

	for (n = 0; a->n && agenda_next(a) == us; n++) {
		p->batch = mem_grow(p->batch, &p->cap_batch, n + 1, sizeof(struct item *));
		p->batch[n] = agenda_take(a);
	}
	if (n > 1)
		items_sort(p->batch, n);
	return n;
}

/* The next instant at which the time of some in the agenda is over: what is over before that
 * and with it in the queue of the left ones goes along. */
static int
expire_instant(struct pairs *p, struct task *t)
{
	struct queue *q = &t->due[SIDE_LEFT];
	int64_t us = agenda_next(&t->expiring);
	const struct queued *first;
	size_t n, k;
	int rc = 0;

	while (rc == 0 && (first = queue_first(q)) && first->until_us < us)
		rc = time_is_over(p, t, queue_take(q), false);
	n = take_instant(p, &t->expiring);
	for (; (first = queue_first(q)) && first->until_us == us; n++) {
		p->batch = mem_grow(p->batch, &p->cap_batch, n + 1, sizeof(struct item *));
		p->batch[n] = queue_take(q);
	}
	items_sort(p->batch, n);
	for (k = 0; k < n && rc == 0; k++)
		rc = time_is_over(p, t, p->batch[k], false);
	return rc;
}

/* All whose time was over before us. The right ones say nothing, so their order among the left
 * ones doesn't matter. */
static int
expire(struct pairs *p, struct task *t, int64_t us)
{
	const struct queued *first, *ahead;
	int side, rc = 0;

	while (rc == 0 && agenda_next(&t->expiring) < us)
		rc = expire_instant(p, t);
	for (side = 0; side < 2; side++)
		while (rc == 0 && (first = queue_first(&t->due[side])) && first->until_us < us) {
			ahead = queue_at(&t->due[side], AHEAD);
			if (ahead) {
				queue_prefetch(&t->due[side], 2 * AHEAD);
				index_prefetch(&t->index, ahead->hash);
				__builtin_prefetch(ahead->item, 1);
				__builtin_prefetch((const char *)ahead->item + 64, 1);
			}
			rc = time_is_over(p, t, queue_take(&t->due[side]), false);
		}
	return rc;
}

/* ---- a turn ------------------------------------------------------------------------------ */

static int
meet(struct pairs *p, struct task *t, struct item *left, struct item *right, int64_t us)
{
	if (!left->paired) {
		left->paired = true;
		if (p->plan->missing != MISSING_DROP && p->plan->with != WITH_ROWS &&
			journal_change(p->journal, t->id, left, p->why) < 0)
			return -1;
	}
	if (p->plan->type == JOIN_ANTI)
		return 0;
	return result_of_items(p->result, p->emit, left, right, us, p->why);
}

/* Nobody is to find it any more; it stays in the queue until its time is over. */
static int
set_done(struct pairs *p, struct task *t, struct item *i)
{
	index_remove(&t->index, i);
	i->done = true;
	return journal_forget(p->journal, t->id, i, true, p->why);
}

static void
keep(struct pairs *p, struct task *t, struct item *i)
{
	struct queue *q = &t->due[i->side];
	const struct queued *last = q->n ? queue_at(q, q->n - 1) : NULL;

	index_put(&t->index, i);
	if (p->plan->with == WITH_ROWS && i->side == SIDE_RIGHT)
		return;
	if (p->plan->expr[PLAN_EXPIRES] || (p->exact && last && last->until_us > i->until_us))
		agenda_add(&t->expiring, over_us(i), i);
	else
		queue_add(q, i);
}

/* us: the instant of its turn, not before its own time. */
static int
stream_turn(struct pairs *p, struct task *t, struct item *x, int64_t us)
{
	struct index_slot *s = index_find(&t->index, x);
	struct item *last = s ? s->last[!x->side] : NULL, *o, *next;
	bool left = x->side == SIDE_LEFT, anti = p->plan->type == JOIN_ANTI;

	for (o = ring_first(last); o; o = next) {
		next = ring_next(last, o);
		if (x->us > o->until_us || o->us > x->until_us)
			continue;
		if (meet(p, t, left ? x : o, left ? o : x, us) < 0)
			return -1;
		if (anti && !left && set_done(p, t, o) < 0)
			return -1;
	}
	if (left ? anti && x->paired : x->until_us <= us)
		return let_go(p, t, x, left);
	keep(p, t, x);
	return 0;
}

/* Those that waited for a row of their key. */
static int
row_comes(struct pairs *p, struct task *t, struct item *row)
{
	struct index_slot *s;
	struct item *first;

	while ((s = index_find(&t->index, row)) && (first = ring_first(s->last[SIDE_LEFT]))) {
		if (meet(p, t, first, row, row->us) < 0 || set_done(p, t, first) < 0)
			return -1;
	}
	return 0;
}

static int
row_turn(struct pairs *p, struct task *t, struct item *row)
{
	struct index_slot *s = index_find(&t->index, row);
	struct item *old = s ? s->last[SIDE_RIGHT] : NULL;

	if (old) {
		index_remove(&t->index, old);
		if (let_go(p, t, old, true) < 0)
			return -1;
	}
	if (row->removes)
		return let_go(p, t, row, true);
	if (row_comes(p, t, row) < 0)
		return -1;
	keep(p, t, row);
	return 0;
}

static int
event_turn(struct pairs *p, struct task *t, struct item *x)
{
	struct index_slot *s = index_find(&t->index, x);
	struct item *row = s ? s->last[SIDE_RIGHT] : NULL;

	if (!row && x->until_us > x->us) {
		keep(p, t, x);
		return 0;
	}
	if ((row ? meet(p, t, x, row, x->us) : unmatched(p, x, x->us)) < 0)
		return -1;
	return let_go(p, t, x, true);
}

static int
take_turn(struct pairs *p, struct task *t, struct item *x)
{
	result_forget(p->result);
	if (p->plan->with != WITH_ROWS)
		return stream_turn(p, t, x, x->us > t->mark.now_us ? x->us : t->mark.now_us);
	return x->side == SIDE_RIGHT ? row_turn(p, t, x) : event_turn(p, t, x);
}

/* ---- turns ------------------------------------------------------------------------------- */

static int64_t
next_on_disk(const struct task *t)
{
	const struct item *i = t->spill ? spill_first(t->spill) : NULL;

	return i ? i->us : INT64_MAX;
}

/* All of one instant, those on disk put in where they belong. */
static int
turns_of(struct pairs *p, struct task *t, int64_t us)
{
	size_t n = agenda_next(&t->waiting) == us ? take_instant(p, &t->waiting) : 0, i = 0;
	const struct item *soon = agenda_soon(&t->waiting, SOON);
	struct item *x;

	if (soon) {
		index_prefetch(&t->index, soon->hash);
		__builtin_prefetch(agenda_soon(&t->waiting, SOON / 2), 1);
	}

	while (next_on_disk(t) == us) {
		if (i < n && item_cmp(p->batch[i], spill_first(t->spill)) <= 0) {
			x = p->batch[i++];
		} else {
			if (spill_take(t->spill, &x, p->why) < 0)
				return -1;
			p->items++;
		}
		if (take_turn(p, t, x) < 0)
			return -1;
	}
	for (; i < n; i++)
		if (take_turn(p, t, p->batch[i]) < 0)
			return -1;
	return 0;
}

static int
turns_before(struct pairs *p, struct task *t, int64_t us)
{
	int64_t next, disk;

	for (;;) {
		next = agenda_next(&t->waiting);
		disk = next_on_disk(t);
		if (disk < next)
			next = disk;
		if (next >= us)
			return 0;
		if (expire(p, t, next) < 0 || turns_of(p, t, next) < 0)
			return -1;
		t->mark.now_us = next + 1;
	}
}

static void
begin(struct pairs *p, struct emit *e, struct failure *why)
{
	p->emit = e;
	p->why = why;
}

int
pairs_watermark(struct pairs *p, uint32_t task, int64_t us, struct emit *e,
	struct failure *why)
{
	struct task *t = task_of(p, task);

	begin(p, e, why);
	if (turns_before(p, t, us) < 0 || expire(p, t, us) < 0)
		return -1;
	if (us > t->mark.now_us)
		t->mark.now_us = us;
	if (us > t->mark.gone_us)
		t->mark.gone_us = us;
	return journal_expire(p->journal, task, us, why);
}

/* The left ones that are still kept, as if their time were over. What has met somebody stays,
 * as the right ones do: where state outlives the run, others may come. */
static int
end_waiting(struct pairs *p, struct task *t)
{
	size_t n = t->due[SIDE_LEFT].n, i;
	struct item *x;
	int rc = 0;

	if (p->plan->missing == MISSING_DROP)
		return 0;
	for (i = 0; i < n && rc == 0; i++) {
		x = queue_take(&t->due[SIDE_LEFT]);
		if (x->paired || x->done)
			queue_add(&t->due[SIDE_LEFT], x);
		else
			rc = time_is_over(p, t, x, true);
	}
	while (rc == 0 && t->expiring.n)
		for (n = take_instant(p, &t->expiring), i = 0; i < n && rc == 0; i++)
			rc = time_is_over(p, t, p->batch[i], true);
	return rc;
}

int
pairs_end(struct pairs *p, struct emit *e, struct failure *why)
{
	struct task *t;
	size_t i;

	begin(p, e, why);
	for (i = 0; i < p->ntasks; i++) {
		t = p->task[i];
		if (turns_before(p, t, INT64_MAX) < 0 || end_waiting(p, t) < 0)
			return -1;
	}
	return 0;
}

/* ---- bounds ------------------------------------------------------------------------------ */

static uint64_t
memory_of(const struct pairs *p)
{
	uint64_t bytes = p->pool.used + journal_memory(p->journal);
	const struct task *t;
	size_t i;

	for (i = 0; i < p->ntasks; i++) {
		t = p->task[i];
		bytes += (t->index.mask + 1) * sizeof(struct index_slot) +
			agenda_bytes(&t->waiting) + agenda_bytes(&t->expiring) +
			(t->due[0].cap + t->due[1].cap) * sizeof(struct queued);
	}
	return bytes;
}

/* All that waits for its turn goes to disk. */
static int
spill_waiting(struct pairs *p, struct task *t)
{
	size_t n = t->waiting.n, i;
	struct item **v = mem_array(n, sizeof(struct item *));
	int rc;

	for (i = 0; i < n; i++)
		v[i] = agenda_at(&t->waiting, i);
	items_sort(v, n);
	agenda_release(&t->waiting);
	if (!t->spill)
		t->spill = spill_new(p->plan->spill, &p->pool);
	rc = spill_write(t->spill, v, n, p->why);
	p->items -= n;
	free(v);
	return rc;
}

/* The one that was there first of those that had their turn: 1; 0: there is none. */
static int
give_up_one(struct pairs *p, struct task *t)
{
	const struct queued *left = queue_first(&t->due[SIDE_LEFT]);
	const struct queued *right = queue_first(&t->due[SIDE_RIGHT]);
	struct item *i;

	if (left || right) {
		if (!left || (right && right->item->us < left->item->us))
			i = queue_take(&t->due[SIDE_RIGHT]);
		else
			i = queue_take(&t->due[SIDE_LEFT]);
	} else if (t->expiring.n) {
		i = agenda_take(&t->expiring);
	} else {
		return 0;
	}
	if (!i->done) {
		index_remove(&t->index, i);
		t->mark.given_up++;
	}
	return let_go(p, t, i, !i->done) < 0 ? -1 : 1;
}

static int
full(const struct pairs *p)
{
	unsigned long long n = p->items;

	if (p->items > p->max_items)
		fail(p->why, EXIT_OS, "state is full: %llu records wait", n - 1);
	else
		fail(p->why, EXIT_OS, "state is full: %llu records take %llu MiB", n,
			(unsigned long long)(memory_of(p) >> 20));
	fail_hint(p->why, "%s takes more; --on-full evict gives up the oldest%s",
		p->items > p->max_items ? "--max-keys" : "--max-memory",
		p->plan->with == WITH_ROWS ? " that wait for a row" : "");
	return -1;
}

/* Most of it waits for its turn, and may go to disk. */
static bool
may_spill(const struct pairs *p, const struct task *t)
{
	return p->plan->spill && !p->journal && t->waiting.n > 64 &&
		t->waiting.n >= p->items / 4;
}

static int
make_room(struct pairs *p, struct task *t)
{
	uint64_t memory;
	int got;

	while (p->items > p->max_items || memory_of(p) > p->max_memory) {
		if (may_spill(p, t))
			got = spill_waiting(p, t) < 0 ? -1 : 1;
		else
			got = p->evict ? give_up_one(p, t) : 0;
		if (got < 0)
			return -1;
		if (got == 0)
			return full(p);
	}
	memory = memory_of(p);
	p->worry = p->pool.used + (p->max_memory - memory) / 4 + 4096;
	return 0;
}

bool
pairs_looks_ahead(const struct pairs *p, uint32_t task)
{
	return task_of(p, task)->waiting.n < MANY;
}

void
pairs_ahead(const struct pairs *p, uint32_t task, uint64_t hash, bool items)
{
	const struct task *t = task_of(p, task);

	if (items)
		index_prefetch_items(&t->index, hash);
	else
		index_prefetch(&t->index, hash);
}

/* ---- one record -------------------------------------------------------------------------- */

bool
pairs_is_late(const struct pairs *p, uint32_t task, const struct item_parts *of)
{
	return (p->plan->with == WITH_ROWS || of->us > of->until_us ? of->us : of->until_us) <
		task_of(p, task)->mark.now_us;
}

int
pairs_add(struct pairs *p, uint32_t task, const struct item_parts *of, struct emit *e,
	struct failure *why)
{
	struct task *t = task_of(p, task);
	struct item *i = item_new(&p->pool, of);

	begin(p, e, why);
	p->items++;
	if (journal_add(p->journal, task, i, why) < 0)
		return -1;
	if (i->us >= t->mark.now_us) {
		agenda_add(&t->waiting, i->us, i);
	} else if (take_turn(p, t, i) < 0) {
		return -1;
	}
	if (__builtin_expect(p->items > p->max_items || p->pool.used > p->worry, 0))
		return make_room(p, t);
	return 0;
}

/* ---- tasks ------------------------------------------------------------------------------- */

/* What is done is in no index. */
static void
free_done(struct pairs *p, struct item *i)
{
	if (!i->done)
		return;
	item_free(&p->pool, i);
	p->items--;
}

/* All but the items. */
static void
release(struct task *t)
{
	agenda_release(&t->waiting);
	agenda_release(&t->expiring);
	queue_release(&t->due[0]);
	queue_release(&t->due[1]);
	index_release(&t->index);
	spill_free(t->spill);
	t->spill = NULL;
	t->mark = (struct journal_mark){.now_us = INT64_MIN, .gone_us = INT64_MIN};
}

static void
empty(struct pairs *p, struct task *t)
{
	struct index_slot *s;
	struct item *i, *next;
	size_t k;
	int side;

	for (k = 0; k < t->waiting.n; k++)
		item_free(&p->pool, agenda_at(&t->waiting, k));
	p->items -= t->waiting.n;
	for (side = 0; side < 2; side++)
		while (queue_first(&t->due[side]))
			free_done(p, queue_take(&t->due[side]));
	for (k = 0; k < t->expiring.n; k++)
		free_done(p, agenda_at(&t->expiring, k));
	for (k = 0; t->index.slot && k <= t->index.mask; k++)
		for (s = &t->index.slot[k], side = 0; side < 2; side++)
			for (i = ring_first(s->last[side]); i; i = next) {
				next = ring_next(s->last[side], i);
				item_free(&p->pool, i);
				p->items--;
			}
	release(t);
}

int
pairs_assign(struct pairs *p, uint32_t id, struct failure *why)
{
	const struct op_context ctx = {.place = p->place};
	size_t at = p->ntasks;
	struct task *t;

	/* Only now it is known whether there is a folder. */
	if (!p->journal && p->place->state)
		p->journal = journal_new(p->plan->shape.p, &ctx);
	if (journal_assign(p->journal, id, why) < 0)
		return -1;
	t = mem_zalloc(sizeof(*t));
	t->id = id;
	t->mark.now_us = t->mark.gone_us = INT64_MIN;
	p->task = mem_grow(p->task, &p->cap_tasks, p->ntasks + 1, sizeof(struct task *));
	for (; at && p->task[at - 1]->id > id; at--)
		p->task[at] = p->task[at - 1];
	p->task[at] = t;
	p->ntasks++;
	return 0;
}

int
pairs_revoke(struct pairs *p, uint32_t id, struct failure *why)
{
	struct task *t = task_of(p, id);
	size_t i;

	empty(p, t);
	for (i = 0; p->task[i] != t; i++)
		;
	p->ntasks--;
	for (; i < p->ntasks; i++)
		p->task[i] = p->task[i + 1];
	free(t);
	return journal_revoke(p->journal, id, why);
}

struct load {
	struct pairs *p;
	struct item **v;
	size_t n, cap;
};

static void
load_one(void *arg, const struct item_parts *of, uint64_t id)
{
	struct load *l = arg;
	struct item_parts parts = *of;

	parts.hash = hash64(of->key.p, of->key.n, l->p->seed);
	l->v = mem_grow(l->v, &l->cap, l->n + 1, sizeof(struct item *));
	l->v[l->n] = item_new(&l->p->pool, &parts);
	l->v[l->n++]->id = id;
}

/* Those that had their turn, in the order in which they had it, and those that wait for it. */
static void
load(struct pairs *p, struct task *t)
{
	struct load l = {.p = p};
	size_t i;

	journal_load(p->journal, t->id, &t->mark, load_one, &l);
	items_sort(l.v, l.n);
	p->items += l.n;
	for (i = 0; i < l.n; i++) {
		if (l.v[i]->us < t->mark.now_us)
			keep(p, t, l.v[i]);
		else
			agenda_add(&t->waiting, l.v[i]->us, l.v[i]);
	}
	free(l.v);
}

int
pairs_rollback(struct pairs *p, uint64_t epoch, struct failure *why)
{
	size_t i;

	if (!p->journal && epoch != 0 && epoch != EPOCH_NEWEST) {
		fail(why, EXIT_CONFIG, "the job goes on from epoch %llu, and this process has "
			"its state in memory alone", (unsigned long long)epoch);
		fail_hint(why, "give every process of the job --state DIR, or begin the job "
			"anew");
		return -1;
	}
	for (i = 0; i < p->ntasks; i++)
		empty(p, p->task[i]);
	if (journal_rollback(p->journal, epoch, why) < 0)
		return -1;
	for (i = 0; i < p->ntasks; i++)
		load(p, p->task[i]);
	return 0;
}

int
pairs_barrier(struct pairs *p, uint64_t epoch, struct failure *why)
{
	size_t i;

	for (i = 0; p->journal && i < p->ntasks; i++)
		if (journal_put_mark(p->journal, p->task[i]->id, &p->task[i]->mark, why) < 0)
			return -1;
	return journal_barrier(p->journal, epoch, why);
}

void
pairs_free(struct pairs *p)
{
	size_t i;

	if (!p)
		return;
	/* The items go with the pool. */
	for (i = 0; i < p->ntasks; i++) {
		release(p->task[i]);
		free(p->task[i]);
	}
	free(p->task);
	free(p->batch);
	journal_free(p->journal);
	pool_release(&p->pool);
	free(p);
}
