/*
 * keyed: a hash under a secret, 128 bits, that nobody who does not know the secret can make
 * collide: the identity of keys in states. Two inputs have one hash with a chance of 2^-128
 * (ten thousand million keys: 10^-19 that any two of them do).
 *
 * SipHash-1-3 with the 128-bit result: Aumasson and Bernstein, "SipHash: a fast short-input
 * PRF", INDOCRYPT 2012, and its reference code's long form. The same on every machine.
 */
#ifndef SK_BASE_KEYED_H
#define SK_BASE_KEYED_H

#include "base/slice.h"

struct key128 {
	uint64_t hi, lo;
};

/* Drawn once, kept as long as what was hashed under it is. */
struct keyed {
	uint64_t k0, k1;
};

/* A fresh secret from the system. Never fails: without getrandom(2) there is no process. */
struct keyed keyed_draw(void);

struct key128 keyed_hash(const struct keyed *, struct slice);

static inline bool
key128_eq(struct key128 a, struct key128 b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

#endif
