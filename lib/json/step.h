/*
 * One step of the scan: 64 bytes, known by their masks, become tokens and lines. Included
 * by each kernel and compiled there for its machine. Bit i is byte i.
 *
 * A kernel makes the masks of struct step, then calls step_quotes(), takes the prefix xor
 * of what that returns (bit i: the xor of bits 0 to i) in its own way, calls step_tokens()
 * with it, writes the positions of the tokens to s->pos + s->ntok and their bytes to s->first
 * + s->ntok, and calls step_lines().
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
	uint64_t control_in_string, open_string; /* OUT */
};

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
	m->tok = (m->op & ~inside) | (quotes & inside) |
		(scalar & ~(scalar << 1 | s->in_scalar)) | m->feed;
	s->in_scalar = scalar >> 63;
}

/* The lines that end in a step in which something was noticed. */
STEP void
step_lines_noticed(struct json_state *s, const struct step *m)
{
	uint64_t rest = ~UINT64_C(0), feeds = m->feed;

	for (;;) {
		uint64_t line = rest & (feeds ^ (feeds - 1)); /* with its line feed */

		s->flags |= (m->backslash & line ? JSON_LINE_ESCAPE : 0u) |
			(m->control_in_string & line ? JSON_LINE_CONTROL : 0u) |
			(m->open_string & line ? JSON_LINE_OPEN_STRING : 0u) |
			(m->bad_utf8 & line ? JSON_LINE_NOT_UTF8 : 0u);
		if (!feeds)
			return;
		s->feed[s->nfeeds].tok = (uint32_t)(s->ntok +
			(size_t)__builtin_popcountll(m->tok & ((feeds & -feeds) - 1)));
		s->feed[s->nfeeds++].flags = s->flags;
		s->flags = 0;
		rest &= ~line;
		feeds &= feeds - 1;
	}
}

/* Note the lines that end in this step, and count its tokens. */
STEP void
step_lines(struct json_state *s, const struct step *m)
{
	uint64_t feeds = m->feed;

	if (RARE(m->backslash | m->control_in_string | m->open_string | m->bad_utf8)) {
		step_lines_noticed(s, m);
	} else {
		/* Written whether there is one or not: most steps have none or one, in no
		 * order that a branch could learn. */
		struct json_feed *f = s->feed + s->nfeeds;

		f->tok = (uint32_t)(s->ntok +
			(size_t)__builtin_popcountll(m->tok & ((feeds & -feeds) - 1)));
		f->flags = s->flags;
		s->flags &= (uint32_t)-(feeds == 0);
		s->nfeeds += feeds != 0;
		for (feeds &= feeds - 1; RARE(feeds); feeds &= feeds - 1) {
			f = s->feed + s->nfeeds++;
			f->tok = (uint32_t)(s->ntok + (size_t)__builtin_popcountll(
				m->tok & ((feeds & -feeds) - 1)));
			f->flags = 0;
		}
	}
	s->ntok += (size_t)__builtin_popcountll(m->tok);
}

#endif
