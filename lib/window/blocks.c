/* Blocks of instants, in memory: of each key and level a queue, from the oldest on. */
#include "window/blocks.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"

struct queue {
	struct block_of **v;    /* from first on, n of them */
	size_t first, n, cap;
};

struct blocks {
	struct blocks_all *all;
	struct key128 owner;
	struct queue level[BLOCKS_LEVELS + 1];
};

struct blocks_all {
	struct windows *w;
	struct blocks **slot;   /* an open table, by owner */
	size_t n, slots;
};

/* ---- keys -------------------------------------------------------------------------- */

struct blocks_all *
blocks_open(struct windows *w)
{
	struct blocks_all *a = mem_zalloc(sizeof(*a));

	a->w = w;
	return a;
}

static void
block_free(struct block_of *b)
{
	fold_scratch_release(&b->sum);
	buf_release(&b->key);
	free(b);
}

static void
blocks_free(struct blocks *b)
{
	size_t i, k;

	for (k = 0; k <= BLOCKS_LEVELS; k++) {
		for (i = 0; i < b->level[k].n; i++)
			block_free(b->level[k].v[b->level[k].first + i]);
		free(b->level[k].v);
	}
	free(b);
}

void
blocks_close(struct blocks_all *a)
{
	size_t i;

	if (!a)
		return;
	for (i = 0; i < a->slots; i++)
		if (a->slot[i])
			blocks_free(a->slot[i]);
	free(a->slot);
	free(a);
}

static struct blocks **
slot_of(const struct blocks_all *a, struct key128 owner)
{
	size_t i;

	for (i = owner.lo & (a->slots - 1); a->slot[i]; i = (i + 1) & (a->slots - 1))
		if (key128_eq(a->slot[i]->owner, owner))
			break;
	return &a->slot[i];
}

static void
more_slots(struct blocks_all *a)
{
	struct blocks **was = a->slot;
	size_t n = a->slots, i;

	a->slots = n ? 2 * n : 16;
	a->slot = mem_array(a->slots, sizeof(struct blocks *));
	for (i = 0; i < n; i++)
		if (was[i])
			*slot_of(a, was[i]->owner) = was[i];
	free(was);
}

struct blocks *
blocks_of(struct blocks_all *a, struct key128 owner)
{
	struct blocks **slot;

	if (2 * (a->n + 1) > a->slots)
		more_slots(a);
	slot = slot_of(a, owner);
	if (!*slot) {
		*slot = mem_zalloc(sizeof(**slot));
		(*slot)->all = a;
		(*slot)->owner = owner;
		a->n++;
	}
	return *slot;
}

void
blocks_drop(struct blocks_all *a, struct key128 owner)
{
	size_t mask, i, j, home;

	if (!a || !a->slots || !*slot_of(a, owner))
		return;
	mask = a->slots - 1;
	i = (size_t)(slot_of(a, owner) - a->slot);
	blocks_free(a->slot[i]);
	a->slot[i] = NULL;
	a->n--;
	/* What stands behind it moves up where its place is before the hole. */
	for (j = (i + 1) & mask; a->slot[j]; j = (j + 1) & mask) {
		home = a->slot[j]->owner.lo & mask;
		if (((j - home) & mask) < ((j - i) & mask))
			continue;
		a->slot[i] = a->slot[j];
		a->slot[j] = NULL;
		i = j;
	}
}

/* ---- blocks ------------------------------------------------------------------------ */

void
blocks_forget(struct blocks_all *a, struct key128 owner, uint64_t first)
{
	struct blocks *b = a->slots ? *slot_of(a, owner) : NULL;
	struct queue *q;

	for (q = b ? b->level : NULL; b && q <= b->level + BLOCKS_LEVELS; q++)
		while (q->n && q->v[q->first]->first < first) {
			block_free(q->v[q->first++]);
			q->n--;
		}
}

struct block_of *
blocks_new(struct blocks *b, unsigned level, uint64_t first)
{
	const struct windows_plan *plan = b->all->w->plan;
	struct queue *q = &b->level[level];
	struct block_of *new = mem_zalloc(sizeof(*new));

	new->first = first;
	fold_scratch_init(&new->sum, plan->fixed, plan->nfolds);
	fold_scratch_clear(&new->sum);
	if (q->first > q->n) {
		memmove(q->v, q->v + q->first, q->n * sizeof(*q->v));
		q->first = 0;
	}
	q->v = mem_grow(q->v, &q->cap, q->first + q->n + 1, sizeof(*q->v));
	q->v[q->first + q->n++] = new;
	return new;
}

const struct block_of *
blocks_get(const struct blocks *b, unsigned level, uint64_t first)
{
	const struct queue *q = &b->level[level];
	uint64_t i;

	/* They follow each other, but for those that were not made. */
	if (!q->n || first < q->v[q->first]->first)
		return NULL;
	i = (first - q->v[q->first]->first) / blocks_width(level);
	if (i >= q->n)
		i = q->n - 1;
	while (i && q->v[q->first + i]->first > first)
		i--;
	return q->v[q->first + i]->first == first ? q->v[q->first + i] : NULL;
}

const struct block_of *
blocks_best(const struct blocks *b, uint64_t first, uint64_t end, unsigned *level)
{
	const struct block_of *found;

	for (*level = BLOCKS_LEVELS; *level; --*level) {
		if (first % blocks_width(*level) || first + blocks_width(*level) > end)
			continue;
		found = blocks_get(b, *level, first);
		if (found)
			return found;
	}
	return NULL;
}

int
block_add(struct windows *w, const struct block_of *b, struct fold_cell *sum, struct buf *key)
{
	if (!key->n || b->key.n < key->n ||
		(b->key.n == key->n && slice_cmp(buf_slice(&b->key), buf_slice(key)) < 0)) {
		buf_reset(key);
		buf_add_slice(key, buf_slice(&b->key));
	}
	return windows_merge(w, sum, &b->sum.cell);
}

int
block_merge(struct windows *w, struct block_of *to, const struct block_of *from)
{
	return block_add(w, from, &to->sum.cell, &to->key);
}
