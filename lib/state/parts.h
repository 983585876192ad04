/*
 * parts: the table itself, keys to entries of one size, cut into parts that grow one by one.
 *
 * The upper bits of a key choose the part, its lower word, scaled to the number of slots,
 * the place in it; from there on the next free slot is taken. That order is kept by growing
 * and by writing out, so both walk memory from one end to the other. An entry is the 16
 * bytes of the key, the value or a pointer to it, and where keys may be given up for others
 * the number of its making. A free slot is the key of zeros; that key itself has a slot
 * beside the parts.
 *
 * A part is full at nine tenths and then grows by a third: 16 bytes of key cost 17.8 to 23.7.
 */
#ifndef SK_STATE_PARTS_H
#define SK_STATE_PARTS_H

#include "base/keyed.h"

#define PARTS 256

struct part {
	char *slot;
	uint32_t slots, n, full; /* full: no more than that many */
	bool mapped;             /* memory of its own, given back at once */
	int64_t swept;           /* expired entries up to here are gone */
};

struct parts {
	struct part part[PARTS];
	size_t entry;            /* bytes of a slot */
	uint64_t n;              /* keys, that of zeros included */
	uint64_t memory;         /* bytes of all parts */
	bool zero;               /* the key of zeros is there */
	char *zero_slot;
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

/* Bring the slot of a key near: worth it some dozen keys ahead. */
static inline void
parts_prefetch(const struct parts *t, struct key128 key)
{
	const struct part *p = &t->part[part_of(key)];

	__builtin_prefetch(p->slot + part_home(p, key) * t->entry, 1);
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
	t->n++;
}

/* Free a slot; others may move into its place. */
void parts_remove(struct parts *, char *slot);

/* Bytes that the part of key takes more once it has grown. */
uint64_t parts_growth(const struct parts *, struct key128 key);
void parts_grow(struct parts *, struct key128 key);
/* Make part i fit for n keys; never smaller. */
void parts_expect(struct parts *, unsigned i, uint64_t n);

/* Take out of part i what gone() says is gone (it frees what the value points to), and give
 * memory back where a good deal is. Returns how many. */
uint64_t parts_sweep(struct parts *, unsigned i, bool (*gone)(void *arg, char *slot),
	void *arg);

/* for (slot = parts_next(t, i, NULL); slot; slot = parts_next(t, i, slot)); the key of
 * zeros belongs to part 0 and comes last there. */
char *parts_next(const struct parts *, unsigned i, char *slot);

#endif
