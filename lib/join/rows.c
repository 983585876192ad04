/* Rows by key. */
#include "join/rows.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/pages.h"

#define LEAST 1024
#define MOST_GROWTH 8           /* what is expected may be wrong */
#define PAGED ((size_t)1 << 20) /* bytes from which on slots are in large pages */

struct row {
	uint64_t hash;
	uint32_t key_n, content_n;
	char p[];
};

static inline bool
is_row(const struct row *r, uint64_t hash, struct slice key)
{
	return r->hash == hash && slice_eq(slice_of(r->p, r->key_n), key);
}

/* The slot of the key, or the free one where it would stand. */
static inline struct rows_slot *
look(const struct rows *r, uint64_t hash, struct slice key)
{
	size_t at = hash & r->mask;
	struct rows_slot *s;

	for (s = &r->slot[at]; s->row && !(s->hash == hash && is_row(s->row, hash, key));
		s = &r->slot[at])
		at = (at + 1) & r->mask;
	return s;
}

struct slice
rows_find(const struct rows *r, uint64_t hash, struct slice key)
{
	const struct row *row = r->slot ? look(r, hash, key)->row : NULL;

	return row ? slice_of(row->p + row->key_n, row->content_n) : slice_of(NULL, 0);
}

static struct rows_slot *
new_slots(size_t n)
{
	size_t bytes = n * sizeof(struct rows_slot);

	return bytes < PAGED ? mem_array(n, sizeof(struct rows_slot)) :
		(void *)pages_new(pages_round(bytes));
}

static void
free_slots(struct rows_slot *slot, size_t n)
{
	size_t bytes = n * sizeof(*slot);

	if (bytes < PAGED)
		free(slot);
	else
		pages_free((char *)slot, pages_round(bytes));
}

static void
grow(struct rows *r)
{
	size_t slots = r->slot ? (r->mask + 1) * 2 : LEAST, had = r->slot ? r->mask + 1 : 0, i;
	struct rows_slot *old = r->slot;
	size_t at;

	while (slots < had * MOST_GROWTH && slots / 4 * 3 <= r->expected)
		slots *= 2;
	r->slot = new_slots(slots);
	r->mask = slots - 1;
	for (i = 0; i < had; i++) {
		if (!old[i].row)
			continue;
		for (at = old[i].hash & r->mask; r->slot[at].row;)
			at = (at + 1) & r->mask;
		r->slot[at] = old[i];
	}
	free_slots(old, had);
}

void
rows_put(struct rows *r, uint64_t hash, struct slice key, struct slice content)
{
	struct row *row = pool_take(&r->pool, sizeof(*row) + key.n + content.n);
	struct rows_slot *s;

	*row = (struct row){hash, (uint32_t)key.n, (uint32_t)content.n};
	memcpy(row->p, key.p, key.n);
	memcpy(row->p + key.n, content.p, content.n);
	if (!r->slot || r->n >= (r->mask + 1) / 4 * 3)
		grow(r);
	s = look(r, hash, key);
	if (s->row)
		pool_give(&r->pool, s->row, sizeof(*row) + s->row->key_n + s->row->content_n);
	else
		r->n++;
	*s = (struct rows_slot){hash, row};
}

uint64_t
rows_memory(const struct rows *r)
{
	return r->pool.used + (r->slot ? (r->mask + 1) * sizeof(*r->slot) : 0);
}

void
rows_release(struct rows *r)
{
	free_slots(r->slot, r->slot ? r->mask + 1 : 0);
	pool_release(&r->pool);
	*r = (struct rows){0};
}
