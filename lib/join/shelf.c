/* Items in chunks, by key. */
#include "join/shelf.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/pages.h"

#define LEAST 1024
#define PURGED (UINT64_C(1) << 26)  /* chunks, of the 2^28 that numbers tell apart */

/* ---- slots ------------------------------------------------------------------------- */

static inline bool
is_empty(const struct shelf_slot *s)
{
	return !s->ref[0];
}

static inline uint64_t
ref_of(uint64_t chunk, size_t at)
{
	return (chunk << SHELF_PLACE_BITS & SHELF_REF_MASK) | at >> SHELF_UNIT_BITS;
}

/* A number that is no item's. */
static inline uint64_t
ref_of_none(const struct shelf_side *s)
{
	return ref_of(s->first - 1, 0);
}

static inline bool
is_over(const struct shelf *h, const struct shelf_slot *s)
{
	return !shelf_item(&h->side[0], s->ref[0]) && !shelf_item(&h->side[1], s->ref[1]);
}

static inline void
put_slot(struct shelf *h, struct shelf_slot slot)
{
	size_t at = shelf_home(slot.ref[0] & ~SHELF_REF_MASK, slot.ref[1] & ~SHELF_REF_MASK);

	while (!is_empty(&h->slot[at & h->mask]))
		at++;
	h->slot[at & h->mask] = slot;
	h->used++;
}

/* Numbers begin again some time: one that is no item's any more is made one that won't be before
 * the next time. */
static inline void
make_none(const struct shelf *h, struct shelf_slot *s)
{
	int side;

	for (side = 0; side < 2; side++)
		if (!shelf_item(&h->side[side], s->ref[side]))
			s->ref[side] = (s->ref[side] & ~SHELF_REF_MASK) | ref_of_none(&h->side[side]);
}

/* Keys that went go. All between two empty slots belong there: each is taken out and put anew, in
 * their order, and finds its place, or a better one. */
static void
purge(struct shelf *h)
{
	struct shelf_slot slot;
	size_t first, k, at;

	for (first = 0; !is_empty(&h->slot[first]);)
		first++;
	h->used = 0;
	for (k = 1; k <= h->mask; k++) {
		at = (first + k) & h->mask;
		slot = h->slot[at];
		if (is_empty(&slot))
			continue;
		h->slot[at] = (struct shelf_slot){{0, 0}};
		if (is_over(h, &slot))
			continue;
		make_none(h, &slot);
		put_slot(h, slot);
	}
	h->purged[0] = h->side[0].next;
	h->purged[1] = h->side[1].next;
}

/* For twice as many keys as there are. */
static void
grow_slots(struct shelf *h)
{
	struct shelf_slot *old = h->slot;
	size_t had = old ? h->mask + 1 : 0, slots = had ? 2 * had : LEAST, k;

	h->slot = pages_array(slots, sizeof(*h->slot));
	h->mask = slots - 1;
	h->used = 0;
	for (k = 0; k < had; k++)
		if (!is_empty(&old[k]))
			put_slot(h, old[k]);
	pages_array_free(old, had, sizeof(*old));
}

/* For a key that no slot has: one whose key went, on the way to the empty one; or that. */
static inline struct shelf_slot *
slot_for(const struct shelf *h, uint64_t hash, struct shelf_slot *empty)
{
	size_t at = shelf_home(shelf_high(hash), shelf_low(hash));
	struct shelf_slot *s;

	while ((s = &h->slot[at & h->mask]) != empty && !is_over(h, s))
		at++;
	return s;
}

static void
make_room(struct shelf *h)
{
	if (h->slot)
		purge(h);
	if (!h->slot || h->used > h->mask / 3)
		grow_slots(h);
	h->limit = h->mask / 4 * 3;
}

/* ---- chunks ------------------------------------------------------------------------ */

static inline struct shelf_chunk *
chunk_at(const struct shelf_side *s, uint64_t no)
{
	return &s->chunk[no & (s->cap - 1)];
}

static void
grow_ring(struct shelf_side *s)
{
	size_t cap = s->cap ? 2 * s->cap : 16;
	struct shelf_chunk *chunk = mem_array(cap, sizeof(*chunk));
	char **p = mem_array(cap, sizeof(*p));
	uint64_t no;

	for (no = s->first; no < s->next; no++) {
		chunk[no & (cap - 1)] = *chunk_at(s, no);
		p[no & (cap - 1)] = s->p[no & (s->cap - 1)];
	}
	/* The last one is at its end, for a new one is to come. */
	free(s->chunk);
	free(s->p);
	s->chunk = chunk;
	s->p = p;
	s->cap = cap;
	if (!s->next)
		s->first = s->next = 1;
}

static size_t
drop_first(struct shelf_side *s, struct pool *pool)
{
	struct shelf_chunk *c = chunk_at(s, s->first);

	pool_give(pool, s->p[s->first & (s->cap - 1)], c->bytes);
	if (++s->first == s->next)
		s->start = s->at = s->end = NULL;
	return c->items;
}

static size_t
expire_side(struct shelf_side *s, struct pool *pool, int64_t us)
{
	size_t n = 0;

	while (s->first < s->next && chunk_at(s, s->first)->newest_us < us)
		n += drop_first(s, pool);
	return n;
}

size_t
shelf_expire(struct shelf *h, struct pool *pool, int64_t us)
{
	return expire_side(&h->side[0], pool, us) + expire_side(&h->side[1], pool, us);
}

static void
new_chunk(struct shelf_side *s, struct pool *pool, size_t bytes)
{
	struct shelf_chunk *c;
	char *p;

	bytes = bytes < SHELF_CHUNK ? SHELF_CHUNK : (bytes + 7) & ~(size_t)7;
	if (s->next - s->first == s->cap)
		grow_ring(s);
	p = s->p[s->next & (s->cap - 1)] = pool_take(pool, bytes);
	c = chunk_at(s, s->next);
	*c = (struct shelf_chunk){.bytes = bytes, .newest_us = INT64_MIN};
	s->start = s->at = p;
	s->end = p + bytes;
	s->items = &c->items;
	s->newest_us = &c->newest_us;
	s->number = ref_of(s->next++, 0);
}

void
shelf_make_chunk(struct shelf *h, struct shelf_side *s, struct pool *pool, size_t bytes, int64_t us,
	uint64_t *went)
{
	*went += expire_side(s, pool, us);
	new_chunk(s, pool, bytes);
	if (s->next - h->purged[s - h->side] > PURGED)
		h->limit = 0;
}

/* ---- keys -------------------------------------------------------------------------- */

struct shelf_slot *
shelf_make_slot(struct shelf *h, const struct item *i, struct shelf_slot *slot)
{
	if (h->used >= h->limit) {
		make_room(h);
		slot = shelf_find(h, i);
	}
	if (!is_empty(slot))
		return slot;
	slot = slot_for(h, i->hash, slot);
	h->used += is_empty(slot);
	slot->ref[0] = shelf_high(i->hash) | ref_of_none(&h->side[0]);
	slot->ref[1] = shelf_low(i->hash) | ref_of_none(&h->side[1]);
	return slot;
}

/* ---- all --------------------------------------------------------------------------- */

size_t
shelf_bytes(const struct shelf *h)
{
	return (h->slot ? (h->mask + 1) * sizeof(struct shelf_slot) : 0) +
		(h->side[0].cap + h->side[1].cap) * (sizeof(struct shelf_chunk) + sizeof(char *));
}

size_t
shelf_release(struct shelf *h, struct pool *pool)
{
	size_t n = 0;
	int side;

	for (side = 0; side < 2; side++) {
		while (h->side[side].first < h->side[side].next)
			n += drop_first(&h->side[side], pool);
		free(h->side[side].chunk);
		free(h->side[side].p);
	}
	pages_array_free(h->slot, h->slot ? h->mask + 1 : 0, sizeof(*h->slot));
	*h = (struct shelf){0};
	return n;
}
