/*
 * approx: a set of keys that is right about every key that is in it, and wrong, with a
 * stated chance, about one that is not.
 *
 * A cuckoo filter (Fan, Andersen, Kaminsky, Mitzenmacher, "Cuckoo Filter: Practically Better
 * Than Bloom", CoNEXT 2014): of each key 32 bits are kept, in one of two buckets of 16 that
 * fill a cache line each; where both are full, one of those there moves to its other bucket.
 * A key that was never added is taken for one that was with a chance of at most 32 in 2^32:
 * less than one in a hundred million. 4.3 bytes a key.
 */
#ifndef SK_DEDUP_APPROX_H
#define SK_DEDUP_APPROX_H

#include "base/keyed.h"

#define APPROX_ODDS "134 million" /* one in so many */

struct approx;

/* For n keys. bits: how many are kept of a key; 32 but in tests. NULL: that much memory is
 * not to be had. */
struct approx *approx_new(uint64_t n, unsigned bits);
void approx_free(struct approx *);

/* Bytes that it takes for n keys. */
uint64_t approx_bytes(uint64_t n);

/* 1: the key was not there, and now it is; 0: it was; -1: there is no room for it. */
int approx_add(struct approx *, struct key128);
void approx_prefetch(const struct approx *, struct key128);
uint64_t approx_keys(const struct approx *);
void approx_clear(struct approx *);

#endif
