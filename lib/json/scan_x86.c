/*
 * The kernels of x86-64. What a machine with AVX2 does here another one with AVX-512 does
 * with a third of the instructions: its comparisons give masks, and it writes the tokens
 * of a step in one go.
 */
#include "json/judge.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,pclmul,bmi,bmi2,lzcnt,popcnt")))
#define AVX512 __attribute__((target("avx2,pclmul,bmi,bmi2,lzcnt,popcnt," \
	"avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2")))

/* For each byte the places of its bits that are 1, then rubbish. */
#define BELOW(n, i) __builtin_popcount((n) & ((1u << (i)) - 1))
#define PLACE(n, i) ((n) >> (i) & 1 ? (uint64_t)(i) << 8 * BELOW(n, i) : 0)
#define PLACES(n) (PLACE(n, 1) | PLACE(n, 2) | PLACE(n, 3) | PLACE(n, 4) | PLACE(n, 5) | \
	PLACE(n, 6) | PLACE(n, 7))
#define PLACES4(n) PLACES(n), PLACES(n + 1), PLACES(n + 2), PLACES(n + 3)
#define PLACES16(n) PLACES4(n), PLACES4(n + 4), PLACES4(n + 8), PLACES4(n + 12)
#define PLACES64(n) PLACES16(n), PLACES16(n + 16), PLACES16(n + 32), PLACES16(n + 48)
static const uint64_t places[256] = {
	PLACES64(0u), PLACES64(64u), PLACES64(128u), PLACES64(192u),
};

/* What simdjson's tables say of the low half of a byte. A space equals its entry; so does an
 * operator with bit 0x20 set, and so do 0x0C and 0x1A. */
#define SPACES ' ', 100, 100, 100, 17, 100, 113, 2, 100, '\t', '\n', 112, 100, '\r', 100, 100
#define OPS 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ':', '{', ',', '}', 0, 0

/*
 * UTF-8 by lookup: three tables, by the high and low half of the byte before and by the
 * high half of this one, whose conjunction is the kinds of error that the two make. Bit 7,
 * two continuations in a row, is right where a third or fourth byte is due.
 */
enum {
	TOO_SHORT = 1 << 0, TOO_LONG = 1 << 1, OVERLONG_3 = 1 << 2, TOO_LARGE = 1 << 3,
	SURROGATE = 1 << 4, OVERLONG_2 = 1 << 5, TOO_LARGE_1000 = 1 << 6, OVERLONG_4 = 1 << 6,
	TWO_CONTS = 1 << 7,
	CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS,
};
#define S(x) (char)(x)
#define UTF8_HIGH1 S(TOO_LONG), S(TOO_LONG), S(TOO_LONG), S(TOO_LONG), S(TOO_LONG), \
	S(TOO_LONG), S(TOO_LONG), S(TOO_LONG), S(TWO_CONTS), S(TWO_CONTS), S(TWO_CONTS), \
	S(TWO_CONTS), S(TOO_SHORT | OVERLONG_2), S(TOO_SHORT), \
	S(TOO_SHORT | OVERLONG_3 | SURROGATE), \
	S(TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4)
#define UTF8_LOW1 S(CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4), S(CARRY | OVERLONG_2), \
	S(CARRY), S(CARRY), S(CARRY | TOO_LARGE), \
	S(CARRY | TOO_LARGE | TOO_LARGE_1000), S(CARRY | TOO_LARGE | TOO_LARGE_1000), \
	S(CARRY | TOO_LARGE | TOO_LARGE_1000), S(CARRY | TOO_LARGE | TOO_LARGE_1000), \
	S(CARRY | TOO_LARGE | TOO_LARGE_1000), S(CARRY | TOO_LARGE | TOO_LARGE_1000), \
	S(CARRY | TOO_LARGE | TOO_LARGE_1000), S(CARRY | TOO_LARGE | TOO_LARGE_1000), \
	S(CARRY | TOO_LARGE | TOO_LARGE_1000 | SURROGATE), \
	S(CARRY | TOO_LARGE | TOO_LARGE_1000), S(CARRY | TOO_LARGE | TOO_LARGE_1000)
#define UTF8_HIGH2 S(TOO_SHORT), S(TOO_SHORT), S(TOO_SHORT), S(TOO_SHORT), S(TOO_SHORT), \
	S(TOO_SHORT), S(TOO_SHORT), S(TOO_SHORT), \
	S(TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4), \
	S(TOO_LONG | OVERLONG_2 | TWO_CONTS | OVERLONG_3 | TOO_LARGE), \
	S(TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE), \
	S(TOO_LONG | OVERLONG_2 | TWO_CONTS | SURROGATE | TOO_LARGE), \
	S(TOO_SHORT), S(TOO_SHORT), S(TOO_SHORT), S(TOO_SHORT)

/* Both halves of a vector from the 16 bytes of a table. */
#define TABLE(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))

/* The bytes of v at which UTF-8 is wrong, v coming after before. */
AVX2 static inline uint32_t
utf8_errors(__m256i v, __m256i before)
{
	const __m256i nibble = _mm256_set1_epi8(15);
	__m256i cross = _mm256_permute2x128_si256(before, v, 0x21);
	__m256i prev1 = _mm256_alignr_epi8(v, cross, 15);
	__m256i prev2 = _mm256_alignr_epi8(v, cross, 14);
	__m256i prev3 = _mm256_alignr_epi8(v, cross, 13);
	__m256i special = _mm256_and_si256(
		_mm256_and_si256(
			_mm256_shuffle_epi8(TABLE(UTF8_HIGH1), _mm256_and_si256(
				_mm256_srli_epi16(prev1, 4), nibble)),
			_mm256_shuffle_epi8(TABLE(UTF8_LOW1), _mm256_and_si256(prev1, nibble))),
		_mm256_shuffle_epi8(TABLE(UTF8_HIGH2), _mm256_and_si256(
			_mm256_srli_epi16(v, 4), nibble)));
	/* 0x80 where the third byte of three or four, or the fourth of four, is due. */
	__m256i due = _mm256_and_si256(_mm256_set1_epi8(S(0x80)), _mm256_or_si256(
		_mm256_subs_epu8(prev2, _mm256_set1_epi8(0xE0 - 0x80)),
		_mm256_subs_epu8(prev3, _mm256_set1_epi8(0xF0 - 0x80))));
	__m256i error = _mm256_xor_si256(special, due);

	return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(error,
		_mm256_setzero_si256()));
}

AVX2 static inline uint64_t
prefix_xor(uint64_t x)
{
	return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_set_epi64x(0, (int64_t)x),
		_mm_set1_epi8(S(0xFF)), 0));
}

AVX2 static inline uint64_t
both(__m256i low, __m256i high)
{
	return (uint32_t)_mm256_movemask_epi8(low) |
		(uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

/* Of v: the high bit of each byte that is a backslash, not ASCII, or a control byte other
 * than a line feed that ends a line. Most steps have none. */
#define UNUSUAL(v) _mm256_or_si256(_mm256_or_si256(v, \
	_mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'))), _mm256_andnot_si256( \
		_mm256_cmpeq_epi8(v, harmless), \
		_mm256_cmpeq_epi8(_mm256_min_epu8(v, below), v)))
#define EQ(c) both(_mm256_cmpeq_epi8(a, _mm256_set1_epi8(c)), \
	_mm256_cmpeq_epi8(b, _mm256_set1_epi8(c)))

/* Write the tokens among 64 bytes at p, whose masks are m. */
AVX2 STEP void
put_avx2(const struct step *m, const char *p, uint32_t at, uint32_t *pos, char *first,
	enum json_mode mode)
{
	__m256i here = _mm256_set1_epi32((int)at);
	uint64_t tok = m->tok;
	size_t to = 0;
	unsigned k;

#pragma GCC unroll 8
	for (k = 0; k < 64; k += 8, tok >>= 8) {
		__m128i in8 = _mm_loadl_epi64((const __m128i *)&places[tok & 0xFF]);
		__m128i bytes = _mm_loadl_epi64((const __m128i *)(p + k));

		if (mode != JSON_LINES_LAZY)
			_mm256_storeu_si256((__m256i *)(pos + to),
				_mm256_add_epi32(_mm256_cvtepu8_epi32(in8), here));
		_mm_storel_epi64((__m128i *)(first + to), _mm_shuffle_epi8(bytes, in8));
		here = _mm256_add_epi32(here, _mm256_set1_epi32(8));
		to += (size_t)__builtin_popcount(tok & 0xFF);
	}
}

#define AVX2_OP(v) _mm256_cmpeq_epi8(_mm256_or_si256(v, _mm256_set1_epi8(0x20)), \
	_mm256_shuffle_epi8(TABLE(OPS), v))
#define AVX2_SPACE(v) _mm256_cmpeq_epi8(v, _mm256_shuffle_epi8(TABLE(SPACES), v))
#define AVX2_CONTROL(v) _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1F)), v)

/* A step of any kind. */
AVX2 STEP void
any_avx2(struct json_state *s, const char *p, uint32_t at, enum json_mode mode)
{
	__m256i a = _mm256_loadu_si256((const __m256i *)p);
	__m256i b = _mm256_loadu_si256((const __m256i *)(p + 32));
	bool high = _mm256_movemask_epi8(_mm256_or_si256(a, b)) != 0;
	uint64_t quotes;
	struct step m;

	m.quote = EQ('"');
	m.feed = mode == JSON_TEXT ? 0 : EQ('\n');
	m.space = both(AVX2_SPACE(a), AVX2_SPACE(b));
	m.op = both(AVX2_OP(a), AVX2_OP(b));
	m.backslash = EQ('\\');
	m.control = both(AVX2_CONTROL(a), AVX2_CONTROL(b));
	m.bad_utf8 = 0;
	if (mode != JSON_LINES_TRUST && (high | s->high)) {
		__m256i before = _mm256_loadu_si256((const __m256i *)s->tail);

		m.bad_utf8 = utf8_errors(a, before) | (uint64_t)utf8_errors(b, a) << 32;
		s->high = high;
		_mm256_storeu_si256((__m256i *)s->tail, high ? b : _mm256_setzero_si256());
	}
	quotes = step_quotes(s, &m);
	step_tokens(s, &m, quotes, prefix_xor(quotes));
	put_avx2(&m, p, at, mode == JSON_LINES_LAZY ? NULL : s->pos + s->ntok,
		s->first + s->ntok, mode);
	if (mode != JSON_LINES_TRUST)
		s->nscalars = (size_t)(put_scalars(s->scalar + s->nscalars, m.scalar, at) -
			s->scalar);
	step_lines(s, &m, at);
}

/* Steps as long as they are usual; returns how many bytes these were. */
AVX2 STEP size_t
usual_avx2(struct json_state *s, const char *p, uint32_t at, size_t n, enum json_mode mode)
{
	const __m256i harmless = _mm256_set1_epi8('\n');
	const __m256i below = _mm256_set1_epi8(0x1F);
	char *begin = s->first;
	struct usual u;
	size_t i;

	if (!usual_begin(&u, s, mode))
		return 0;
	for (i = 0; i < n; i += 64) {
		__m256i a = _mm256_loadu_si256((const __m256i *)(p + i));
		__m256i b = _mm256_loadu_si256((const __m256i *)(p + i + 32));
		struct step m;

		if (RARE(_mm256_movemask_epi8(_mm256_or_si256(UNUSUAL(a), UNUSUAL(b)))))
			break;
		m.quote = EQ('"');
		m.feed = EQ('\n');
		m.space = both(AVX2_SPACE(a), AVX2_SPACE(b));
		m.op = both(AVX2_OP(a), AVX2_OP(b));
		if (!usual_tokens(&u, &m, prefix_xor(m.quote), mode))
			break;
		put_avx2(&m, p + i, at + (uint32_t)i, u.pos, u.first, mode);
		if (mode != JSON_TEXT)
			usual_feeds(&u, &m, at + (uint32_t)i, begin);
		if (mode != JSON_LINES_TRUST)
			u.scalar = put_scalars(u.scalar, m.scalar, at + (uint32_t)i);
		u.first += __builtin_popcountll(m.tok);
		if (mode != JSON_LINES_LAZY)
			u.pos += __builtin_popcountll(m.tok);
	}
	usual_end(&u, s, mode);
	return i;
}

/* Two functions a mode: each has the registers for itself. */
#define STEPS(name, mode) \
	AVX2 static __attribute__((noinline)) void \
	any_##name(struct json_state *s, const char *p, uint32_t at) \
	{ \
		any_avx2(s, p, at, mode); \
	} \
	AVX2 static void \
	name(struct json_state *s, const char *p, uint32_t at, size_t n) \
	{ \
		size_t i; \
		for (i = 0; (i += usual_avx2(s, p + i, at + (uint32_t)i, n - i, mode)) < n; \
			i += 64) \
			any_##name(s, p + i, at + (uint32_t)i); \
	}
STEPS(lines_avx2, JSON_LINES)
STEPS(lazy_avx2, JSON_LINES_LAZY)
STEPS(trust_avx2, JSON_LINES_TRUST)
STEPS(text_avx2, JSON_TEXT)
#undef STEPS

AVX2 static void
feeds_avx2(struct json_state *state, const char *p, uint32_t at, size_t n)
{
	struct json_state s = *state;
	size_t i;

	for (i = 0; i < n; i += 64, at += 64) {
		__m256i a = _mm256_loadu_si256((const __m256i *)(p + i));
		__m256i b = _mm256_loadu_si256((const __m256i *)(p + i + 32));

		step_feeds(&s, EQ('\n'), EQ('\\'), at);
	}
	*state = s;
}

AVX2 static void
judge_avx2(const char *first, size_t n, struct json_feed *feed, uint32_t *skip)
{
	struct judge j;
	size_t i;

	judge_begin(&j);
	for (i = 0; i < n; i += 64) {
		uint64_t all = n - i < 64 ? (UINT64_C(1) << (n - i)) - 1 : ~UINT64_C(0);
		__m256i a = _mm256_loadu_si256((const __m256i *)(first + i));
		__m256i b = _mm256_loadu_si256((const __m256i *)(first + i + 32));
		struct kinds k = {
			EQ('"') & all, EQ('\n') & all, EQ(':') & all, EQ(',') & all,
			EQ('{') & all, EQ('[') & all, EQ('}') & all, EQ(']') & all,
		};

		feed = judge_step(&j, &k, (uint32_t)i, n - i, feed, skip);
	}
}

AVX2 static inline bool
same_avx2(const char *first, size_t n, const char *shape)
{
	size_t i;

	for (i = 0; i < n; i += 32) {
		uint64_t all = n - i < 32 ? (UINT64_C(1) << (n - i)) - 1 : UINT32_MAX;
		__m256i v = _mm256_loadu_si256((const __m256i *)(first + i));
		__m256i stands = _mm256_or_si256(AVX2_OP(v),
			_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')));
		__m256i same = _mm256_cmpeq_epi8(_mm256_and_si256(v, stands),
			_mm256_loadu_si256((const __m256i *)(shape + i)));

		if (~(uint32_t)_mm256_movemask_epi8(same) & all)
			return false;
	}
	return true;
}

SHAPES(shapes_avx2, AVX2, judge_avx2, same_avx2)

AVX2 static size_t
find_avx2(const char *p, size_t n, const char *text, size_t len, uint32_t *hit)
{
	const __m256i c1 = _mm256_set1_epi8(text[1]), c2 = _mm256_set1_epi8(text[len - 2]);
	const __m256i c3 = _mm256_set1_epi8('"');
	size_t found = 0, i;

#define AT(i, c) _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + (i))), c)
#define MAY(i) (uint32_t)_mm256_movemask_epi8(_mm256_and_si256(_mm256_and_si256( \
	AT((i) + 1, c1), AT((i) + len - 2, c2)), AT((i) + len - 1, c3)))
	for (i = 0; i + 64 + len <= n; i += 64)
		found = find_among(MAY(i) | (uint64_t)MAY(i + 32) << 32, i, hit, found);
#undef MAY
#undef AT
	return find_rest(p, i, n, text, len, hit, found);
}

AVX2 static long
depth_avx2(const char *p, size_t n)
{
	const __m256i blank = _mm256_set1_epi8(0x20);
	uint64_t in_string = 0;
	long depth = 0;
	size_t i;

	for (i = 0; i < n; i += 64) {
		uint64_t all = n - i < 64 ? (UINT64_C(1) << (n - i)) - 1 : ~UINT64_C(0);
		__m256i a = _mm256_loadu_si256((const __m256i *)(p + i));
		__m256i b = _mm256_loadu_si256((const __m256i *)(p + i + 32));
		uint64_t inside = prefix_xor(EQ('"') & all) ^ in_string;

		a = _mm256_or_si256(a, blank);
		b = _mm256_or_si256(b, blank);
		depth += __builtin_popcountll(EQ('{') & all & ~inside);
		depth -= __builtin_popcountll(EQ('}') & all & ~inside);
		in_string = (uint64_t)((int64_t)inside >> 63);
	}
	return depth;
}

const struct json_machine json_machine_avx2 = {
	"avx2", {lines_avx2, lazy_avx2, trust_avx2, feeds_avx2, text_avx2},
	judge_avx2, shapes_avx2, find_avx2, depth_avx2,
};

/* The i-th sixteen bytes of packed, as positions. */
#define STORE16(to, i) _mm512_storeu_si512((to) + 16 * (i), _mm512_add_epi32(base, \
	_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, i))))

#define EQ512(v, c) _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c))

/* What a byte of ASCII is, a bit each. A line feed is usual; a control byte in a text is not. */
enum { IS_OP = 1, IS_SPACE = 2, IS_UNUSUAL = 0x80 };
#define U (char)IS_UNUSUAL
#define O IS_OP
#define CLASS_CONTROL U, U, U, U, U, U, U, U, U, S(IS_SPACE | IS_UNUSUAL), IS_SPACE, U, \
	S(IS_OP | IS_UNUSUAL), S(IS_SPACE | IS_UNUSUAL), U, U, U, U, U, U, U, U, U, U, U, U, \
	S(IS_OP | IS_UNUSUAL), U, U, U, U, U
static const char class_low[64] = {
	CLASS_CONTROL, [' '] = IS_SPACE, [','] = O, [':'] = O,
};
static const char class_high[64] = {
	['[' - 64] = O, [']' - 64] = O, ['{' - 64] = O, ['}' - 64] = O, ['\\' - 64] = U,
};
#undef U
#undef O

/* Write the tokens among 64 bytes, whose masks are m. */
AVX512 STEP void
put_avx512(const struct step *m, __m512i v, uint32_t at, uint32_t *pos, char *first,
	enum json_mode mode)
{
	const __m512i iota = _mm512_set_epi8(
		63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48,
		47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32,
		31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,
		15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	__m512i base = _mm512_set1_epi32((int)at), packed;

	packed = _mm512_maskz_compress_epi8(m->tok, v);
	_mm256_storeu_si256((__m256i *)first, _mm512_castsi512_si256(packed));
	if (RARE(__builtin_popcountll(m->tok) > 32))
		_mm512_storeu_si512(first, packed);
	if (mode != JSON_LINES_LAZY) {
		packed = _mm512_maskz_compress_epi8(m->tok, iota);
		STORE16(pos, 0);
		STORE16(pos, 1);
		if (RARE(__builtin_popcountll(m->tok) > 32)) {
			STORE16(pos, 2);
			STORE16(pos, 3);
		}
	}
}

/* A step of any kind. */
AVX512 STEP void
any_avx512(struct json_state *s, const char *p, uint32_t at, enum json_mode mode)
{
	__m512i v = _mm512_loadu_si512(p);
	__mmask64 high = _mm512_movepi8_mask(v);
	__m512i is = _mm512_maskz_permutex2var_epi8(~high, _mm512_loadu_si512(class_low), v,
		_mm512_loadu_si512(class_high));
	uint64_t quotes;
	struct step m;

	m.quote = EQ512(v, '"');
	m.feed = mode == JSON_TEXT ? 0 : EQ512(v, '\n');
	m.backslash = EQ512(v, '\\');
	m.control = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20));
	m.op = _mm512_test_epi8_mask(is, _mm512_set1_epi8(IS_OP));
	m.space = _mm512_test_epi8_mask(is, _mm512_set1_epi8(IS_SPACE));
	m.bad_utf8 = 0;
	if (mode != JSON_LINES_TRUST && (s->high | (high != 0))) {
		__m256i before = _mm256_loadu_si256((const __m256i *)s->tail);
		__m256i a = _mm512_castsi512_si256(v), b = _mm512_extracti64x4_epi64(v, 1);

		m.bad_utf8 = utf8_errors(a, before) | (uint64_t)utf8_errors(b, a) << 32;
		s->high = high != 0;
		_mm256_storeu_si256((__m256i *)s->tail, high ? b : _mm256_setzero_si256());
	}
	quotes = step_quotes(s, &m);
	step_tokens(s, &m, quotes, prefix_xor(quotes));
	put_avx512(&m, v, at, mode == JSON_LINES_LAZY ? NULL : s->pos + s->ntok,
		s->first + s->ntok, mode);
	if (mode != JSON_LINES_TRUST)
		s->nscalars = (size_t)(put_scalars(s->scalar + s->nscalars, m.scalar, at) -
			s->scalar);
	step_lines(s, &m, at);
}

/* Steps as long as they are usual; returns how many bytes these were. */
AVX512 STEP size_t
usual_avx512(struct json_state *s, const char *p, uint32_t at, size_t n, enum json_mode mode)
{
	const __m512i low = _mm512_loadu_si512(class_low);
	const __m512i high = _mm512_loadu_si512(class_high);
	char *begin = s->first;
	struct usual u;
	size_t i;

	if (!usual_begin(&u, s, mode))
		return 0;
	for (i = 0; i < n; i += 64) {
		__m512i v = _mm512_loadu_si512(p + i);
		__m512i is = _mm512_permutex2var_epi8(low, v, high);
		struct step m;

		if (RARE(_mm512_movepi8_mask(_mm512_or_si512(is, v))))
			break;
		m.quote = EQ512(v, '"');
		m.feed = EQ512(v, '\n');
		m.op = _mm512_test_epi8_mask(is, _mm512_set1_epi8(IS_OP));
		m.space = _mm512_test_epi8_mask(is, _mm512_set1_epi8(IS_SPACE));
		if (!usual_tokens(&u, &m, prefix_xor(m.quote), mode))
			break;
		put_avx512(&m, v, at + (uint32_t)i, u.pos, u.first, mode);
		if (mode != JSON_TEXT)
			usual_feeds(&u, &m, at + (uint32_t)i, begin);
		u.first += __builtin_popcountll(m.tok);
		if (mode != JSON_LINES_LAZY)
			u.pos += __builtin_popcountll(m.tok);
		if (mode != JSON_LINES_TRUST)
			u.scalar = put_scalars(u.scalar, m.scalar, at + (uint32_t)i);
	}
	usual_end(&u, s, mode);
	return i;
}

#define STEPS(name, mode) \
	AVX512 static __attribute__((noinline)) void \
	any_##name(struct json_state *s, const char *p, uint32_t at) \
	{ \
		any_avx512(s, p, at, mode); \
	} \
	AVX512 static void \
	name(struct json_state *s, const char *p, uint32_t at, size_t n) \
	{ \
		size_t i; \
		for (i = 0; (i += usual_avx512(s, p + i, at + (uint32_t)i, n - i, mode)) < n; \
			i += 64) \
			any_##name(s, p + i, at + (uint32_t)i); \
	}
STEPS(lines_avx512, JSON_LINES)
STEPS(lazy_avx512, JSON_LINES_LAZY)
STEPS(trust_avx512, JSON_LINES_TRUST)
STEPS(text_avx512, JSON_TEXT)
#undef STEPS

AVX512 static void
feeds_avx512(struct json_state *state, const char *p, uint32_t at, size_t n)
{
	const __m512i slash = _mm512_set1_epi8('\\');
	struct json_state s = *state;
	size_t i, k;

#define V(k) _mm512_loadu_si512(p + i + 64 * (k))
#define NOT_SLASH(k) _mm512_xor_si512(V(k), slash)
	for (i = 0; i + 256 <= n && !s.flags; i += 256) {
		__m512i least = _mm512_min_epu8(_mm512_min_epu8(NOT_SLASH(0), NOT_SLASH(1)),
			_mm512_min_epu8(NOT_SLASH(2), NOT_SLASH(3)));

		if (RARE(_mm512_testn_epi8_mask(least, least)))
			break;
		for (k = 0; k < 4; k++)
			s.nfeeds = put_feeds(s.feed, s.nfeeds, EQ512(V(k), '\n'),
				at + (uint32_t)(i + 64 * k));
	}
	for (; i < n; i += 64)
		step_feeds(&s, EQ512(V(0), '\n'), EQ512(V(0), '\\'), at + (uint32_t)i);
#undef V
#undef NOT_SLASH
	*state = s;
}

AVX512 STEP struct kinds
kinds_avx512(__m512i v)
{
	return (struct kinds){
		EQ512(v, '"'), EQ512(v, '\n'), EQ512(v, ':'), EQ512(v, ','),
		EQ512(v, '{'), EQ512(v, '['), EQ512(v, '}'), EQ512(v, ']'),
	};
}

AVX512 static void
judge_avx512(const char *first, size_t n, struct json_feed *feed, uint32_t *skip)
{
	struct judge j;
	struct kinds k;
	size_t i;

	judge_begin(&j);
	for (i = 0; i < n; i += 64) {
		uint64_t all = n - i < 64 ? (UINT64_C(1) << (n - i)) - 1 : ~UINT64_C(0);

		k = kinds_avx512(_mm512_maskz_loadu_epi8(all, first + i));
		feed = judge_step(&j, &k, (uint32_t)i, n - i, feed, skip);
	}
}

/* What stands for itself in a shape; anything else is a scalar. */
static const char shape_low[64] = {['"'] = '"', [','] = ',', [':'] = ':'};
static const char shape_high[64] = {
	['[' - 64] = '[', [']' - 64] = ']', ['{' - 64] = '{', ['}' - 64] = '}',
};

AVX512 static inline bool
same_avx512(const char *first, size_t n, const char *shape)
{
	const __m512i low = _mm512_loadu_si512(shape_low);
	const __m512i high = _mm512_loadu_si512(shape_high);
	size_t i;

	for (i = 0; i < n; i += 64) {
		__mmask64 all = _bzhi_u64(~UINT64_C(0), (unsigned)(n - i < 64 ? n - i : 64));
		__m512i v = _mm512_permutex2var_epi8(low, _mm512_loadu_si512(first + i), high);

		if (_mm512_mask_cmpneq_epi8_mask(all, v, _mm512_loadu_si512(shape + i)))
			return false;
	}
	return true;
}

SHAPES(shapes_avx512, AVX512, judge_avx512, same_avx512)

AVX512 static size_t
find_avx512(const char *p, size_t n, const char *text, size_t len, uint32_t *hit)
{
	const __m512i c1 = _mm512_set1_epi8(text[1]), c2 = _mm512_set1_epi8(text[len - 2]);
	const __m512i c3 = _mm512_set1_epi8('"');
	size_t found = 0, i;

	for (i = 0; i + 64 + len <= n; i += 64) {
		__mmask64 m = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p + i + 1), c1);

		m = _mm512_mask_cmpeq_epi8_mask(m, _mm512_loadu_si512(p + i + len - 2), c2);
		m = _mm512_mask_cmpeq_epi8_mask(m, _mm512_loadu_si512(p + i + len - 1), c3);
		found = find_among(m, i, hit, found);
	}
	return find_rest(p, i, n, text, len, hit, found);
}

AVX512 static long
depth_avx512(const char *p, size_t n)
{
	const __m512i blank = _mm512_set1_epi8(0x20);
	uint64_t in_string = 0;
	long depth = 0;
	size_t i;

	for (i = 0; i < n; i += 64) {
		uint64_t all = n - i < 64 ? (UINT64_C(1) << (n - i)) - 1 : ~UINT64_C(0);
		__m512i v = _mm512_maskz_loadu_epi8(all, p + i);
		uint64_t inside = prefix_xor(EQ512(v, '"')) ^ in_string;

		v = _mm512_or_si512(v, blank);
		depth += __builtin_popcountll(EQ512(v, '{') & ~inside);
		depth -= __builtin_popcountll(EQ512(v, '}') & ~inside);
		in_string = (uint64_t)((int64_t)inside >> 63);
	}
	return depth;
}

const struct json_machine json_machine_avx512 = {
	"avx512", {lines_avx512, lazy_avx512, trust_avx512, feeds_avx512, text_avx512},
	judge_avx512, shapes_avx512, find_avx512, depth_avx512,
};
#else
typedef int json_no_x86;
#endif
