/*
 * index: the items that are kept, by key: for each side a ring of those of one key, in
 * their order. Open addressing; a slot holds the hash and the last item of either ring, and
 * goes when both are empty. {0} is empty. 24 bytes a slot, at most 3/4 of them taken.
 */
#ifndef SK_JOIN_INDEX_H
#define SK_JOIN_INDEX_H

#include "join/item.h"

struct index_slot {
	uint64_t hash;
	struct item *last[2]; /* by side; both NULL: free */
};

struct index {
	struct index_slot *slot;
	size_t n, mask;       /* keys; slots - 1, or 0 with no slots */
};

PREFETCHES static inline void
index_prefetch(const struct index *x, uint64_t hash)
{
	const char *s;

	if (!x->slot)
		return;
	/* It may lie in two lines of the cache, and is followed by others that are looked at. */
	s = (const char *)&x->slot[hash & x->mask];
	__builtin_prefetch(s, 1);
	__builtin_prefetch(s + 2 * sizeof(struct index_slot), 1);
}

/* Some time later: the items that the slot has. */
PREFETCHES static inline void
index_prefetch_items(const struct index *x, uint64_t hash)
{
	const struct index_slot *s;
	int side;

	if (!x->slot)
		return;
	s = &x->slot[hash & x->mask];
	for (side = 0; side < 2; side++)
		if (s->last[side]) {
			__builtin_prefetch(s->last[side], 1);
			__builtin_prefetch((const char *)s->last[side] + 64);
		}
}

/* The slot of the key of this item, or NULL. Valid until anything is put in or out. */
struct index_slot *index_find(const struct index *, const struct item *);

/* Put an item in its place among those of its key and side, mostly behind the last. */
void index_put(struct index *, struct item *);
/* Take one out that is in it. */
void index_remove(struct index *, struct item *);

/* The first of a ring, given its last, and the one after, or NULL behind the last. */
static inline struct item *
ring_first(struct item *last)
{
	return last ? last->next : NULL;
}

static inline struct item *
ring_next(const struct item *last, struct item *i)
{
	return i == last ? NULL : i->next;
}

/* The items are the caller's. */
void index_release(struct index *);

#endif
