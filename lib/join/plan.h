/*
 * plan: what the command line of sk-join says: which two sides there are, what has to be
 * equal, how long one waits for the other, and what the results look like.
 */
#ifndef SK_JOIN_PLAN_H
#define SK_JOIN_PLAN_H

#include "expr/outline.h"
#include "flow/flow.h"

/* Where the right side comes from. */
enum join_with {
	WITH_STREAM,   /* records of the same source, told apart by expressions */
	WITH_INPUT,    /* the second of two inputs */
	WITH_ROWS,     /* records of the same source that are rows of a table */
	WITH_TABLE,    /* a file, read to its end first */
};

enum join_type { JOIN_INNER, JOIN_LEFT, JOIN_ANTI };

/* What becomes of a left record that found nothing. */
enum join_missing { MISSING_DROP, MISSING_EMIT, MISSING_DEAD };

/* The expressions of the command line. */
enum {
	PLAN_LEFT, PLAN_RIGHT, PLAN_ROWS, PLAN_KEY_LEFT, PLAN_KEY_RIGHT, PLAN_EXPIRES, PLAN_EMIT,
	PLAN_EXPRS
};
extern const char *const join_expr_name[PLAN_EXPRS]; /* "--left" ... */

/* Variables of --emit beyond those of every record, NULL-ended. */
extern const char *const join_emit_vars[];

struct join_plan {
	/* As given: */
	const char *text[PLAN_EXPRS];
	const char *key, *table, *query, *topic, *within, *type_text;
	int64_t wait_us;
	bool null_key;
	bool one_thread;             /* no other, for any work */
	uint64_t max_record;         /* --max-record, of a row of a file too */
	const struct expr *expr[PLAN_EXPRS]; /* the caller's; NULL: none */
	/* By join_plan_read: */
	enum join_with with;
	enum join_type type;
	enum join_missing missing;
	int64_t before_us, after_us; /* so much earlier or later may the right one be */
	bool timed;
	const char *input[2];        /* WITH_INPUT: the operands, */
	const char *spill;           /* and the folder for what memory doesn't hold; or NULL */
	struct buf shape;            /* of the state, JSON */
	/* By join_plan_compiled: */
	struct expr_outline outline;
	bool outlined;               /* results are put together from what outline says */
	bool whole;                  /* of the left ones, the whole value is kept too */
	enum on_error on_error;
	enum time_unit unit;         /* of --expires */
};

/* Of a record of a stream: the event time of the last partner that it may find. */
static inline int64_t
join_until(const struct join_plan *p, bool left, int64_t us)
{
	int64_t by = left ? p->after_us : p->before_us;

	return us > INT64_MAX - by ? INT64_MAX : us + by;
}

/* What the plan depends on besides. */
struct plan_around {
	bool dead_letter, state, checkpoint, late, from, explain;
	enum on_error on_error;
	enum time_unit unit;
};

/* Check and read what was given; operands of the command line. -1: EXIT_USAGE. */
int join_plan_read(struct join_plan *, const struct plan_around *, char **operands, int n,
	struct failure *why);
/* The caller has compiled the expressions. */
void join_plan_compiled(struct join_plan *);
void join_plan_release(struct join_plan *);

#endif
