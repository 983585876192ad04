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

struct item *
agenda_take(struct agenda *a)
{
	struct item *first = a->heap[0].item;
	struct entry last = a->heap[--a->n];
	size_t i, down, least, end;

	for (i = 0; (down = WAYS * i + 1) < a->n; i = least) {
		end = down + WAYS < a->n ? down + WAYS : a->n;
		for (least = down++; down < end; down++)
			if (a->heap[down].us < a->heap[least].us)
				least = down;
		if (a->heap[least].us >= last.us)
			break;
		a->heap[i] = a->heap[least];
	}
	if (a->n)
		a->heap[i] = last;
	return first;
}

void
agenda_release(struct agenda *a)
{
	free(a->heap);
	*a = (struct agenda){0};
}
