/*
 * queue: items, first in, first out, each with what has to be known of it before it is
 * touched. A ring that doubles. {0} is empty.
 */
#ifndef SK_JOIN_QUEUE_H
#define SK_JOIN_QUEUE_H

#include "base/mem.h"
#include "join/item.h"

struct queued {
	int64_t until_us;
	uint64_t hash;
	struct item *item;
};

struct queue {
	struct queued *v;
	size_t first, n, cap;  /* cap: 0 or a power of two */
};

void queue_grow(struct queue *);

static inline void
queue_add(struct queue *q, struct item *i)
{
	if (__builtin_expect(q->n == q->cap, 0))
		queue_grow(q);
	q->v[(q->first + q->n++) & (q->cap - 1)] =
		(struct queued){i->until_us, i->hash, i};
}

/* The one that has k before it, or NULL. */
static inline const struct queued *
queue_at(const struct queue *q, size_t k)
{
	return k < q->n ? &q->v[(q->first + k) & (q->cap - 1)] : NULL;
}

/* Some time before queue_at says it. */
PREFETCHES static inline void
queue_prefetch(const struct queue *q, size_t k)
{
	__builtin_prefetch(&q->v[(q->first + k) & (q->cap - 1)]);
}

static inline const struct queued *
queue_first(const struct queue *q)
{
	return queue_at(q, 0);
}

/* Take the first out. */
static inline struct item *
queue_take(struct queue *q)
{
	struct item *i = q->v[q->first].item;

	q->first = (q->first + 1) & (q->cap - 1);
	q->n--;
	return i;
}

/* The items are the caller's. */
void queue_release(struct queue *);

#endif
