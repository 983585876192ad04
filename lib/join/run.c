/*
 * Records that are taken together. None of them is older than what has had its turn, so each
 * would only be put among those that wait; and turns are taken in the order of event time,
 * however far the watermark goes at once.
 */
#include "join/engine.h"

/* Their items, in one block of memory if they go soon. */
static int
add_all(struct pairs *p, struct task *t, const struct item *from, const struct note_run *run)
{
	struct item *i, *next = NULL;
	size_t k;

	if (p->inner)
		next = item_copy_all(&p->pool, from, run->items, run->bytes);
	p->items += run->items;
	for (k = 0; k < run->items; k++, from = item_after(from)) {
		i = next ? next : item_copy(&p->pool, from);
		if (journal_add(p->journal, t->id, i, p->why) < 0)
			return -1;
		agenda_add(&t->waiting, i->us, i);
		next = next ? item_after(next) : NULL;
	}
	return 0;
}

int
pairs_add_run(struct pairs *p, uint32_t task, const struct notes *n, const struct block *b,
	size_t line, struct failure *why)
{
	const struct note_run *run = notes_run(n, b, line);
	struct task *t = pairs_task(p, task);
	uint64_t bytes;

	p->why = why;
	/* What is given up for the bounds depends on the records alone, not on blocks. */
	if (p->evict || run->least_us < t->mark.now_us ||
		p->items + run->items > p->max_items)
		return 0;
	/* Each may count for a little more than it has. */
	bytes = run->bytes + 16 * ((uint64_t)run->items + 2);
	if (p->pool.used + bytes > p->worry) {
		if (bounds_make_room(p, t) < 0)
			return -1;
		if (p->pool.used + bytes > p->worry)
			return 0;
	}
	if (run->items && add_all(p, t, notes_items(b, run), run) < 0)
		return -1;
	return 1;
}
