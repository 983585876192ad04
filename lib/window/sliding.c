/*
 * Sliding windows: a result for each record, over the records of its key in the time before
 * it, both ends included.
 *
 * All records of a key at one instant share a cell, and the key's index lists its instants.
 * An instant is done once no record at it can come any more; its cells are put together then,
 * and those that no later instant reaches back to go. The timer of a key's newest instant is
 * set again for when that is out of reach itself.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "window/engine.h"

struct instant {
	int64_t us;
	uint64_t done;
};

struct instants {
	struct instant *item;
	size_t n;
	struct slice key_text;
};

static void
see(struct instants *s, struct slice value)
{
	const struct index_head *h = (const void *)value.p;

	s->item = (struct instant *)(void *)(uintptr_t)(value.p + sizeof(*h));
	s->n = h->n / sizeof(*s->item);
	s->key_text = slice_of(value.p + sizeof(*h) + h->n, h->key_n);
}

static int
write_index(struct windows *w, struct windows_task *t, struct key128 owner,
	const struct instant *item, size_t n, struct slice key_text)
{
	struct index_head h = {.kind = KIND_INDEX, .key_n = (uint32_t)key_text.n,
		.n = n * sizeof(*item)};

	if (!n)
		return state_remove(w->state, t->id, owner, w->why);
	buf_reset(&w->room);
	buf_add(&w->room, &h, sizeof(h));
	buf_add(&w->room, item, n * sizeof(*item));
	buf_add_slice(&w->room, key_text);
	return state_put(w->state, t->id, owner, buf_slice(&w->room), w->why);
}

static void
add_timer(struct windows *w, struct windows_task *t, struct key128 owner, int64_t us,
	struct slice key_text)
{
	buf_reset(&w->order);
	windows_add_order(w, key_text, &w->order);
	timers_add(&t->timers, us, owner, buf_slice(&w->order));
}

/* ---- records --------------------------------------------------------------------------- */

/* A new instant of a key; value: its index, if it has one. */
static int
insert(struct windows *w, struct windows_task *t, struct key128 owner, struct slice value,
	int64_t us, struct slice key_text)
{
	struct index_head h = {.kind = KIND_INDEX};
	const struct instant fresh = {us, 0};
	struct instants s = {.n = 0};
	size_t at;

	if (value.n) {
		see(&s, value);
		key_text = s.key_text;
	}
	for (at = s.n; at && s.item[at - 1].us > us; at--)
		;
	h.key_n = (uint32_t)key_text.n;
	h.n = (s.n + 1) * sizeof(fresh);
	buf_reset(&w->room);
	buf_add(&w->room, &h, sizeof(h));
	buf_add(&w->room, s.item, at * sizeof(fresh));
	buf_add(&w->room, &fresh, sizeof(fresh));
	buf_add(&w->room, s.n ? s.item + at : NULL, (s.n - at) * sizeof(fresh));
	buf_add_slice(&w->room, key_text);
	add_timer(w, t, owner, us, key_text);
	return state_put(w->state, t->id, owner, buf_slice(&w->room), w->why);
}

enum windows_became
sliding_add(struct windows *w, struct windows_task *t, const struct reading *r)
{
	struct cell_head head = {.span = {r->us, r->us}};
	struct slice value = {0};
	struct key128 key;
	int rc;

	if (r->us < t->closed_us)
		return WINDOWS_LATE;
	head.owner = cells_owner(w->cells, r->identity);
	key = cells_key(w->cells, head.owner, r->us);
	rc = cells_open(w->cell, t->id, key, w->why);
	if (rc == 0) {
		state_get(w->state, t->id, head.owner, &value);
		rc = insert(w, t, head.owner, value, r->us, r->key);
		if (rc == 0)
			rc = cells_make(w->cell, t->id, key, &head, r->key, w->why);
	}
	if (rc < 0)
		return WINDOWS_FAILED;
	cells_key_seen(w->cell, r->key);
	w->cell->head->times++;
	return windows_fold(w, w->cell, r) < 0 ? WINDOWS_FAILED : WINDOWS_HELD;
}

/* ---- results --------------------------------------------------------------------------- */

/* The window that ends with an instant, as often as it has records. */
static int
write_instant(struct windows *w, struct windows_task *t, struct key128 owner,
	const struct instants *s, size_t at)
{
	struct span window = {s->item[at].us - w->plan->shape.size_us, s->item[at].us};
	uint64_t times = 0;
	struct slice text;
	size_t i;

	fold_scratch_clear(&w->sum);
	buf_reset(&w->key);
	for (i = at + 1; i-- > 0 && s->item[i].us >= window.start_us;) {
		if (!cells_look(w->view, t->id, cells_key(w->cells, owner, s->item[i].us)))
			continue;
		if (i == at)
			times = w->view->head->times;
		text = cell_key_text(w->view->head, w->plan->fixed);
		if (!w->key.n || text.n < w->key.n ||
			(text.n == w->key.n && slice_cmp(text, buf_slice(&w->key)) < 0)) {
			buf_reset(&w->key);
			buf_add_slice(&w->key, text);
		}
		if (windows_merge(w, &w->sum.cell, &w->view->fold) < 0)
			return -1;
	}
	for (; times; times--)
		result_write(w, &window, buf_slice(&w->key), &w->sum.cell, window.end_us);
	return 0;
}

/* Instants before us go, with their cells. */
static int
forget(struct windows *w, struct windows_task *t, struct key128 owner, struct slice value,
	int64_t us)
{
	struct instants s;
	size_t i;
	int rc;

	see(&s, value);
	if (s.item[0].us >= us)
		return 0;
	buf_reset(&w->key);
	buf_add_slice(&w->key, value);
	see(&s, buf_slice(&w->key));
	for (i = 0; i < s.n && s.item[i].us < us; i++)
		if (cells_remove(w->cells, t->id, cells_key(w->cells, owner, s.item[i].us),
			w->why) < 0)
			return -1;
	rc = write_index(w, t, owner, s.item + i, s.n - i, s.key_text);
	return rc;
}

static int
on_timer(struct windows *w, struct windows_task *t, const struct timer *timer)
{
	int64_t size = w->plan->shape.size_us;
	struct instants s;
	size_t n, i;
	char *p = state_edit(w->state, t->id, timer->key, &n, w->why);

	if (!p)
		return w->why->status ? -1 : 0;
	see(&s, slice_of(p, n));
	for (i = 0; i < s.n && s.item[i].us != timer->us; i++)
		;
	if (i < s.n && !s.item[i].done) {
		s.item[i].done = 1;
		if (write_instant(w, t, timer->key, &s, i) < 0)
			return -1;
		if (i + 1 == s.n)
			timers_add(&t->timers, later(timer->us, size + 1), timer->key,
				timer->order);
	}
	return forget(w, t, timer->key, slice_of(p, n), timer->us - size);
}

int
sliding_close(struct windows *w, struct windows_task *t)
{
	struct timer timer;
	int rc = 0;

	while (rc == 0 && t->closed_us > INT64_MIN &&
		timers_due(&t->timers, t->closed_us - 1, &timer)) {
		rc = on_timer(w, t, &timer);
		free((void *)(uintptr_t)timer.order.p);
	}
	return rc;
}

int
sliding_found(struct windows *w, struct windows_task *t, struct key128 key, struct slice value)
{
	struct instants s;
	size_t i;

	if (*value.p != KIND_INDEX)
		return 0;
	see(&s, value);
	for (i = 0; i < s.n; i++)
		if (!s.item[i].done)
			add_timer(w, t, key, s.item[i].us, s.key_text);
	if (s.item[s.n - 1].done)
		add_timer(w, t, key, later(s.item[s.n - 1].us, w->plan->shape.size_us + 1),
			s.key_text);
	return 0;
}
