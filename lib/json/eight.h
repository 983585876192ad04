/*
 * The usual steps with AVX-512, eight at once: bit i of lane k is byte i of step k. This takes
 * a quarter of the instructions that the steps take one by one. Included by scan_avx512.c.
 *
 * It is done in two parts, the first of them some steps ahead of the second: each is a long
 * chain, and the machine has one to work on while it waits for the other.
 */
#ifndef SK_JSON_EIGHT_H
#define SK_JSON_EIGHT_H

#include "json/x86.h"

#define AVX512 __attribute__((target("avx2,pclmul,bmi,bmi2,lzcnt,popcnt,gfni,avx512f," \
	"avx512bw,avx512vl,avx512dq,avx512cd,avx512vbmi,avx512vbmi2,avx512vpopcntdq")))

/*
 * What a byte of ASCII is, a bit each. 0x0C and 0x1A count as operators, as the scalar twin has
 * it. Tab and carriage return are usual between tokens only, so they are not.
 */
enum { QUOTE, OP, SPACE, FEED, DIGIT, POINT, ZERO, UNUSUAL };
#define IS(k) (1 << (k))
#define U S(IS(UNUSUAL))
#define CLASS_CONTROL U, U, U, U, U, U, U, U, U, S(IS(SPACE) | IS(UNUSUAL)), \
	IS(SPACE) | IS(FEED), U, S(IS(OP) | IS(UNUSUAL)), S(IS(SPACE) | IS(UNUSUAL)), U, U, \
	U, U, U, U, U, U, U, U, U, U, S(IS(OP) | IS(UNUSUAL)), U, U, U, U, U
static const char class_low[64] = {
	CLASS_CONTROL, [' '] = IS(SPACE), ['"'] = IS(QUOTE), [','] = IS(OP), [':'] = IS(OP),
	['.'] = IS(POINT), ['0'] = IS(DIGIT) | IS(ZERO), ['1'] = IS(DIGIT), ['2'] = IS(DIGIT),
	['3'] = IS(DIGIT), ['4'] = IS(DIGIT), ['5'] = IS(DIGIT), ['6'] = IS(DIGIT),
	['7'] = IS(DIGIT), ['8'] = IS(DIGIT), ['9'] = IS(DIGIT),
};
static const char class_high[64] = {
	['[' - 64] = IS(OP), [']' - 64] = IS(OP), ['{' - 64] = IS(OP), ['}' - 64] = IS(OP),
	['\\' - 64] = U,
};
#undef U

/* The i-th sixteen bytes of packed, as positions. */
#define STORE16(to, i) _mm512_storeu_si512((to) + 16 * (i), _mm512_add_epi32(base, \
	_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, i))))

/* Write the tokens among 64 bytes. wide: there may be more than 32 of them. */
AVX512 STEP void
put_tokens(__m512i v, uint64_t tok, uint32_t at, uint32_t *pos, char *first, bool wide,
	enum json_mode mode)
{
	const __m512i iota = _mm512_set_epi8(
		63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48,
		47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32,
		31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,
		15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	__m512i base = _mm512_set1_epi32((int)at), packed;

	packed = _mm512_maskz_compress_epi8(tok, v);
	_mm256_storeu_si256((__m256i *)first, _mm512_castsi512_si256(packed));
	if (wide)
		_mm512_storeu_si512(first, packed);
	if (mode != JSON_LINES_LAZY) {
		packed = _mm512_maskz_compress_epi8(tok, iota);
		STORE16(pos, 0);
		STORE16(pos, 1);
		if (wide) {
			STORE16(pos, 2);
			STORE16(pos, 3);
		}
	}
}

struct ahead {
	__m512i is[8];   /* the masks of the classes */
	__m512i prefix;  /* the prefix xor of the quotes of each step */
	uint64_t ends;   /* bit k: of the quotes up to the end of step k */
};
struct eight {
	__m512i tok;     /* tokens */
	__m512i feed;
	__m512i look;    /* first bytes of scalars that have to be looked at one by one */
	__m512i scalar;  /* all bytes of scalars */
	uint64_t ends;   /* bit k: step k ends within a string */
	unsigned good;   /* so many of the steps are usual, then comes one that isn't */
};

#define LANES 8
#define SHIFT_LANES(v, before) _mm512_alignr_epi64(v, before, 7)
#define TERNARY(a, b, c, f) _mm512_ternarylogic_epi64(a, b, c, f)
/* The f of TERNARY, as a formula of these. */
#define A 0xF0
#define B 0xCC
#define C 0xAA

/* Bytes 8k + c of one vector and of another one, for k of 0 .. 7, stand together for each of
 * four c from first on. */
#define OF_TWO(c) c, c + 8, c + 16, c + 24, c + 32, c + 40, c + 48, c + 56, \
	c + 64, c + 72, c + 80, c + 88, c + 96, c + 104, c + 112, c + 120
static const char low_classes[64] = {OF_TWO(0), OF_TWO(1), OF_TWO(2), OF_TWO(3)};
static const char high_classes[64] = {OF_TWO(4), OF_TWO(5), OF_TWO(6), OF_TWO(7)};

/*
 * The masks of the classes of 512 bytes. Of each step, the bits of each eight bytes are
 * transposed (their order is then the reverse); then the bytes that belong to one class are
 * put together, of two steps, of four, and of eight.
 */
AVX512 STEP void
classes_of(__m512i is[8], const char *p)
{
	const __m512i low = _mm512_loadu_si512(class_low);
	const __m512i high = _mm512_loadu_si512(class_high);
	const __m512i top = _mm512_set1_epi8(S(IS(UNUSUAL)));
	const __m512i identity = _mm512_set1_epi64((long long)0x8040201008040201);
	const __m512i two[2] = {
		_mm512_loadu_si512(low_classes), _mm512_loadu_si512(high_classes),
	};
	const __m512i four[2] = {
		_mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0),
		_mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4),
	};
	__m512i of[8], of2[4][2], of4[2][4];
	int i, k;

#pragma GCC unroll 8
	for (i = 0; i < 8; i++) {
		__m512i v = _mm512_loadu_si512(p + 64 * i);

		of[i] = _mm512_permutex2var_epi8(low, v, high);
		/* Or it is not ASCII. */
		of[i] = TERNARY(of[i], v, top, A | (B & C));
		of[i] = _mm512_gf2p8affine_epi64_epi8(identity, of[i], 0);
	}
#pragma GCC unroll 4
	for (i = 0; i < 4; i++)
#pragma GCC unroll 2
		for (k = 0; k < 2; k++)
			of2[i][k] = _mm512_permutex2var_epi8(of[2 * i], two[k], of[2 * i + 1]);
#pragma GCC unroll 2
	for (i = 0; i < 2; i++)
#pragma GCC unroll 4
		for (k = 0; k < 4; k++)
			of4[i][k] = _mm512_permutex2var_epi64(of2[2 * i][k / 2], four[k % 2],
				of2[2 * i + 1][k / 2]);
#pragma GCC unroll 4
	for (k = 0; k < 4; k++) {
		is[2 * k] = _mm512_gf2p8affine_epi64_epi8(
			_mm512_shuffle_i64x2(of4[0][k], of4[1][k], 0x44), identity, 0);
		is[2 * k + 1] = _mm512_gf2p8affine_epi64_epi8(
			_mm512_shuffle_i64x2(of4[0][k], of4[1][k], 0xEE), identity, 0);
	}
}

/*
 * Scalars that have to be looked at one by one: the one that goes on in the next step, and all
 * of a step if one of them is no plain number. That is told of all digits and points at once:
 * no point but between two digits, none behind the first one and its digits, and no digit
 * behind a zero that is the first.
 */
AVX512 STEP __m512i
doubtful(const __m512i is[8], __m512i scalar, __m512i first)
{
	__m512i digit = is[DIGIT], point = _mm512_and_si512(is[POINT], scalar);
	__m512i behind = _mm512_slli_epi64(point, 1);
	__m512i zero = _mm512_slli_epi64(_mm512_and_si512(first, is[ZERO]), 1);
	__m512i last = _mm512_srlv_epi64(_mm512_set1_epi64(INT64_MIN),
		_mm512_lzcnt_epi64(first));
	__m512i no = TERNARY(scalar, digit, point, A & ~(B | C));

	no = _mm512_or_si512(no, _mm512_andnot_si512(_mm512_slli_epi64(digit, 1), point));
	no = TERNARY(no, behind, digit, A | (B & ~C));
	no = _mm512_or_si512(no, TERNARY(_mm512_add_epi64(digit, behind), digit, point,
		A & ~B & C));
	no = TERNARY(no, zero, digit, A | (B & C));
	last = _mm512_maskz_mov_epi64(_mm512_movepi64_mask(scalar), last);
	return _mm512_mask_mov_epi64(last, _mm512_test_epi64_mask(no, no), first);
}

AVX512 STEP void
look_ahead(struct ahead *a, const char *p)
{
	__m512i x;

	classes_of(a->is, p);
	x = a->is[QUOTE];
	x = _mm512_xor_si512(x, _mm512_slli_epi64(x, 1));
	x = _mm512_xor_si512(x, _mm512_slli_epi64(x, 2));
	x = _mm512_xor_si512(x, _mm512_slli_epi64(x, 4));
	x = _mm512_xor_si512(x, _mm512_slli_epi64(x, 8));
	x = _mm512_xor_si512(x, _mm512_slli_epi64(x, 16));
	a->prefix = x = _mm512_xor_si512(x, _mm512_slli_epi64(x, 32));
	a->ends = _mm512_movepi64_mask(x);
	a->ends ^= a->ends << 1;
	a->ends ^= a->ends << 2;
	a->ends ^= a->ends << 4;
}

/* in_string: all ones: the steps begin within a string. before: scalars of the steps before. */
AVX512 STEP struct eight
look_at_eight(const struct ahead *a, uint64_t in_string, __m512i before, enum json_mode mode)
{
	__m512i quote = a->is[QUOTE], op = a->is[OP], feed = a->is[FEED];
	__m512i inside, scalar, first, tok, odd;
	struct eight e;

	e.ends = a->ends ^ in_string;
	inside = _mm512_mask_xor_epi64(a->prefix, (__mmask8)(e.ends << 1 | (in_string & 1)),
		a->prefix, _mm512_set1_epi64(-1));
	/* No string goes on behind a line feed. */
	odd = TERNARY(a->is[UNUSUAL], feed, inside, A | (B & C));
	e.good = (unsigned)__builtin_ctz(_mm512_test_epi64_mask(odd, odd) | 1u << LANES);
	scalar = TERNARY(inside, quote, op, ~(A | B | C));
	scalar = _mm512_andnot_si512(a->is[SPACE], scalar);
	first = TERNARY(scalar, _mm512_slli_epi64(scalar, 1),
		_mm512_srli_epi64(SHIFT_LANES(scalar, before), 63), A & ~(B | C));
	tok = TERNARY(inside, quote, op, (A & B) | (~A & C));
	e.tok = mode == JSON_TEXT ? _mm512_or_si512(tok, first) :
		TERNARY(tok, first, feed, A | B | C);
	e.feed = feed;
	e.scalar = scalar;
	e.look = mode == JSON_LINES_TRUST ? first : doubtful(a->is, scalar, first);
	return e;
}

/* Lane k is the place of the lowest bit of lane k, where the steps begin at `at`. */
AVX512 STEP __m512i
places(__m512i mask, uint32_t at)
{
	const __m512i steps = _mm512_set_epi64(448 + 63, 384 + 63, 320 + 63, 256 + 63, 192 + 63,
		128 + 63, 64 + 63, 63);
	__m512i low = _mm512_and_si512(mask, _mm512_sub_epi64(_mm512_setzero_si512(), mask));

	return _mm512_sub_epi64(_mm512_add_epi64(steps, _mm512_set1_epi64(at)),
		_mm512_lzcnt_epi64(low));
}

/* All but the lowest bit of each lane. */
AVX512 STEP __m512i
rest_of(__m512i mask)
{
	return _mm512_and_si512(mask, _mm512_sub_epi64(mask, _mm512_set1_epi64(1)));
}

/* What is read back eight bytes at a time is not stored as 64 at once: the machine could not
 * hand it on. */
AVX512 STEP void
store_lanes(uint64_t *to, __m512i v)
{
	_mm256_storeu_si256((__m256i *)to, _mm512_castsi512_si256(v));
	_mm256_storeu_si256((__m256i *)to + 1, _mm512_extracti64x4_epi64(v, 1));
}

/* Pairs of numbers become line feeds: at, tok, and no flags. */
AVX512 STEP void
store_feeds(struct json_feed *to, __m512i pairs)
{
	const __m512i three = _mm512_set_epi32(10, 0, 9, 8, 0, 7, 6, 0, 5, 4, 0, 3, 2, 0, 1, 0);
	const __m512i rest = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 15, 14, 0, 13, 12, 0, 11);

	_mm512_storeu_si512(to, _mm512_maskz_permutexvar_epi32(0xB6DB, three, pairs));
	_mm256_storeu_si256((__m256i *)((char *)to + 64), _mm512_castsi512_si256(
		_mm512_maskz_permutexvar_epi32(0x006D, rest, pairs)));
}

/* One line feed a step; before: tokens before each step. */
AVX512 STEP struct json_feed *
put_feeds8(const struct eight *e, __mmask8 steps, uint32_t at, __m512i before,
	struct json_feed *to)
{
	__m512i less = _mm512_sub_epi64(e->feed, _mm512_set1_epi64(1)), tok, pair;

	steps &= _mm512_test_epi64_mask(e->feed, e->feed);
	tok = _mm512_popcnt_epi64(TERNARY(e->tok, less, e->feed, A & B & ~C));
	tok = _mm512_slli_epi64(_mm512_add_epi64(before, tok), 32);
	pair = _mm512_or_si512(places(e->feed, at), tok);
	store_feeds(to, _mm512_maskz_compress_epi64(steps, pair));
	return to + __builtin_popcount(steps);
}

/* Line feeds of which nothing else is known. */
AVX512 STEP size_t
put_only_feeds(struct json_feed *to, size_t n, const uint64_t *mask, size_t len, uint32_t at)
{
	size_t i;
	unsigned k;

	for (i = 0; i < len; i += 64 * LANES, mask += LANES) {
		__m512i feed = _mm512_load_si512(mask), more = rest_of(feed);
		__mmask8 steps = _mm512_test_epi64_mask(feed, feed);

		if (RARE(_mm512_test_epi64_mask(more, more))) {
			for (k = 0; k < LANES; k++)
				n = put_feeds(to, n, mask[k], at + (uint32_t)i + 64 * k);
			continue;
		}
		feed = _mm512_maskz_compress_epi64(steps, places(feed, at + (uint32_t)i));
		store_feeds(to + n, feed);
		n += (size_t)__builtin_popcount(steps);
	}
	return n;
}

/* One scalar a step to be looked at. */
AVX512 STEP uint32_t *
put_scalars8(__m512i look, __mmask8 steps, uint32_t at, uint32_t *to)
{
	steps &= _mm512_test_epi64_mask(look, look);
	look = _mm512_maskz_compress_epi64(steps, places(look, at));
	_mm256_storeu_si256((__m256i *)to, _mm512_cvtepi64_epi32(look));
	return to + __builtin_popcount(steps);
}

/* Any number of both. */
AVX512 STEP void
put_many(const struct eight *e, uint32_t at, __m512i before, struct json_feed **feed,
	uint32_t **scalar, enum json_mode mode)
{
	uint64_t f[LANES], t[LANES], n[LANES], l[LANES];
	unsigned k;

	store_lanes(f, e->feed);
	store_lanes(t, e->tok);
	store_lanes(n, before);
	store_lanes(l, e->look);
	for (k = 0; k < e->good; k++, at += 64) {
		for (; mode != JSON_TEXT && f[k]; f[k] &= f[k] - 1)
			*(*feed)++ = (struct json_feed){at + (uint32_t)_tzcnt_u64(f[k]),
				(uint32_t)n[k] + (uint32_t)_mm_popcnt_u64(t[k] &
					_blsmsk_u64(f[k]) >> 1), 0};
		if (mode != JSON_LINES_TRUST)
			*scalar = put_scalars(*scalar, l[k], at);
	}
}

AVX512 STEP uint64_t
last_lane(__m512i v)
{
	return (uint64_t)_mm_extract_epi64(_mm512_extracti64x2_epi64(v, 3), 1);
}

/* Write what there is in eight steps, or as many of them as are usual. */
AVX512 STEP void
put_eight(struct json_state *s, const struct eight *e, const char *p, uint32_t at,
	struct json_feed **feed, uint32_t **scalar, enum json_mode mode)
{
	const __m512i zero = _mm512_setzero_si512();
	_Alignas(64) uint64_t mask[LANES], ntok[LANES];
	__mmask8 steps = (__mmask8)((1u << e->good) - 1);
	__m512i upto, n, more;
	bool wide;
	unsigned k;

	n = upto = _mm512_popcnt_epi64(e->tok);
	wide = _mm512_cmpgt_epi64_mask(n, _mm512_set1_epi64(32)) != 0;
	upto = _mm512_add_epi64(upto, _mm512_alignr_epi64(upto, zero, 7));
	upto = _mm512_add_epi64(upto, _mm512_alignr_epi64(upto, zero, 6));
	upto = _mm512_add_epi64(upto, _mm512_alignr_epi64(upto, zero, 4));
	n = _mm512_add_epi64(_mm512_sub_epi64(upto, n), _mm512_set1_epi64((long long)s->ntok));
	store_lanes(mask, e->tok);
	store_lanes(ntok, n);
	for (k = 0; k < e->good; k++)
		put_tokens(_mm512_loadu_si512(p + 64 * k), mask[k], at + 64 * k,
			mode == JSON_LINES_LAZY ? NULL : s->pos + ntok[k],
			s->first + ntok[k], wide, mode);
	more = mode == JSON_TEXT ? rest_of(e->look) :
		mode == JSON_LINES_TRUST ? rest_of(e->feed) :
		_mm512_or_si512(rest_of(e->look), rest_of(e->feed));
	if (RARE(_mm512_test_epi64_mask(more, more))) {
		put_many(e, at, n, feed, scalar, mode);
	} else {
		if (mode != JSON_TEXT)
			*feed = put_feeds8(e, steps, at, n, *feed);
		if (mode != JSON_LINES_TRUST)
			*scalar = put_scalars8(e->look, steps, at, *scalar);
	}
	s->ntok = __builtin_expect(e->good == LANES, 1) ? s->ntok + last_lane(upto) :
		ntok[e->good];
}

#endif
