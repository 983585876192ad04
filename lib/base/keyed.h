/*
 * keyed: a hash under a secret, 128 bits, that nobody who does not know the secret can make
 * collide: the identity of keys in states. Two inputs have one hash with a chance of 2^-128
 * (ten thousand million keys: 10^-19 that any two of them do). The same on every machine.
 *
 * Up to KEYED_SHORT bytes it is SipHash-1-3 with the 128-bit result: Aumasson and Bernstein,
 * "SipHash: a fast short-input PRF", INDOCRYPT 2012, and its reference code's long form.
 *
 * What is longer is first compressed, 512 bytes to 32, by NH: Black, Halevi, Krawczyk,
 * Krovetz and Rogaway, "UMAC: Fast and Secure Message Authentication", CRYPTO '99; of 64-bit
 * words, twice under keys that are shifted, so that the chance stays what it is. SipHash
 * takes the result and the length. A line of 300 bytes takes half the time so.
 */
#ifndef SK_BASE_KEYED_H
#define SK_BASE_KEYED_H

#include "base/slice.h"

#define KEYED_SHORT 64
#define KEYED_BLOCK 512 /* bytes that are compressed at a time */

struct key128 {
	uint64_t hi, lo;
};

/* Drawn once, kept as long as what was hashed under it is. */
struct keyed {
	uint64_t k0, k1;                     /* the secret */
	uint64_t nh[KEYED_BLOCK / 8 + 2];    /* what follows from it */
};

struct keyed keyed_of(uint64_t k0, uint64_t k1);

/* A fresh secret from the system. Never fails: without getrandom(2) there is no process. */
struct keyed keyed_draw(void);

struct key128 keyed_hash(const struct keyed *, struct slice);
/* The same of n inputs: faster, where those of about one length are many, and not long. */
void keyed_hash_all(const struct keyed *, const struct slice *, size_t n, struct key128 *out);

static inline bool
key128_eq(struct key128 a, struct key128 b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

static inline int
key128_cmp(struct key128 a, struct key128 b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return (a.lo > b.lo) - (a.lo < b.lo);
}

#endif
