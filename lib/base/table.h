/*
 * table: byte strings to small values, in memory.
 *
 * Open addressing with linear probing and a power-of-two size, at most 7/8 full; the hash
 * is XXH3 keyed by a seed drawn once per process, so that chosen keys cannot make it slow.
 * Keys are copied. Nothing is removed singly; the number of entries is the caller's to
 * bound. {0} is an empty table.
 */
#ifndef SK_BASE_TABLE_H
#define SK_BASE_TABLE_H

#include "base/slice.h"

struct table_entry {
	uint64_t hash;
	struct slice key; /* owned by the table; p == NULL: free */
	union {
		void *ptr;
		uint64_t u;
		int64_t i;
	} v;
};

struct table {
	struct table_entry *slot;
	size_t n;     /* entries */
	size_t slots; /* 0 or a power of two */
};

/* The entry of key, or NULL. Valid until the next table_put. */
struct table_entry *table_get(const struct table *, struct slice key);

/* The entry of key, made with a zero value if it is not there; *made (may be NULL) tells. */
struct table_entry *table_put(struct table *, struct slice key, bool *made);

/* Free the keys and the slots; values that are pointers are the caller's. */
void table_release(struct table *);

/* for (e = table_next(t, NULL); e; e = table_next(t, e)): no particular order */
struct table_entry *table_next(const struct table *, struct table_entry *);

/* XXH3, 64 bits, of some bytes under a seed. */
uint64_t hash64(const void *p, size_t n, uint64_t seed);

/* XXH3, 128 bits, in hexadecimal: 32 characters and a NUL. Stable: an id made of content. */
void hash_hex128(const void *p, size_t n, char out[33]);

/* A seed that an input's author cannot know, drawn once per process. */
uint64_t hash_process_seed(void);

#endif
