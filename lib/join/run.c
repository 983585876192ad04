/*
 * Records that are taken together. None of them is older than what has had its turn, so each
 * would only be put among those that wait; and turns are taken in the order of event time,
 * however far the watermark goes at once.
 */
#include "join/engine.h"

/* At once where they stay once they have had their turn. */
static void
lay_all(struct pairs *p, struct task *t, const struct item *from, size_t n)
{
	uint64_t went = 0;
	struct item *i;

	p->items += n;
	for (; n--; from = item_after(from)) {
		i = shelf_lay(&t->shelf, &p->pool, from, t->mark.now_us, &went);
		agenda_add(&t->waiting, i->us, i);
	}
	p->items -= went;
}

static int
add_all(struct pairs *p, struct task *t, const struct item *from, size_t n)
{
	struct item *i;

	p->items += n;
	for (; n--; from = item_after(from)) {
		i = item_copy(&p->pool, from);
		if (journal_add(p->journal, t->id, i, p->why) < 0)
			return -1;
		agenda_add(&t->waiting, i->us, i);
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
	/* Each may count for a little more than it has, or begin what others will lie in. */
	bytes = run->bytes + 16 * ((uint64_t)run->items + 2) + 2 * SHELF_CHUNK;
	if (p->pool.used + bytes > p->worry) {
		if (bounds_make_room(p, t) < 0)
			return -1;
		if (p->pool.used + bytes > p->worry)
			return 0;
	}
	/* What lies on the shelf can't go to disk. */
	if (p->inner && !p->plan->spill)
		lay_all(p, t, notes_items(b, run), run->items);
	else if (add_all(p, t, notes_items(b, run), run->items) < 0)
		return -1;
	return 1;
}
