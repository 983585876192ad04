/*
 * agenda: items, each at an instant. They come out by instant, and all of one instant
 * together, in their order (item_cmp), whatever the order in which they went in. Most come
 * nearly in order: they stand in a ring, sorted; one that would have to pass many of those goes
 * into a heap with four children to a node. 24 bytes an item. {0} is empty.
 */
#ifndef SK_JOIN_AGENDA_H
#define SK_JOIN_AGENDA_H

#include "join/item.h"

struct entry {
	int64_t us;
	uint64_t hash;        /* of the item's key: it need not be touched for that */
	struct item *item;
};

struct agenda {
	size_t n;             /* of both */
	bool exact;           /* those of one instant come out in their order, one by one */
	struct entry *ring;   /* by instant */
	size_t first, nring, cap_ring; /* cap_ring: 0 or a power of two */
	struct entry *heap;
	size_t nheap, cap_heap;
};

static inline void agenda_add(struct agenda *, int64_t us, struct item *);
/* The item of the earliest instant, taken out. Only where n is not 0. */
struct item *agenda_take(struct agenda *);

/* The earliest instant, or INT64_MAX. */
static inline int64_t
agenda_next(const struct agenda *a)
{
	int64_t ring = a->nring ? a->ring[a->first].us : INT64_MAX;
	int64_t heap = a->nheap ? a->heap[0].us : INT64_MAX;

	return ring < heap ? ring : heap;
}

/* The item that comes out next, with exact; or NULL. */
static inline struct item *
agenda_first(const struct agenda *a)
{
	return a->nheap ? a->heap[0].item : NULL;
}

/* One that comes out soon, k before it, or NULL: nobody knows. */
static inline const struct entry *
agenda_soon(const struct agenda *a, size_t k)
{
	return k < a->nring ? &a->ring[(a->first + k) & (a->cap_ring - 1)] : NULL;
}

/* As agenda_add, where it is not the last one. */
void agenda_put(struct agenda *, int64_t us, struct item *);

static inline void
agenda_add(struct agenda *a, int64_t us, struct item *item)
{
	if (!a->nring || a->nring == a->cap_ring ||
		a->ring[(a->first + a->nring - 1) & (a->cap_ring - 1)].us > us) {
		agenda_put(a, us, item);
		return;
	}
	a->ring[(a->first + a->nring++) & (a->cap_ring - 1)] =
		(struct entry){us, item->hash, item};
	a->n++;
}

/* The first one is the only one of its instant, and that is before us: take it out. False: it is
 * not, or that is not seen at once. */
static inline bool
agenda_take_one(struct agenda *a, int64_t us, struct entry *e)
{
	if (a->nring < 2)
		return false;
	*e = a->ring[a->first];
	if (e->us >= us || agenda_soon(a, 1)->us == e->us ||
		(a->nheap && a->heap[0].us <= e->us))
		return false;
	a->first = (a->first + 1) & (a->cap_ring - 1);
	a->nring--;
	a->n--;
	return true;
}

/* All of the n, in no order. */
static inline struct item *
agenda_at(const struct agenda *a, size_t i)
{
	return i < a->nring ? a->ring[(a->first + i) & (a->cap_ring - 1)].item :
		a->heap[i - a->nring].item;
}

static inline size_t
agenda_bytes(const struct agenda *a)
{
	return (a->cap_ring + a->cap_heap) * sizeof(struct entry);
}

/* The items are the caller's. */
void agenda_release(struct agenda *);

#endif
