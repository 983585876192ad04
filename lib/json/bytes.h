/*
 * Bytes looked at several at a time, for the files that write JSON; no other room
 * includes this.
 */
#ifndef SK_JSON_BYTES_H
#define SK_JSON_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* One byte, eight times. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * The high bit of each byte that is zero, or below n. A borrow can only mark bytes above
 * one that is marked rightly: the lowest mark is exact, and so is whether there is one.
 */
#define MARKS_ZERO(x) (((x) - EACH(1)) & ~(x) & EACH(0x80))
#define MARKS_BELOW(x, n) (((x) - EACH(n)) & ~(x) & EACH(0x80))

/* Eight bytes, the first one lowest. */
static inline uint64_t
load8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	return x;
}

static inline void
store8(char *p, uint64_t x)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = __builtin_bswap64(x);
#endif
	memcpy(p, &x, 8);
}

/* n < 8 bytes, the others being fill. Nothing but the n bytes is read. */
static inline uint64_t
load_part(const char *p, size_t n, unsigned char fill)
{
	const unsigned char *u = (const unsigned char *)p;
	uint32_t low, high;
	uint64_t x;

	if (n >= 4) {
		memcpy(&low, p, 4);
		memcpy(&high, p + n - 4, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
		low = __builtin_bswap32(low);
		high = __builtin_bswap32(high);
#endif
		x = low | (uint64_t)high << (8 * (n - 4));
	} else if (n) {
		x = u[0] | (uint64_t)u[n / 2] << (8 * (n / 2)) |
			(uint64_t)u[n - 1] << (8 * (n - 1));
	} else {
		return EACH(fill);
	}
	return x | EACH(fill) << (8 * n);
}

/* What a text holds: backslashes or DEL, which jq writes as an escape; blanks or less. */
struct look {
	bool rewrite;
	bool blank;
};

static inline struct look
look_at(const char *p, size_t n)
{
	uint64_t x, slash, del, rewrite = 0, blank = 0;

#if defined(__SSE2__)
	if (n >= 16) {
		const __m128i slashes = _mm_set1_epi8('\\'), dels = _mm_set1_epi8(0x7F);
		__m128i found = _mm_setzero_si128(), least = dels, v;
		const char *end = p + n - 16;

		for (;; p += 16) {
			if (p > end)
				p = end; /* some bytes twice */
			v = _mm_loadu_si128((const __m128i *)(const void *)p);
			found = _mm_or_si128(found, _mm_cmpeq_epi8(v, slashes));
			found = _mm_or_si128(found, _mm_cmpeq_epi8(v, dels));
			least = _mm_min_epu8(least, v);
			if (p == end)
				break;
		}
		v = _mm_min_epu8(least, _mm_set1_epi8(' '));
		return (struct look){_mm_movemask_epi8(found) != 0,
			_mm_movemask_epi8(_mm_cmpeq_epi8(v, least)) != 0};
	}
#endif
	for (;; p += 8, n -= 8) {
		x = n >= 8 ? load8(p) : load_part(p, n, 'x');
		slash = x ^ EACH('\\');
		del = x ^ EACH(0x7F);
		rewrite |= MARKS_ZERO(slash) | MARKS_ZERO(del);
		blank |= MARKS_BELOW(x, ' ' + 1);
		if (n < 8)
			return (struct look){rewrite != 0, blank != 0};
	}
}

#endif
