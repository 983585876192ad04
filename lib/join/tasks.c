/* Tasks, and what the state has of them. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "join/engine.h"

struct task *
pairs_task(const struct pairs *p, uint32_t id)
{
	size_t i;

	for (i = 0; i + 1 < p->ntasks && p->task[i]->id != id; i++)
		;
	return p->task[i];
}

/* What is done is in no index, and not counted. */
static void
free_done(struct pairs *p, struct item *i)
{
	if (i->done)
		item_free(&p->pool, i);
}

/* All but the items. */
void
task_release(struct pairs *p, struct task *t)
{
	p->items -= shelf_release(&t->shelf, &p->pool);
	agenda_release(&t->waiting);
	agenda_release(&t->expiring[0]);
	agenda_release(&t->expiring[1]);
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

	for (k = 0; k < t->waiting.n; k++) {
		i = agenda_at(&t->waiting, k);
		p->items -= !i->laid;
		item_free(&p->pool, i);
	}
	for (side = 0; side < 2; side++) {
		while (queue_first(&t->due[side]))
			free_done(p, queue_take(&t->due[side]));
		for (k = 0; k < t->expiring[side].n; k++)
			free_done(p, agenda_at(&t->expiring[side], k));
	}
	for (k = 0; t->index.slot && k <= t->index.mask; k++)
		for (s = &t->index.slot[k], side = 0; side < 2; side++)
			for (i = ring_first(s->last[side]); i; i = next) {
				next = ring_next(s->last[side], i);
				item_free(&p->pool, i);
				p->items--;
			}
	task_release(p, t);
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
	p->inner = p->plan->with != WITH_ROWS && p->plan->type == JOIN_INNER && !p->exact &&
		!p->plan->expr[PLAN_EXPIRES] && !p->journal && p->max_items == UINT64_MAX;
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
	struct task *t = pairs_task(p, id);
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
	item_front(l->v[l->n++])->id = id;
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
			turn_keep(p, t, l.v[i]);
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
