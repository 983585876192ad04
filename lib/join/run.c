/*
 * Records that are taken together. None of them is older than what has had its turn, so each
 * would only be put among those that wait; and turns are taken in the order of event time,
 * however far the watermark goes at once.
 */
#include "join/engine.h"

static int
add(struct pairs *p, struct task *t, const struct block *b, const struct note *note)
{
	bool left = note->on[SIDE_LEFT];
	const char *text = b->notes.p + note->text_at;
	const struct item_parts of = {.us = note->us, .hash = note->hash,
		.until_us = join_until(p->plan, left, note->us),
		.key = slice_of(text, note->key_n),
		.content = slice_of(text + note->key_n, note->content_n),
		.side = left ? SIDE_LEFT : SIDE_RIGHT,
		.rank = left ? SIDE_LEFT : SIDE_RIGHT};
	struct item *i = item_new(&p->pool, &of);

	p->items++;
	if (journal_add(p->journal, t->id, i, p->why) < 0)
		return -1;
	agenda_add(&t->waiting, i->us, i);
	return 0;
}

int
pairs_add_run(struct pairs *p, uint32_t task, const struct notes *n, const struct block *b,
	size_t line, struct failure *why)
{
	const struct note_run *run = notes_run(n, b, line);
	struct task *t = pairs_task(p, task);
	const struct note *note;
	size_t i;

	p->why = why;
	/* What is given up for the bounds depends on the records alone, not on blocks. */
	if (p->evict || run->least_us < t->mark.now_us ||
		p->items + run->items > p->max_items)
		return 0;
	if (p->pool.used + run->bytes > p->worry) {
		if (bounds_make_room(p, t) < 0)
			return -1;
		if (p->pool.used + run->bytes > p->worry)
			return 0;
	}
	for (i = 0; i < run->n; i++) {
		note = notes_line(n, b, line + i);
		if ((note->on[SIDE_LEFT] || note->on[SIDE_RIGHT]) && add(p, t, b, note) < 0)
			return -1;
	}
	return 1;
}
