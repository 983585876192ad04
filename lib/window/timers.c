/* A binary heap of deadlines. */
#include "window/timers.h"

#include <stdlib.h>

#include "base/mem.h"

static bool
before(const struct timer *a, const struct timer *b)
{
	int c;

	if (a->us != b->us)
		return a->us < b->us;
	c = slice_cmp(a->order, b->order);
	if (c)
		return c < 0;
	return key128_cmp(a->key, b->key) < 0;
}

void
timers_add(struct timers *t, int64_t us, struct key128 key, struct slice order)
{
	struct timer new = {us, key, {order.n ? mem_dup(order.p, order.n) : NULL, order.n}};
	size_t i, up;

	t->heap = mem_grow(t->heap, &t->cap, t->n + 1, sizeof(*t->heap));
	for (i = t->n++; i; i = up) {
		up = (i - 1) / 2;
		if (!before(&new, &t->heap[up]))
			break;
		t->heap[i] = t->heap[up];
	}
	t->heap[i] = new;
	t->bytes += order.n;
}

bool
timers_due(struct timers *t, int64_t us, struct timer *due)
{
	struct timer last;
	size_t i, down;

	if (!t->n || t->heap[0].us > us)
		return false;
	*due = t->heap[0];
	t->bytes -= due->order.n;
	last = t->heap[--t->n];
	for (i = 0; (down = 2 * i + 1) < t->n; i = down) {
		if (down + 1 < t->n && before(&t->heap[down + 1], &t->heap[down]))
			down++;
		if (!before(&t->heap[down], &last))
			break;
		t->heap[i] = t->heap[down];
	}
	if (t->n)
		t->heap[i] = last;
	return true;
}

void
timers_release(struct timers *t)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		free((void *)(uintptr_t)t->heap[i].order.p);
	free(t->heap);
	*t = (struct timers){0};
}
