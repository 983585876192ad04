/* A ring of items. */
#include "join/queue.h"

#include <stdlib.h>

#define LEAST 1024

void
queue_grow(struct queue *q)
{
	size_t cap = q->cap ? q->cap * 2 : LEAST, i;
	struct queued *more = mem_array(cap, sizeof(*more));

	for (i = 0; i < q->n; i++)
		more[i] = *queue_at(q, i);
	free(q->v);
	q->v = more;
	q->first = 0;
	q->cap = cap;
}

void
queue_release(struct queue *q)
{
	free(q->v);
	*q = (struct queue){0};
}
