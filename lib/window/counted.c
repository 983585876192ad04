/*
 * Windows of so many records of a key, in the order of (time, content).
 *
 * What a record gives to the functions waits, as bytes, with all others of its key at its
 * instant, until no record at that instant can come any more; then they are sorted and go
 * into the cell of the key's window, one by one. The window starts and ends with a record.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "window/engine.h"

#define NOW INT64_MIN /* where the cell of a key's window is, in time */

/* A record that waits: this, its inputs, the texts of each behind it; a multiple of 8 bytes. */
struct event {
	uint32_t size, n;
};

struct event_input {
	uint32_t fold, value_n, what_n, unused;
};

/* ---- records ----------------------------------------------------------------------- */

/* What a function looks at; the rest of an input is of another record. */
static void
texts_of(const struct windows *w, const struct reading_input *in, struct slice *value,
	struct slice *what)
{
	enum fold_func func = w->plan->fold[in->fold].func;

	*value = *what = (struct slice){0};
	if (func != FOLD_COUNT)
		*value = in->in.value.text;
	if (func == FOLD_ARGMIN || func == FOLD_ARGMAX)
		*what = in->in.what.text;
}

static size_t
event_bytes(const struct windows *w, const struct reading *r)
{
	size_t n = sizeof(struct event), i;
	struct slice value, what;

	for (i = 0; i < r->n; i++) {
		texts_of(w, &r->input[i], &value, &what);
		n += sizeof(struct event_input) + value.n + what.n;
	}
	return (n + 7) & ~(size_t)7;
}

static char *
add_bytes(char *p, const void *bytes, size_t n)
{
	if (n)
		memcpy(p, bytes, n);
	return p + n;
}

/* At p, so many bytes. */
static void
write_event(const struct windows *w, char *p, size_t bytes, const struct reading *r)
{
	struct event e = {(uint32_t)bytes, (uint32_t)r->n};
	struct slice value, what;
	struct event_input head;
	char *end = p + bytes;
	size_t i;

	p = add_bytes(p, &e, sizeof(e));
	for (i = 0; i < r->n; i++) {
		texts_of(w, &r->input[i], &value, &what);
		head = (struct event_input){.fold = r->input[i].fold,
			.value_n = (uint32_t)value.n, .what_n = (uint32_t)what.n};
		p = add_bytes(p, &head, sizeof(head));
		p = add_bytes(p, value.p, value.n);
		p = add_bytes(p, what.p, what.n);
	}
	memset(p, 0, (size_t)(end - p));
}

/*
 * The events of an instant, as they lie in the state, with room for so many bytes more: made
 * anew, twice as large, where there is not. NULL: the state is full, or gave them up at once.
 */
static char *
events_open(struct windows *w, struct windows_task *t, const struct reading *r, size_t more)
{
	struct key128 key = cells_key(r->owner, r->us);
	struct events_head h = {.kind = KIND_EVENTS, .us = r->us, .owner = r->owner};
	struct slice key_text = r->key;
	size_t n;
	char *p = state_edit(w->state, t->id, key, &n, w->why);

	if (!p && w->why->status)
		return NULL;
	if (p) {
		memcpy(&h, p, sizeof(h));
		if (h.cap - h.n >= more)
			return p;
		key_text = slice_of(p + sizeof(h) + h.cap, h.key_n);
	} else {
		buf_reset(&w->order);
		windows_add_order(w, r->key, &w->order);
		timers_add(&t->timers, r->us, r->owner, buf_slice(&w->order));
	}
	h.cap = h.n ? 2 * (h.n + more) : more;
	h.key_n = (uint32_t)key_text.n;
	buf_reset(&w->room);
	buf_add(&w->room, &h, sizeof(h));
	buf_reserve(&w->room, h.cap);
	if (p)
		memcpy(w->room.p + sizeof(h), p + sizeof(h), h.n);
	memset(w->room.p + sizeof(h) + h.n, 0, h.cap - h.n);
	w->room.n += h.cap;
	buf_add_slice(&w->room, key_text);
	if (state_put(w->state, t->id, key, buf_slice(&w->room), w->why) < 0)
		return NULL;
	return state_edit(w->state, t->id, key, &n, w->why);
}

enum windows_became
count_add(struct windows *w, struct windows_task *t, const struct reading *r)
{
	size_t bytes = event_bytes(w, r);
	struct events_head *h;
	struct slice was;
	char *p;

	if (r->us < t->closed_us)
		return WINDOWS_LATE;
	p = events_open(w, t, r, bytes);
	if (!p)
		return w->why->status ? WINDOWS_FAILED : WINDOWS_HELD;
	h = (struct events_head *)(void *)p;
	write_event(w, p + sizeof(*h) + h->n, bytes, r);
	h->n += bytes;
	p += sizeof(*h) + h->cap;
	was = slice_of(p, h->key_n);
	if (r->key.n < was.n || (r->key.n == was.n && slice_cmp(r->key, was) < 0)) {
		add_bytes(p, r->key.p, r->key.n);
		h->key_n = (uint32_t)r->key.n;
	}
	return WINDOWS_HELD;
}

/* ---- counting ---------------------------------------------------------------------- */

/* A result that waits for those that end with it. */
struct ready {
	struct span window;
	struct slice order, text;
};

struct readies {
	struct ready *v;
	size_t n, cap;
};

static int
in_order(const void *x, const void *y)
{
	const struct ready *a = x, *b = y;

	if (a->window.end_us != b->window.end_us)
		return a->window.end_us < b->window.end_us ? -1 : 1;
	if (a->window.start_us != b->window.start_us)
		return a->window.start_us < b->window.start_us ? -1 : 1;
	return slice_cmp(a->order, b->order);
}

static void
keep_ready(struct windows *w, struct readies *to, const struct cell *c)
{
	struct slice key = cell_key_text(c->head, w->plan->fixed);
	struct ready *r;

	to->v = mem_grow(to->v, &to->cap, to->n + 1, sizeof(*to->v));
	r = &to->v[to->n++];
	r->window = c->head->span;
	buf_reset(&w->order);
	windows_add_order(w, key, &w->order);
	r->order = arena_copy(&w->arena, buf_slice(&w->order));
	buf_reset(&w->key);
	result_add(w, &w->key, &r->window, key, &c->fold);
	r->text = arena_copy(&w->arena, buf_slice(&w->key));
}

static void
write_ready(struct windows *w, struct readies *from)
{
	size_t i;

	if (from->n)
		qsort(from->v, from->n, sizeof(*from->v), in_order);
	for (i = 0; i < from->n; i++) {
		buf_add_slice(emit_begin_made(w->emit, 0, from->v[i].window.end_us),
			from->v[i].text);
		emit_end(w->emit);
	}
	from->n = 0;
	arena_reset(&w->arena);
}

static int
by_bytes(const void *x, const void *y)
{
	const struct event *const *a = x, *const *b = y;

	return slice_cmp(slice_of((const char *)(*a + 1), (*a)->size - sizeof(**a)),
		slice_of((const char *)(*b + 1), (*b)->size - sizeof(**b)));
}

static int
fold_event(struct windows *w, struct cell *c, const struct event *e, int64_t us)
{
	const char *p = (const char *)(e + 1);
	struct fold_input in = {.us = us};
	struct event_input head;
	uint32_t i;

	for (i = 0; i < e->n; i++) {
		memcpy(&head, p, sizeof(head));
		p += sizeof(head);
		if (head.value_n)
			in.value = fold_value_of(slice_of(p, head.value_n));
		p += head.value_n;
		if (head.what_n)
			in.what = fold_value_of(slice_of(p, head.what_n));
		p += head.what_n;
		if (fold_add(&w->plan->fold[head.fold], &c->fold, head.fold, &in, &w->work,
			w->why) < 0)
			return -1;
	}
	return 0;
}

/* One record goes into the window of its key. */
static int
count_one(struct windows *w, struct windows_task *t, const struct events_head *h,
	const struct event *e, struct slice key_text, struct readies *ready)
{
	struct cell_head head = {.span = {h->us, h->us}, .owner = h->owner};
	struct key128 key = cells_key(h->owner, NOW);
	int rc = cells_open(w->cell, t->id, key, w->why);

	if (rc == 0)
		rc = cells_make(w->cell, t->id, key, &head, key_text, w->why);
	if (rc < 0)
		return -1;
	cells_key_seen(w->cell, key_text);
	w->cell->head->span.end_us = h->us;
	w->cell->head->times++;
	if (fold_event(w, w->cell, e, h->us) < 0)
		return -1;
	if (w->cell->head->times < w->plan->shape.count)
		return 0;
	keep_ready(w, ready, w->cell);
	return cells_remove(w->cells, t->id, key, w->why);
}

static int
count_instant(struct windows *w, struct windows_task *t, struct key128 owner, int64_t us,
	struct readies *ready)
{
	struct key128 key = cells_key(owner, us);
	const struct event **event = NULL;
	const struct events_head *h;
	struct slice value, key_text;
	size_t n = 0, cap = 0, i, at;
	struct buf own = {0};
	int rc = 0;

	if (!state_get(w->state, t->id, key, &value))
		return 0; /* given up */
	buf_add_slice(&own, value);
	h = (const void *)own.p;
	key_text = slice_of(own.p + sizeof(*h) + h->cap, h->key_n);
	for (at = 0; at < h->n; at += event[n++]->size) {
		event = mem_grow(event, &cap, n + 1, sizeof(*event));
		event[n] = (const void *)(own.p + sizeof(*h) + at);
	}
	qsort(event, n, sizeof(*event), by_bytes);
	if (state_remove(w->state, t->id, key, w->why) < 0)
		rc = -1;
	for (i = 0; i < n && rc == 0; i++)
		rc = count_one(w, t, h, event[i], key_text, ready);
	free(event);
	buf_release(&own);
	return rc;
}

/* ---- closing ----------------------------------------------------------------------- */

struct gathering {
	struct windows *w;
	struct windows_task *t;
	struct key128 *key;
	size_t n, cap;
};

static int
gather(void *arg, struct key128 key, struct slice value)
{
	struct gathering *g = arg;

	if (*value.p != KIND_CELL)
		return 0;
	g->key = mem_grow(g->key, &g->cap, g->n + 1, sizeof(*g->key));
	g->key[g->n++] = key;
	return 0;
}

/* At the end of time: windows that are not full. */
static int
write_rest(struct windows *w, struct windows_task *t, struct readies *ready)
{
	struct gathering g = {.w = w, .t = t};
	size_t i;
	int rc = 0;

	state_each(w->state, t->id, gather, &g);
	for (i = 0; i < g.n && rc == 0; i++) {
		if (cells_look(w->view, t->id, g.key[i]))
			keep_ready(w, ready, w->view);
		rc = cells_remove(w->cells, t->id, g.key[i], w->why);
	}
	free(g.key);
	write_ready(w, ready);
	return rc;
}

int
count_close(struct windows *w, struct windows_task *t)
{
	struct readies ready = {0};
	struct timer timer;
	int64_t us = INT64_MIN;
	int rc = 0;

	while (rc == 0 && t->closed_us > INT64_MIN &&
		timers_due(&t->timers, t->closed_us - 1, &timer)) {
		if (timer.us != us)
			write_ready(w, &ready);
		us = timer.us;
		rc = count_instant(w, t, timer.key, us, &ready);
		free((void *)(uintptr_t)timer.order.p);
	}
	write_ready(w, &ready);
	if (rc == 0 && t->closed_us == INT64_MAX)
		rc = write_rest(w, t, &ready);
	free(ready.v);
	return rc;
}

int
count_found(struct windows *w, struct windows_task *t, struct key128 key, struct slice value)
{
	const struct events_head *h = (const void *)value.p;

	(void)key;
	if (h->kind != KIND_EVENTS)
		return 0;
	buf_reset(&w->order);
	windows_add_order(w, slice_of(value.p + sizeof(*h) + h->cap, h->key_n), &w->order);
	timers_add(&t->timers, h->us, h->owner, buf_slice(&w->order));
	return 0;
}
