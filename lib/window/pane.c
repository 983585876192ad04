/* The panes of a task, found by their span, and the cells of each. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"
#include "window/engine.h"

static size_t
home_of(const struct windows_task *t, const struct span *s)
{
	return hash64(s, sizeof(*s), 0) & (t->slots - 1);
}

struct pane **
pane_slot(const struct windows_task *t, const struct span *s)
{
	size_t i;

	for (i = home_of(t, s); t->pane[i]; i = (i + 1) & (t->slots - 1))
		if (t->pane[i]->span.start_us == s->start_us &&
			t->pane[i]->span.end_us == s->end_us)
			break;
	return &t->pane[i];
}

static void
more_slots(struct windows_task *t)
{
	struct pane **was = t->pane;
	size_t n = t->slots, i;

	t->slots = n ? 2 * n : 16;
	t->pane = mem_array(t->slots, sizeof(struct pane *));
	for (i = 0; i < n; i++)
		if (was[i])
			*pane_slot(t, &was[i]->span) = was[i];
	free(was);
}

static bool
closes_before(void *arg, const void *x, const void *y)
{
	const struct pane *a = x, *b = y;

	(void)arg;
	if (a->next.end_us != b->next.end_us)
		return a->next.end_us < b->next.end_us;
	if (a->next.start_us != b->next.start_us)
		return a->next.start_us < b->next.start_us;
	return a->span.start_us < b->span.start_us;
}

struct pane *
pane_make(struct windows_task *t, const struct span *s, const struct span *next)
{
	struct pane *p, **slot;

	if (2 * (t->npanes + 1) > t->slots)
		more_slots(t);
	slot = pane_slot(t, s);
	if (*slot)
		return *slot;
	p = mem_zalloc(sizeof(*p));
	p->span = *s;
	p->next = *next;
	*slot = p;
	t->npanes++;
	t->panes.before = closes_before;
	heap_add(&t->panes, p);
	return p;
}

void
pane_free(struct windows_task *t, struct pane *p)
{
	size_t i = (size_t)(pane_slot(t, &p->span) - t->pane), j, mask = t->slots - 1, home;

	t->pane[i] = NULL;
	t->npanes--;
	/* What stands behind it moves up where its place is before the hole. */
	for (j = (i + 1) & mask; t->pane[j]; j = (j + 1) & mask) {
		home = home_of(t, &t->pane[j]->span);
		if (((j - home) & mask) < ((j - i) & mask))
			continue;
		t->pane[i] = t->pane[j];
		t->pane[j] = NULL;
		i = j;
	}
	free(p->cell);
	free(p);
}

static int
by_key(const void *x, const void *y)
{
	return key128_cmp(*(const struct key128 *)x, *(const struct key128 *)y);
}

void
pane_tidy(struct windows *w, const struct windows_task *t, struct pane *p)
{
	struct slice v;
	size_t i, n = 0;

	if (p->n)
		qsort(p->cell, p->n, sizeof(*p->cell), by_key);
	for (i = 0; i < p->n; i++)
		if (!(n && key128_eq(p->cell[n - 1], p->cell[i])) &&
			state_get(w->state, t->id, p->cell[i], &v))
			p->cell[n++] = p->cell[i];
	p->n = n;
}

void
pane_add(struct windows *w, const struct windows_task *t, struct pane *p, struct key128 key)
{
	size_t more = p->n + 1;

	/* What grows holds more than half as many as it has room for. */
	if (w->evicts && p->n == p->cap) {
		pane_tidy(w, t, p);
		more = p->n > p->cap / 2 ? p->cap + 1 : p->n + 1;
	}
	p->cell = mem_grow(p->cell, &p->cap, more, sizeof(*p->cell));
	p->cell[p->n++] = key;
}

void
panes_release(struct windows_task *t)
{
	size_t i;

	for (i = 0; i < t->slots; i++) {
		if (!t->pane[i])
			continue;
		free(t->pane[i]->cell);
		free(t->pane[i]);
	}
	free(t->pane);
	heap_release(&t->panes);
	t->pane = NULL;
	t->npanes = t->slots = 0;
}
