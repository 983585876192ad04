/* Slabs, and lists of what is free in them. */
#include "join/pool.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/pages.h"

#define LEAST_SLAB ((size_t)256 << 10)
#define MOST_SLAB ((size_t)32 << 20)
#define PAGED ((size_t)2 << 20)
#define FINE 512
#define LARGEST ((size_t)32 << 10)

/* In front of its blocks, 64 bytes. */
struct slab {
	struct slab *next;
	size_t bytes;
};

/* In front of a block that is malloc's. */
struct large {
	struct large *next, *prev;
};

/* The class of n bytes, and what its blocks have. */
static inline unsigned
class_of(size_t n, size_t *size)
{
	unsigned up, eighth;

	if (n <= FINE) {
		*size = n ? (n + 15) & ~(size_t)15 : 16;
		return (unsigned)(*size / 16 - 1);
	}
	up = 63 - (unsigned)__builtin_clzll(n - 1);
	eighth = (unsigned)((n - 1) >> (up - 3)) & 7;
	*size = ((size_t)8 + eighth + 1) << (up - 3);
	return FINE / 16 + (up - 9) * 8 + eighth;
}

size_t
pool_size(size_t n)
{
	size_t size;

	if (n > LARGEST)
		return (n + sizeof(struct large) + 31) & ~(size_t)15;
	class_of(n, &size);
	return size;
}

static void *
take_large(struct pool *p, size_t n)
{
	struct large *l = mem_alloc(sizeof(*l) + n + POOL_PADDING);

	l->prev = NULL;
	l->next = p->large;
	if (l->next)
		l->next->prev = l;
	p->large = l;
	p->used += pool_size(n);
	return l + 1;
}

/* What is left of the old slab is lost: less than a block. */
static void
new_slab(struct pool *p)
{
	size_t bytes = LEAST_SLAB;
	struct slab *slab;

	/* A quarter of what there is, in whole large pages. */
	if (p->slabs >= 2 * PAGED) {
		bytes = p->slabs / 4 / PAGED * PAGED + PAGED;
		bytes = bytes < MOST_SLAB ? bytes : MOST_SLAB;
	}
	slab = bytes < PAGED ? mem_alloc(bytes) : (void *)pages_new(bytes);
	*slab = (struct slab){p->slab, bytes};
	p->slab = slab;
	p->slabs += bytes;
	p->at = (char *)slab + 64;
	p->end = (char *)slab + bytes - POOL_PADDING;
}

void *
pool_take(struct pool *p, size_t n)
{
	size_t size;
	unsigned c;
	void *b;

	if (__builtin_expect(n > LARGEST, 0))
		return take_large(p, n);
	c = class_of(n, &size);
	p->used += size;
	b = p->free[c];
	if (b) {
		memcpy(&p->free[c], b, sizeof(b));
		return b;
	}
	if ((size_t)(p->end - p->at) < size)
		new_slab(p);
	b = p->at;
	p->at += size;
	return b;
}

void
pool_give(struct pool *p, void *b, size_t n)
{
	struct large *l;
	size_t size;
	unsigned c;

	if (__builtin_expect(n > LARGEST, 0)) {
		l = (struct large *)b - 1;
		if (l->next)
			l->next->prev = l->prev;
		if (l->prev)
			l->prev->next = l->next;
		else
			p->large = l->next;
		p->used -= pool_size(n);
		free(l);
		return;
	}
	c = class_of(n, &size);
	p->used -= size;
	memcpy(b, &p->free[c], sizeof(b));
	p->free[c] = b;
}

void
pool_release(struct pool *p)
{
	struct large *l;
	struct slab *slab;

	while ((slab = p->slab)) {
		p->slab = slab->next;
		if (slab->bytes < PAGED)
			free(slab);
		else
			pages_free((char *)slab, slab->bytes);
	}
	while ((l = p->large)) {
		p->large = l->next;
		free(l);
	}
	*p = (struct pool){0};
}
