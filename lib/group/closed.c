/* A ring of keys. */
#include "group/closed.h"

#include <stdlib.h>

#include "base/mem.h"

static void
put(struct closed *c, uint64_t number, struct key128 key)
{
	struct closed_key *more;
	size_t cap = c->cap ? c->cap * 2 : 64, i;

	if (c->n == c->cap) {
		more = mem_array(cap, sizeof(*more));
		for (i = 0; i < c->n; i++)
			more[i] = c->key[(c->first + i) & (c->cap - 1)];
		free(c->key);
		c->key = more;
		c->first = 0;
		c->cap = cap;
	}
	c->key[(c->first + c->n++) & (c->cap - 1)] = (struct closed_key){number, key};
}

uint64_t
closed_add(struct closed *c, struct key128 key)
{
	put(c, c->next, key);
	return c->next++;
}

bool
closed_eldest(struct closed *c, uint64_t max, struct key128 *key)
{
	if (c->n <= max)
		return false;
	*key = c->key[c->first].key;
	c->first = (c->first + 1) & (c->cap - 1);
	c->n--;
	return true;
}

void
closed_found(struct closed *c, uint64_t number, struct key128 key)
{
	put(c, number, key);
	if (c->next <= number)
		c->next = number + 1;
}

static int
by_number(const void *a, const void *b)
{
	const struct closed_key *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* Nothing was taken out since: the ring begins at 0. */
void
closed_sort(struct closed *c)
{
	if (c->n)
		qsort(c->key, c->n, sizeof(*c->key), by_number);
}

void
closed_release(struct closed *c)
{
	free(c->key);
	*c = (struct closed){0};
}
