/* Items by key. */
#include "join/index.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/pages.h"

#define LEAST 1024

static inline bool
is_free(const struct index_slot *s)
{
	return !s->last[0] && !s->last[1];
}

static inline bool
is_of(const struct index_slot *s, const struct item *i)
{
	const struct item *any = s->last[0] ? s->last[0] : s->last[1];

	return s->hash == i->hash && slice_eq(item_key(any), item_key(i));
}

/* The slot of its key, or the free one where that would stand. */
static struct index_slot *
look(const struct index *x, const struct item *i)
{
	size_t at = i->hash & x->mask;

	while (!is_free(&x->slot[at]) && !is_of(&x->slot[at], i))
		at = (at + 1) & x->mask;
	return &x->slot[at];
}

struct index_slot *
index_find(const struct index *x, const struct item *i)
{
	struct index_slot *s;

	if (!x->slot)
		return NULL;
	s = look(x, i);
	return is_free(s) ? NULL : s;
}

static void
grow(struct index *x)
{
	size_t slots = x->slot ? (x->mask + 1) * 2 : LEAST, i, at;
	struct index_slot *old = x->slot;
	size_t had = old ? x->mask + 1 : 0;

	x->slot = pages_array(slots, sizeof(*x->slot));
	x->mask = slots - 1;
	for (i = 0; i < had; i++) {
		if (is_free(&old[i]))
			continue;
		for (at = old[i].hash & x->mask; !is_free(&x->slot[at]);)
			at = (at + 1) & x->mask;
		x->slot[at] = old[i];
	}
	pages_array_free(old, had, sizeof(*old));
}

void
index_put(struct index *x, struct item *i)
{
	struct item *last, *after;
	struct index_slot *s;

	if (!x->slot || x->n >= (x->mask + 1) / 4 * 3)
		grow(x);
	s = look(x, i);
	if (is_free(s)) {
		s->hash = i->hash;
		x->n++;
	}
	last = s->last[i->side];
	if (!last) {
		i->next = item_front(i)->prev = i;
		s->last[i->side] = i;
		return;
	}
	for (after = last; item_cmp(after, i) > 0; after = item_front(after)->prev)
		if (after == last->next) {
			after = last; /* before the first: in a ring, behind the last */
			break;
		}
	if (after == last && item_cmp(last, i) <= 0)
		s->last[i->side] = i;
	item_front(i)->prev = after;
	i->next = after->next;
	item_front(after->next)->prev = i;
	after->next = i;
}

/* What stands behind a slot that becomes free, and could stand in it, moves up. */
static void
close_gap(struct index *x, size_t gap)
{
	size_t at = gap, home;

	for (;;) {
		x->slot[gap] = (struct index_slot){0};
		do {
			at = (at + 1) & x->mask;
			if (is_free(&x->slot[at]))
				return;
			home = x->slot[at].hash & x->mask;
		} while (((at - home) & x->mask) < ((at - gap) & x->mask));
		x->slot[gap] = x->slot[at];
		gap = at;
	}
}

void
index_remove(struct index *x, struct item *i)
{
	size_t at = i->hash & x->mask;
	struct index_slot *s;

	/* Mostly it is the last of its ring, and no key needs to be compared. */
	for (s = &x->slot[at]; s->hash != i->hash || (s->last[i->side] != i &&
			(is_free(s) || !is_of(s, i))); s = &x->slot[at])
		at = (at + 1) & x->mask;
	if (i->next == i) {
		s->last[i->side] = NULL;
	} else {
		item_front(i)->prev->next = i->next;
		item_front(i->next)->prev = item_front(i)->prev;
		if (s->last[i->side] == i)
			s->last[i->side] = item_front(i)->prev;
	}
	i->next = item_front(i)->prev = NULL;
	if (!is_free(s))
		return;
	x->n--;
	close_gap(x, (size_t)(s - x->slot));
}

void
index_release(struct index *x)
{
	pages_array_free(x->slot, x->slot ? x->mask + 1 : 0, sizeof(*x->slot));
	*x = (struct index){0};
}
