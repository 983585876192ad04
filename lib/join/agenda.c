/* A ring that is sorted, and a heap. */
#include "join/agenda.h"

#include <stdlib.h>

#include "base/mem.h"

#define WAYS 4
#define PASSES 32   /* entries of the ring that a new one may pass */
#define LEAST 64

/* ---- the ring ---------------------------------------------------------------------- */

static inline struct entry *
ring_at(const struct agenda *a, size_t i)
{
	return &a->ring[(a->first + i) & (a->cap_ring - 1)];
}

static void
grow_ring(struct agenda *a)
{
	size_t cap = a->cap_ring ? 2 * a->cap_ring : LEAST, i;
	struct entry *more = mem_array(cap, sizeof(*more));

	for (i = 0; i < a->nring; i++)
		more[i] = *ring_at(a, i);
	free(a->ring);
	a->ring = more;
	a->first = 0;
	a->cap_ring = cap;
}

/* Word by word, as it was written, mostly just now: a wider read of it would wait until that is
 * in the cache. */
static inline void
move(struct entry *to, const struct entry *from)
{
	uint64_t hash = from->hash;

	__asm__("" : "+r"(hash)); /* gcc would join the words */
	to->us = from->us;
	to->hash = hash;
	to->item = from->item;
}

/* False: it belongs further in front. */
static inline bool
add_to_ring(struct agenda *a, int64_t us, struct item *item)
{
	size_t i = a->nring;

	if (i > PASSES && ring_at(a, i - PASSES)->us > us)
		return false;
	if (__builtin_expect(i == a->cap_ring, 0))
		grow_ring(a);
	for (a->nring++; i && ring_at(a, i - 1)->us > us; i--)
		move(ring_at(a, i), ring_at(a, i - 1));
	*ring_at(a, i) = (struct entry){us, item->hash, item};
	return true;
}

/* ---- the heap ---------------------------------------------------------------------- */

static void
add_to_heap(struct agenda *a, int64_t us, struct item *item)
{
	size_t i, up;

	if (__builtin_expect(a->nheap == a->cap_heap, 0))
		a->heap = mem_grow(a->heap, &a->cap_heap, a->nheap + 1, sizeof(*a->heap));
	for (i = a->nheap++; i; i = up) {
		up = (i - 1) / WAYS;
		if (a->heap[up].us <= us)
			break;
		a->heap[i] = a->heap[up];
	}
	a->heap[i] = (struct entry){us, item->hash, item};
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

static struct item *
take_from_heap(struct agenda *a)
{
	struct item *first = a->heap[0].item;
	struct entry last = a->heap[--a->nheap], *h = a->heap;
	size_t i, down, least;

	for (i = 0; (down = WAYS * i + 1) < a->nheap; i = least) {
		least = least_child(h, down, a->nheap);
		if (h[least].us >= last.us)
			break;
		h[i] = h[least];
	}
	if (a->nheap)
		h[i] = last;
	return first;
}

/* ---- a heap of those in their order ------------------------------------------------ */

static inline bool
is_before(const struct entry *a, const struct entry *b)
{
	return a->us != b->us ? a->us < b->us : item_cmp(a->item, b->item) < 0;
}

static void
add_in_order(struct agenda *a, int64_t us, struct item *item)
{
	struct entry e = {us, item->hash, item};
	size_t i, up;

	if (a->nheap == a->cap_heap)
		a->heap = mem_grow(a->heap, &a->cap_heap, a->nheap + 1, sizeof(*a->heap));
	for (i = a->nheap++; i; i = up) {
		up = (i - 1) / WAYS;
		if (!is_before(&e, &a->heap[up]))
			break;
		a->heap[i] = a->heap[up];
	}
	a->heap[i] = e;
}

static struct item *
take_in_order(struct agenda *a)
{
	struct item *first = a->heap[0].item;
	struct entry last = a->heap[--a->nheap], *h = a->heap;
	size_t i, down, least, k;

	for (i = 0; (down = WAYS * i + 1) < a->nheap; i = least) {
		for (least = down, k = down + 1; k < down + WAYS && k < a->nheap; k++)
			if (is_before(&h[k], &h[least]))
				least = k;
		if (!is_before(&h[least], &last))
			break;
		h[i] = h[least];
	}
	if (a->nheap)
		h[i] = last;
	return first;
}

/* ---- both -------------------------------------------------------------------------- */

void
agenda_put(struct agenda *a, int64_t us, struct item *item)
{
	a->n++;
	if (a->exact)
		add_in_order(a, us, item);
	else if (!add_to_ring(a, us, item))
		add_to_heap(a, us, item);
}

struct item *
agenda_take(struct agenda *a)
{
	struct item *first;

	a->n--;
	if (a->exact)
		return take_in_order(a);
	if (a->nheap && (!a->nring || a->heap[0].us < ring_at(a, 0)->us))
		return take_from_heap(a);
	first = ring_at(a, 0)->item;
	a->first = (a->first + 1) & (a->cap_ring - 1);
	a->nring--;
	return first;
}

void
agenda_release(struct agenda *a)
{
	free(a->ring);
	free(a->heap);
	*a = (struct agenda){0};
}
