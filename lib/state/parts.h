/*
 * parts: the table itself, keys to entries of one size, cut into parts.
 *
 * The upper bits of a key choose the part, its lower word, scaled to the number of slots,
 * the place in it; from there on the next free slot is taken. That order is kept by growing
 * and by writing out, so both walk memory from one end to the other. An entry is the 16
 * bytes of the key, the value or a pointer to it, and where keys may be given up for others
 * the number of its making. A free slot is the key of zeros; that key itself has a slot
 * beside the parts.
 *
 * Parts of a small table grow one by one. Those of a larger one lie side by side in one
 * region of large pages, each of the same size, for their keys are spread by a hash. A region
 * grows where it is: its end moves out, and the parts move to their new places, the last one
 * first, a few at a time. A part is full at three quarters and grows by a half, from 64 MiB of
 * table on by a quarter, so 16 bytes of key cost 21 to 32, or 27, and growing takes what is added
 * and one part. A key is moved twice on the way to 64 MiB.
 */
#ifndef SK_STATE_PARTS_H
#define SK_STATE_PARTS_H

#include "base/keyed.h"
#include "base/prefetch.h"

#define PARTS 256

struct part {
	char *slot;
	uint32_t slots, n, full; /* full: no more than that many */
	int64_t swept;           /* expired entries up to here are gone */
};

struct parts {
	struct part part[PARTS];
	size_t entry;            /* bytes of a slot */
	bool roomy;              /* parts on the heap are full when they are half full: keys are
				    looked up in fewer steps, where values take more memory */
	uint64_t memory;         /* bytes of all parts */
	bool zero;               /* the key of zeros is there */
	char *zero_slot;
	char *region;            /* of all parts; NULL: each has its own on the heap */
	uint64_t reach;          /* bytes of it */
	uint64_t slots, wide;    /* of each part; wide: of those that have moved */
	unsigned unmoved;        /* parts up to here are still to move */
	uint64_t moved;          /* changes when slots may have another place */
};

void parts_init(struct parts *, size_t entry);
/* What values point to is the caller's. */
void parts_release(struct parts *);

static inline unsigned
part_of(struct key128 key)
{
	return (unsigned)(key.hi >> 56);
}

static inline struct key128
slot_key(const char *slot)
{
	struct key128 key;

	memcpy(&key, slot, sizeof(key));
	return key;
}

static inline bool
slot_free(const char *slot)
{
	struct key128 key = slot_key(slot);

	return !(key.hi | key.lo);
}

static inline size_t
part_home(const struct part *p, struct key128 key)
{
	return (size_t)((__extension__ (unsigned __int128)key.lo * p->slots) >> 64);
}

/* The slot of key, or *there unset and the one that it would get; NULL: it has to grow
 * first. */
static inline char *
parts_look(const struct parts *t, struct key128 key, bool *there)
{
	const struct part *p = &t->part[part_of(key)];
	size_t entry = t->entry;
	char *slot, *end;
	struct key128 k;

	if (__builtin_expect(!(key.hi | key.lo), 0)) {
		*there = t->zero;
		return t->zero_slot;
	}
	*there = false;
	if (!p->slots)
		return NULL;
	slot = p->slot + part_home(p, key) * entry;
	end = p->slot + p->slots * entry;
	for (;;) {
		k = slot_key(slot);
		if (key128_eq(k, key)) {
			*there = true;
			return slot;
		}
		if (!(k.hi | k.lo))
			return p->n < p->full ? slot : NULL;
		slot += entry;
		if (slot == end)
			slot = p->slot;
	}
}

/*
 * The same. How far a key is from its home is nothing that a branch could learn, so four slots
 * are looked at, whatever they are; what is not settled by that is looked for one by one.
 */
static inline char *
parts_look_at_four(const struct parts *t, struct key128 key, bool *there)
{
	const struct part *p = &t->part[part_of(key)];
	size_t entry = t->entry, home = part_home(p, key);
	unsigned is = 0, empty = 0, ends, i;
	char *slot;

	if (__builtin_expect(home + 4 > p->slots || !(key.hi | key.lo), 0))
		return parts_look(t, key, there);
	slot = p->slot + home * entry;
#pragma GCC unroll 4
	for (i = 0; i < 4; i++) {
		struct key128 k = slot_key(slot + i * entry);

		is |= (unsigned)!((k.hi ^ key.hi) | (k.lo ^ key.lo)) << i;
		empty |= (unsigned)!(k.hi | k.lo) << i;
	}
	ends = is | empty;
	if (__builtin_expect(!ends, 0))
		return parts_look(t, key, there);
	ends &= -ends;
	*there = (is & ends) != 0;
	if (__builtin_expect(!*there && p->n >= p->full, 0))
		return NULL;
	return slot + (unsigned)__builtin_ctz(ends) * entry;
}

/* Bring the slot of a key near: worth it some dozen keys ahead. */
PREFETCHES static inline void
parts_prefetch(const struct parts *t, struct key128 key)
{
	const struct part *p = &t->part[part_of(key)];
	const char *slot = p->slot + part_home(p, key) * t->entry;

	__builtin_prefetch(slot, 1);
	__builtin_prefetch(slot + 3 * t->entry, 1); /* it may be some slots on */
}

/* Put key into the slot that parts_look gave; the rest of it is the caller's to fill. */
static inline void
parts_take(struct parts *t, struct key128 key, char *slot)
{
	if (slot == t->zero_slot)
		t->zero = true;
	else
		t->part[part_of(key)].n++;
	memcpy(slot, &key, sizeof(key));
}

/* Free a slot; others of its part may move into its place. */
void parts_remove(struct parts *, char *slot);

/* Keys, that of zeros included. Different parts may be looked at and changed by different
 * threads, as long as the table doesn't grow. */
uint64_t parts_count(const struct parts *);

/* Bytes at the least by which the table grows when the part of key is full. */
uint64_t parts_growth(const struct parts *, struct key128 key);
/* Make room in that part, with so many bytes more at the most, if that can be. */
void parts_grow(struct parts *, struct key128 key, uint64_t most);
/* Make the table fit for n keys; never smaller. */
void parts_expect(struct parts *, uint64_t n);

/* Take out of part i what gone() says is gone (it frees what the value points to), and give
 * memory back where a good deal is. Returns how many. */
uint64_t parts_sweep(struct parts *, unsigned i, bool (*gone)(void *arg, char *slot),
	void *arg);

/* for (slot = parts_next(t, i, NULL); slot; slot = parts_next(t, i, slot)); the key of
 * zeros belongs to part 0 and comes last there. */
char *parts_next(const struct parts *, unsigned i, char *slot);

#endif
