/*
 * Windows of a grid. A record goes into the cell of its key in its pane; a window that closes
 * is put together from the cells of its panes, and a pane goes with its last window.
 *
 * Panes wait in a heap by the end of the window that holds them and closes next, so all that
 * a closing window needs comes out of it together. A pane knows its cells; it costs 16 bytes
 * each beside what they take in the state, and is made again from there.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "window/engine.h"

/* ---- panes ------------------------------------------------------------------------- */

/* The first window to close that holds a pane. Of partial results a pane is a window. */
static bool
first_window(const struct windows *w, const struct span *pane, int64_t closed,
	struct span *window)
{
	*window = *pane;
	if (w->plan->from_partials)
		return pane->end_us > closed;
	return window_of(&w->plan->shape, pane, closed, window);
}

int
panes_found(struct windows *w, struct windows_task *t, struct key128 key, struct slice value)
{
	const struct cell_head *h = (const void *)value.p;
	struct span next;
	struct pane *p;

	if (h->kind != KIND_CELL)
		return 0;
	/* What is closed by now closes at the next watermark. */
	if (!first_window(w, &h->span, t->closed_us, &next) &&
		!first_window(w, &h->span, INT64_MIN, &next))
		return 0;
	p = pane_make(t, &h->span, &next);
	p->changed |= h->changed;
	pane_add(w, t, p, key);
	return 0;
}

/* ---- cells, put together ----------------------------------------------------------- */

/* A cell of the window in hand. */
struct part {
	struct slice order;
	struct key128 key;
	bool changed;
};

static int
in_order(const void *x, const void *y)
{
	const struct part *a = x, *b = y;

	return slice_cmp(a->order, b->order);
}

/* All cells of some panes in the order of their keys. In the arena. */
static struct part *
parts_of(struct windows *w, const struct windows_task *t, struct pane *const *pane, size_t npanes,
	size_t *n)
{
	const struct cell_head *h;
	struct part *part;
	size_t i, j, most = 0;
	struct slice v;

	for (i = 0; i < npanes; i++) {
		if (w->evicts)
			pane_tidy(w, t, pane[i]);
		most += pane[i]->n;
	}
	part = arena_alloc(&w->arena, (most + 1) * sizeof(*part));
	*n = 0;
	for (i = 0; i < npanes; i++)
		for (j = 0; j < pane[i]->n; j++) {
			if (!state_get(w->state, t->id, pane[i]->cell[j], &v))
				continue; /* it was given up */
			h = (const void *)v.p;
			buf_reset(&w->order);
			windows_add_order(w, cell_key_text(h, w->plan->fixed), &w->order);
			part[*n].order = arena_copy(&w->arena, buf_slice(&w->order));
			part[*n].changed = h->changed;
			part[(*n)++].key = pane[i]->cell[j];
		}
	qsort(part, *n, sizeof(*part), in_order);
	return part;
}

/* The text of a key of which there are several cells: the shortest, the first of them. */
static void
better_key(struct buf *key, struct slice text)
{
	if (key->n && (text.n > key->n ||
			(text.n == key->n && slice_cmp(text, buf_slice(key)) >= 0)))
		return;
	buf_reset(key);
	buf_add_slice(key, text);
}

/* Write a window of one key: its cells, n of them, as one. Those that were given up, whole or
 * in part, are not there. */
static int
write_together(struct windows *w, const struct windows_task *t, const struct span *window,
	const struct part *part, size_t n)
{
	const struct fold_cell *whole = NULL;
	size_t i;

	buf_reset(&w->key);
	if (n > 1)
		fold_scratch_clear(&w->sum);
	for (i = 0; i < n; i++) {
		if (!cells_look(w->view, t->id, part[i].key))
			continue;
		better_key(&w->key, cell_key_text(w->view->head, w->plan->fixed));
		whole = n == 1 ? &w->view->fold : &w->sum.cell;
		if (n > 1 && windows_merge(w, &w->sum.cell, &w->view->fold) < 0)
			return -1;
	}
	if (whole)
		result_write(w, window, buf_slice(&w->key), whole, window->end_us - 1);
	return 0;
}

/* Write a window: all its keys, or those that changed. */
static int
write_window(struct windows *w, const struct windows_task *t, const struct span *window,
	struct pane *const *pane, size_t npanes)
{
	struct part *part;
	size_t n, i, j;
	bool news;

	part = parts_of(w, t, pane, npanes, &n);
	for (i = 0; i < n; i = j) {
		news = part[i].changed;
		for (j = i + 1; j < n && slice_eq(part[j].order, part[i].order); j++)
			news |= part[j].changed;
		if (w->plan->update && !news)
			continue;
		if (write_together(w, t, window, part + i, j - i) < 0)
			return -1;
	}
	arena_reset(&w->arena);
	return 0;
}

/* ---- closing ----------------------------------------------------------------------- */

static int
drop_pane(struct windows *w, struct windows_task *t, struct pane *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (cells_remove(w->cells, t->id, p->cell[i], w->why) < 0)
			return -1;
	pane_free(t, p);
	return 0;
}

/* Panes whose window was the last one go, the others wait for the next. */
static int
pass_on(struct windows *w, struct windows_task *t, struct pane **pane, size_t n, int64_t end)
{
	struct span next;
	size_t i;

	for (i = 0; i < n; i++) {
		if (w->plan->from_partials ||
			!window_of(&w->plan->shape, &pane[i]->span, end, &next)) {
			if (drop_pane(w, t, pane[i]) < 0)
				return -1;
			continue;
		}
		pane[i]->next = next;
		heap_add(&t->panes, pane[i]);
	}
	return 0;
}

int
panes_close(struct windows *w, struct windows_task *t)
{
	struct pane **pane = NULL, *p;
	struct span window;
	size_t n, cap = 0;
	int rc = 0;

	while (rc == 0 && t->panes.n) {
		p = t->panes.v[0];
		window = p->next;
		if (window.end_us > t->closed_us)
			break;
		for (n = 0; t->panes.n; n++) {
			p = t->panes.v[0];
			if (p->next.end_us != window.end_us ||
				p->next.start_us != window.start_us)
				break;
			pane = mem_grow(pane, &cap, n + 1, sizeof(struct pane *));
			pane[n] = heap_take(&t->panes);
		}
		rc = write_window(w, t, &window, pane, n);
		if (rc == 0)
			rc = pass_on(w, t, pane, n, window.end_us);
	}
	free(pane);
	return rc;
}

/* ---- writing what has changed ------------------------------------------------------ */

static int
by_end(const void *x, const void *y)
{
	const struct span *a = x, *b = y;

	if (a->end_us != b->end_us)
		return a->end_us < b->end_us ? -1 : 1;
	return (a->start_us > b->start_us) - (a->start_us < b->start_us);
}

/* The panes that there are of a window, into w->list: their number. */
static size_t
panes_in(struct windows *w, const struct windows_task *t, const struct span *window)
{
	struct span s = *window;
	struct pane *p;
	size_t n = 0;

	while (s.start_us < window->end_us && t->slots) {
		if (!w->plan->from_partials)
			s = window_pane(&w->plan->shape, s.start_us);
		p = *pane_slot(t, &s);
		if (p) {
			w->list = mem_grow(w->list, &w->cap_list, n + 1, sizeof(struct pane *));
			w->list[n++] = p;
		}
		s.start_us = s.end_us;
	}
	return n;
}

static int
unchange(struct windows *w, struct windows_task *t, struct pane *p)
{
	size_t i;
	int rc;

	p->changed = false;
	for (i = 0; i < p->n; i++) {
		rc = cells_open(w->cell, t->id, p->cell[i], w->why);
		if (rc < 0)
			return -1;
		if (rc)
			w->cell->head->changed = 0;
	}
	return 0;
}

int
panes_tick(struct windows *w, struct windows_task *t)
{
	struct span *window = NULL, next;
	size_t n = 0, cap = 0, i, npanes;
	int64_t after;
	int rc = 0;

	for (i = 0; i < t->slots; i++) {
		if (!t->pane[i] || !t->pane[i]->changed)
			continue;
		for (after = t->closed_us; first_window(w, &t->pane[i]->span, after, &next);
			after = next.end_us) {
			window = mem_grow(window, &cap, n + 1, sizeof(*window));
			window[n++] = next;
		}
	}
	if (n)
		qsort(window, n, sizeof(*window), by_end);
	for (i = 0; i < n && rc == 0; i++) {
		if (i && by_end(&window[i - 1], &window[i]) == 0)
			continue;
		npanes = panes_in(w, t, &window[i]);
		rc = write_window(w, t, &window[i], w->list, npanes);
	}
	for (i = 0; i < t->slots && rc == 0; i++)
		if (t->pane[i] && t->pane[i]->changed)
			rc = unchange(w, t, t->pane[i]);
	free(window);
	return rc;
}

static struct key128
pane_key(const struct windows *w, struct key128 owner, const struct span *s)
{
	struct key128 key = cells_key(owner, s->start_us);

	return w->plan->from_partials ? cells_key(key, s->end_us) : key;
}

/* With each record: the windows of its key that it is in. */
static int
write_updates(struct windows *w, struct windows_task *t, const struct span *pane,
	struct key128 owner)
{
	struct span window;
	struct part *part;
	int64_t after;
	size_t n, i;

	for (after = t->closed_us; first_window(w, pane, after, &window);
		after = window.end_us) {
		n = panes_in(w, t, &window);
		part = arena_alloc(&w->arena, (n + 1) * sizeof(*part));
		for (i = 0; i < n; i++)
			part[i].key = pane_key(w, owner, &w->list[i]->span);
		if (write_together(w, t, &window, part, n) < 0)
			return -1;
		arena_reset(&w->arena);
	}
	return 0;
}

/* ---- records ----------------------------------------------------------------------- */

static enum windows_became
changed(struct windows *w, struct windows_task *t, struct cell *c, struct key128 owner,
	const struct span *pane)
{
	if (w->plan->every_us) {
		c->head->changed = 1;
		*c->noted = true;
	} else if (w->plan->update && write_updates(w, t, pane, owner) < 0) {
		return WINDOWS_FAILED;
	}
	return WINDOWS_HELD;
}

int
panes_open_cell(struct windows *w, struct windows_task *t, struct cell *c, struct key128 owner,
	const struct span *s, const struct span *window, struct slice key_text)
{
	struct cell_head head = {.span = *s, .owner = owner};
	struct key128 key = pane_key(w, owner, s);
	struct pane *p;
	int rc = cells_open(c, t->id, key, w->why);

	if (rc < 0)
		return -1;
	p = pane_make(t, s, window);
	c->noted = &p->changed;
	if (rc)
		return 0;
	if (cells_make(c, t->id, key, &head, key_text, w->why) < 0)
		return -1;
	pane_add(w, t, p, key);
	return 0;
}

enum windows_became
panes_add(struct windows *w, struct windows_task *t, const struct reading *r)
{
	struct cell *c = r->plain ? cells_recent(w->cells, t->id, r->owner, r->us) : NULL;
	struct span s, window;

	if (__builtin_expect(c != NULL, 1)) {
		if (windows_fold(w, c, r) < 0)
			return WINDOWS_FAILED;
		return changed(w, t, c, c->head->owner, &c->head->span);
	}
	s = window_pane(&w->plan->shape, r->us);
	if (!window_of(&w->plan->shape, &s, t->closed_us, &window))
		return window_of(&w->plan->shape, &s, INT64_MIN, &window) ? WINDOWS_LATE :
			WINDOWS_NONE;
	c = r->plain ? cells_remember(w->cells, t->id, r->owner) : w->cell;
	if (panes_open_cell(w, t, c, r->owner, &s, &window, r->key) < 0)
		return WINDOWS_FAILED;
	cells_key_seen(c, r->key);
	if (windows_fold(w, c, r) < 0)
		return WINDOWS_FAILED;
	return changed(w, t, c, r->owner, &s);
}

enum windows_became
panes_take(struct windows *w, struct windows_task *t, const struct span *s, struct slice identity,
	struct slice key_text, const struct fold_cell *from)
{
	struct key128 owner;

	if (s->end_us <= t->closed_us)
		return WINDOWS_LATE;
	owner = cells_owner(w->cells, identity);
	if (panes_open_cell(w, t, w->cell, owner, s, s, key_text) < 0)
		return WINDOWS_FAILED;
	cells_key_seen(w->cell, key_text);
	if (windows_merge(w, &w->cell->fold, from) < 0)
		return WINDOWS_FAILED;
	return changed(w, t, w->cell, owner, s);
}
