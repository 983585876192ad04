/*
 * The kernel of x86-64 with AVX-512. A comparison gives a mask, and the tokens of a step are
 * written in one go.
 */
#include "json/scan.h"

#if defined(__x86_64__)
#include "json/eight.h"

#define EQ512(v, c) _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(c))

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
	m.op = _mm512_test_epi8_mask(is, _mm512_set1_epi8(IS(OP)));
	m.space = _mm512_test_epi8_mask(is, _mm512_set1_epi8(IS(SPACE)));
	m.bad_utf8 = 0;
	if (mode != JSON_LINES_TRUST && (s->high | (high != 0))) {
		__m256i before = _mm256_loadu_si256((const __m256i *)s->tail);
		__m256i a = _mm512_castsi512_si256(v), b = _mm512_extracti64x4_epi64(v, 1);

		m.bad_utf8 = utf8_errors(a, before) | (uint64_t)utf8_errors(b, a) << 32;
		s->high = high >> 61 != 0;
		_mm256_storeu_si256((__m256i *)s->tail, s->high ? b : _mm256_setzero_si256());
	}
	quotes = step_quotes(s, &m);
	step_tokens(s, &m, quotes, prefix_xor(quotes));
	put_tokens(v, m.tok, at, mode == JSON_LINES_LAZY ? NULL : s->pos + s->ntok,
		s->first + s->ntok, true, mode);
	if (mode != JSON_LINES_TRUST)
		s->nscalars = (size_t)(put_scalars(s->scalar + s->nscalars, m.scalar, at) -
			s->scalar);
	step_lines(s, &m, at);
}

/* Times eight steps are looked at ahead. */
#define AHEAD 2

/* Steps as long as they are usual; returns how many bytes these were. */
AVX512 STEP size_t
usual_avx512(struct json_state *s, const char *p, uint32_t at, size_t n, enum json_mode mode)
{
	__m512i before = _mm512_maskz_set1_epi64(1 << 7, (long long)(s->in_scalar << 63));
	struct json_feed *first = s->feed + s->nfeeds, *feed = first;
	uint32_t *scalar = mode == JSON_LINES_TRUST ? NULL : s->scalar + s->nscalars;
	struct ahead ahead[AHEAD];
	unsigned have = 0, next = 0, good = LANES;
	char last[64 * LANES];
	size_t i;

	if (s->escaped | s->high)
		return 0;
	for (i = 0; i < n && good == LANES; i += 64 * good) {
		const char *q = p + i;
		uint32_t here = at + (uint32_t)i;
		struct eight e;

		if (RARE(n - i < sizeof(last))) {
			memset(last, 0, sizeof(last)); /* which is not usual */
			q = memcpy(last, q, n - i);
		}
		if (next == have) {
			have = n - i < AHEAD * sizeof(last) ? 1 : AHEAD;
			for (next = 0; next < have; next++)
				look_ahead(&ahead[next], q + next * sizeof(last));
			next = 0;
		}
		e = look_at_eight(&ahead[next++], s->in_string, before, mode);
		before = e.scalar;
		good = e.good;
		put_eight(s, &e, q, here, &feed, &scalar, mode);
		if (good) {
			s->in_string = -(e.ends >> (good - 1) & 1);
			s->in_scalar = (uint64_t)_mm512_movepi64_mask(e.scalar) >> (good - 1) & 1;
		}
	}
	/* What was noticed before belongs to the line that ends first. */
	if (feed != first) {
		first->flags = s->flags;
		s->flags = 0;
	}
	s->nfeeds = (size_t)(feed - s->feed);
	if (mode != JSON_LINES_TRUST)
		s->nscalars = (size_t)(scalar - s->scalar);
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

/* Masks of so many bytes are made before they are looked at: so none waits for the other. */
#define CHUNK ((size_t)1024)
#define SOON 1024 /* bytes ahead of what is looked at: to be brought near */

/* Where a pair of bytes stands: the first of each, and whether the last byte was one. */
struct pairs {
	__m512i first, second;
	uint64_t open;
};

AVX512 STEP struct pairs
pairs_of(const char pair[2])
{
	return (struct pairs){_mm512_set1_epi8(pair[0]), _mm512_set1_epi8(pair[1]), 0};
}

/* How many end among the 64 bytes of v. */
AVX512 STEP size_t
count_among(struct pairs *is, __m512i v)
{
	uint64_t first = _mm512_cmpeq_epi8_mask(v, is->first);
	uint64_t ends = (first << 1 | is->open) & _mm512_cmpeq_epi8_mask(v, is->second);

	is->open = first >> 63;
	return (size_t)_mm_popcnt_u64(ends);
}

/* pair: of two bytes, to be counted as well, or NULL. */
AVX512 STEP size_t
any_feeds(struct json_state *state, const char *p, uint32_t at, size_t n, const char *pair)
{
	const __m512i slash = _mm512_set1_epi8('\\'), feed = _mm512_set1_epi8('\n');
	_Alignas(64) uint64_t mask[CHUNK / 64];
	struct pairs pairs = pairs_of(pair ? pair : "  ");
	struct json_state s = *state;
	size_t i, k, len, count = 0;

	for (i = 0; i < n; i += len) {
		__m512i least = slash;

		len = n - i < CHUNK ? n - i : CHUNK;
		for (k = 0; k < len / 64; k++) {
			__m512i v = _mm512_loadu_si512(p + i + 64 * k);

			_mm_prefetch(p + i + 64 * k + SOON, _MM_HINT_T0);
			mask[k] = _mm512_cmpeq_epi8_mask(v, feed);
			least = _mm512_min_epu8(least, _mm512_xor_si512(v, slash));
			if (pair)
				count += count_among(&pairs, v);
		}
		if (RARE(_mm512_testn_epi8_mask(least, least))) {
			for (k = 0; k < len; k += 64)
				step_feeds(&s, EQ512(_mm512_loadu_si512(p + i + k), '\n'),
					EQ512(_mm512_loadu_si512(p + i + k), '\\'),
					at + (uint32_t)(i + k));
			continue;
		}
		for (; k % LANES; k++)
			mask[k] = 0;
		k = s.nfeeds;
		s.nfeeds = put_only_feeds(s.feed, s.nfeeds, mask, len, at + (uint32_t)i);
		if (s.nfeeds > k) {
			s.feed[k].flags = s.flags;
			s.flags = 0;
		}
	}
	*state = s;
	return count + (pair && pairs.open && p[n] == pair[1]);
}

AVX512 static void
feeds_avx512(struct json_state *state, const char *p, uint32_t at, size_t n)
{
	any_feeds(state, p, at, n, NULL);
}

AVX512 static size_t
feeds_count_avx512(struct json_state *state, const char *p, uint32_t at, size_t n,
	const char pair[2])
{
	return any_feeds(state, p, at, n, pair);
}

AVX512 static size_t
count_avx512(const char *p, size_t n, const char pair[2])
{
	struct pairs pairs = pairs_of(pair);
	size_t count = 0, i;

	for (i = 0; i < n; i += 64)
		count += count_among(&pairs, _mm512_loadu_si512(p + i));
	return count + (pairs.open && p[n] == pair[1]);
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

/* Where 64 tokens are not a shape's. */
AVX512 STEP __mmask64
differ(const char *first, const char *shape)
{
	__m512i v = _mm512_permutex2var_epi8(_mm512_loadu_si512(shape_low),
		_mm512_loadu_si512(first), _mm512_loadu_si512(shape_high));

	return _mm512_cmpneq_epi8_mask(v, _mm512_loadu_si512(shape));
}

/* How many tokens a line has is nothing that a branch could learn: up to 128 there is none. */
AVX512 static inline bool
same_avx512(const char *first, size_t n, const char *shape)
{
	uint64_t no = _bzhi_u64(differ(first, shape), n < 64 ? (unsigned)n : 64);
	size_t i;

	no |= _bzhi_u64(differ(first + 64, shape + 64), n < 64 ? 0 : n < 128 ? (unsigned)n - 64 : 64);
	for (i = 128; RARE(i < n); i += 64)
		no |= _bzhi_u64(differ(first + i, shape + i), n - i < 64 ? (unsigned)(n - i) : 64);
	return no == 0;
}

SHAPES(shapes_avx512, AVX512, judge_avx512, same_avx512)

AVX512 static size_t
find_avx512(const char *p, size_t at, size_t end, size_t n, const char *text, size_t len,
	uint32_t *hit)
{
	const __m512i c1 = _mm512_set1_epi8(text[1]), c2 = _mm512_set1_epi8(text[len - 2]);
	const __m512i c3 = _mm512_set1_epi8('"');
	size_t found = 0, i;

	for (i = at; i + 64 <= end && i + 64 + len <= n; i += 64) {
		__mmask64 m = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p + i + 1), c1);

		m = _mm512_mask_cmpeq_epi8_mask(m, _mm512_loadu_si512(p + i + len - 2), c2);
		m = _mm512_mask_cmpeq_epi8_mask(m, _mm512_loadu_si512(p + i + len - 1), c3);
		found = find_among(m, i, hit, found);
	}
	return find_rest(p, i, end, n, text, len, hit, found);
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
	judge_avx512, shapes_avx512, find_avx512, count_avx512, feeds_count_avx512, depth_avx512,
};
#else
typedef int json_no_avx512;
#endif
