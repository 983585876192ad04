/*
 * plain: is a scalar written in a line as compact JSON has it, and as the canonical form does?
 * Most are, and then their bytes will do. Both err on the side of no.
 */
#ifndef SK_JSON_PLAIN_H
#define SK_JSON_PLAIN_H

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "json/json.h"

/* The high bit of each byte that is, or the bit above one that is, a backslash or a DEL, which
 * jq writes as escapes. */
static inline uint64_t
json_odd_among(const char *p)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t x, del, slash;

	memcpy(&x, p, sizeof(x));
	del = x ^ ones * 0x7F;
	slash = x ^ ones * '\\';
	return (((del - ones) & ~del) | ((slash - ones) & ~slash)) & ones << 7;
}

#if defined(__SSE2__)
static inline int
json_odd_among_16(const char *p)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);

	return _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(0x7F)),
		_mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
}
#endif

/* Is there one from p up to end, 8 bytes and more? */
static inline bool
json_is_odd(const char *p, const char *end)
{
	uint64_t odd = 0;
#if defined(__SSE2__)
	int among = 0;

	if (end - p >= 16) {
		for (; end - p > 16; p += 16)
			among |= json_odd_among_16(p);
		return among | json_odd_among_16(end - 16);
	}
#endif
	for (; end - p > 8; p += 8)
		odd |= json_odd_among(p);
	return odd | json_odd_among(end - 8);
}

/* Is there a DEL in p[0..n)? n is at most 32, and so many bytes are readable. */
static inline bool
json_has_del(const char *p, size_t n)
{
#if defined(__SSE2__)
	const __m128i del = _mm_set1_epi8(0x7F);
	__m128i a = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i b = _mm_loadu_si128((const __m128i *)(const void *)(p + 16));
	uint64_t is = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a, del)) |
		(uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(b, del)) << 16;

	return is & ((UINT64_C(1) << n) - 1);
#else
	bool is = false;
	size_t i;

	for (i = 0; i < n; i++)
		is |= p[i] == 0x7F;
	return is;
#endif
}

/* 16 bytes at once. */
typedef unsigned char json_bytes __attribute__((vector_size(16)));

static inline bool
json_any_byte(json_bytes are)
{
	uint64_t x[2];

	memcpy(x, &are, sizeof(x));
	return x[0] | x[1];
}

/* The scalar at token t as it stands, if that is how compact JSON has it; else of 0 bytes. */
static inline struct slice
json_plain_text(const struct json_doc *d, uint32_t t)
{
	const char *p = d->base + d->pos[t], *end = d->base + d->pos[t + 1], *q;
	bool odd = false;

	if (json_opens(d, t))
		return slice_of(p, 0);
	while (end > p + 1 && (unsigned char)end[-1] <= ' ')
		end--;
	if (*p == '"' && end - p >= 8) {
		odd = json_is_odd(p, end);
	} else if (*p == '"') {
		for (q = p; q < end; q++)
			odd |= *q == 0x7F || *q == '\\';
	}
	return slice_of(p, odd ? 0 : (size_t)(end - p));
}

/* Is that text what the canonical form has? A string is, and a short whole number. */
static inline bool
json_plain_is_canonical(struct slice text)
{
	size_t i = text.n && *text.p == '-';

	if (text.n && *text.p == '"')
		return true;
	if (!text.n || text.n > 17 || (i && (text.n == 1 || text.p[1] == '0')))
		return false;
	for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++)
		;
	return i == text.n;
}

#endif
