/*
 * One step of the scan: 64 bytes, known by their masks, become tokens and lines. Included
 * by each kernel and compiled there for its machine. Bit i is byte i.
 *
 * A kernel makes the masks of struct step, then calls step_quotes(), takes the prefix xor
 * of what that returns (bit i: the xor of bits 0 to i) in its own way, calls step_tokens()
 * with it, writes the positions of the tokens to s->pos + s->ntok (unless nobody wants them),
 * their bytes to s->first + s->ntok and the positions of the scalars to s->scalar +
 * s->nscalars, and calls step_lines().
 */
#ifndef SK_JSON_STEP_H
#define SK_JSON_STEP_H

#include "json/scan.h"

#define STEP static inline __attribute__((always_inline))
#define RARE(x) __builtin_expect((x) != 0, 0)

struct step {
	uint64_t backslash, quote, feed;
	uint64_t space;    /* blank, tab, line feed, carriage return */
	uint64_t op;       /* { } [ ] : , and the bytes 0x0C and 0x1A, which nobody accepts */
	uint64_t control;  /* below 0x20 */
	uint64_t bad_utf8; /* here or just before: to be looked at again */

	uint64_t tok;      /* OUT: tokens, the line feed that ends a line among them */
	uint64_t scalar;   /* OUT: of them, neither operator nor string nor line feed */
	uint64_t scalars;  /* OUT, of a usual step: all bytes of these */
	uint64_t control_in_string, open_string; /* OUT */
};

/* The positions of the scalars; returns behind the last. Most steps have at most two. */
STEP uint32_t *
put_scalars(uint32_t *to, uint64_t scalar, uint32_t at)
{
	uint64_t left = scalar & (scalar - 1);
	unsigned i;

	to[0] = at + (uint32_t)__builtin_ctzll(scalar | UINT64_C(1) << 63);
	to[1] = at + (uint32_t)__builtin_ctzll(left | UINT64_C(1) << 63);
	left &= left - 1;
	for (i = 2; RARE(left); i++, left &= left - 1)
		to[i] = at + (uint32_t)__builtin_ctzll(left);
	return to + __builtin_popcountll(scalar);
}

/* The quotes that open or close a string. */
STEP uint64_t
step_quotes(struct json_state *s, const struct step *m)
{
	const uint64_t odd = UINT64_C(0xAAAAAAAAAAAAAAAA);
	uint64_t escapes, escaped = s->escaped;

	if (__builtin_expect(m->backslash == 0, 1)) {
		s->escaped = 0;
		return m->quote & ~escaped;
	}
	/* In a run of backslashes the first, third, ... escape the byte after them. The
	 * subtraction borrows through each run, from wherever it begins. */
	escapes = m->backslash & ~escaped;
	escapes = (((escapes << 1) | odd) - escapes) ^ odd;
	escaped = escapes ^ (m->backslash | escaped);
	s->escaped = (escapes & m->backslash) >> 63;
	return m->quote & ~escaped;
}

/* prefix: the prefix xor of quotes. It covers a string with its opening quote and without
 * the closing one. */
STEP void
step_tokens(struct json_state *s, struct step *m, uint64_t quotes, uint64_t prefix)
{
	uint64_t inside = prefix ^ s->in_string, scalar, open;

	/* No string goes on after a line feed: what follows one is turned around. */
	m->open_string = 0;
	while (RARE(open = m->feed & inside)) {
		open &= -open;
		m->open_string |= open;
		inside ^= -open;
	}
	s->in_string = (uint64_t)((int64_t)inside >> 63);
	m->control_in_string = m->control & inside;
	scalar = ~(inside | quotes | m->op | m->space);
	m->scalar = scalar & ~(scalar << 1 | s->in_scalar);
	m->tok = (m->op & ~inside) | (quotes & inside) | m->scalar | m->feed;
	m->scalar |= m->op & m->control & ~inside;
	s->in_scalar = scalar >> 63;
}

/* The lines that end in a step in which something was noticed. */
STEP void
step_lines_noticed(struct json_state *s, const struct step *m, uint32_t at)
{
	uint64_t rest = ~UINT64_C(0), feeds = m->feed;

	for (;;) {
		uint64_t line = rest & (feeds ^ (feeds - 1)); /* with its line feed */
		struct json_feed *f = s->feed + s->nfeeds;

		s->flags |= (m->backslash & line ? JSON_LINE_ESCAPE : 0u) |
			(m->control_in_string & line ? JSON_LINE_CONTROL : 0u) |
			(m->open_string & line ? JSON_LINE_OPEN_STRING : 0u) |
			(m->bad_utf8 & line ? JSON_LINE_NOT_UTF8 : 0u);
		if (!feeds)
			return;
		f->at = at + (uint32_t)__builtin_ctzll(feeds);
		f->tok = (uint32_t)(s->ntok +
			(size_t)__builtin_popcountll(m->tok & ((feeds & -feeds) - 1)));
		f->flags = s->flags;
		s->nfeeds++;
		s->flags = 0;
		rest &= ~line;
		feeds &= feeds - 1;
	}
}

/* Note the lines that end in this step, whose first byte is at, and count its tokens. */
STEP void
step_lines(struct json_state *s, const struct step *m, uint32_t at)
{
	uint64_t feeds = m->feed;

	if (RARE(m->backslash | m->control_in_string | m->open_string | m->bad_utf8)) {
		step_lines_noticed(s, m, at);
	} else {
		/* Written whether there is one or not: most steps have none or one, in no
		 * order that a branch could learn. */
		struct json_feed *f = s->feed + s->nfeeds;

		f->at = at + ((uint32_t)__builtin_ctzll(feeds | UINT64_C(1) << 63));
		f->tok = (uint32_t)(s->ntok +
			(size_t)__builtin_popcountll(m->tok & ((feeds & -feeds) - 1)));
		f->flags = s->flags;
		s->flags &= (uint32_t)-(feeds == 0);
		s->nfeeds += feeds != 0;
		for (feeds &= feeds - 1; RARE(feeds); feeds &= feeds - 1) {
			f = s->feed + s->nfeeds++;
			f->at = at + (uint32_t)__builtin_ctzll(feeds);
			f->tok = (uint32_t)(s->ntok + (size_t)__builtin_popcountll(
				m->tok & ((feeds & -feeds) - 1)));
			f->flags = 0;
		}
	}
	s->ntok += (size_t)__builtin_popcountll(m->tok);
}

/*
 * The usual step: no backslash, no control byte but line feeds, all ASCII, nothing noticed in
 * the line so far, and no string open at a line feed. Most steps are, and need little of the
 * above; a loop over them keeps the state in this.
 */
struct usual {
	char *first;
	uint32_t *pos, *scalar;
	struct json_feed *feed;
	uint64_t in_string, in_scalar;
};

/* Does the state allow for it? */
STEP bool
usual_begin(struct usual *u, const struct json_state *s, enum json_mode mode)
{
	u->first = s->first + s->ntok;
	u->pos = mode == JSON_LINES_LAZY ? NULL : s->pos + s->ntok;
	u->scalar = mode == JSON_LINES_TRUST ? NULL : s->scalar + s->nscalars;
	u->feed = s->feed + s->nfeeds;
	u->in_string = s->in_string;
	u->in_scalar = s->in_scalar;
	return !(s->escaped | s->flags | s->high);
}

STEP void
usual_end(const struct usual *u, struct json_state *s, enum json_mode mode)
{
	s->ntok = (size_t)(u->first - s->first);
	if (mode != JSON_LINES_TRUST)
		s->nscalars = (size_t)(u->scalar - s->scalar);
	s->nfeeds = (size_t)(u->feed - s->feed);
	s->in_string = u->in_string;
	s->in_scalar = u->in_scalar;
}

/* prefix: of m->quote. False: it is no usual step after all. */
STEP bool
usual_tokens(struct usual *u, struct step *m, uint64_t prefix, enum json_mode mode)
{
	uint64_t inside = prefix ^ u->in_string, scalar;

	if (RARE(mode == JSON_TEXT ? m->feed : m->feed & inside))
		return false;
	u->in_string = (uint64_t)((int64_t)inside >> 63);
	m->scalars = scalar = ~(inside | m->quote | m->op | m->space);
	m->scalar = scalar & ~(scalar << 1 | u->in_scalar);
	m->tok = (m->op & ~inside) | (m->quote & inside) | m->scalar | m->feed;
	u->in_scalar = scalar >> 63;
	return true;
}

/* The lines that end in it, before first is moved on. */
STEP void
usual_feeds(struct usual *u, const struct step *m, uint32_t at, const char *first)
{
	uint64_t feeds = m->feed;
	struct json_feed *f = u->feed;
	uint32_t tok = (uint32_t)(u->first - first);

	f->at = at + (uint32_t)__builtin_ctzll(feeds | UINT64_C(1) << 63);
	f->tok = tok + (uint32_t)__builtin_popcountll(m->tok & ((feeds & -feeds) - 1));
	f->flags = 0;
	/* No branch: whether there is one is nothing that it could learn. */
	u->feed += __builtin_popcountll(feeds);
	for (feeds &= feeds - 1; RARE(feeds); feeds &= feeds - 1)
		*++f = (struct json_feed){at + (uint32_t)__builtin_ctzll(feeds),
			tok + (uint32_t)__builtin_popcountll(m->tok & ((feeds & -feeds) - 1)), 0};
}

/* Line feeds, before which there was nothing to be noticed. Returns how many there are now. */
STEP size_t
put_feeds(struct json_feed *feed, size_t n, uint64_t feeds, uint32_t at)
{
	feed[n] = (struct json_feed){at + (uint32_t)__builtin_ctzll(feeds | UINT64_C(1) << 63), 0, 0};
	n += feeds != 0;
	for (feeds &= feeds - 1; RARE(feeds); feeds &= feeds - 1)
		feed[n++] = (struct json_feed){at + (uint32_t)__builtin_ctzll(feeds), 0, 0};
	return n;
}

/* A step of which line feeds and backslashes are all that is known. */
STEP void
step_feeds(struct json_state *s, uint64_t feeds, uint64_t backslash, uint32_t at)
{
	const struct step m = {.feed = feeds, .backslash = backslash};

	if (RARE(backslash | s->flags))
		step_lines_noticed(s, &m, at);
	else
		s->nfeeds = put_feeds(s->feed, s->nfeeds, feeds, at);
}

/* The places among 64 from i on where a text may stand. Most times there is one or none, in no
 * order that a branch could learn. */
STEP size_t
find_among(uint64_t may, size_t i, uint32_t *hit, size_t found)
{
	hit[found] = (uint32_t)(i + (size_t)__builtin_ctzll(may | UINT64_C(1) << 63));
	found += may != 0;
	for (may &= may - 1; RARE(may); may &= may - 1)
		hit[found++] = (uint32_t)(i + (size_t)__builtin_ctzll(may));
	return found;
}

STEP size_t
find_rest(const char *p, size_t i, size_t end, size_t n, const char *text, size_t len,
	uint32_t *hit, size_t found)
{
	for (; i < end && i + len <= n; i++)
		if (p[i] == '"' && memcmp(p + i, text, len) == 0)
			hit[found++] = (uint32_t)i;
	return found;
}

#endif
