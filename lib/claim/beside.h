/*
 * beside: the fields that stay beside a reference.
 *
 * To make the tokens of a long line costs several times the memory of the line. Where the
 * fields are members of the event itself and scalars, as they mostly are, they are found
 * without.
 */
#ifndef SK_CLAIM_BESIDE_H
#define SK_CLAIM_BESIDE_H

#include "flow/flow.h"

struct beside {
	const struct expr *expr;
	struct expr_run *run;
	struct json_finder *finder; /* one a field; NULL: expr tells */
	size_t n;
};

/* expr: bare paths (expr_check_names), or NULL: none. */
void beside_init(struct beside *, const struct expr *);
void beside_release(struct beside *);

/* Append "name":value, for each; of an event that is no object, nothing. -1: EXIT_DATA. */
int beside_add(struct beside *, const struct record *, const char *stage, struct buf *,
	struct failure *why);

#endif
