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

/* A step of which line feeds and backslashes are all that is known. */
STEP void
step_feeds(struct json_state *s, uint64_t feeds, uint64_t backslash, uint32_t at)
{
	struct json_feed *f = s->feed + s->nfeeds;

	if (RARE(backslash)) {
		uint64_t rest = ~UINT64_C(0), line;

		for (;; f++, rest &= ~line, feeds &= feeds - 1) {
			line = rest & (feeds ^ (feeds - 1));
			s->flags |= backslash & line ? JSON_LINE_ESCAPE : 0u;
			if (!feeds)
				break;
			*f = (struct json_feed){at + (uint32_t)__builtin_ctzll(feeds), 0, s->flags};
			s->flags = 0;
		}
	} else {
		*f = (struct json_feed){at + (uint32_t)__builtin_ctzll(feeds | UINT64_C(1) << 63),
			0, s->flags};
		s->flags &= (uint32_t)-(feeds == 0);
		f += feeds != 0;
		for (feeds &= feeds - 1; RARE(feeds); feeds &= feeds - 1)
			*f++ = (struct json_feed){at + (uint32_t)__builtin_ctzll(feeds), 0, 0};
	}
	s->nfeeds = (size_t)(f - s->feed);
}

/* If text is at p[i], that is one more hit. Hits may share a byte, a quote. */
STEP size_t
find_here(const char *p, size_t i, const char *text, size_t len, uint32_t *hit, size_t found)
{
	if (memcmp(p + i, text, len) == 0)
		hit[found++] = (uint32_t)i;
	return found;
}

STEP size_t
find_rest(const char *p, size_t i, size_t n, const char *text, size_t len, uint32_t *hit,
	size_t found)
{
	for (; i + len <= n; i++)
		if (p[i] == text[0])
			found = find_here(p, i, text, len, hit, found);
	return found;
}

#endif
