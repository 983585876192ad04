/*
 * shelf: the items that are kept where the end of their time leads to nothing: each side's in the
 * order in which they were laid there, in chunks of memory that go whole, once the time of all
 * that lie in them is over, and found by key, once they were put under it.
 *
 * The items of a key and a side are put in the order of their times, but one that comes late at
 * once. So when one goes, the time of those that were put before it is over too: it was not
 * over later, or they were laid before it.
 *
 * So nothing is done about one that goes, and neither is it touched again. What points to it does
 * so by number, of its chunk and its place there, and chunks that went are known by their number.
 * Slots of keys that went are taken by others, or emptied all at once when too few are empty.
 * 16 bytes a slot, at most 3/4 of them taken; an item may stay for as long as one that shares its
 * chunk. {0} is empty.
 */
#ifndef SK_JOIN_SHELF_H
#define SK_JOIN_SHELF_H

#include "join/item.h"

#define SHELF_UNIT_BITS 3    /* items lie at multiples of 8 bytes */
#define SHELF_PLACE_BITS 12  /* and so this is how many bits a place takes */
#define SHELF_CHUNK ((size_t)1 << (SHELF_UNIT_BITS + SHELF_PLACE_BITS))
#define SHELF_REF_BITS 40    /* of a slot; above stands a part of the hash */
#define SHELF_REF_MASK ((UINT64_C(1) << SHELF_REF_BITS) - 1)

struct shelf_chunk {
	size_t bytes;         /* a large item has one of its own */
	size_t items;
	int64_t newest_us;    /* the time of all is over behind that */
};

/* Of one side: chunks first .. next - 1, in a ring. */
struct shelf_side {
	char **p;             /* their memory */
	struct shelf_chunk *chunk;
	uint64_t first, next; /* the first of all has the number 1 */
	size_t cap;           /* 0 or a power of two */
	/* Of the last one: */
	char *start, *at, *end; /* it is free from at on */
	size_t *items;
	int64_t *newest_us;
	uint64_t number;      /* as it stands in slots */
};

struct shelf_slot {
	uint64_t ref[2];      /* by side: the item put last; both 0: no key has it */
};

struct shelf {
	struct shelf_side side[2];
	struct shelf_slot *slot;
	size_t used, mask;
	size_t limit;         /* of used */
	uint64_t purged[2];   /* side.next, when those that went were last looked for */
};

/* All chunks go in which the time of all was over before us. How many items went. */
size_t shelf_expire(struct shelf *, struct pool *, int64_t us);

/* Bytes, but those of the pool. */
size_t shelf_bytes(const struct shelf *);

/* All goes. How many items went. */
size_t shelf_release(struct shelf *, struct pool *);

/* ---- looking ----------------------------------------------------------------------- */

/* The item, or NULL: it went. */
static inline struct item *
shelf_item(const struct shelf_side *s, uint64_t ref)
{
	const uint64_t numbers = SHELF_REF_MASK >> SHELF_PLACE_BITS;
	uint64_t no = ref >> SHELF_PLACE_BITS;
	size_t at = (ref & ((1 << SHELF_PLACE_BITS) - 1)) << SHELF_UNIT_BITS;

	if (((no - s->first) & numbers) >= s->next - s->first)
		return NULL;
	return (struct item *)(void *)(s->p[no & (s->cap - 1)] + at);
}

/* The one of its key and side that was put before an item, or NULL. */
static inline struct item *
shelf_before(const struct shelf *h, const struct item *i)
{
	return shelf_item(&h->side[i->side], i->before);
}

/*
 * Above its two numbers a slot has 48 bits of the hash, of which one is always set, so that it is
 * not 0, and by which it is known where it belongs without an item being touched.
 */
static inline uint64_t
shelf_high(uint64_t hash)
{
	return (hash | UINT64_C(1) << 63) & ~SHELF_REF_MASK;
}

static inline uint64_t
shelf_low(uint64_t hash)
{
	return hash << SHELF_REF_BITS;
}

/* A key is looked for from the slot of that number on, the number being taken modulo slots. */
static inline uint64_t
shelf_home(uint64_t high, uint64_t low)
{
	return low >> SHELF_REF_BITS | high >> (SHELF_REF_BITS - 24);
}

static inline bool
shelf_is_key(const struct item *i, const struct item *o)
{
	size_t n = i->key_n, k, at;
	uint64_t x, y;

	if (i->hash != o->hash || n != o->key_n)
		return false;
	if (n < 8)
		return memcmp(i->p, o->p, n) == 0;
	for (k = 0; k < n; k += 8) {
		at = k < n - 8 ? k : n - 8;
		memcpy(&x, i->p + at, 8);
		memcpy(&y, o->p + at, 8);
		if (x != y)
			return false;
	}
	return true;
}

/* The slot of the key of an item, or an empty one that it may have; NULL: there are no slots.
 * Valid until anything is put. */
static inline struct shelf_slot *
shelf_find(const struct shelf *h, const struct item *i)
{
	uint64_t high = shelf_high(i->hash), low = shelf_low(i->hash);
	const struct item *any;
	struct shelf_slot *s;
	size_t at;

	if (!h->slot)
		return NULL;
	for (at = shelf_home(high, low);; at++) {
		s = &h->slot[at & h->mask];
		if (!s->ref[0])
			return s;
		if (((s->ref[0] ^ high) | (s->ref[1] ^ low)) & ~SHELF_REF_MASK)
			continue;
		any = shelf_item(&h->side[0], s->ref[0]);
		if (!any)
			any = shelf_item(&h->side[1], s->ref[1]);
		if (any && shelf_is_key(any, i))
			return s;
	}
}

PREFETCHES static inline void
shelf_prefetch(const struct shelf *h, uint64_t hash)
{
	if (h->slot)
		__builtin_prefetch(&h->slot[shelf_home(shelf_high(hash), shelf_low(hash)) &
			h->mask], 1);
}

/* ---- laying, and putting ----------------------------------------------------------- */

/* There is no room for so many bytes: what is over goes, and there is. Internal, and so is this:
 * the slot of an item that has none, or where slots have to be looked at first. */
void shelf_make_chunk(struct shelf *, struct shelf_side *, struct pool *, size_t bytes, int64_t us,
	uint64_t *went);
struct shelf_slot *shelf_make_slot(struct shelf *, const struct item *, struct shelf_slot *);

/* What lies behind an item in its chunk may be written to, and what lies behind the one that is
 * copied, up to the next multiple of 16, read. */
static inline void
shelf_copy_item(struct item *to, const struct item *from, size_t bytes, size_t room)
{
	size_t k;

	if (bytes > 256 || room < 256) {
		memcpy(to, from, bytes);
		return;
	}
	memcpy(to, from, sizeof(*to) + 16);
	for (k = sizeof(*to) + 16; k < bytes; k += 16)
		memcpy((char *)to + k, (const char *)from + k, 16);
}

/* Lay a copy of an item there; the time of others is over before us: how many went is added. */
static inline struct item *
shelf_lay(struct shelf *h, struct pool *pool, const struct item *i, int64_t us, uint64_t *went)
{
	struct shelf_side *s = &h->side[i->side];
	size_t bytes = item_bytes(i);
	int64_t over_us = item_over_us(i);
	struct item *to;

	if (__builtin_expect((size_t)(s->end - s->at) < bytes, 0))
		shelf_make_chunk(h, s, pool, bytes, us, went);
	++*s->items;
	*s->newest_us = over_us > *s->newest_us ? over_us : *s->newest_us;
	to = (struct item *)(void *)s->at;
	shelf_copy_item(to, i, bytes, (size_t)(s->end - s->at));
	to->laid = true;
	/* Itself, until it is put. */
	to->before = s->number | (uint64_t)(s->at - s->start) >> SHELF_UNIT_BITS;
	s->at += (bytes + 7) & ~(size_t)7;
	return to;
}

/* Put one that lies there under its key; its: shelf_find's. */
static inline void
shelf_put(struct shelf *h, struct item *i, struct shelf_slot *slot)
{
	uint64_t *ref, before;

	if (h->used >= h->limit || !slot->ref[0])
		slot = shelf_make_slot(h, i, slot);
	ref = &slot->ref[i->side];
	before = *ref;
	*ref = (before & ~SHELF_REF_MASK) | i->before;
	i->before = before;
}

#endif
