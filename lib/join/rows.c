/* Rows by key. */
#include "join/rows.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/pages.h"
#include "base/table.h"

#define LEAST 1024
#define MOST_GROWTH 8           /* what is expected may be wrong */
#define SMALL ((size_t)1 << 20) /* bytes of rows that are malloc's */
#define UNIT 8

/* In front of the first row nothing stands, so that no place is 0. */
struct row {
	uint32_t key_n;     /* or LOST: its place was taken, */
	uint32_t content_n; /* and this is how many units it has */
	char p[];
};

#define LOST UINT32_MAX

static inline struct row *
row_at(const struct rows *r, size_t at)
{
	return (struct row *)(void *)(r->p + at);
}

static inline struct row *
row_of(const struct rows *r, uint64_t slot)
{
	return row_at(r, (slot & ROWS_PLACE_MASK) * UNIT);
}

static inline size_t
bytes_of(size_t key_n, size_t content_n)
{
	return (sizeof(struct row) + key_n + content_n + UNIT - 1) / UNIT * UNIT;
}

static inline size_t
row_bytes(const struct row *row)
{
	return row->key_n == LOST ? (size_t)row->content_n * UNIT :
		bytes_of(row->key_n, row->content_n);
}

/* The slot of the key, or the free one where it would stand. */
static inline uint64_t *
look(const struct rows *r, uint64_t hash, struct slice key)
{
	const struct row *row;
	uint64_t *s;
	size_t at;

	for (at = hash;; at++) {
		s = &r->slot[at & r->mask];
		if (!*s)
			return s;
		if ((*s ^ hash) & ~ROWS_PLACE_MASK)
			continue;
		row = row_of(r, *s);
		if (slice_eq(slice_of(row->p, row->key_n), key))
			return s;
	}
}

struct slice
rows_find(const struct rows *r, uint64_t hash, struct slice key)
{
	uint64_t s = r->slot ? *look(r, hash, key) : 0;
	const struct row *row = s ? row_of(r, s) : NULL;

	return row ? slice_of(row->p + row->key_n, row->content_n) : slice_of(NULL, 0);
}

/* ---- slots ------------------------------------------------------------------------- */

/* Slots anew, of the rows in their order. */
static void
fill_slots(struct rows *r)
{
	const struct row *row;
	uint64_t seed = hash_process_seed(), hash;
	size_t at, place;

	for (at = UNIT; at < r->used; at += row_bytes(row)) {
		row = row_at(r, at);
		if (row->key_n == LOST)
			continue;
		hash = hash64(row->p, row->key_n, seed);
		for (place = hash & r->mask; r->slot[place];)
			place = (place + 1) & r->mask;
		r->slot[place] = (hash & ~ROWS_PLACE_MASK) | at / UNIT;
	}
}

static void
new_slots(struct rows *r, size_t slots)
{
	pages_array_free(r->slot, r->slot ? r->mask + 1 : 0, sizeof(*r->slot));
	r->slot = pages_array(slots, sizeof(*r->slot));
	r->mask = slots - 1;
	fill_slots(r);
}

static void
grow_slots(struct rows *r)
{
	size_t had = r->slot ? r->mask + 1 : 0, slots = had ? had * 2 : LEAST;

	while (slots < had * MOST_GROWTH && slots / 4 * 3 <= r->expected)
		slots *= 2;
	new_slots(r, slots);
}

/* ---- rows -------------------------------------------------------------------------- */

/* What was lost is gone. */
static void
move_together(struct rows *r)
{
	size_t from, to = UNIT, bytes;

	for (from = UNIT; from < r->used; from += bytes) {
		bytes = row_bytes(row_at(r, from));
		if (row_at(r, from)->key_n == LOST)
			continue;
		memmove(r->p + to, r->p + from, bytes);
		to += bytes;
	}
	r->used = to;
	r->lost = 0;
	new_slots(r, r->mask + 1);
}

static void
grow(struct rows *r, size_t bytes)
{
	size_t cap = r->cap ? r->cap : LEAST;
	char *p;

	while (cap - r->used < UNIT + bytes)
		cap *= 2;
	if (cap <= SMALL) {
		r->p = mem_realloc(r->p, cap);
	} else if (r->cap > SMALL) {
		r->p = pages_grow(r->p, r->cap, cap);
	} else {
		p = pages_new(cap);
		if (r->used)
			memcpy(p, r->p, r->used);
		free(r->p);
		r->p = p;
	}
	r->cap = cap;
	if (!r->used)
		r->used = UNIT;
}

static void
lose(struct rows *r, struct row *row)
{
	size_t bytes = row_bytes(row);

	*row = (struct row){LOST, (uint32_t)(bytes / UNIT)};
	r->lost += bytes;
}

void
rows_put(struct rows *r, uint64_t hash, struct slice key, struct slice content)
{
	size_t bytes = bytes_of(key.n, content.n);
	uint64_t *s;
	char *p;

	if (r->lost > SMALL / 4 && r->lost > r->used / 2)
		move_together(r);
	if (!r->cap || r->cap - r->used < bytes)
		grow(r, bytes);
	if (!r->slot || r->n >= (r->mask + 1) / 4 * 3)
		grow_slots(r);
	p = r->p + r->used;
	*(struct row *)(void *)p = (struct row){(uint32_t)key.n, (uint32_t)content.n};
	p += sizeof(struct row);
	memcpy(p, key.p, key.n);
	if (content.n)
		memcpy(p + key.n, content.p, content.n);
	s = look(r, hash, key);
	if (*s)
		lose(r, row_of(r, *s));
	else
		r->n++;
	*s = (hash & ~ROWS_PLACE_MASK) | r->used / UNIT;
	r->used += bytes;
}

uint64_t
rows_memory(const struct rows *r)
{
	return r->used + (r->slot ? (r->mask + 1) * sizeof(*r->slot) : 0);
}

void
rows_release(struct rows *r)
{
	pages_array_free(r->slot, r->slot ? r->mask + 1 : 0, sizeof(*r->slot));
	if (r->cap > SMALL)
		pages_free(r->p, r->cap);
	else
		free(r->p);
	*r = (struct rows){0};
}
