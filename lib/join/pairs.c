/* Records that come, and turns that are due. */
#include "join/pairs.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "join/engine.h"

#define SOON 8   /* turns ahead, for the cache */
#define MANY 64  /* turns wait: who comes now has time */

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

uint64_t
pairs_given_up(const struct pairs *p)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < p->ntasks; i++)
		n += p->task[i]->mark.given_up;
	return n;
}

/* ---- turns ------------------------------------------------------------------------- */

static int64_t
next_on_disk(const struct task *t)
{
	const struct item *i = t->spill ? spill_first(t->spill) : NULL;

	return i ? i->us : INT64_MAX;
}

/* What an item with a key of that hash will look at: the slot, or the items in it. */
PREFETCHES static inline void
prefetch(const struct pairs *p, const struct task *t, uint64_t hash, bool items)
{
	if (p->inner)
		shelf_prefetch(&t->shelf, hash);
	else if (items)
		index_prefetch_items(&t->index, hash);
	else
		index_prefetch(&t->index, hash);
}

/* There is one more. */
static inline int
keep_to_bounds(struct pairs *p, struct task *t)
{
	if (__builtin_expect(p->items > p->max_items || p->pool.used > p->worry, 0))
		return bounds_make_room(p, t);
	return 0;
}

/* The turn of the first one on disk. */
static int
turn_on_disk(struct pairs *p, struct task *t)
{
	struct item *x;

	if (spill_take(t->spill, &x, p->why) < 0)
		return -1;
	p->items++;
	return turn_take(p, t, x) < 0 ? -1 : keep_to_bounds(p, t);
}

/* All of one instant, those on disk put in where they belong. */
static int
turns_of(struct pairs *p, struct task *t, int64_t us)
{
	size_t n = agenda_next(&t->waiting) == us ? turn_instant(p, &t->waiting) : 0, i = 0;
	const struct entry *soon = agenda_soon(&t->waiting, SOON);
	int rc;

	if (soon) {
		prefetch(p, t, soon->hash, false);
		soon = agenda_soon(&t->waiting, SOON / 2);
		prefetch(p, t, soon->hash, true);
		__builtin_prefetch(soon->item, 1);
		__builtin_prefetch((const char *)soon->item + 64);
	}
	while (next_on_disk(t) == us) {
		if (i < n && item_cmp(p->batch[i], spill_first(t->spill)) <= 0)
			rc = turn_take(p, t, p->batch[i++]);
		else
			rc = turn_on_disk(p, t);
		if (rc < 0)
			return -1;
	}
	for (; i < n; i++)
		if (turn_take(p, t, p->batch[i]) < 0)
			return -1;
	return 0;
}

static int
turns_before(struct pairs *p, struct task *t, int64_t us)
{
	int64_t next, disk;

	for (;;) {
		if (p->inner && !t->spill && inner_take_all(p, t, us) < 0)
			return -1;
		next = agenda_next(&t->waiting);
		disk = next_on_disk(t);
		if (disk < next)
			next = disk;
		if (next >= us)
			return 0;
		if ((!p->inner && turn_expire(p, t, next) < 0) || turns_of(p, t, next) < 0)
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
	struct task *t = pairs_task(p, task);

	begin(p, e, why);
	if (turns_before(p, t, us) < 0 || turn_expire(p, t, us) < 0)
		return -1;
	p->items -= shelf_expire(&t->shelf, &p->pool, us);
	if (us > t->mark.now_us)
		t->mark.now_us = us;
	if (us > t->mark.gone_us)
		t->mark.gone_us = us;
	return journal_expire(p->journal, task, us, why);
}

/* One whose time is over with the input, or that stays: in the order of that time. */
static int
end_one(struct pairs *p, struct task *t, struct item *x)
{
	if (!x->paired && !x->done)
		return turn_time_is_over(p, t, x, true);
	queue_add(&t->due[SIDE_LEFT], x);
	return 0;
}

/* The left ones that are still kept, as if their time were over. What has met somebody stays,
 * as the right ones do: where state outlives the run, others may come. */
static int
end_waiting(struct pairs *p, struct task *t)
{
	struct agenda *a = &t->expiring[SIDE_LEFT];
	struct queue *q = &t->due[SIDE_LEFT];
	size_t left = q->n, n, i;
	int64_t us;
	int rc = 0;

	if (p->plan->missing == MISSING_DROP)
		return 0;
	while (rc == 0 && (left || a->n)) {
		us = agenda_next(a);
		for (; rc == 0 && left && (!a->n || queue_first(q)->until_us < us); left--)
			rc = end_one(p, t, queue_take(q));
		n = a->n ? turn_instant(p, a) : 0;
		for (; n && left && queue_first(q)->until_us == us; left--)
			turn_batch(p, n++, queue_take(q));
		items_sort(p->batch, n);
		for (i = 0; i < n && rc == 0; i++)
			rc = end_one(p, t, p->batch[i]);
	}
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

/* ---- one record -------------------------------------------------------------------- */

bool
pairs_is_late(const struct pairs *p, uint32_t task, const struct item_parts *of)
{
	return (p->plan->with == WITH_ROWS || of->us > of->until_us ? of->us : of->until_us) <
		pairs_task(p, task)->mark.now_us;
}

int
pairs_add(struct pairs *p, uint32_t task, const struct item_parts *of, struct emit *e,
	struct failure *why)
{
	struct task *t = pairs_task(p, task);
	struct item *i = item_new(&p->pool, of);

	begin(p, e, why);
	p->items++;
	if (journal_add(p->journal, task, i, why) < 0)
		return -1;
	if (i->us >= t->mark.now_us) {
		agenda_add(&t->waiting, i->us, i);
	} else if (turn_take(p, t, i) < 0) {
		return -1;
	}
	return keep_to_bounds(p, t);
}

bool
pairs_looks_ahead(const struct pairs *p, uint32_t task)
{
	return pairs_task(p, task)->waiting.n < MANY;
}

void
pairs_ahead(const struct pairs *p, uint32_t task, uint64_t hash, bool items)
{
	prefetch(p, pairs_task(p, task), hash, items);
}

void
pairs_free(struct pairs *p)
{
	size_t i;

	if (!p)
		return;
	/* The items go with the pool. */
	for (i = 0; i < p->ntasks; i++) {
		task_release(p, p->task[i]);
		free(p->task[i]);
	}
	free(p->task);
	free(p->batch);
	free(p->met);
	journal_free(p->journal);
	pool_release(&p->pool);
	free(p);
}
