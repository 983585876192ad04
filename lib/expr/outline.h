/*
 * outline: a filter that puts together what it reads off several values.
 *
 *	{id: $left.orderId, paid: [$right.amount, "EUR"]}
 *
 * Made of objects, arrays, constants and paths alone, it is texts with gaps, and a gap is a
 * path into one value. Who has the values one after the other can read the paths off each
 * when it comes, keep what they gave, and write the outputs later without evaluating
 * anything. Internal to who owns the values: the filter itself, run by expr_each, says the
 * same.
 */
#ifndef SK_EXPR_OUTLINE_H
#define SK_EXPR_OUTLINE_H

#include "expr/expr.h"

struct node;

/* A gap: a path into a value. */
struct expr_leaf {
	unsigned of;             /* 0: "."; n: the n-th of the variables that were named */
	const struct node *path;
	struct slice field;      /* it is one field of the value: its name; else absent */
};

struct expr_piece {
	struct slice text;       /* leaf < 0: to be written as it is */
	int leaf;                /* index of a leaf, or -1 */
};

/* {0} is none. */
struct expr_outline {
	struct expr_piece *piece;
	struct expr_leaf *leaf;
	size_t npieces, nleaves, cap_pieces, cap_leaves;
	struct buf text;
};

/*
 * The outline of a native filter whose paths begin at "." or at variables first .. first +
 * n - 1 of expr_options.vars. Borrows the filter. False: it is of another kind.
 */
bool expr_outline(const struct expr *, unsigned first, unsigned n, struct expr_outline *);
void expr_outline_release(struct expr_outline *);

/* What a leaf gives of its value; a path gives one output or fails. -1: as expr_each. */
int expr_leaf(struct expr_run *, const struct expr_leaf *, const struct value *of,
	struct value *out, struct failure *why);

#endif
