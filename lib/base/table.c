/* Open addressing over XXH3. */
#include "base/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/mem.h"

uint64_t
hash64(const void *p, size_t n, uint64_t seed)
{
	return XXH3_64bits_withSeed(p, n, seed);
}

void
hash_hex128(const void *p, size_t n, char out[33])
{
	XXH128_hash_t h = XXH3_128bits(p, n);

	snprintf(out, 33, "%016llx%016llx", (unsigned long long)h.high64,
		(unsigned long long)h.low64);
}

uint64_t
hash_process_seed(void)
{
	static uint64_t seed; /* zero until drawn */
	uint64_t fresh = 0, none = 0;
	struct timespec now;

	if (__atomic_load_n(&seed, __ATOMIC_ACQUIRE))
		return seed;
	if (getrandom(&fresh, sizeof(fresh), GRND_NONBLOCK) != (ssize_t)sizeof(fresh)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		fresh = (uint64_t)now.tv_nsec * 0x9E3779B97F4A7C15u ^ (uint64_t)getpid();
	}
	fresh |= 1;
	__atomic_compare_exchange_n(&seed, &none, fresh, false, __ATOMIC_ACQ_REL,
		__ATOMIC_ACQUIRE);
	return seed;
}

static struct table_entry *
find(const struct table *t, struct slice key, uint64_t hash)
{
	size_t i = hash & (t->slots - 1);

	while (t->slot[i].key.p) {
		if (t->slot[i].hash == hash && slice_eq(t->slot[i].key, key))
			break;
		i = (i + 1) & (t->slots - 1);
	}
	return &t->slot[i];
}

struct table_entry *
table_get(const struct table *t, struct slice key)
{
	struct table_entry *e;

	if (!t->n)
		return NULL;
	e = find(t, key, hash64(key.p, key.n, hash_process_seed()));
	return e->key.p ? e : NULL;
}

static void
enlarge(struct table *t)
{
	struct table old = *t;
	size_t i, j;

	t->slots = old.slots ? old.slots * 2 : 16;
	t->slot = mem_array(t->slots, sizeof(*t->slot));
	for (i = 0; i < old.slots; i++) {
		if (!old.slot[i].key.p)
			continue;
		for (j = old.slot[i].hash & (t->slots - 1); t->slot[j].key.p;)
			j = (j + 1) & (t->slots - 1);
		t->slot[j] = old.slot[i];
	}
	free(old.slot);
}

struct table_entry *
table_put(struct table *t, struct slice key, bool *made)
{
	uint64_t hash = hash64(key.p, key.n, hash_process_seed());
	struct table_entry *e;

	if ((t->n + 1) * 8 > t->slots * 7)
		enlarge(t);
	e = find(t, key, hash);
	if (made)
		*made = !e->key.p;
	if (!e->key.p) {
		e->hash = hash;
		e->key = slice_of(mem_dup(key.p, key.n), key.n);
		t->n++;
	}
	return e;
}

struct table_entry *
table_next(const struct table *t, struct table_entry *e)
{
	size_t i = e ? (size_t)(e - t->slot) + 1 : 0;

	for (; i < t->slots; i++)
		if (t->slot[i].key.p)
			return &t->slot[i];
	return NULL;
}

void
table_release(struct table *t)
{
	struct table_entry *e;

	for (e = table_next(t, NULL); e; e = table_next(t, e))
		free((void *)(uintptr_t)e->key.p);
	free(t->slot);
	*t = (struct table){0};
}
