/*
 * name: what blobs are called where a user's template says so: order-{.orderId}.json.
 *
 * A hole is an expression over the event; its value is text of [A-Za-z0-9._-]. What stands
 * between the holes may have slashes. The whole has to be a name that a store takes.
 */
#ifndef SK_CLAIM_NAME_H
#define SK_CLAIM_NAME_H

#include "expr/expr.h"

struct name_part {
	struct slice text;       /* owned by the name; p == NULL: a hole */
	const struct expr *expr; /* the hole's */
};

struct claim_name {
	char *template;
	struct name_part *part;
	size_t nparts, cap;
};

/* Compiles an expression of a template; NULL: why. The text lives as long as the name. */
typedef const struct expr *name_compiler(void *arg, const char *text, struct failure *why);

/* -1: EXIT_USAGE. */
int name_init(struct claim_name *, const char *template, name_compiler *, void *arg,
	struct failure *why);
void name_release(struct claim_name *);

/* One thread's memory to make names in. */
struct name_run {
	struct expr_run **run;   /* one a hole, NULL for text */
};
void name_run_init(struct name_run *, const struct claim_name *);
void name_run_release(struct name_run *, const struct claim_name *);

/* Append the name of an event. vars: record_vars without an arena. -1: EXIT_DATA, it can't be
 * one. */
struct record_vars;
int name_make(const struct claim_name *, struct name_run *, const struct value *event,
	struct record_vars *vars, struct buf *to, struct failure *why);

/* Could the template have made this name? */
bool name_matches(const struct claim_name *, struct slice name);

#endif
