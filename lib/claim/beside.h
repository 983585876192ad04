/*
 * beside: the fields that stay beside a reference.
 *
 * To make the tokens of a long line costs several times the memory of the line. Where the
 * fields are reached by names alone, as they mostly are, they are found without.
 */
#ifndef SK_CLAIM_BESIDE_H
#define SK_CLAIM_BESIDE_H

#include "flow/flow.h"

#define BESIDE_DEPTH 16

struct beside_field {
	struct slice name[BESIDE_DEPTH]; /* that lead to it */
	size_t n;
	bool can;                        /* finder looks for the first of them */
	struct json_finder finder;
};

struct beside {
	const struct expr *expr;
	struct expr_run *run;
	struct beside_field *field; /* NULL: expr tells */
	size_t n;
	struct json_scan scan;      /* of a field that is not written as it came */
};

/* expr: bare paths (expr_check_names), or NULL: none. */
void beside_init(struct beside *, const struct expr *);
void beside_release(struct beside *);

/* Append "name":value, for each; of an event that is no object, nothing. -1: EXIT_DATA. */
int beside_add(struct beside *, const struct record *, const char *stage, struct buf *,
	struct failure *why);

#endif
