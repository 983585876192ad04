/* A heap of instants. */
#include "join/agenda.h"

#include <stdlib.h>

#include "base/mem.h"

#define WAYS 4

void
agenda_add(struct agenda *a, int64_t us, struct item *item)
{
	size_t i, up;

	if (__builtin_expect(a->n == a->cap, 0))
		a->heap = mem_grow(a->heap, &a->cap, a->n + 1, sizeof(*a->heap));
	for (i = a->n++; i; i = up) {
		up = (i - 1) / WAYS;
		if (a->heap[up].us <= us)
			break;
		a->heap[i] = a->heap[up];
	}
	a->heap[i] = (struct entry){us, item};
}

/* The least of the children of a node, told without a branch, which nobody could foresee. */
static inline size_t
least_child(const struct entry *h, size_t down, size_t n)
{
	size_t least = down, k;

	if (__builtin_expect(n - down >= WAYS, 1)) {
		least += h[down + 1].us < h[least].us;
		k = down + 2 + (h[down + 3].us < h[down + 2].us);
		return h[k].us < h[least].us ? k : least;
	}
	for (k = down + 1; k < n; k++)
		if (h[k].us < h[least].us)
			least = k;
	return least;
}

struct item *
agenda_take(struct agenda *a)
{
	struct item *first = a->heap[0].item;
	struct entry last = a->heap[--a->n], *h = a->heap;
	size_t i, down, least;

	for (i = 0; (down = WAYS * i + 1) < a->n; i = least) {
		least = least_child(h, down, a->n);
		if (h[least].us >= last.us)
			break;
		h[i] = h[least];
	}
	if (a->n)
		h[i] = last;
	return first;
}

void
agenda_release(struct agenda *a)
{
	free(a->heap);
	*a = (struct agenda){0};
}
