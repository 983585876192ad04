/* The open sessions of a key. */
#include "window/open.h"

void
open_see(struct open *s, const char *value)
{
	struct open_head *h = (struct open_head *)(void *)(uintptr_t)value;
	struct session *all = (struct session *)(void *)(h + 1);

	s->head = h;
	s->item = all + h->first;
	s->n = h->n;
	s->key_text = slice_of((const char *)(all + h->cap), h->key_n);
}

size_t
open_before(const struct open *s, int64_t us, int64_t gap_us)
{
	size_t low = 0, high = s->n, mid;

	/* Mostly it is about the newest. */
	if (high && us - s->item[high - 1].last_us >= gap_us)
		return high;
	while (low < high) {
		mid = low + (high - low) / 2;
		if (us - s->item[mid].last_us >= gap_us)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

size_t
open_at(const struct open *s, int64_t us)
{
	size_t low = 0, high = s->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (s->item[mid].start_us < us)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n && s->item[low].start_us == us ? low : s->n;
}

/* With room for twice as many, where the next one is likely to come. */
static int
make_room(struct windows *w, struct windows_task *t, struct key128 owner, const struct open *s,
	size_t at, struct slice key_text)
{
	struct open_head h = {.kind = KIND_INDEX, .cap = 1};
	struct session *item;
	struct buf *b = &w->room;

	if (s) {
		h.n = s->head->n;
		h.cap = 2 * (h.n + 1);
		h.first = at < h.n / 2 ? h.cap - h.n : 0;
		key_text = s->key_text;
	}
	h.key_n = (uint32_t)key_text.n;
	buf_reset(b);
	buf_add(b, &h, sizeof(h));
	buf_reserve(b, h.cap * sizeof(*item) + key_text.n);
	item = (struct session *)(void *)(b->p + b->n);
	memset(item, 0, h.cap * sizeof(*item));
	if (h.n)
		memcpy(item + h.first, s->item, h.n * sizeof(*item));
	b->n += h.cap * sizeof(*item);
	buf_add_slice(b, key_text);
	return state_put(w->state, t->id, owner, buf_slice(b), w->why);
}

int
open_insert(struct windows *w, struct windows_task *t, struct key128 owner, size_t at,
	const struct session *fresh, struct slice key_text)
{
	struct open s;
	size_t n;
	char *p = state_edit(w->state, t->id, owner, &n, w->why);

	if (p)
		open_see(&s, p);
	if (!p || (!s.head->first && s.n == s.head->cap) ||
		(s.head->first + s.n == s.head->cap && at == s.n)) {
		if ((!p && w->why->status) ||
			make_room(w, t, owner, p ? &s : NULL, at, key_text) < 0)
			return -1;
		p = state_edit(w->state, t->id, owner, &n, w->why);
		if (!p)
			return w->why->status ? -1 : 0; /* given up at once */
		open_see(&s, p);
	}
	if (s.head->first && (at < s.n / 2 || s.head->first + s.n == s.head->cap)) {
		s.head->first--;
		s.item--;
		memmove(s.item, s.item + 1, at * sizeof(*s.item));
	} else {
		memmove(s.item + at + 1, s.item + at, (s.n - at) * sizeof(*s.item));
	}
	s.item[at] = *fresh;
	s.head->n++;
	return 0;
}

int
open_forget(struct windows *w, struct windows_task *t, struct key128 owner, size_t at)
{
	struct open s;
	size_t n;
	char *p = state_edit(w->state, t->id, owner, &n, w->why);

	if (!p)
		return w->why->status ? -1 : 0;
	open_see(&s, p);
	if (s.n == 1)
		return state_remove(w->state, t->id, owner, w->why);
	if (at < s.n / 2) {
		memmove(s.item + 1, s.item, at * sizeof(*s.item));
		s.head->first++;
	} else {
		memmove(s.item + at, s.item + at + 1, (s.n - at - 1) * sizeof(*s.item));
	}
	s.head->n--;
	return 0;
}
