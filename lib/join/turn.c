/* The turn of a record: whom it meets, and the end of its waiting. */
#include "join/engine.h"

#define AHEAD 16 /* of those whose time is over, for the cache */

/* ---- the end of an item ------------------------------------------------------------ */

/* early: its time is not over. */
int
turn_let_go(struct pairs *p, struct task *t, struct item *i, bool early)
{
	int rc = journal_forget(p->journal, t->id, i, early, p->why);

	p->items -= !i->done;
	item_free(&p->pool, i);
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
		return result_dead(p->result, p->emit, left, p->why);
	}
	return 0;
}

/* One that had its turn, and whose time is over, or never comes (early). */
int
turn_time_is_over(struct pairs *p, struct task *t, struct item *i, bool early)
{
	int rc = 0;

	if (!i->done) {
		index_remove(&t->index, i);
		if (i->side == SIDE_LEFT && !i->paired) {
			result_forget(p->result);
			rc = unmatched(p, i, item_over_us(i));
		}
	}
	/* What is done was taken out of the journal then. */
	return (turn_let_go(p, t, i, early && !i->done) < 0 || rc < 0) ? -1 : 0;
}

void
turn_batch(struct pairs *p, size_t n, struct item *i)
{
	p->batch = mem_grow(p->batch, &p->cap_batch, n + 1, sizeof(struct item *));
	p->batch[n] = i;
}

/* Take all of the earliest instant out of an agenda, in their order; how many. */
size_t
turn_instant(struct pairs *p, struct agenda *a)
{
	int64_t us = agenda_next(a);
	size_t n;

	for (n = 0; a->n && agenda_next(a) == us; n++)
		turn_batch(p, n, agenda_take(a));
	if (n > 1)
		items_sort(p->batch, n);
	return n;
}

/* The next instant at which the time of some left ones in the agenda is over: what is over before
 * that and with it in the queue of the left ones goes along. */
static int
expire_instant(struct pairs *p, struct task *t)
{
	struct queue *q = &t->due[SIDE_LEFT];
	int64_t us = agenda_next(&t->expiring[SIDE_LEFT]);
	const struct queued *first;
	size_t n, k;
	int rc = 0;

	while (rc == 0 && (first = queue_first(q)) && first->until_us < us)
		rc = turn_time_is_over(p, t, queue_take(q), false);
	n = turn_instant(p, &t->expiring[SIDE_LEFT]);
	for (; (first = queue_first(q)) && first->until_us == us; n++)
		turn_batch(p, n, queue_take(q));
	items_sort(p->batch, n);
	for (k = 0; k < n && rc == 0; k++)
		rc = turn_time_is_over(p, t, p->batch[k], false);
	return rc;
}

/* All whose time was over before us. The right ones say nothing, so their order among the left
 * ones doesn't matter. */
int
turn_expire(struct pairs *p, struct task *t, int64_t us)
{
	const struct queued *first, *ahead;
	int side, rc = 0;

	while (rc == 0 && agenda_next(&t->expiring[SIDE_LEFT]) < us)
		rc = expire_instant(p, t);
	while (rc == 0 && agenda_next(&t->expiring[SIDE_RIGHT]) < us)
		rc = turn_time_is_over(p, t, agenda_take(&t->expiring[SIDE_RIGHT]), false);
	for (side = 0; side < 2; side++)
		while (rc == 0 && (first = queue_first(&t->due[side])) && first->until_us < us) {
			ahead = queue_at(&t->due[side], AHEAD);
			if (ahead) {
				queue_prefetch(&t->due[side], 2 * AHEAD);
				index_prefetch(&t->index, ahead->hash);
				__builtin_prefetch(ahead->item, 1);
				__builtin_prefetch((const char *)ahead->item + 64, 1);
			}
			rc = turn_time_is_over(p, t, queue_take(&t->due[side]), false);
		}
	return rc;
}

/* ---- a turn ------------------------------------------------------------------------ */

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

/* Nobody is to find it any more; it stays in the queue until its time is over, and no longer
 * counts: after a kill it is not there. */
static int
set_done(struct pairs *p, struct task *t, struct item *i)
{
	index_remove(&t->index, i);
	i->done = true;
	p->items--;
	return journal_forget(p->journal, t->id, i, true, p->why);
}

/* One that came late goes before another that is in the queue. */
static bool
goes_before(const struct queued *last, const struct item *i, int64_t now_us)
{
	return i->us < now_us && (last->until_us > i->until_us ||
		(last->until_us == i->until_us && item_cmp(last->item, i) > 0));
}

void
turn_keep(struct pairs *p, struct task *t, struct item *i)
{
	struct queue *q = &t->due[i->side];
	const struct queued *last = q->n ? queue_at(q, q->n - 1) : NULL;

	index_put(&t->index, i);
	if (p->plan->with == WITH_ROWS && i->side == SIDE_RIGHT)
		return;
	if (p->plan->expr[PLAN_EXPIRES] ||
		(p->exact && last && goes_before(last, i, t->mark.now_us))) {
		t->expiring[i->side].exact = p->evict;
		agenda_add(&t->expiring[i->side], item_over_us(i), i);
	} else {
		queue_add(q, i);
	}
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
		if (us > o->until_us || o->us > x->until_us)
			continue;
		if (meet(p, t, left ? x : o, left ? o : x, us) < 0)
			return -1;
		if (anti && !left && set_done(p, t, o) < 0)
			return -1;
	}
	/* A right one whose bound ends with its turn may still be found at that instant by a left
	 * one that comes late. It isn't, where the bound is no longer than that instant. */
	if (left ? anti && x->paired : x->until_us <= x->us)
		return turn_let_go(p, t, x, left);
	turn_keep(p, t, x);
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
		if (turn_let_go(p, t, old, true) < 0)
			return -1;
	}
	if (row->removes)
		return turn_let_go(p, t, row, true);
	if (row_comes(p, t, row) < 0)
		return -1;
	turn_keep(p, t, row);
	return 0;
}

static int
event_turn(struct pairs *p, struct task *t, struct item *x)
{
	struct index_slot *s = index_find(&t->index, x);
	struct item *row = s ? s->last[SIDE_RIGHT] : NULL;

	if (!row && x->until_us > x->us) {
		turn_keep(p, t, x);
		return 0;
	}
	if ((row ? meet(p, t, x, row, x->us) : unmatched(p, x, x->us)) < 0)
		return -1;
	return turn_let_go(p, t, x, true);
}

int
turn_take(struct pairs *p, struct task *t, struct item *x)
{
	result_forget(p->result);
	if (p->inner)
		return inner_take(p, t, x);
	if (p->plan->with != WITH_ROWS)
		return stream_turn(p, t, x, x->us > t->mark.now_us ? x->us : t->mark.now_us);
	return x->side == SIDE_RIGHT ? row_turn(p, t, x) : event_turn(p, t, x);
}
