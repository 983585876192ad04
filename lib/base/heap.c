/* A binary heap in an array. */
#include "base/heap.h"

#include <stdlib.h>

#include "base/mem.h"

void
heap_add(struct heap *h, void *p)
{
	size_t i, up;

	h->v = mem_grow(h->v, &h->cap, h->n + 1, sizeof(*h->v));
	for (i = h->n++; i; i = up) {
		up = (i - 1) / 2;
		if (!h->before(h->arg, p, h->v[up]))
			break;
		h->v[i] = h->v[up];
	}
	h->v[i] = p;
}

void
heap_sift(struct heap *h)
{
	size_t i = 0, child;
	void *p;

	if (!h->n)
		return;
	p = h->v[0];
	for (; (child = 2 * i + 1) < h->n; i = child) {
		if (child + 1 < h->n && h->before(h->arg, h->v[child + 1], h->v[child]))
			child++;
		if (!h->before(h->arg, h->v[child], p))
			break;
		h->v[i] = h->v[child];
	}
	h->v[i] = p;
}

void *
heap_take(struct heap *h)
{
	void *first = h->v[0];

	h->v[0] = h->v[--h->n];
	heap_sift(h);
	return first;
}

void
heap_release(struct heap *h)
{
	free(h->v);
	h->v = NULL;
	h->n = h->cap = 0;
}
