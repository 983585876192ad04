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

AVX2 STEP void
steps_avx2(struct json_state *state, const char *p, uint32_t at, size_t n,
	enum json_mode mode)
{
	const __m256i spaces = TABLE(SPACES), ops = TABLE(OPS);
	const __m256i harmless = _mm256_set1_epi8(mode == JSON_TEXT ? S(0xFF) : '\n');
	const __m256i blank = _mm256_set1_epi8(0x20), below = _mm256_set1_epi8(0x1F);
	struct json_state s = *state;
	__m256i before = _mm256_loadu_si256((const __m256i *)s.tail);
	bool was_high = _mm256_movemask_epi8(before) != 0;
	size_t i;

	for (i = 0; i < n; i += 64, at += 64) {
		__m256i a = _mm256_loadu_si256((const __m256i *)(p + i));
		__m256i b = _mm256_loadu_si256((const __m256i *)(p + i + 32));
		struct step m;
		uint64_t quotes, tok, left;
		size_t to = s.ntok;
		bool high = false;
		__m256i here;
		unsigned k;

		if (mode == JSON_FEEDS_TRUST) {
			step_feeds(&s, EQ('\n'), EQ('\\'), at);
			continue;
		}
		m.quote = EQ('"');
		m.feed = mode == JSON_TEXT ? 0 : EQ('\n');
		m.space = both(_mm256_cmpeq_epi8(a, _mm256_shuffle_epi8(spaces, a)),
			_mm256_cmpeq_epi8(b, _mm256_shuffle_epi8(spaces, b)));
		m.op = both(
			_mm256_cmpeq_epi8(_mm256_or_si256(a, blank),
				_mm256_shuffle_epi8(ops, a)),
			_mm256_cmpeq_epi8(_mm256_or_si256(b, blank),
				_mm256_shuffle_epi8(ops, b)));
		m.backslash = m.control = m.bad_utf8 = 0;
		if (RARE(_mm256_movemask_epi8(_mm256_or_si256(UNUSUAL(a), UNUSUAL(b))))) {
			m.backslash = EQ('\\');
			m.control = both(_mm256_cmpeq_epi8(_mm256_min_epu8(a, below), a),
				_mm256_cmpeq_epi8(_mm256_min_epu8(b, below), b));
			high = _mm256_movemask_epi8(_mm256_or_si256(a, b)) != 0;
		}
		if (mode != JSON_LINES_TRUST) {
			if (RARE(high | was_high))
				m.bad_utf8 = utf8_errors(a, before) |
					(uint64_t)utf8_errors(b, a) << 32;
			was_high = high;
			before = b;
		}
		quotes = step_quotes(&s, &m);
		step_tokens(&s, &m, quotes, prefix_xor(quotes));

		here = _mm256_set1_epi32((int)at);
#pragma GCC unroll 8
		for (k = 0, tok = m.tok; k < 64; k += 8, tok >>= 8) {
			__m128i in8 = _mm_loadl_epi64((const __m128i *)&places[tok & 0xFF]);
			__m128i bytes = _mm_loadl_epi64((const __m128i *)(p + i + k));

			if (mode != JSON_LINES_LAZY)
				_mm256_storeu_si256((__m256i *)(s.pos + to),
					_mm256_add_epi32(_mm256_cvtepu8_epi32(in8), here));
			_mm_storel_epi64((__m128i *)(s.first + to),
				_mm_shuffle_epi8(bytes, in8));
			here = _mm256_add_epi32(here, _mm256_set1_epi32(8));
			to += (size_t)__builtin_popcount(tok & 0xFF);
		}
		if (mode != JSON_LINES_TRUST)
			for (left = m.scalar; left; left &= left - 1)
				s.scalar[s.nscalars++] = at + (uint32_t)__builtin_ctzll(left);
		step_lines(&s, &m, at);
	}
	_mm256_storeu_si256((__m256i *)s.tail, before);
	*state = s;
}

AVX2 static void
run_avx2(struct json_state *s, const char *p, uint32_t at, size_t n, enum json_mode mode)
{
	switch (mode) {
	case JSON_LINES:
		steps_avx2(s, p, at, n, JSON_LINES);
		break;
	case JSON_LINES_LAZY:
		steps_avx2(s, p, at, n, JSON_LINES_LAZY);
		break;
	case JSON_LINES_TRUST:
		steps_avx2(s, p, at, n, JSON_LINES_TRUST);
		break;
	case JSON_FEEDS_TRUST:
		steps_avx2(s, p, at, n, JSON_FEEDS_TRUST);
		break;
	case JSON_TEXT:
		steps_avx2(s, p, at, n, JSON_TEXT);
		break;
	}
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

AVX2 static size_t
find_avx2(const char *p, size_t n, const char *text, size_t len, uint32_t *hit)
{
	const __m256i c0 = _mm256_set1_epi8(text[0]), c1 = _mm256_set1_epi8(text[1]);
	const __m256i last = _mm256_set1_epi8(text[len - 1]);
	size_t found = 0, i;

	for (i = 0; i + 32 + len <= n; i += 32) {
		__m256i same = _mm256_and_si256(_mm256_and_si256(
			_mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + i)), c0),
			_mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + i + 1)), c1)),
			_mm256_cmpeq_epi8(_mm256_loadu_si256(
				(const __m256i *)(p + i + len - 1)), last));
		uint32_t m = (uint32_t)_mm256_movemask_epi8(same);

		for (; m; m &= m - 1)
			found = find_here(p, i + (size_t)__builtin_ctz(m), text, len, hit, found);
	}
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
	"avx2", run_avx2, judge_avx2, find_avx2, depth_avx2,
};

/* The i-th sixteen bytes of packed, as positions. */
#define STORE16(to, i) _mm512_storeu_si512((to) + 16 * (i), _mm512_add_epi32(base, \
	_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, i))))

AVX512 STEP void
steps_avx512(struct json_state *state, const char *p, uint32_t at, size_t n,
	enum json_mode mode)
{
	const __m512i spaces = _mm512_broadcast_i32x4(_mm_setr_epi8(SPACES));
	const __m512i ops = _mm512_broadcast_i32x4(_mm_setr_epi8(OPS));
	const __m512i iota = _mm512_set_epi8(
		63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48,
		47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32,
		31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,
		15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	struct json_state s = *state;
	__m256i before = _mm256_loadu_si256((const __m256i *)s.tail);
	bool was_high = _mm256_movemask_epi8(before) != 0;
	size_t i;

	for (i = 0; i < n; i += 64, at += 64) {
		__m512i v = _mm512_loadu_si512(p + i);
		struct step m;
		uint64_t quotes;
		uint32_t *pos = s.pos + s.ntok, *scalar = s.scalar + s.nscalars;
		__m512i base = _mm512_set1_epi32((int)at), packed;

		if (mode == JSON_FEEDS_TRUST) {
			step_feeds(&s, _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\n')),
				_mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\')), at);
			continue;
		}
		m.backslash = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\'));
		m.quote = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"'));
		m.feed = mode == JSON_TEXT ? 0 :
			_mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\n'));
		m.space = _mm512_cmpeq_epi8_mask(v, _mm512_shuffle_epi8(spaces, v));
		m.op = _mm512_cmpeq_epi8_mask(_mm512_or_si512(v, _mm512_set1_epi8(0x20)),
			_mm512_shuffle_epi8(ops, v));
		m.control = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20));
		m.bad_utf8 = 0;
		if (mode != JSON_LINES_TRUST) {
			bool high = _mm512_movepi8_mask(v) != 0;

			if (__builtin_expect(high | was_high, 0)) {
				__m256i a = _mm512_castsi512_si256(v);
				__m256i b = _mm512_extracti64x4_epi64(v, 1);

				m.bad_utf8 = utf8_errors(a, before) |
					(uint64_t)utf8_errors(b, a) << 32;
			}
			was_high = high;
			before = _mm512_extracti64x4_epi64(v, 1);
		}
		quotes = step_quotes(&s, &m);
		step_tokens(&s, &m, quotes, prefix_xor(quotes));

		_mm512_storeu_si512(s.first + s.ntok, _mm512_maskz_compress_epi8(m.tok, v));
		if (mode != JSON_LINES_LAZY) {
			packed = _mm512_maskz_compress_epi8(m.tok, iota);
			STORE16(pos, 0);
			STORE16(pos, 1);
			if (RARE(__builtin_popcountll(m.tok) > 32)) {
				STORE16(pos, 2);
				STORE16(pos, 3);
			}
		}
		if (mode != JSON_LINES_TRUST) {
			packed = _mm512_maskz_compress_epi8(m.scalar, iota);
			STORE16(scalar, 0);
			if (RARE(__builtin_popcountll(m.scalar) > 16)) {
				STORE16(scalar, 1);
				STORE16(scalar, 2);
				STORE16(scalar, 3);
			}
			s.nscalars += (size_t)__builtin_popcountll(m.scalar);
		}
		step_lines(&s, &m, at);
	}
	_mm256_storeu_si256((__m256i *)s.tail, before);
	*state = s;
}

AVX512 static void
run_avx512(struct json_state *s, const char *p, uint32_t at, size_t n, enum json_mode mode)
{
	switch (mode) {
	case JSON_LINES:
		steps_avx512(s, p, at, n, JSON_LINES);
		break;
	case JSON_LINES_LAZY:
		steps_avx512(s, p, at, n, JSON_LINES_LAZY);
		break;
	case JSON_LINES_TRUST:
		steps_avx512(s, p, at, n, JSON_LINES_TRUST);
		break;
	case JSON_FEEDS_TRUST:
		steps_avx512(s, p, at, n, JSON_FEEDS_TRUST);
		break;
	case JSON_TEXT:
		steps_avx512(s, p, at, n, JSON_TEXT);
		break;
	}
}

#define EQ512(v, c) _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c))

AVX512 static void
judge_avx512(const char *first, size_t n, struct json_feed *feed, uint32_t *skip)
{
	struct judge j;
	size_t i;

	judge_begin(&j);
	for (i = 0; i < n; i += 64) {
		uint64_t all = n - i < 64 ? (UINT64_C(1) << (n - i)) - 1 : ~UINT64_C(0);
		__m512i v = _mm512_maskz_loadu_epi8(all, first + i);
		struct kinds k = {
			EQ512(v, '"'), EQ512(v, '\n'), EQ512(v, ':'), EQ512(v, ','),
			EQ512(v, '{'), EQ512(v, '['), EQ512(v, '}'), EQ512(v, ']'),
		};

		feed = judge_step(&j, &k, (uint32_t)i, n - i, feed, skip);
	}
}

AVX512 static size_t
find_avx512(const char *p, size_t n, const char *text, size_t len, uint32_t *hit)
{
	const __m512i c0 = _mm512_set1_epi8(text[0]), c1 = _mm512_set1_epi8(text[1]);
	const __m512i last = _mm512_set1_epi8(text[len - 1]);
	size_t found = 0, i;

	for (i = 0; i + 64 + len <= n; i += 64) {
		uint64_t m = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p + i), c0);

		m = _mm512_mask_cmpeq_epi8_mask(m, _mm512_loadu_si512(p + i + len - 1), last);
		m = _mm512_mask_cmpeq_epi8_mask(m, _mm512_loadu_si512(p + i + 1), c1);
		for (; m; m &= m - 1)
			found = find_here(p, i + (size_t)__builtin_ctzll(m), text, len, hit,
				found);
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
	"avx512", run_avx512, judge_avx512, find_avx512, depth_avx512,
};
#else
typedef int json_no_x86;
#endif
