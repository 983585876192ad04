/* SipHash-1-3, 128 bits of result, and NH in front of it. */
#define _DEFAULT_SOURCE /* getrandom */
#include "base/keyed.h"

#include <endian.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/failure.h"
#include "base/keyed_eight.h"

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

static inline uint64_t
load(const char *p)
{
	uint64_t word;

	memcpy(&word, p, 8);
	return le64toh(word);
}

/* The bytes behind the last whole word, the number of all above them. */
static inline uint64_t
last_word(struct slice s)
{
	size_t rest = s.n & 7, i;
	uint64_t word = 0;

	if (rest && s.n > 8)
		word = load(s.p + s.n - 8) >> (64 - 8 * rest);
	else
		for (i = 0; i < rest; i++)
			word |= (uint64_t)(unsigned char)s.p[s.n - rest + i] << (8 * i);
	return word | (uint64_t)s.n << 56;
}

__extension__ typedef unsigned __int128 uint128;

/* n bytes, a multiple of 16. */
static inline void
nh(const uint64_t *k, const char *p, size_t n, uint128 *a, uint128 *b)
{
	uint128 x = *a, y = *b;
	uint64_t m0, m1;
	size_t i;

	for (i = 0; i < n / 8; i += 2) {
		m0 = load(p + 8 * i);
		m1 = load(p + 8 * i + 8);
		x += (uint128)(m0 + k[i]) * (m1 + k[i + 1]);
		y += (uint128)(m0 + k[i + 2]) * (m1 + k[i + 3]);
	}
	*a = x;
	*b = y;
}

/* Up to KEYED_BLOCK bytes to four words; there are sixteen in front of their end. */
static inline void
compress(const struct keyed *k, const char *p, size_t n, uint64_t word[4])
{
	uint128 a = 0, b = 0;

	nh(k->nh, p, n & ~(size_t)15, &a, &b);
	/* Of the last sixteen bytes some were in it already. */
	if (n & 15)
		nh(k->nh + (n / 16) * 2, p + n - 16, 16, &a, &b);
	word[0] = (uint64_t)a;
	word[1] = (uint64_t)(a >> 64);
	word[2] = (uint64_t)b;
	word[3] = (uint64_t)(b >> 64);
}

/* No hash of a short input ends with a word like this. */
static inline uint64_t
long_word(size_t n)
{
	return UINT64_C(0xff) << 56 | n;
}

static void
take_long(struct sip *s, const struct keyed *k, struct slice bytes)
{
	const char *p = bytes.p, *end = bytes.p + bytes.n;
	uint64_t word[4];
	size_t n, i;

	for (; p < end; p += KEYED_BLOCK) {
		n = (size_t)(end - p) < KEYED_BLOCK ? (size_t)(end - p) : KEYED_BLOCK;
		compress(k, p, n, word);
		for (i = 0; i < 4; i++)
			sip_take(s, word[i]);
	}
	sip_take(s, long_word(bytes.n));
}

static struct sip
sip_begin(uint64_t k0, uint64_t k1)
{
	return (struct sip){
		k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
		k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573),
	};
}

struct key128
keyed_hash(const struct keyed *k, struct slice bytes)
{
	struct sip s = sip_begin(k->k0, k->k1);
	struct key128 h;
	size_t i;

	if (bytes.n <= KEYED_SHORT) {
		for (i = 0; i + 8 <= bytes.n; i += 8)
			sip_take(&s, load(bytes.p + i));
		sip_take(&s, last_word(bytes));
	} else {
		take_long(&s, k, bytes);
	}
	s.v2 ^= 0xee;
	h.lo = sip_give(&s);
	s.v1 ^= 0xdd;
	h.hi = sip_give(&s);
	return h;
}

/* Inputs of one number of words that wait until there are eight of them. */
struct lot {
	size_t n, at[KEYED_LANES];
	uint64_t word[KEYED_WORDS][KEYED_LANES];
};

/* The words that SipHash takes of so many bytes. */
static inline size_t
words_of(size_t n)
{
	return n <= KEYED_SHORT ? n / 8 + 1 : (n + KEYED_BLOCK - 1) / KEYED_BLOCK * 4 + 1;
}

static inline void
join(struct lot *l, const struct keyed *k, struct slice s, size_t at)
{
	size_t i, j, n, left, lane = l->n++;
	uint64_t four[4];

	l->at[lane] = at;
	if (s.n <= KEYED_SHORT) {
		for (i = 0; i < s.n / 8; i++)
			l->word[i][lane] = load(s.p + 8 * i);
		l->word[i][lane] = last_word(s);
		return;
	}
	for (i = 0, left = s.n; left; s.p += n, left -= n) {
		n = left < KEYED_BLOCK ? left : KEYED_BLOCK;
		compress(k, s.p, n, four);
		for (j = 0; j < 4; j++)
			l->word[i++][lane] = four[j];
	}
	l->word[i][lane] = long_word(s.n);
}

static void
hash_lot(struct lot *l, const struct keyed *k, size_t words, struct key128 *out)
{
	struct key128 h[KEYED_LANES];
	size_t i, j;

	/* Of a lane without an input whatever is in there is hashed: better something. */
	for (i = l->n; i < KEYED_LANES; i++)
		for (j = 0; j < words; j++)
			l->word[j][i] = 0;
	keyed_eight(k, (const uint64_t (*)[KEYED_LANES])l->word, words, h);
	for (i = 0; i < l->n; i++)
		out[l->at[i]] = h[i];
	l->n = 0;
}

void
keyed_hash_all(const struct keyed *k, const struct slice *s, size_t n, struct key128 *out)
{
	struct lot lot[KEYED_WORDS];
	size_t i, words;

	for (i = 0; i < KEYED_WORDS; i++)
		lot[i].n = 0;
	for (i = 0; i < n; i++) {
		words = words_of(s[i].n);
		if (words > KEYED_WORDS) {
			out[i] = keyed_hash(k, s[i]);
			continue;
		}
		join(&lot[words - 1], k, s[i], i);
		if (lot[words - 1].n == KEYED_LANES)
			hash_lot(&lot[words - 1], k, words, out);
	}
	for (i = 0; i < KEYED_WORDS; i++)
		if (lot[i].n == 1)
			out[lot[i].at[0]] = keyed_hash(k, s[lot[i].at[0]]);
		else if (lot[i].n)
			hash_lot(&lot[i], k, i + 1, out);
}

struct keyed
keyed_of(uint64_t k0, uint64_t k1)
{
	struct keyed k = {.k0 = k0, .k1 = k1};
	const struct keyed other = {.k0 = ~k0, .k1 = ~k1}; /* no input is hashed under it */
	struct key128 h;
	uint64_t word;
	size_t i;

	for (i = 0; i < sizeof(k.nh) / sizeof(*k.nh); i += 2) {
		word = htole64(i);
		h = keyed_hash(&other, slice_of((const char *)&word, sizeof(word)));
		k.nh[i] = h.lo;
		k.nh[i + 1] = h.hi;
	}
	return k;
}

struct keyed
keyed_draw(void)
{
	uint64_t k[2];

	if (getrandom(k, sizeof(k), 0) != (ssize_t)sizeof(k))
		_exit(EXIT_OS);
	return keyed_of(k[0], k[1]);
}
