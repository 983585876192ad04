/*
 * The grammar, 64 tokens at a time. Included by each machine and compiled there for it.
 *
 * But for the nesting, what JSON allows can be told from a token and the two before it: it
 * is a matter of masks, a bit a token, and of shifts. That leaves for each bracket whether
 * it closes the one that is open, and whether what stands between two brackets suits the
 * one that they are in: a colon wants an object; a comma wants an array if no name follows
 * it. Only brackets and line feeds are therefore looked at one by one.
 */
#ifndef SK_JSON_JUDGE_H
#define SK_JSON_JUDGE_H

#include "json/step.h"

/* 64 tokens by what they are, a bit each. In none of the masks: a scalar, or rubbish. */
struct kinds {
	uint64_t quote, feed, colon, comma;
	uint64_t object, array, object_end, array_end;
};

/* The last bits of the masks before these 64, and where we are in the nesting. */
struct judge {
	uint64_t feed, colon, comma, object, array, value;
	uint64_t first_name, later_string; /* a string after {; after a comma */
	uint64_t bad;
	uint32_t depth, start;
	uint32_t open[JSON_MAX_DEPTH];     /* the token; the top bit says that it is an array */
};

#define BEFORE(mask, last) ((mask) << 1 | (last))

STEP void
judge_begin(struct judge *j)
{
	j->feed = 1;
	j->colon = j->comma = j->object = j->array = j->value = 0;
	j->first_name = j->later_string = j->bad = 0;
	j->depth = j->start = 0;
}

/* What can be told without the nesting. */
struct local {
	uint64_t wrong;
	uint64_t not_in_object; /* wrong if it is in an object; and neither is right outside */
	uint64_t not_in_array;
	uint64_t opens, ends;
};

/* all: the tokens that there are. Their last bits are noted in j. */
STEP struct local
judge_local(struct judge *j, const struct kinds *k, uint64_t all)
{
	uint64_t opens = k->object | k->array, ends = k->object_end | k->array_end;
	uint64_t scalar = ~(k->quote | k->feed | k->colon | k->comma | opens | ends) & all;
	uint64_t begins = k->quote | scalar | opens, value = k->quote | scalar | ends;
	uint64_t after_feed = BEFORE(k->feed, j->feed), after_value = BEFORE(value, j->value);
	uint64_t after_object = BEFORE(k->object, j->object);
	uint64_t after_array = BEFORE(k->array, j->array);
	uint64_t after_comma = BEFORE(k->comma, j->comma);
	uint64_t first_name = k->quote & after_object, later_string = k->quote & after_comma;
	uint64_t after_name = BEFORE(first_name, j->first_name);
	uint64_t after_string = BEFORE(later_string, j->later_string);
	struct local l = {.opens = opens, .ends = ends};

	l.wrong = (begins & ~(after_feed | BEFORE(k->colon, j->colon) | after_array |
			after_comma | first_name)) |
		(k->comma & ~after_value) |
		(k->object_end & ~(after_value | after_object)) |
		(k->array_end & ~(after_value | after_array)) |
		(k->feed & ~(after_value | after_feed)) |
		(k->colon & ~(after_name | after_string)) |
		(after_name & ~k->colon & all);
	l.not_in_object = (after_comma & begins & ~k->quote) |
		(after_string & ~k->colon & all);
	l.not_in_array = k->colon;

	j->feed = k->feed >> 63;
	j->colon = k->colon >> 63;
	j->comma = k->comma >> 63;
	j->object = k->object >> 63;
	j->array = k->array >> 63;
	j->value = value >> 63;
	j->first_name = first_name >> 63;
	j->later_string = later_string >> 63;
	return l;
}

/* n tokens from t on, at most 64; returns the next feed. */
STEP struct json_feed *
judge_step(struct judge *j, const struct kinds *k, uint32_t t, size_t n,
	struct json_feed *feed, uint32_t *skip)
{
	const uint32_t is_array = (uint32_t)1 << 31;
	uint64_t all = n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
	struct local l = judge_local(j, k, all);
	/* What is wrong in an object, in an array, and in neither. */
	const uint64_t wrong[3] = {
		l.wrong | l.not_in_object, l.wrong | l.not_in_array,
		l.wrong | l.not_in_object | l.not_in_array,
	};
	uint64_t rest = all, events = l.opens | l.ends | k->feed, bad = j->bad;
	uint32_t depth = j->depth;

	for (; events; events &= events - 1) {
		uint64_t here = events & -events, upto = here | (here - 1);
		uint32_t at = t + (uint32_t)__builtin_ctzll(events);

		bad |= wrong[depth ? j->open[depth - 1] >> 31 : 2] & upto & rest;
		rest &= ~upto;
		if (here & k->feed) {
			feed->flags |= bad | depth ? (uint32_t)JSON_LINE_ODD : 0u;
			feed++;
			j->start = at + 1;
			depth = 0;
			bad = 0;
		} else if (here & l.opens) {
			if (RARE(depth == JSON_MAX_DEPTH)) {
				bad = 1;
				continue;
			}
			j->open[depth++] = at | (here & k->array ? is_array : 0);
		} else if (RARE(depth == 0)) {
			bad = 1;
		} else {
			uint32_t open = j->open[--depth];

			bad |= (uint64_t)(open >> 31 != (here & k->array_end ? 1 : 0));
			if (skip)
				skip[open & ~is_array] = at - j->start;
		}
	}
	j->bad = bad | (rest & wrong[depth ? j->open[depth - 1] >> 31 : 2]);
	j->depth = depth;
	return feed;
}

/* Remember a line that was judged good; the one that was remembered before the last goes. */
static inline void
remember_shape(struct json_shapes *shapes, const char *first, uint32_t n,
	const uint32_t *skip)
{
	struct json_shape *s = shapes->shape[n % JSON_SHAPES];
	uint32_t i;

	s[1] = s[0];
	s->n = n;
	s->has_skip = skip;
	for (i = 0; i < n; i++)
		s->text[i] = json_in_shape(first[i]);
	if (skip)
		memcpy(s->skip, skip, n * sizeof(*skip));
}

/* The function `shapes` of a machine, of its judge and of what compares tokens with a shape. */
#define SHAPES(name, target, judge, same) \
	target static void \
	name(const char *first, struct json_feed *feed, size_t nfeeds, \
		struct json_shapes *shapes, uint32_t *skip) \
	{ \
		uint32_t tok = 0, n, k; \
		size_t i, missed = 0; \
		for (i = 0; i < nfeeds; i++, tok += n + 1) { \
			struct json_shape *s; \
			n = feed[i].tok - tok; \
			s = shapes->shape[n % JSON_SHAPES]; \
			for (k = 0; k < 2; k++, s++) \
				if (__builtin_expect(s->n == n && (!skip || s->has_skip) && \
				    same(first + tok, n, s->text), 1)) \
					break; \
			if (__builtin_expect(k < 2, 1)) { \
				if (skip) \
					memcpy(skip + tok, s->skip, n * sizeof(*skip)); \
				continue; \
			} \
			missed++; \
			judge(first + tok, n + 1, feed + i, skip ? skip + tok : NULL); \
			if (n && n <= JSON_SHAPE_TOKENS && !(feed[i].flags & JSON_LINE_ODD)) \
				remember_shape(shapes, first + tok, n, skip ? skip + tok : NULL); \
		} \
		shapes->missed = missed; \
	}

#endif
