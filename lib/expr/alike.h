/*
 * alike: lines that look like one that was seen: the same names in the same places, and the same
 * texts where those were looked at. Most streams have a few such kinds of lines, and what was
 * found in one of them, token by token, stands in the others at the same tokens.
 *
 * A line that is alike is compared with what is remembered all at once, so no step waits for
 * the one before, as in a walk over its members. What is compared is told by pick.h: all names of
 * the outermost object, what stands between them, and the texts of members by which something
 * is chosen. Lines with a backslash, of too many members or of long names are never alike.
 *
 * One memory is one thread's.
 */
#ifndef SK_EXPR_ALIKE_H
#define SK_EXPR_ALIKE_H

#include "expr/pick.h"

/* Of what is compared, by 16 bytes: so much most lines have at most, and so much any. */
#define ALIKE_FEW_TEXTS 8
#define ALIKE_TEXTS 16
#define ALIKE_FEW_ENDS 1
#define ALIKE_ENDS 3
#define ALIKE_FEW_TOKENS 2
#define ALIKE_TOKENS 5
#define ALIKE_FEW_BRACKETS 1
#define ALIKE_BRACKETS 4
#define ALIKE_WIDE sizeof(alike_text)
#define ALIKE_KINDS 64  /* of lines by their number of tokens, modulo this: */
#define ALIKE_WAYS 2    /* so many of each */

typedef uint64_t alike_text __attribute__((vector_size(16)));

struct alike_pin {
	alike_text text, mask;
	uint32_t token;              /* where it begins */
};

struct alike_bracket {
	uint32_t token, skip, mask;
};

/* What was found in a line, and is in all that are like it. What is nothing has no mask. */
struct likeness {
	uint32_t n;                              /* tokens of the line */
	bool more;                               /* than most have */
	int chosen;                              /* the caller's */
	uint32_t at[PICK_WANTS];                 /* pick_look's */
	struct alike_pin tokens[ALIKE_TOKENS];   /* first bytes of tokens */
	struct alike_pin text[ALIKE_TEXTS];
	struct alike_pin end[ALIKE_ENDS];        /* of texts: from their 17th byte on */
	struct alike_bracket bracket[ALIKE_BRACKETS];
	uint32_t ntokens, ntexts, nends, nbrackets;
};

struct alike {
	const struct pick_wants *wants;
	struct pick_tested tested;   /* wants by which something is chosen */
	struct likeness *kind[ALIKE_KINDS][ALIKE_WAYS];
	size_t found, missed;        /* lines of this block */
	unsigned rest;               /* blocks in which nothing is remembered: it did not pay */
};

/* The wants are borrowed, and complete. */
void alike_init(struct alike *, const struct pick_wants *, struct pick_tested);
void alike_release(struct alike *);

/* A block begins. */
void alike_begin(struct alike *);

/* Memories for threads that come and go: each has one to itself for a block. */
#define ALIKE_SPARE 4
struct alike_store {
	const struct pick_wants *wants;
	struct pick_tested tested;
	_Atomic(struct alike *) spare[ALIKE_SPARE];
};
/* One in which a block begins. */
struct alike *alike_take(struct alike_store *);
void alike_give(struct alike_store *, struct alike *);
/* All that were given back. */
void alike_store_release(struct alike_store *);

/* Remember a line that was not found, in which pick_look() found this. */
void alike_learn(struct alike *, const struct json_doc *, const uint32_t *at, int chosen);

/* ---- looking ----------------------------------------------------------------------- */

/* Is the rest the same, where there is more than most lines have? */
bool alike_in_more(const struct likeness *, const struct json_doc *);

static inline alike_text
alike_differs(const struct alike_pin *pin, const char *p)
{
	alike_text text;

	memcpy(&text, p, sizeof(text));
	return (text ^ pin->text) & pin->mask;
}

static inline uint32_t
alike_skips(const struct alike_bracket *b, const struct json_doc *d)
{
	return (d->skip[b->token] ^ b->skip) & b->mask;
}

/* How much there is to compare is nothing that a branch could learn: it is always as much. */
static inline bool
alike_is(const struct likeness *l, const struct json_doc *d)
{
	alike_text differ = {0, 0}, other = {0, 0};
	uint32_t skips = 0, i;

#pragma GCC unroll 8
	for (i = 0; i < ALIKE_FEW_TOKENS; i++)
		differ |= alike_differs(&l->tokens[i], d->first + l->tokens[i].token);
#pragma GCC unroll 8
	for (i = 0; i < ALIKE_FEW_TEXTS; i++)
		other |= alike_differs(&l->text[i], d->base + d->pos[l->text[i].token]);
	for (i = 0; i < ALIKE_FEW_ENDS; i++)
		differ |= alike_differs(&l->end[i],
			d->base + d->pos[l->end[i].token] + ALIKE_WIDE);
	for (i = 0; i < ALIKE_FEW_BRACKETS; i++)
		skips |= alike_skips(&l->bracket[i], d);
	differ |= other;
	return !(differ[0] | differ[1] | skips) && (!l->more || alike_in_more(l, d));
}

/* What is remembered of lines like this one, which has no flags; NULL: nothing. */
static inline const struct likeness *
alike_find(struct alike *a, const struct json_doc *d)
{
	struct likeness *const *kind = a->kind[d->n % ALIKE_KINDS];
	unsigned i;

	for (i = 0; i < ALIKE_WAYS && kind[i]; i++)
		if (kind[i]->n == d->n && alike_is(kind[i], d)) {
			a->found++;
			return kind[i];
		}
	a->missed++;
	return NULL;
}

#endif
