/*
 * SipHash-1-3 of eight inputs at a time, each in a lane of a vector. What the compiler makes of
 * it is as good as the machine: AVX-512 rotates a lane in one step.
 */
#include "base/keyed_eight.h"

#include <string.h>

#define LANES KEYED_LANES

typedef uint64_t lanes __attribute__((vector_size(8 * LANES)));

struct lots {
	lanes v0, v1, v2, v3;
};

#define INLINE static inline __attribute__((always_inline))
#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))

INLINE void
round_of(struct lots *s)
{
	s->v0 += s->v1;
	s->v1 = ROTATE(s->v1, 13) ^ s->v0;
	s->v0 = ROTATE(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = ROTATE(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = ROTATE(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = ROTATE(s->v1, 17) ^ s->v2;
	s->v2 = ROTATE(s->v2, 32);
}

INLINE void
give(struct lots *s, uint64_t *out)
{
	lanes x;

	round_of(s);
	round_of(s);
	round_of(s);
	x = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
	memcpy(out, &x, sizeof(x));
}

/* word[i]: word i of each input, of which each has n. */
INLINE void
hash_eight(const struct keyed *k, const uint64_t (*word)[LANES], size_t n, struct key128 *out)
{
	const lanes zero = {0};
	uint64_t lo[LANES], hi[LANES];
	struct lots s = {
		zero + (k->k0 ^ UINT64_C(0x736f6d6570736575)),
		zero + (k->k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee),
		zero + (k->k0 ^ UINT64_C(0x6c7967656e657261)),
		zero + (k->k1 ^ UINT64_C(0x7465646279746573)),
	};
	lanes m;
	size_t i;

	for (i = 0; i < n; i++) {
		memcpy(&m, word[i], sizeof(m));
		s.v3 ^= m;
		round_of(&s);
		s.v0 ^= m;
	}
	s.v2 ^= zero + 0xee;
	give(&s, lo);
	s.v1 ^= zero + 0xdd;
	give(&s, hi);
	for (i = 0; i < LANES; i++)
		out[i] = (struct key128){hi[i], lo[i]};
}

static void
hash_any(const struct keyed *k, const uint64_t (*word)[LANES], size_t n, struct key128 *out)
{
	hash_eight(k, word, n, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void
hash_avx2(const struct keyed *k, const uint64_t (*word)[LANES], size_t n, struct key128 *out)
{
	hash_eight(k, word, n, out);
}

__attribute__((target("avx512f,prefer-vector-width=512"))) static void
hash_avx512(const struct keyed *k, const uint64_t (*word)[LANES], size_t n, struct key128 *out)
{
	hash_eight(k, word, n, out);
}
#endif

void
keyed_eight(const struct keyed *k, const uint64_t (*word)[LANES], size_t n, struct key128 *out)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512f"))
		hash_avx512(k, word, n, out);
	else if (__builtin_cpu_supports("avx2"))
		hash_avx2(k, word, n, out);
	else
#endif
		hash_any(k, word, n, out);
}
