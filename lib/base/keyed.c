/* SipHash-1-3, 128 bits of result. */
#define _DEFAULT_SOURCE /* getrandom */
#include "base/keyed.h"

#include <endian.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/failure.h"

static inline uint64_t
rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static inline void
sip_take(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

static inline uint64_t
sip_give(struct sip *s)
{
	sip_round(s);
	sip_round(s);
	sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

struct key128
keyed_hash(const struct keyed *k, struct slice bytes)
{
	struct sip s = {
		k->k0 ^ UINT64_C(0x736f6d6570736575), k->k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
		k->k0 ^ UINT64_C(0x6c7967656e657261), k->k1 ^ UINT64_C(0x7465646279746573),
	};
	const char *p = bytes.p, *end = bytes.p + (bytes.n & ~(size_t)7);
	uint64_t word, last = (uint64_t)bytes.n << 56;
	struct key128 h;
	size_t i;

	for (; p < end; p += 8) {
		memcpy(&word, p, 8);
		sip_take(&s, le64toh(word));
	}
	for (i = 0; i < (bytes.n & 7); i++)
		last |= (uint64_t)(unsigned char)p[i] << (8 * i);
	sip_take(&s, last);
	s.v2 ^= 0xee;
	h.lo = sip_give(&s);
	s.v1 ^= 0xdd;
	h.hi = sip_give(&s);
	return h;
}

struct keyed
keyed_draw(void)
{
	struct keyed k;

	if (getrandom(&k, sizeof(k), 0) != (ssize_t)sizeof(k))
		_exit(EXIT_OS);
	return k;
}
