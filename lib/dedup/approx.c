/* A cuckoo filter. */
#include "dedup/approx.h"

#include <stdlib.h>

#include "base/mem.h"

#define SLOTS 16     /* of a bucket: 64 bytes */
#define MOVES 2000   /* before the filter counts as full */

struct approx {
	void *memory;
	uint32_t *slot;   /* 0: free; a bucket begins where a cache line does */
	uint64_t buckets, keys;
	uint32_t mask;
	uint64_t draw;    /* which of a bucket moves */
};

/* Nine tenths and a half are taken when all n are there. */
static uint64_t
buckets_for(uint64_t n)
{
	return n / SLOTS + n / SLOTS / 19 + 2;
}

uint64_t
approx_bytes(uint64_t n)
{
	return buckets_for(n) * SLOTS * sizeof(uint32_t);
}

struct approx *
approx_new(uint64_t n, unsigned bits)
{
	struct approx *a = mem_zalloc(sizeof(*a));

	a->buckets = buckets_for(n);
	a->mask = UINT32_MAX >> (32 - bits);
	/* Pages that no key has come to take no memory. */
	a->memory = calloc(a->buckets + 1, SLOTS * sizeof(*a->slot));
	if (!a->memory) {
		free(a);
		return NULL;
	}
	a->slot = (uint32_t *)(((uintptr_t)a->memory + 63) & ~(uintptr_t)63);
	a->draw = 1;
	return a;
}

void
approx_free(struct approx *a)
{
	if (!a)
		return;
	free(a->memory);
	free(a);
}

void
approx_clear(struct approx *a)
{
	memset(a->slot, 0, a->buckets * SLOTS * sizeof(*a->slot));
	a->keys = 0;
	a->draw = 1;
}

uint64_t
approx_keys(const struct approx *a)
{
	return a->keys;
}

static inline uint64_t
scale(uint64_t x, uint64_t n)
{
	return (uint64_t)((__extension__ (unsigned __int128)x * n) >> 64);
}

static inline uint64_t
home(const struct approx *a, struct key128 key)
{
	return scale(key.lo, a->buckets);
}

/* The other bucket of one in bucket b; and the other one of that is b again. */
static inline uint64_t
other(const struct approx *a, uint64_t b, uint32_t print)
{
	uint64_t sum = scale(print * UINT64_C(0x9E3779B97F4A7C15), a->buckets);

	return sum >= b ? sum - b : sum + a->buckets - b;
}

static inline uint32_t
print_of(const struct approx *a, struct key128 key)
{
	uint32_t print = (uint32_t)key.hi & a->mask;

	return print ? print : 1;
}

static inline bool
holds(const uint32_t *slot, uint32_t print)
{
	unsigned found = 0;
	int i;

	for (i = 0; i < SLOTS; i++)
		found |= slot[i] == print;
	return found;
}

static inline bool
put(uint32_t *slot, uint32_t print)
{
	int i;

	for (i = 0; i < SLOTS; i++) {
		if (slot[i])
			continue;
		slot[i] = print;
		return true;
	}
	return false;
}

/* Both buckets are full: one after the other moves on. */
static bool
push(struct approx *a, uint64_t b, uint32_t print)
{
	uint32_t *at, moved;
	int i;

	for (i = 0; i < MOVES; i++) {
		a->draw = a->draw * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		at = a->slot + b * SLOTS + (a->draw >> 60);
		moved = *at;
		*at = print;
		print = moved;
		b = other(a, b, print);
		if (put(a->slot + b * SLOTS, print))
			return true;
	}
	return false;
}

int
approx_add(struct approx *a, struct key128 key)
{
	uint32_t print = print_of(a, key);
	uint64_t b = home(a, key), c = other(a, b, print);

	if (holds(a->slot + b * SLOTS, print) || holds(a->slot + c * SLOTS, print))
		return 0;
	if (!put(a->slot + b * SLOTS, print) && !put(a->slot + c * SLOTS, print) &&
		!push(a, c, print))
		return -1;
	a->keys++;
	return 1;
}

void
approx_prefetch(const struct approx *a, struct key128 key)
{
	uint64_t b = home(a, key);

	__builtin_prefetch(a->slot + b * SLOTS, 1);
	__builtin_prefetch(a->slot + other(a, b, print_of(a, key)) * SLOTS, 1);
}
