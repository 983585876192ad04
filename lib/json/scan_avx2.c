/*
 * The kernel of x86-64 with AVX2. A comparison gives bytes, of which masks are made; tokens are
 * written eight bytes of input at a time.
 */
#include "json/scan.h"

#if defined(__x86_64__)
#include "json/x86.h"

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
find_avx2(const char *p, size_t at, size_t end, size_t n, const char *text, size_t len,
	uint32_t *hit)
{
	const __m256i c1 = _mm256_set1_epi8(text[1]), c2 = _mm256_set1_epi8(text[len - 2]);
	const __m256i c3 = _mm256_set1_epi8('"');
	size_t found = 0, i;

#define AT(i, c) _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + (i))), c)
#define MAY(i) (uint32_t)_mm256_movemask_epi8(_mm256_and_si256(_mm256_and_si256( \
	AT((i) + 1, c1), AT((i) + len - 2, c2)), AT((i) + len - 1, c3)))
	for (i = at; i + 64 <= end && i + 64 + len <= n; i += 64)
		found = find_among(MAY(i) | (uint64_t)MAY(i + 32) << 32, i, hit, found);
#undef MAY
#undef AT
	return find_rest(p, i, end, n, text, len, hit, found);
}

AVX2 static size_t
count_avx2(const char *p, size_t n, const char pair[2])
{
	const __m256i both = _mm256_set1_epi16((short)((unsigned char)pair[0] |
		(unsigned char)pair[1] << 8));
	size_t count = 0, i;

#define PAIRS(i) (size_t)__builtin_popcount((uint32_t)_mm256_movemask_epi8( \
	_mm256_cmpeq_epi16(_mm256_loadu_si256((const __m256i *)(p + (i))), both)))
	for (i = 0; i < n; i += 32)
		count += PAIRS(i) + PAIRS(i + 1);
#undef PAIRS
	return count / 2;
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
	judge_avx2, shapes_avx2, find_avx2, count_avx2, NULL, depth_avx2,
};
#else
typedef int json_no_avx2;
#endif
