/* How much is kept, and what gives way. */
#include <stdlib.h>

#include "base/mem.h"
#include "join/engine.h"

static uint64_t
bounds_memory(const struct pairs *p)
{
	uint64_t bytes = p->pool.used + journal_memory(p->journal);
	const struct task *t;
	size_t i;

	for (i = 0; i < p->ntasks; i++) {
		t = p->task[i];
		bytes += (t->index.mask + 1) * sizeof(struct index_slot) + shelf_bytes(&t->shelf) +
			agenda_bytes(&t->waiting) + agenda_bytes(&t->expiring[0]) +
			agenda_bytes(&t->expiring[1]) +
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

/* Take out the one that was there first of those that had their turn; or NULL. It is told by
 * what the records are: which of them came late nobody knows any more after a kill. */
static struct item *
take_oldest(struct task *t)
{
	struct item *oldest = NULL, *i;
	const struct queued *first;
	int side, from = 0;

	for (side = 0; side < 2; side++) {
		first = queue_first(&t->due[side]);
		if (first && (!oldest || item_cmp(first->item, oldest) < 0)) {
			oldest = first->item;
			from = side;
		}
	}
	for (side = 0; side < 2; side++) {
		i = agenda_first(&t->expiring[side]);
		if (i && (!oldest || item_cmp(i, oldest) < 0)) {
			oldest = i;
			from = 2 + side;
		}
	}
	if (!oldest)
		return NULL;
	return from < 2 ? queue_take(&t->due[from]) : agenda_take(&t->expiring[from - 2]);
}

/* It is given up: 1; 0: there is none. */
static int
give_up_one(struct pairs *p, struct task *t)
{
	struct item *i = take_oldest(t);

	if (!i)
		return 0;
	if (!i->done) {
		index_remove(&t->index, i);
		t->mark.given_up++;
	}
	return turn_let_go(p, t, i, !i->done) < 0 ? -1 : 1;
}

static int
full(const struct pairs *p)
{
	unsigned long long n = p->items;

	if (p->items > p->max_items)
		fail(p->why, EXIT_OS, "state is full: %llu records wait", n - 1);
	else
		fail(p->why, EXIT_OS, "state is full: %llu records take %llu MiB", n,
			(unsigned long long)(bounds_memory(p) >> 20));
	fail_hint(p->why, "%s takes more; %s",
		p->items > p->max_items ? "--max-keys" : "--max-memory",
		p->evict && p->plan->with == WITH_ROWS ? "rows, and records that wait for their "
			"turn, are not given up" :
		p->evict ? "records that wait for their turn are not given up" :
		p->plan->with == WITH_ROWS ? "--on-full evict gives up the oldest that wait for "
			"a row" : "--on-full evict gives up the oldest");
	return -1;
}

/* Most of it waits for its turn, and may go to disk. */
static bool
may_spill(const struct pairs *p, const struct task *t)
{
	return p->plan->spill && !p->journal && t->waiting.n > 64 &&
		t->waiting.n >= p->items / 4;
}

int
bounds_make_room(struct pairs *p, struct task *t)
{
	uint64_t memory;
	int got;

	while (p->items > p->max_items || bounds_memory(p) > p->max_memory) {
		if (may_spill(p, t))
			got = spill_waiting(p, t) < 0 ? -1 : 1;
		else
			got = p->evict ? give_up_one(p, t) : 0;
		if (got < 0)
			return -1;
		if (got == 0)
			return full(p);
	}
	memory = bounds_memory(p);
	p->worry = p->pool.used + (p->max_memory - memory) / 4 + 4096;
	return 0;
}
