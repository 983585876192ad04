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

#endif
