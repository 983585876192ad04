/*
 * spec: what stands behind -a.
 *
 *	NAME=FUNCTION [where CONDITION]
 *	NAME=FUNCTION(EXPR) [where CONDITION]
 *	NAME=FUNCTION(EXPR; PARAMETER) [where CONDITION]
 *
 * quantile takes a number from 0 to 1 as its parameter, topk how many, argmin and argmax an
 * expression. Parentheses and strings within are those of the filter.
 */
#ifndef SK_WINDOW_SPEC_H
#define SK_WINDOW_SPEC_H

#include "window/fold.h"

#define SPECS_MAX 64 /* a cell has a bit for each */

struct spec {
	struct fold fold;
	char *option;        /* "-a total=", for messages; owned, as the texts are */
	char *name;
	char *text[3];       /* SPEC_*; NULL: none */
	const struct expr *expr[3]; /* those, compiled; the caller's */
};

enum { SPEC_VALUE, SPEC_WHAT, SPEC_WHERE, SPEC_EXPRS };

/* -1: EXIT_USAGE, and the column of the text is told. */
int spec_parse(const char *text, struct spec *, struct failure *why);
void spec_release(struct spec *);

/* All functions of a command line, into n specs that are zero: 1 to SPECS_MAX, no two of one
 * name. */
int specs_parse(const char *const *text, size_t n, struct spec *, struct failure *why);

#endif
