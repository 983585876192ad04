/*
 * Escapes, base64, sizes, percents.
 *
 * base64 has two twins each way. The scalar ones do the whole job; the AVX2 ones, chosen
 * at run time, take what they can of a long input in blocks of 24 bytes or 32 characters
 * and leave the rest, a bad block included, to the scalar ones, which so decide every
 * error.
 */
#include "base/text.h"

#include <stdlib.h>

#include "base/mem.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* ---- bytes for a terminal ---------------------------------------------------------- */

/* The length of the UTF-8 character at p, at most n bytes; 0 if there is none. */
static size_t
utf8_length(const unsigned char *p, size_t n, uint32_t *code)
{
	size_t len, i;
	uint32_t c = p[0];

	if (c < 0x80) {
		*code = c;
		return 1;
	}
	if (c < 0xC2 || c > 0xF4)
		return 0;
	len = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
	if (len > n)
		return 0;
	c &= 0x7Fu >> len;
	for (i = 1; i < len; i++) {
		if ((p[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3F);
	}
	if ((len == 3 && (c < 0x800 || (c >= 0xD800 && c < 0xE000))) ||
		(len == 4 && (c < 0x10000 || c > 0x10FFFF)))
		return 0;
	*code = c;
	return len;
}

/* What would act on a terminal instead of being seen: C0, DEL, C1, line and paragraph
 * separators, and the marks that reorder text. */
static bool
acts_on_terminal(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C ||
		(c >= 0x200E && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
		(c >= 0x2066 && c <= 0x2069);
}

void
text_add_safe(struct buf *b, struct slice s, size_t max)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i, len, end = s.n;
	uint32_t c;

	for (i = 0; i < end; i += len) {
		len = utf8_length(p + i, s.n - i, &c);
		/* A character that stands across the limit is left out whole. */
		if (i + (len ? len : 1) > max) {
			buf_adds(b, "...");
			return;
		}
		if (len && !acts_on_terminal(c)) {
			buf_add(b, p + i, len);
			continue;
		}
		if (!len)
			len = 1;
		for (size_t j = 0; j < len; j++)
			buf_addf(b, "\\x%02X", p[i + j]);
	}
}

/* ---- base64 ------------------------------------------------------------------------ */

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void
encode_scalar(const unsigned char *p, size_t n, char *to)
{
	uint32_t w;

	for (; n >= 3; n -= 3, p += 3, to += 4) {
		w = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		to[0] = alphabet[w >> 18];
		to[1] = alphabet[w >> 12 & 63];
		to[2] = alphabet[w >> 6 & 63];
		to[3] = alphabet[w & 63];
	}
	if (!n)
		return;
	w = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
	to[0] = alphabet[w >> 18];
	to[1] = alphabet[w >> 12 & 63];
	to[2] = n == 2 ? alphabet[w >> 6 & 63] : '=';
	to[3] = '=';
}

/* What a character stands for, plus one; 0: no base64. */
static const unsigned char digit[256] = {
	['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6,
	['G'] = 7, ['H'] = 8, ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12,
	['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18,
	['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
	['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,
	['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,
	['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
	['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
	['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54,
	['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60,
	['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

/* n is a multiple of 4. Returns the number of bytes, or -1. */
static ptrdiff_t
decode_scalar(const unsigned char *p, size_t n, char *to)
{
	char *start = to;
	uint32_t a, b, c, d, w;

	for (; n; n -= 4, p += 4) {
		a = digit[p[0]];
		b = digit[p[1]];
		c = digit[p[2]];
		d = digit[p[3]];
		if (!a || !b)
			return -1;
		w = (a - 1) << 18 | (b - 1) << 12;
		if (c && d) {
			w |= (c - 1) << 6 | (d - 1);
			*to++ = (char)(w >> 16);
			*to++ = (char)(w >> 8);
			*to++ = (char)w;
			continue;
		}
		/* Only the last four may be padded; bits that no byte takes are zero. */
		if (n != 4 || p[3] != '=' || (!c && p[2] != '='))
			return -1;
		if (c)
			w |= (c - 1) << 6;
		if (w & (c ? 0xFFu : 0xFFFFu))
			return -1;
		*to++ = (char)(w >> 16);
		if (c)
			*to++ = (char)(w >> 8);
	}
	return to - start;
}

#if defined(__x86_64__)

/* Both halves of a register hold these 16 bytes. */
#define TWICE(...) _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))

/* Each returns how many bytes of input it took: whole blocks. */

__attribute__((target("avx2"))) static size_t
encode_avx2(const unsigned char *p, size_t n, char *to)
{
	/* Bytes a b c as b a c b, so that two multiplications move the four groups of six
	 * bits into bytes of their own. */
	const __m256i spread = TWICE(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
	/* What is added to a group, by its range: slot 0 is a-z, 1 to 10 the digits, then
	 * + and /, 13 A-Z. */
	const __m256i shift = TWICE('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
		'0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62,
		'/' - 63, 'A', 0, 0);
	size_t took = 0;

	/* Each half of a register holds 12 bytes and, unused, the 4 after them. */
	for (; n - took >= 28; took += 24, to += 32) {
		const __m128i *at = (const __m128i *)(p + took);
		const __m128i *half = (const __m128i *)(p + took + 12);
		__m256i in = _mm256_set_m128i(_mm_loadu_si128(half), _mm_loadu_si128(at));
		__m256i ac, bd, six, slot, less;

		in = _mm256_shuffle_epi8(in, spread);
		ac = _mm256_and_si256(in, _mm256_set1_epi32(0x0FC0FC00));
		ac = _mm256_mulhi_epu16(ac, _mm256_set1_epi32(0x04000040));
		bd = _mm256_and_si256(in, _mm256_set1_epi32(0x003F03F0));
		bd = _mm256_mullo_epi16(bd, _mm256_set1_epi32(0x01000010));
		six = _mm256_or_si256(ac, bd);
		slot = _mm256_subs_epu8(six, _mm256_set1_epi8(51));
		less = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), six);
		less = _mm256_and_si256(less, _mm256_set1_epi8(13));
		slot = _mm256_or_si256(slot, less);
		_mm256_storeu_si256((__m256i *)to,
			_mm256_add_epi8(_mm256_shuffle_epi8(shift, slot), six));
	}
	return took;
}

/* Writes 8 bytes past what it decodes. */
__attribute__((target("avx2"))) static size_t
decode_avx2(const unsigned char *p, size_t n, char *to)
{
	/* A character is good if the bit of its high nibble is not in the set of its low
	 * one. */
	const __m256i low = TWICE(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
		0x11, 0x13, 0x1A, 0x1B, 0x1B, 0x1B, 0x1A);
	const __m256i high = TWICE(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10,
		0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
	/* What is added to a character, by its high nibble; '/' takes the slot before. */
	const __m256i roll = TWICE(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0,
		0, 0);
	const __m256i pack = TWICE(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1,
		-1);
	const __m256i order = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7);
	const __m256i nibble = _mm256_set1_epi8(0x0F);
	size_t took = 0;

	for (; n - took >= 32; took += 32, to += 24) {
		__m256i in = _mm256_loadu_si256((const __m256i *)(p + took));
		__m256i hi = _mm256_and_si256(_mm256_srli_epi32(in, 4), nibble);
		__m256i lo = _mm256_and_si256(in, nibble);
		__m256i slash = _mm256_cmpeq_epi8(in, _mm256_set1_epi8('/'));

		if (!_mm256_testz_si256(_mm256_shuffle_epi8(low, lo),
			_mm256_shuffle_epi8(high, hi)))
			break;
		in = _mm256_add_epi8(in,
			_mm256_shuffle_epi8(roll, _mm256_add_epi8(slash, hi)));
		in = _mm256_maddubs_epi16(in, _mm256_set1_epi32(0x01400140));
		in = _mm256_madd_epi16(in, _mm256_set1_epi32(0x00011000));
		in = _mm256_shuffle_epi8(in, pack);
		in = _mm256_permutevar8x32_epi32(in, order);
		_mm256_storeu_si256((__m256i *)to, in);
	}
	return took;
}

static bool
have_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

#else

static size_t
encode_avx2(const unsigned char *p, size_t n, char *to)
{
	(void)p, (void)n, (void)to;
	return 0;
}

static size_t
decode_avx2(const unsigned char *p, size_t n, char *to)
{
	return encode_avx2(p, n, to);
}

static bool
have_avx2(void)
{
	return false;
}

#endif

void
text_add_base64(struct buf *b, struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t room = s.n / 3 * 4 + (s.n % 3 ? 4 : 0), took = 0;

	buf_reserve(b, room);
	if (s.n >= 28 && have_avx2())
		took = encode_avx2(p, s.n, b->p + b->n);
	if (s.n)
		encode_scalar(p + took, s.n - took, b->p + b->n + took / 3 * 4);
	b->n += room;
}

int
text_unbase64(struct buf *b, struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t took = 0;
	ptrdiff_t rest;

	if (s.n % 4)
		return -1;
	if (!s.n)
		return 0;
	buf_reserve(b, s.n / 4 * 3 + 8);
	if (s.n >= 32 && have_avx2())
		took = decode_avx2(p, s.n, b->p + b->n);
	rest = decode_scalar(p + took, s.n - took, b->p + b->n + took / 4 * 3);
	if (rest < 0)
		return -1;
	b->n += took / 4 * 3 + (size_t)rest;
	return 0;
}

/* ---- sizes and names --------------------------------------------------------------- */

int
text_size(const char *s, uint64_t *bytes)
{
	static const char units[] = "kKmMgGtT";
	const char *unit;
	uint64_t n = 0;
	unsigned shift = 0;

	if (*s < '0' || *s > '9')
		return -1;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(n, 10u, &n) ||
			__builtin_add_overflow(n, (uint64_t)(*s - '0'), &n))
			return -1;
	}
	if (*s && (unit = strchr(units, *s))) {
		shift = 10 * (unsigned)((unit - units) / 2 + 1);
		s++;
		if (s[0] == 'i' && s[1] == 'B')
			s++;
	}
	if (*s == 'B')
		s++;
	if (*s || (shift && n > UINT64_MAX >> shift))
		return -1;
	*bytes = n << shift;
	return 0;
}

bool
text_is_component(struct slice s)
{
	if (!s.n || s.n > 200 || s.p[0] == '.')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
			return false;
	}
	return true;
}

/* ---- URIs -------------------------------------------------------------------------- */

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *
text_percent_decode(const char *s, size_t n)
{
	char *to = mem_alloc(n + 1);
	size_t i, at = 0;
	int high, low;

	for (i = 0; i < n; i++) {
		if (s[i] != '%') {
			to[at++] = s[i];
			continue;
		}
		high = n - i > 2 ? hex(s[i + 1]) : -1;
		low = n - i > 2 ? hex(s[i + 2]) : -1;
		if (high < 0 || low < 0 || (high | low) == 0) {
			free(to);
			return NULL;
		}
		to[at++] = (char)(high << 4 | low);
		i += 2;
	}
	to[at] = '\0';
	return to;
}
