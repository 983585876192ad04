/*
 * The scan of a block: kernels find tokens and line feeds, lines are made of them here.
 *
 * The index is written 16 KiB of input at a time, so that its memory follows the tokens
 * that there are, not those that there could be. Memory grows to what the largest block
 * needed and stays.
 */
#include "json/scan.h"

#include <stdatomic.h>
#include <stdlib.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/mem.h"
#include "json/step.h"

#define PIECE ((size_t)16 << 10)

/* ---- the scalar kernel ----------------------------------------------------------------- */

enum { BACKSLASH = 1, QUOTE = 2, FEED = 4, SPACE = 8, OP = 16, CONTROL = 32, HIGH = 64 };

#define C CONTROL
static const uint8_t class_of[128] = {
	C, C, C, C, C, C, C, C, C, SPACE | C, FEED | SPACE | C, C,
	OP | C, /* 0x0C and 0x1A: as SIMD has it; nobody accepts them */
	SPACE | C, C, C, C, C, C, C, C, C, C, C, C, C, OP | C, C, C, C, C, C,
	[' '] = SPACE, ['"'] = QUOTE, ['\\'] = BACKSLASH, ['{'] = OP, ['}'] = OP,
	['['] = OP, [']'] = OP, [':'] = OP, [','] = OP,
};
#undef C

static uint64_t
prefix_xor(uint64_t x)
{
	int k;

	for (k = 1; k < 64; k *= 2)
		x ^= x << k;
	return x;
}

void
json_kernel_scalar(struct json_state *state, const char *p, uint32_t at, size_t n,
	enum json_mode mode)
{
	struct json_state s = *state;
	size_t i;

	for (i = 0; i < n; i += 64, at += 64) {
		struct step m = {0};
		uint64_t quotes, tok;
		unsigned k;

		for (k = 0; k < 64; k++) {
			unsigned char byte = (unsigned char)p[i + k];
			uint64_t c = byte < 0x80 ? class_of[byte] : HIGH;

			m.backslash |= (c & 1) << k;
			m.quote |= (c >> 1 & 1) << k;
			m.feed |= (c >> 2 & 1) << k;
			m.space |= (c >> 3 & 1) << k;
			m.op |= (c >> 4 & 1) << k;
			m.control |= (c >> 5 & 1) << k;
			m.bad_utf8 |= (c >> 6 & 1) << k;
		}
		if (mode == JSON_TEXT)
			m.feed = 0;
		if (mode == JSON_LINES_TRUST)
			m.bad_utf8 = 0;
		quotes = step_quotes(&s, &m);
		step_tokens(&s, &m, quotes, prefix_xor(quotes));
		for (k = 0, tok = m.tok; tok; k++, tok &= tok - 1) {
			unsigned bit = (unsigned)__builtin_ctzll(tok);

			s.pos[s.ntok + k] = at + bit;
			s.first[s.ntok + k] = p[i + bit];
		}
		step_lines(&s, &m);
	}
	*state = s;
}

/* ---- which kernel ---------------------------------------------------------------------- */

static const struct kernel {
	const char *name;
	json_kernel *run;
} kernels[] = {
#if defined(__x86_64__)
	{"avx512", json_kernel_avx512},
	{"avx2", json_kernel_avx2},
#endif
	{"scalar", json_kernel_scalar},
};
#define NKERNELS (sizeof(kernels) / sizeof(kernels[0]))

static _Atomic(const struct kernel *) chosen;

static bool
kernel_runs(const struct kernel *k)
{
#if defined(__x86_64__)
	bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") &&
		__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
		__builtin_cpu_supports("popcnt");

	if (k->run == json_kernel_avx512)
		return avx2 && __builtin_cpu_supports("avx512bw") &&
			__builtin_cpu_supports("avx512vl") &&
			__builtin_cpu_supports("avx512vbmi2");
	if (k->run == json_kernel_avx2)
		return avx2;
#endif
	return k->run == json_kernel_scalar;
}

static const struct kernel *
kernel_now(void)
{
	const struct kernel *k = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (!k) {
		for (k = kernels; !kernel_runs(k); k++)
			;
		atomic_store_explicit(&chosen, k, memory_order_relaxed);
	}
	return k;
}

const char *
json_scanner(void)
{
	return kernel_now()->name;
}

bool
json_use(const char *name)
{
	const struct kernel *k = NULL;
	size_t i;

	for (i = 0; name && i < NKERNELS; i++)
		if (strcmp(kernels[i].name, name) == 0)
			k = kernels + i;
	if (name && (!k || !kernel_runs(k)))
		return false;
	atomic_store_explicit(&chosen, k, memory_order_relaxed);
	return true;
}

/* ---- a block --------------------------------------------------------------------------- */

static void
reserve(struct json_scan *s, struct json_state *st, size_t bytes)
{
	size_t need = st->ntok + bytes + JSON_SLACK;

	s->pos = st->pos = mem_grow(s->pos, &s->cap_tok, need, sizeof(*s->pos));
	s->feed = st->feed = mem_grow(s->feed, &s->cap_feeds, st->nfeeds + bytes + 1,
		sizeof(*s->feed));
	s->first = st->first = mem_grow(s->first, &s->cap_first, need, 1);
}

/* Run the kernel over p[0..n), and over end after that, in a step filled up with blanks. */
static void
run(struct json_scan *s, struct json_state *st, const char *p, size_t n, const char *end,
	enum json_mode mode)
{
	json_kernel *kernel = kernel_now()->run;
	size_t whole = n & ~(size_t)63, at, len;
	char last[64];

	for (at = 0; at < whole; at += len) {
		len = whole - at < PIECE ? whole - at : PIECE;
		reserve(s, st, len);
		kernel(st, p + at, (uint32_t)at, len, mode);
	}
	reserve(s, st, 64);
	if (whole == n && !*end)
		return;
	memset(last, ' ', sizeof(last));
	memcpy(last, p + whole, n - whole);
	memcpy(last + (n - whole), end, strlen(end));
	kernel(st, last, (uint32_t)whole, 64, mode);
}

static void
make_lines(struct json_scan *s, size_t nfeeds, bool ended)
{
	uint32_t start = 0, tok = 0;
	struct json_line *line;
	size_t i;

	s->line = mem_grow(s->line, &s->cap_lines, nfeeds, sizeof(*s->line));
	line = s->line;
	for (i = 0; i < nfeeds; i++) {
		const struct json_feed *f = s->feed + i;
		uint32_t end = s->pos[f->tok], flags = f->flags;

		/* Written, then kept or not. */
		line->start = start;
		line->end = end - (end > start && s->p[end - 1] == '\r');
		line->tok = tok;
		line->ntok = f->tok - tok;
		line->number = (uint32_t)i;
		if (RARE(flags & JSON_LINE_NOT_UTF8) &&
		    json_is_utf8((struct slice){s->p + start, end - start}))
			flags &= ~(uint32_t)JSON_LINE_NOT_UTF8;
		line->flags = flags;
		line += f->tok != tok;
		start = end + 1;
		tok = f->tok + 1;
	}
	s->nlines = (size_t)(line - s->line);
	if (!ended && s->nlines && s->line[s->nlines - 1].number == nfeeds - 1)
		s->line[s->nlines - 1].flags |= JSON_LINE_UNENDED;
}

/* The brackets and line feeds among 64 tokens, a bit each. */
static inline uint64_t
brackets_and_feeds(const char *first)
{
	uint64_t found = 0;
	unsigned k;
#if defined(__SSE2__)
	for (k = 0; k < 64; k += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(first + k));
		__m128i low = _mm_or_si128(v, _mm_set1_epi8(0x20));
		__m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')),
			_mm_or_si128(_mm_cmpeq_epi8(low, _mm_set1_epi8('{')),
				_mm_cmpeq_epi8(low, _mm_set1_epi8('}'))));

		found |= (uint64_t)(uint32_t)_mm_movemask_epi8(hit) << k;
	}
#else
	for (k = 0; k < 64; k++) {
		char low = (char)(first[k] | 0x20);

		found |= (uint64_t)(first[k] == '\n' || low == '{' || low == '}') << k;
	}
#endif
	return found;
}

/* What json_walk() does for skip, without asking whether all is as it should be. */
static void
match_brackets(struct json_scan *s)
{
	uint32_t open[JSON_MAX_DEPTH], depth = 0, start = 0, t;
	uint64_t found;
	size_t from;

	for (from = 0; from < s->ntok; from += 64) {
		found = brackets_and_feeds(s->first + from);
		if (s->ntok - from < 64)
			found &= (UINT64_C(1) << (s->ntok - from)) - 1;
		for (; found; found &= found - 1) {
			char c;

			t = (uint32_t)from + (uint32_t)__builtin_ctzll(found);
			c = s->first[t];
			if (c == '\n') {
				/* What was opened and not closed ends with the line. */
				while (RARE(depth))
					s->skip[open[--depth]] = t - start - 1;
				start = t + 1;
			} else if (c & 2) {
				if (RARE(depth == JSON_MAX_DEPTH))
					s->skip[t] = t - start;
				else
					open[depth++] = t;
			} else if (depth) {
				s->skip[open[--depth]] = t - start;
			}
		}
	}
}

void
json_scan_block(struct json_scan *s, const char *p, size_t n, bool trust)
{
	struct json_state st = {0};
	bool ended = n == 0 || p[n - 1] == '\n';

	s->p = p;
	s->n = n;
	run(s, &st, p, n, ended ? "" : "\n", trust ? JSON_LINES_TRUST : JSON_LINES);
	s->ntok = st.ntok;
	s->feeds = (uint32_t)(st.nfeeds - !ended);
	s->skip = mem_grow(s->skip, &s->cap_skip, s->ntok, sizeof(*s->skip));
	if (trust)
		match_brackets(s);
	make_lines(s, st.nfeeds, ended);
}

void
json_scan_release(struct json_scan *s)
{
	free(s->pos);
	free(s->skip);
	free(s->feed);
	free(s->line);
	free(s->copy);
	free(s->first);
	*s = (struct json_scan){0};
}

/* ---- documents ------------------------------------------------------------------------- */

int
json_line_doc(struct json_scan *s, size_t i, bool trust, struct json_doc *d,
	struct failure *why)
{
	const struct json_line *l = s->line + i;
	uint32_t *skip = s->skip + l->tok;

	if (!trust && !json_walk(s, l) &&
	    json_check(s->p + l->start, l->end - l->start, skip, why) != 0)
		return -1;
	*d = (struct json_doc){s->p, s->pos + l->tok, skip, s->first + l->tok, l->ntok,
		l->flags};
	return 0;
}

int
json_doc_of(struct json_scan *s, struct slice text, struct json_doc *d, struct failure *why)
{
	struct json_state st = {0};
	struct json_line l = {0};

	if (text.n >= JSON_MAX_BLOCK)
		return fail(why, EXIT_DATA, "longer than 2 GiB");
	s->copy = mem_grow(s->copy, &s->cap_copy, text.n + JSON_PADDING + 1, 1);
	if (text.n)
		memcpy(s->copy, text.p, text.n);
	memset(s->copy + text.n, '\n', JSON_PADDING + 1);
	s->p = s->copy;
	s->n = text.n;
	s->nlines = 0;
	s->feeds = 0;
	run(s, &st, s->copy, text.n, "\n", JSON_TEXT);
	s->ntok = st.ntok;
	s->pos[s->ntok] = (uint32_t)text.n;
	s->first[s->ntok] = '\n';
	s->skip = mem_grow(s->skip, &s->cap_skip, s->ntok + 1, sizeof(*s->skip));
	l.end = (uint32_t)text.n;
	l.ntok = (uint32_t)s->ntok;
	l.flags = st.flags | (st.in_string ? JSON_LINE_OPEN_STRING : 0u);
	if (l.flags & JSON_LINE_NOT_UTF8 && json_is_utf8((struct slice){s->copy, text.n}))
		l.flags &= ~(uint32_t)JSON_LINE_NOT_UTF8;
	if (!json_walk(s, &l) && json_check(s->copy, text.n, s->skip, why) != 0)
		return -1;
	*d = (struct json_doc){s->copy, s->pos, s->skip, s->first, l.ntok, l.flags};
	return 0;
}
