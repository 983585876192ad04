/*
 * agenda: items, each at an instant. They come out by instant, and all of one instant
 * together, in their order (item_cmp), whatever the order in which they went in. A heap with
 * four children to a node, 16 bytes an item. {0} is empty.
 */
#ifndef SK_JOIN_AGENDA_H
#define SK_JOIN_AGENDA_H

#include "join/item.h"

struct entry {
	int64_t us;
	struct item *item;
};

struct agenda {
	struct entry *heap;
	size_t n, cap;
};

void agenda_add(struct agenda *, int64_t us, struct item *);
/* The item of the earliest instant, taken out. Only where n is not 0. */
struct item *agenda_take(struct agenda *);

/* The earliest instant, or INT64_MAX. */
static inline int64_t
agenda_next(const struct agenda *a)
{
	return a->n ? a->heap[0].us : INT64_MAX;
}

/* The items are the caller's. */
void agenda_release(struct agenda *);

#endif
