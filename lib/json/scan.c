/*
 * The scan of a block: machines find tokens and line feeds and judge them, lines are made of
 * that here.
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
#include "json/judge.h"

#define SHAPELESS_BLOCKS 32 /* without a look at shapes, once that has not paid */

/* ---- any machine ------------------------------------------------------------------- */

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

STEP void
steps_scalar(struct json_state *state, const char *p, uint32_t at, size_t n,
	enum json_mode mode)
{
	struct json_state s = *state;
	size_t i;

	for (i = 0; i < n; i += 64, at += 64) {
		struct step m = {0};
		uint64_t quotes, left;
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
		if (mode == JSON_FEEDS_TRUST) {
			step_feeds(&s, m.feed, m.backslash, at);
			continue;
		}
		if (mode == JSON_TEXT)
			m.feed = 0;
		if (mode == JSON_LINES_TRUST)
			m.bad_utf8 = 0;
		quotes = step_quotes(&s, &m);
		step_tokens(&s, &m, quotes, prefix_xor(quotes));
		for (k = 0, left = m.tok; left; k++, left &= left - 1) {
			unsigned bit = (unsigned)__builtin_ctzll(left);

			if (mode != JSON_LINES_LAZY)
				s.pos[s.ntok + k] = at + bit;
			s.first[s.ntok + k] = p[i + bit];
		}
		if (mode != JSON_LINES_TRUST)
			for (left = m.scalar; left; left &= left - 1)
				s.scalar[s.nscalars++] = at + (uint32_t)__builtin_ctzll(left);
		step_lines(&s, &m, at);
	}
	*state = s;
}

#define STEPS(name, mode) static void \
	name(struct json_state *s, const char *p, uint32_t at, size_t n) \
	{ \
		steps_scalar(s, p, at, n, mode); \
	}
STEPS(lines_scalar, JSON_LINES)
STEPS(lazy_scalar, JSON_LINES_LAZY)
STEPS(trust_scalar, JSON_LINES_TRUST)
STEPS(feeds_scalar, JSON_FEEDS_TRUST)
STEPS(text_scalar, JSON_TEXT)
#undef STEPS

static void
judge_scalar(const char *first, size_t n, struct json_feed *feed, uint32_t *skip)
{
	struct judge j;
	size_t i, k;

	judge_begin(&j);
	for (i = 0; i < n; i += 64) {
		struct kinds is = {0};

		for (k = 0; k < 64 && i + k < n; k++) {
			char c = first[i + k];

			is.quote |= (uint64_t)(c == '"') << k;
			is.feed |= (uint64_t)(c == '\n') << k;
			is.colon |= (uint64_t)(c == ':') << k;
			is.comma |= (uint64_t)(c == ',') << k;
			is.object |= (uint64_t)(c == '{') << k;
			is.array |= (uint64_t)(c == '[') << k;
			is.object_end |= (uint64_t)(c == '}') << k;
			is.array_end |= (uint64_t)(c == ']') << k;
		}
		feed = judge_step(&j, &is, (uint32_t)i, n - i, feed, skip);
	}
}

static inline bool
same_scalar(const char *first, size_t n, const char *shape)
{
	size_t i;

	for (i = 0; i < n && json_in_shape(first[i]) == shape[i]; i++)
		;
	return i == n;
}

SHAPES(shapes_scalar, , judge_scalar, same_scalar)

static size_t
find_scalar(const char *p, size_t at, size_t end, size_t n, const char *text, size_t len,
	uint32_t *hit)
{
	return find_rest(p, at, end, n, text, len, hit, 0);
}

static size_t
count_scalar(const char *p, size_t n, const char pair[2])
{
	size_t count = 0, i;

	for (i = 0; i < n; i++)
		count += p[i] == pair[0] && p[i + 1] == pair[1];
	return count;
}

static long
depth_scalar(const char *p, size_t n)
{
	bool in_string = false;
	long depth = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		char low = (char)(p[i] | 0x20);

		in_string ^= p[i] == '"';
		depth += !in_string && low == '{';
		depth -= !in_string && low == '}';
	}
	return depth;
}

const struct json_machine json_machine_scalar = {
	"scalar", {lines_scalar, lazy_scalar, trust_scalar, feeds_scalar, text_scalar},
	judge_scalar, shapes_scalar, find_scalar, count_scalar, NULL, depth_scalar,
};

/* ---- which machine ----------------------------------------------------------------- */

static const struct json_machine *const machines[] = {
#if defined(__x86_64__)
	&json_machine_avx512,
	&json_machine_avx2,
#endif
	&json_machine_scalar,
};
#define NMACHINES (sizeof(machines) / sizeof(machines[0]))

static _Atomic(const struct json_machine *) chosen;

static bool
machine_is_here(const struct json_machine *m)
{
#if defined(__x86_64__)
	bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") &&
		__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
		__builtin_cpu_supports("popcnt");

	if (m == &json_machine_avx512)
		return avx2 && __builtin_cpu_supports("avx512bw") &&
			__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
			__builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("gfni") &&
			__builtin_cpu_supports("avx512vbmi") &&
			__builtin_cpu_supports("avx512vbmi2") &&
			__builtin_cpu_supports("avx512vpopcntdq");
	if (m == &json_machine_avx2)
		return avx2;
#endif
	return m == &json_machine_scalar;
}

const struct json_machine *
json_machine_now(void)
{
	const struct json_machine *m = atomic_load_explicit(&chosen, memory_order_relaxed);
	size_t i;

	if (!m) {
		for (i = 0; !machine_is_here(machines[i]); i++)
			;
		m = machines[i];
		atomic_store_explicit(&chosen, m, memory_order_relaxed);
	}
	return m;
}

const char *
json_scanner(void)
{
	return json_machine_now()->name;
}

bool
json_use(const char *name)
{
	const struct json_machine *m = NULL;
	size_t i;

	for (i = 0; name && i < NMACHINES; i++)
		if (strcmp(machines[i]->name, name) == 0)
			m = machines[i];
	if (name && (!m || !machine_is_here(m)))
		return false;
	atomic_store_explicit(&chosen, m, memory_order_relaxed);
	return true;
}

/* ---- a block ----------------------------------------------------------------------- */

static void
reserve(struct json_scan *s, struct json_state *st, size_t bytes, enum json_mode mode)
{
	size_t need = st->ntok + bytes + JSON_SLACK;

	s->feed = st->feed = mem_grow(s->feed, &s->cap_feeds, st->nfeeds + bytes + JSON_SLACK,
		sizeof(*s->feed));
	if (mode == JSON_FEEDS_TRUST)
		return;
	s->first = st->first = mem_grow(s->first, &s->cap_first, need, 1);
	if (mode != JSON_LINES_LAZY)
		s->pos = st->pos = mem_grow(s->pos, &s->cap_tok, need, sizeof(*s->pos));
	if (mode != JSON_LINES_TRUST)
		s->scalar = st->scalar = mem_grow(s->scalar, &s->cap_scalar,
			st->nscalars + bytes + JSON_SLACK, sizeof(*s->scalar));
}

/* Step over p[0..n), which begins at position from, and over end after that, in a step filled
 * up with blanks. */
static void
run(struct json_scan *s, struct json_state *st, const char *p, uint32_t from, size_t n,
	const char *end, enum json_mode mode)
{
	const struct json_machine *machine = json_machine_now();
	size_t whole = n & ~(size_t)63, at, len;
	char last[64];

	for (at = 0; at < whole; at += len) {
		len = whole - at < PIECE ? whole - at : PIECE;
		reserve(s, st, len, mode);
		if (mode == JSON_FEEDS_TRUST)
			json_columns_step(s, st, at, len);
		else
			machine->steps[mode](st, p + at, from + (uint32_t)at, len);
		/* While the piece is near. */
		if (mode == JSON_LINES_LAZY || mode == JSON_FEEDS_TRUST)
			json_columns_look(s, at + len);
	}
	reserve(s, st, 64, mode);
	if (whole == n && !*end)
		return;
	memset(last, ' ', sizeof(last));
	memcpy(last, p + whole, n - whole);
	memcpy(last + (n - whole), end, strlen(end));
	machine->steps[mode](st, last, from + (uint32_t)whole, 64);
}

/* A scalar that goes on to the end of the block is no more listed: its line is odd in any
 * case, and what stands behind it is not to be looked at. */
static void
forget_open_scalar(const struct json_scan *s, struct json_state *st)
{
	size_t at = st->nscalars ? st->scalar[st->nscalars - 1] : s->n;

	while (at < s->n && !strchr(" \t\r\n,]}", s->p[at]))
		at++;
	st->nscalars -= st->nscalars && at == s->n;
}

/* The lines in which a scalar is wrong are odd. */
static void
judge_scalars(struct json_scan *s, const struct json_state *st)
{
	size_t i = 0, n = st->nscalars, low, high, mid;

	while ((i = json_bad_scalar(s->p, st->scalar, i, n)) < n) {
		for (low = 0, high = st->nfeeds; low < high;) {
			mid = low + (high - low) / 2;
			if (s->feed[mid].at < st->scalar[i])
				low = mid + 1;
			else
				high = mid;
		}
		if (low < st->nfeeds)
			s->feed[low].flags |= JSON_LINE_ODD;
		i++;
	}
}

/* Is there more than white space in a line that was not looked at for tokens? */
static inline bool
is_blank(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r'))
		p++;
	return p == end;
}

static void
make_lines(struct json_scan *s, size_t nfeeds, bool ended)
{
	bool feeds = s->lazy && s->trust;
	uint32_t start = 0, tok = 0, noticed = 0;
	struct json_line *line;
	size_t i;

	s->line = mem_grow(s->line, &s->cap_lines, nfeeds, sizeof(*s->line));
	line = s->line;
	for (i = 0; i < nfeeds; i++) {
		const struct json_feed *f = s->feed + i;
		uint32_t end = f->at, flags = f->flags;

		/* Written, then kept or not. */
		line->start = start;
		line->end = end;
		if (RARE(end > start && s->p[end - 1] == '\r')) {
			line->end--;
			flags |= JSON_LINE_CR;
		}
		line->tok = tok;
		line->ntok = f->tok - tok;
		line->number = (uint32_t)i;
		if (RARE(flags & JSON_LINE_NOT_UTF8) &&
		    json_is_utf8((struct slice){s->p + start, end - start}))
			flags &= ~(uint32_t)JSON_LINE_NOT_UTF8;
		line->flags = flags;
		noticed |= flags;
		/* A branch, so that no line waits for what comes of the one before. */
		if (RARE(feeds ? (unsigned char)s->p[start] <= ' ' : f->tok == tok))
			line -= !feeds || is_blank(s->p + start, s->p + end);
		line++;
		start = end + 1;
		tok = f->tok + 1;
	}
	s->nlines = (size_t)(line - s->line);
	if (!ended && s->nlines && s->line[s->nlines - 1].number == nfeeds - 1) {
		line = &s->line[s->nlines - 1];
		line->flags |= JSON_LINE_UNENDED;
		if (!s->trust && (s->first[line->tok + line->ntok - 1] | 0x20) != '}')
			line->flags |= JSON_LINE_ODD;
		noticed |= line->flags;
	}
	s->flags = noticed;
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

/* What the judge does for skip, without asking whether all is as it should be. */
static void
match_brackets(const char *first, size_t n, uint32_t *skip)
{
	uint32_t open[JSON_MAX_DEPTH], depth = 0, start = 0, t;
	uint64_t found;
	size_t from;

	for (from = 0; from < n; from += 64) {
		found = brackets_and_feeds(first + from);
		if (n - from < 64)
			found &= (UINT64_C(1) << (n - from)) - 1;
		for (; found; found &= found - 1) {
			char c;

			t = (uint32_t)from + (uint32_t)__builtin_ctzll(found);
			c = first[t];
			if (c == '\n') {
				/* What was opened and not closed ends with the line. */
				while (RARE(depth))
					skip[open[--depth]] = t - start - 1;
				start = t + 1;
			} else if (c & 2) {
				if (RARE(depth == JSON_MAX_DEPTH))
					skip[t] = t - start;
				else
					open[depth++] = t;
			} else if (depth) {
				skip[open[--depth]] = t - start;
			}
		}
	}
}

static void
judge(struct json_scan *s, const struct json_state *st)
{
	uint32_t *skip = s->lazy ? NULL : s->skip;

	if (s->shapeless) {
		s->shapeless--;
		json_machine_now()->judge(s->first, s->ntok, s->feed, skip);
		return;
	}
	if (!s->shapes)
		s->shapes = mem_zalloc(sizeof(*s->shapes));
	json_machine_now()->shapes(s->first, s->feed, st->nfeeds, s->shapes, skip);
	if (s->shapes->missed > st->nfeeds / 4)
		s->shapeless = SHAPELESS_BLOCKS;
}

static void
scan_block(struct json_scan *s, const char *p, size_t n, bool trust, bool lazy)
{
	struct json_state st = {0};
	bool ended = n == 0 || p[n - 1] == '\n';

	s->p = p;
	s->n = n;
	s->number++;
	s->asked = 0;
	s->lazy = lazy;
	s->trust = trust;
	json_columns_begin(s);
	run(s, &st, p, 0, n, ended ? "" : "\n", lazy ?
		(trust ? JSON_FEEDS_TRUST : JSON_LINES_LAZY) :
		(trust ? JSON_LINES_TRUST : JSON_LINES));
	s->ntok = st.ntok;
	s->feeds = (uint32_t)(st.nfeeds - !ended);
	if (!lazy)
		s->skip = mem_grow(s->skip, &s->cap_skip, s->ntok, sizeof(*s->skip));
	if (!trust) {
		judge(s, &st);
		if (!ended)
			forget_open_scalar(s, &st);
		judge_scalars(s, &st);
	} else if (!lazy) {
		match_brackets(s->first, s->ntok, s->skip);
	}
	make_lines(s, st.nfeeds, ended);
}

void
json_scan_block(struct json_scan *s, const char *p, size_t n, bool trust)
{
	scan_block(s, p, n, trust, false);
}

void
json_scan_lazily(struct json_scan *s, const char *p, size_t n, bool trust)
{
	scan_block(s, p, n, trust, true);
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
	free(s->scalar);
	free(s->shapes);
	json_columns_free(s);
	*s = (struct json_scan){0};
}

/* ---- documents --------------------------------------------------------------------- */

int
json_line_doc(struct json_scan *s, size_t i, bool trust, struct json_doc *d,
	struct failure *why)
{
	const struct json_line *l = s->line + i;
	uint32_t *skip = s->lazy ? NULL : s->skip + l->tok;

	if (!trust && RARE(l->flags & ~(uint32_t)(JSON_LINE_UNENDED | JSON_LINE_CR)) &&
		!json_is_good(s, l) &&
	    json_check(s->p + l->start, l->end - l->start, skip, why) != 0)
		return -1;
	if (s->lazy)
		*d = (struct json_doc){.base = s->p, .flags = l->flags, .line = (uint32_t)i,
			.scan = s};
	else
		*d = (struct json_doc){s->p, s->pos + l->tok, skip, s->first + l->tok, l->ntok,
			l->flags, (uint32_t)i, s};
	return 0;
}

void
json_doc_tokens(struct json_doc *d)
{
	struct json_scan *s = d->scan;
	const struct json_line *l = s->line + d->line;
	struct json_state st = {0};
	size_t end = l->end;

	if (d->pos)
		return;
	end += end < s->n && s->p[end] == '\r';
	run(s, &st, s->p + l->start, l->start, end - l->start, "\n", JSON_LINES_TRUST);
	s->skip = mem_grow(s->skip, &s->cap_skip, st.ntok, sizeof(*s->skip));
	match_brackets(s->first, st.ntok, s->skip);
	d->pos = s->pos;
	d->skip = s->skip;
	d->first = s->first;
	d->n = (uint32_t)st.ntok - 1;
	s->asked++;
}

int
json_doc_of(struct json_scan *s, struct slice text, struct json_doc *d, struct failure *why)
{
	struct json_state st = {0};
	struct json_line l = {0};
	struct json_feed feed = {0};

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
	s->number++;
	s->lazy = s->trust = false;
	run(s, &st, s->copy, 0, text.n, "\n", JSON_TEXT);
	s->ntok = st.ntok;
	s->pos[s->ntok] = (uint32_t)text.n;
	s->first[s->ntok] = '\n';
	s->skip = mem_grow(s->skip, &s->cap_skip, s->ntok + 1, sizeof(*s->skip));
	json_machine_now()->judge(s->first, s->ntok + 1, &feed, s->skip);
	s->feed[0] = feed;
	s->feed[0].at = (uint32_t)text.n;
	st.nfeeds = 1;
	judge_scalars(s, &st);
	l.end = (uint32_t)text.n;
	l.ntok = (uint32_t)s->ntok;
	l.flags = st.flags | s->feed[0].flags | (st.in_string ? JSON_LINE_OPEN_STRING : 0u) |
		(s->ntok ? 0u : JSON_LINE_ODD);
	if (l.flags & JSON_LINE_NOT_UTF8 && json_is_utf8((struct slice){s->copy, text.n}))
		l.flags &= ~(uint32_t)JSON_LINE_NOT_UTF8;
	if (!json_is_good(s, &l) && json_check(s->copy, text.n, s->skip, why) != 0)
		return -1;
	*d = (struct json_doc){s->copy, s->pos, s->skip, s->first, l.ntok, l.flags, 0, s};
	return 0;
}
