/*
 * Sessions. A key's index tells its open sessions, in the order of time: from when to when
 * their records are, and the cell of each. A record that is less than the gap away from a
 * session extends it, and one that is near two makes them one.
 *
 * A timer stands in the queue for each beginning of a session that there was: at the end the
 * session had when it got that beginning. Where it ends later by now, the timer is put back;
 * where no session begins there any more, it is void.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "window/open.h"

static int64_t
end_of(const struct windows *w, const struct session *s)
{
	return later(s->last_us, w->plan->shape.size_us);
}

/* Its place in time: the end of the records, by which timers go, and the start for order. */
static void
add_timer(struct windows *w, struct windows_task *t, struct key128 owner, const struct session *s,
	struct slice key_text)
{
	uint64_t start = (uint64_t)s->start_us ^ (uint64_t)1 << 63;
	int i;

	buf_reset(&w->order);
	for (i = 56; i >= 0; i -= 8)
		buf_addc(&w->order, (char)(start >> i));
	windows_add_order(w, key_text, &w->order);
	timers_add(&t->timers, end_of(w, s), owner, buf_slice(&w->order));
}

/* ---- records ----------------------------------------------------------------------- */

static int
open_cell(struct windows *w, struct windows_task *t, struct key128 owner,
	const struct session *s, struct slice key_text)
{
	struct cell_head head = {.span = {s->start_us, s->last_us}, .owner = owner};
	struct key128 key = cells_key(owner, s->id);
	int rc = cells_open(w->cell, t->id, key, w->why);

	if (rc == 0)
		rc = cells_make(w->cell, t->id, key, &head, key_text, w->why);
	if (rc < 0)
		return -1;
	cells_key_seen(w->cell, key_text);
	w->cell->head->span = head.span;
	return 0;
}

/* The cell of a session moves into that which is open. */
static int
take_over(struct windows *w, struct windows_task *t, struct key128 owner,
	const struct session *s)
{
	struct key128 key = cells_key(owner, s->id);

	if (!cells_look(w->view, t->id, key))
		return 0;
	cells_key_seen(w->cell, cell_key_text(w->view->head, w->plan->fixed));
	/* What grows in the state may move what is looked at. */
	fold_scratch_clear(&w->sum);
	if (windows_merge(w, &w->sum.cell, &w->view->fold) < 0 ||
		windows_merge(w, &w->cell->fold, &w->sum.cell) < 0 ||
		cells_remove(w->cells, t->id, key, w->why) < 0)
		return -1;
	return cells_ready(w->cell, w->why);
}

/* What goes into the session that is open. */
struct addition {
	const struct reading *r;
	const struct fold_cell *from;
};

static enum windows_became
add_to(struct windows *w, const struct session *s, const struct addition *add)
{
	struct span window = {s->start_us, end_of(w, s)};
	struct slice key;

	if (add->r ? windows_fold(w, w->cell, add->r) < 0 :
			windows_merge(w, &w->cell->fold, add->from) < 0)
		return WINDOWS_FAILED;
	if (w->plan->every_us) {
		w->cell->head->changed = 1;
	} else if (w->plan->update && !cell_is_lost(w->cell)) {
		key = cell_key_text(w->cell->head, w->plan->fixed);
		result_write(w, &window, key, &w->cell->fold, window.end_us - 1);
	}
	return WINDOWS_HELD;
}

static enum windows_became
begin_one(struct windows *w, struct windows_task *t, struct key128 owner, size_t at,
	const struct session *fresh, struct slice key_text, const struct addition *what)
{
	if (end_of(w, fresh) <= t->closed_us)
		return WINDOWS_LATE;
	if (open_insert(w, t, owner, at, fresh, key_text) < 0)
		return WINDOWS_FAILED;
	add_timer(w, t, owner, fresh, key_text);
	return open_cell(w, t, owner, fresh, key_text) < 0 ? WINDOWS_FAILED :
		add_to(w, fresh, what);
}

/* Those that are less than the gap away from it and one another: from at on, up to here. All of
 * them and it, as one. */
static size_t
near(const struct open *s, size_t at, int64_t gap_us, const struct session *fresh,
	struct session *all)
{
	*all = *fresh;
	for (; at < s->n && s->item[at].start_us - fresh->last_us < gap_us; at++) {
		if (s->item[at].start_us < all->start_us)
			all->start_us = s->item[at].start_us;
		if (s->item[at].last_us > all->last_us)
			all->last_us = s->item[at].last_us;
	}
	return at;
}

/* The cells of those from at + 1 up to end move into the one that is open, that of at. */
static int
join_cells(struct windows *w, struct windows_task *t, struct key128 owner, size_t at, size_t end)
{
	struct slice value;
	struct session other;
	struct open s;

	/* From the last on; what is behind it moves up. */
	while (end > at + 1 && state_get(w->state, t->id, owner, &value)) {
		open_see(&s, value.p);
		other = s.item[--end];
		if (open_forget(w, t, owner, end) < 0 || take_over(w, t, owner, &other) < 0)
			return -1;
	}
	return cells_ready(w->cell, w->why);
}

/* Of a key: what is there from start to last, records or a partial session. */
static enum windows_became
add(struct windows *w, struct windows_task *t, const struct session *fresh,
	struct key128 owner, struct slice key_text, const struct addition *what)
{
	int64_t gap_us = w->plan->shape.size_us;
	struct session all, *first;
	struct open s = {.n = 0};
	size_t at, end, n;
	char *p = state_edit(w->state, t->id, owner, &n, w->why);
	bool moved;

	if (!p && w->why->status)
		return WINDOWS_FAILED;
	if (p)
		open_see(&s, p);
	at = open_before(&s, fresh->start_us, gap_us);
	end = near(&s, at, gap_us, fresh, &all);
	if (end == at)
		return begin_one(w, t, owner, at, fresh, key_text, what);
	first = &s.item[at];
	moved = all.start_us != first->start_us;
	all.id = first->id;
	*first = all;
	if (moved)
		add_timer(w, t, owner, &all, key_text);
	if (open_cell(w, t, owner, &all, key_text) < 0 || join_cells(w, t, owner, at, end) < 0)
		return WINDOWS_FAILED;
	return add_to(w, &all, what);
}

enum windows_became
sessions_add(struct windows *w, struct windows_task *t, const struct reading *r)
{
	const struct session fresh = {r->us, r->us, r->us};

	return add(w, t, &fresh, r->owner, r->key, &(struct addition){.r = r});
}

enum windows_became
sessions_take(struct windows *w, struct windows_task *t, const struct span *span,
	struct slice identity, struct slice key_text, const struct fold_cell *from)
{
	const struct session fresh = {span->start_us, span->end_us - w->plan->shape.size_us,
		span->start_us};

	return add(w, t, &fresh, cells_owner(w->cells, identity), key_text,
		&(struct addition){.from = from});
}

/* ---- closing ----------------------------------------------------------------------- */

static int
close_one(struct windows *w, struct windows_task *t, struct key128 owner, const struct open *s,
	size_t i)
{
	const struct session *one = &s->item[i];
	struct key128 key = cells_key(owner, one->id);
	struct span window = {one->start_us, end_of(w, one)};

	if (cells_look(w->view, t->id, key) &&
		(!w->plan->update || w->view->head->changed))
		result_write(w, &window, cell_key_text(w->view->head, w->plan->fixed),
			&w->view->fold, window.end_us - 1);
	if (open_forget(w, t, owner, i) < 0)
		return -1;
	return cells_remove(w->cells, t->id, key, w->why);
}

/* The session that begins where a timer says; s->n: none does. */
static size_t
of_timer(const struct open *s, const struct timer *timer)
{
	uint64_t start = 0;
	size_t i;

	for (i = 0; i < 8; i++)
		start = start << 8 | (unsigned char)timer->order.p[i];
	start ^= (uint64_t)1 << 63;
	return open_at(s, (int64_t)start);
}

int
sessions_close(struct windows *w, struct windows_task *t)
{
	struct timer timer;
	struct open s;
	struct slice value;
	int64_t end;
	size_t i;
	int rc = 0;

	while (rc == 0 && timers_due(&t->timers, t->closed_us, &timer)) {
		if (state_get(w->state, t->id, timer.key, &value)) {
			open_see(&s, value.p);
			i = of_timer(&s, &timer);
			end = i < s.n ? end_of(w, &s.item[i]) : INT64_MIN;
			if (end > timer.us)
				timers_add(&t->timers, end, timer.key, timer.order);
			else if (end == timer.us)
				rc = close_one(w, t, timer.key, &s, i);
		}
		free((void *)(uintptr_t)timer.order.p);
	}
	return rc;
}

/* ---- what has changed, and what is there ------------------------------------------- */

struct change {
	struct span window;
	struct slice order;
	struct key128 key;
};

struct gathering {
	struct windows *w;
	struct change *change;
	size_t n, cap;
};

static int
gather(void *arg, struct key128 key, struct slice value)
{
	const struct cell_head *h = (const void *)value.p;
	struct gathering *g = arg;
	struct windows *w = g->w;
	struct change *c;

	if (h->kind != KIND_CELL || !h->changed)
		return 0;
	g->change = mem_grow(g->change, &g->cap, g->n + 1, sizeof(*g->change));
	c = &g->change[g->n++];
	buf_reset(&w->order);
	windows_add_order(w, cell_key_text(h, w->plan->fixed), &w->order);
	c->order = arena_copy(&w->arena, buf_slice(&w->order));
	c->window = (struct span){h->span.start_us, later(h->span.end_us,
		w->plan->shape.size_us)};
	c->key = key;
	return 0;
}

static int
in_order(const void *x, const void *y)
{
	const struct change *a = x, *b = y;

	if (a->window.end_us != b->window.end_us)
		return a->window.end_us < b->window.end_us ? -1 : 1;
	if (a->window.start_us != b->window.start_us)
		return a->window.start_us < b->window.start_us ? -1 : 1;
	return slice_cmp(a->order, b->order);
}

int
sessions_tick(struct windows *w, struct windows_task *t)
{
	struct gathering g = {.w = w};
	size_t i;
	int rc = 0;

	state_each(w->state, t->id, gather, &g);
	if (g.n)
		qsort(g.change, g.n, sizeof(*g.change), in_order);
	for (i = 0; i < g.n && rc >= 0; i++) {
		rc = cells_open(w->cell, t->id, g.change[i].key, w->why);
		if (rc <= 0)
			continue;
		result_write(w, &g.change[i].window,
			cell_key_text(w->cell->head, w->plan->fixed), &w->cell->fold,
			g.change[i].window.end_us - 1);
		w->cell->head->changed = 0;
	}
	free(g.change);
	arena_reset(&w->arena);
	return rc < 0 ? -1 : 0;
}

int
sessions_found(struct windows *w, struct windows_task *t, struct key128 key, struct slice value)
{
	struct open s;
	size_t i;

	if (*value.p != KIND_INDEX)
		return 0;
	open_see(&s, value.p);
	for (i = 0; i < s.n; i++)
		add_timer(w, t, key, &s.item[i], s.key_text);
	return 0;
}

void
sessions_lost(struct windows *w, struct key128 owner, struct slice value,
	void (*cell)(struct cells *, struct key128))
{
	struct open s;
	size_t i;

	open_see(&s, value.p);
	for (i = 0; i < s.n; i++)
		cell(w->cells, cells_key(owner, s.item[i].id));
}
