/*
 * plan: what the command line of sk-aggregate says: how parts are merged, what completes a
 * group, and what becomes of one that is not complete.
 */
#ifndef SK_GROUP_PLAN_H
#define SK_GROUP_PLAN_H

#include "group/groups.h"
#include "opt/opt.h"

/* The expressions of the command line. */
enum { PLAN_KEY, PLAN_PART, PLAN_MERGE, PLAN_WHEN, PLAN_SIZE, PLAN_EXPRS };
extern const char *const plan_expr_name[PLAN_EXPRS]; /* "-k", "--part" ... */

/* What becomes of a group that something else than its parts ends. */
enum outcome { OUTCOME_EMIT, OUTCOME_DROP, OUTCOME_DEAD, OUTCOME_STAY };

struct plan {
	/* As given: */
	const char *text[PLAN_EXPRS]; /* plan_read leaves those that are expressions */
	const char *require, *closed, *at_end_text, *on_timeout_text;
	struct opt_list field_texts;
	bool null_key, eager, meta;
	struct groups_options groups;
	const struct expr *expr[PLAN_EXPRS]; /* the caller's; NULL: none */
	/* By plan_read: */
	struct group_field *field;
	struct slice *required;
	size_t nfields, nrequired;
	enum group_merge merge;
	uint64_t size;                /* a constant --size, or 0 */
	bool timed;                   /* every record needs an event time */
	bool stays;                   /* what is open waits in a folder */
	enum outcome at_end, on_timeout;
	struct buf shape;             /* of the state, JSON */
};

/* What the plan depends on besides. */
struct plan_around {
	bool dead_letter, state, late; /* --dead-letter, --state, --late are given */
};

/* Does nothing but the parts themselves complete a group: no time, no order of keys, no
 * expression, and nothing is remembered of it? */
bool plan_is_simple(const struct plan *);

/* Check and read what was given. -1: EXIT_USAGE. */
int plan_read(struct plan *, const struct plan_around *, struct failure *why);
void plan_release(struct plan *);

#endif
