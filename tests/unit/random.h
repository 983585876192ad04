/*
 * random: numbers that are the same in every run. Source: Marsaglia, "Xorshift RNGs", Journal of
 * Statistical Software 8(14), 2003: the 64-bit generator with the shifts 13, 7, 17.
 */
#ifndef SK_RANDOM_H
#define SK_RANDOM_H

#include <stdint.h>

static inline uint64_t
random64(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

#endif
