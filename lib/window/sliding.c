/*
 * Sliding windows: a result for each record, over the records of its key in the time before
 * it, both ends included.
 *
 * All records of a key at one instant share a cell, and the key's index lists its instants.
 * An instant is done once no record at it can come any more; its cells are put together then,
 * and those that no later instant reaches back to go. The timer of a key's newest instant is
 * set again for when that is out of reach itself.
 *
 *	head | instants, cap of them, from first on n, of which done | key
 *
 * Where many instants are in a window, runs of them are put together once, and not again for
 * each result: blocks.h.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "window/blocks.h"
#include "window/engine.h"

struct slide_head {
	uint8_t kind;
	uint8_t unused[3];
	uint32_t key_n;
	uint32_t first, n, done, cap;
	uint64_t gone;            /* instants that were there before the first */
};

struct instants {
	struct slide_head *head;
	int64_t *item;            /* the first */
	struct slice key_text;
};

static void
see(struct instants *s, const char *value)
{
	s->head = (struct slide_head *)(void *)(uintptr_t)value;
	s->item = (int64_t *)(void *)(s->head + 1) + s->head->first;
	s->key_text = slice_of((const char *)(s->head + 1) + s->head->cap * sizeof(int64_t),
		s->head->key_n);
}

/* The number of instants before us. */
static uint32_t
before(const struct instants *s, int64_t us)
{
	uint32_t low = 0, high = s->head->n, mid;

	/* Mostly it is about the newest. */
	if (high && s->item[high - 1] < us)
		return high;
	while (low < high) {
		mid = low + (high - low) / 2;
		if (s->item[mid] < us)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void
add_timer(struct windows *w, struct windows_task *t, struct key128 owner, int64_t us,
	struct slice key_text)
{
	buf_reset(&w->order);
	windows_add_order(w, key_text, &w->order);
	timers_add(&t->timers, us, owner, buf_slice(&w->order));
}

/* ---- records ----------------------------------------------------------------------- */

/* An index with room for twice as many; of a key without one, the first. */
static int
make_room(struct windows *w, struct windows_task *t, struct key128 owner,
	const struct instants *s, struct slice key_text)
{
	struct slide_head h = {.kind = KIND_INDEX, .cap = 4};
	struct buf *b = &w->room;

	if (s) {
		h = *s->head;
		h.first = 0;
		h.cap = 2 * (h.n + 1);
		key_text = s->key_text;
	}
	h.key_n = (uint32_t)key_text.n;
	buf_reset(b);
	buf_reserve(b, sizeof(h) + h.cap * sizeof(int64_t) + h.key_n);
	memset(b->p, 0, sizeof(h) + h.cap * sizeof(int64_t));
	memcpy(b->p, &h, sizeof(h));
	if (s)
		memcpy(b->p + sizeof(h), s->item, h.n * sizeof(int64_t));
	b->n = sizeof(h) + h.cap * sizeof(int64_t);
	buf_add_slice(b, key_text);
	return state_put(w->state, t->id, owner, buf_slice(b), w->why);
}

/* A new instant of a key. */
static int
insert(struct windows *w, struct windows_task *t, struct key128 owner, int64_t us,
	struct slice key_text)
{
	struct instants s;
	uint32_t at;
	size_t n;
	char *p = state_edit(w->state, t->id, owner, &n, w->why);

	if (p)
		see(&s, p);
	if (!p || s.head->first + s.head->n == s.head->cap) {
		if ((!p && w->why->status) ||
			make_room(w, t, owner, p ? &s : NULL, key_text) < 0)
			return -1;
		p = state_edit(w->state, t->id, owner, &n, w->why);
		if (!p)
			return w->why->status ? -1 : 0;
		see(&s, p);
	}
	at = before(&s, us);
	if (at < s.head->n && s.item[at] == us)
		return 0; /* its cell was given up */
	memmove(s.item + at + 1, s.item + at, (s.head->n - at) * sizeof(*s.item));
	s.item[at] = us;
	s.head->n++;
	add_timer(w, t, owner, us, s.key_text);
	return 0;
}

enum windows_became
sliding_add(struct windows *w, struct windows_task *t, const struct reading *r)
{
	struct cell_head head = {.span = {r->us, r->us}};
	struct key128 key;
	int rc;

	if (r->us < t->closed_us)
		return WINDOWS_LATE;
	head.owner = r->owner;
	key = cells_key(head.owner, r->us);
	rc = cells_open(w->cell, t->id, key, w->why);
	if (rc == 0) {
		rc = insert(w, t, head.owner, r->us, r->key);
		if (rc == 0)
			rc = cells_make(w->cell, t->id, key, &head, r->key, w->why);
	}
	if (rc < 0)
		return WINDOWS_FAILED;
	cells_key_seen(w->cell, r->key);
	w->cell->head->times++;
	return windows_fold(w, w->cell, r) < 0 ? WINDOWS_FAILED : WINDOWS_HELD;
}

/* ---- results ----------------------------------------------------------------------- */

/* Put the cell of an instant to the sum; how often it is to be written, in *times. */
static int
add_cell(struct windows *w, struct windows_task *t, struct key128 owner, int64_t us,
	struct fold_cell *sum, struct buf *key, uint64_t *times)
{
	struct slice text;

	*times = 0;
	if (!cells_look(w->view, t->id, cells_key(owner, us)))
		return 0;
	*times = w->view->head->times;
	text = cell_key_text(w->view->head, w->plan->fixed);
	if (!key->n || text.n < key->n ||
		(text.n == key->n && slice_cmp(text, buf_slice(key)) < 0)) {
		buf_reset(key);
		buf_add_slice(key, text);
	}
	return windows_merge(w, sum, &w->view->fold);
}

/* The instants from number i to before end, all of them done, into a block. */
static int
fill_block(struct windows *w, struct windows_task *t, struct key128 owner,
	const struct instants *s, struct blocks *b, unsigned level, uint32_t i, uint32_t end)
{
	struct block_of *to = blocks_new(b, level, s->head->gone + i);
	const struct block_of *from;
	uint64_t times;

	for (; i < end; i += from ? (uint32_t)blocks_width(level - 1) : 1) {
		from = level > 1 ? blocks_get(b, level - 1, s->head->gone + i) : NULL;
		if (from ? block_merge(w, to, from) < 0 :
				add_cell(w, t, owner, s->item[i], &to->sum.cell, &to->key, &times) < 0)
			return -1;
	}
	return 0;
}

/* Instant i is done: blocks that end with it are made. */
static int
make_blocks(struct windows *w, struct windows_task *t, struct key128 owner,
	const struct instants *s, struct blocks *b, uint32_t i)
{
	uint64_t end = s->head->gone + i + 1, width;
	unsigned level;

	for (level = 1; level <= BLOCKS_LEVELS; level++) {
		width = blocks_width(level);
		if (end % width)
			break;
		/* It may begin with instants that are gone. */
		if (width <= i + 1 && fill_block(w, t, owner, s, b, level,
				i + 1 - (uint32_t)width, i + 1) < 0)
			return -1;
	}
	return 0;
}

/* The window that ends with instant at, as often as that has records. */
static int
write_instant(struct windows *w, struct windows_task *t, struct key128 owner,
	const struct instants *s, uint32_t at)
{
	struct span window = {s->item[at] - w->plan->shape.size_us, s->item[at]};
	uint32_t i = before(s, window.start_us);
	struct blocks *b = at - i >= BLOCKS_WORTH ? blocks_of(t->blocks, owner) : NULL;
	const struct block_of *block;
	uint64_t times = 0;
	unsigned level;

	fold_scratch_clear(&w->sum);
	buf_reset(&w->key);
	while (i <= at) {
		block = b ? blocks_best(b, s->head->gone + i, s->head->gone + at + 1, &level) :
			NULL;
		if (block ? block_add(w, block, &w->sum.cell, &w->key) < 0 :
				add_cell(w, t, owner, s->item[i], &w->sum.cell, &w->key, &times) < 0)
			return -1;
		i += block ? (uint32_t)blocks_width(level) : 1;
	}
	for (; times; times--)
		result_write(w, &window, buf_slice(&w->key), &w->sum.cell, window.end_us);
	return b ? make_blocks(w, t, owner, s, b, at) : 0;
}

/* Instants before us go, with their cells. */
static int
forget(struct windows *w, struct windows_task *t, struct key128 owner, int64_t us)
{
	struct instants s;
	size_t n;
	char *p;

	while ((p = state_edit(w->state, t->id, owner, &n, w->why))) {
		int64_t first;

		see(&s, p);
		if (!s.head->n) {
			blocks_drop(t->blocks, owner);
			return state_remove(w->state, t->id, owner, w->why);
		}
		first = s.item[0];
		if (first >= us)
			break;
		s.head->first++;
		s.head->n--;
		s.head->done -= s.head->done > 0;
		s.head->gone++;
		if (t->blocks)
			blocks_forget(t->blocks, owner, s.head->gone);
		if (cells_remove(w->cells, t->id, cells_key(owner, first), w->why) < 0)
			return -1;
	}
	return !p && w->why->status ? -1 : 0;
}

static int
on_timer(struct windows *w, struct windows_task *t, const struct timer *timer)
{
	int64_t size = w->plan->shape.size_us;
	struct instants s;
	uint32_t i;
	size_t n;
	char *p = state_edit(w->state, t->id, timer->key, &n, w->why);

	if (!p)
		return w->why->status ? -1 : 0;
	see(&s, p);
	i = before(&s, timer->us);
	if (i == s.head->done && i < s.head->n && s.item[i] == timer->us) {
		s.head->done++;
		if (write_instant(w, t, timer->key, &s, i) < 0)
			return -1;
		if (i + 1 == s.head->n)
			timers_add(&t->timers, later(timer->us, size + 1), timer->key,
				timer->order);
	}
	return forget(w, t, timer->key, timer->us - size);
}

int
sliding_close(struct windows *w, struct windows_task *t)
{
	struct timer timer;
	int rc = 0;

	if (!t->blocks)
		t->blocks = blocks_open(w);
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
	uint32_t i;

	if (*value.p != KIND_INDEX)
		return 0;
	see(&s, value.p);
	for (i = s.head->done; i < s.head->n; i++)
		add_timer(w, t, key, s.item[i], s.key_text);
	if (s.head->done == s.head->n)
		add_timer(w, t, key, later(s.item[s.head->n - 1], w->plan->shape.size_us + 1),
			s.key_text);
	return 0;
}

/* The cells of an index that is given up. */
void
sliding_lost(struct windows *w, struct key128 owner, struct slice value,
	void (*cell)(struct cells *, struct key128))
{
	struct instants s;
	uint32_t i;

	see(&s, value.p);
	for (i = 0; i < s.head->n; i++)
		cell(w->cells, cells_key(owner, s.item[i]));
}
