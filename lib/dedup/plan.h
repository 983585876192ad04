/* plan: what the command line of sk-dedup asks for, read and checked. */
#ifndef SK_DEDUP_PLAN_H
#define SK_DEDUP_PLAN_H

#include "expr/expr.h"

#define DEDUP_IGNORED 64 /* fields */
#define DEDUP_DEPTH 8    /* of a field that is ignored or tagged */

struct dedup_plan {
	/* As the options say it. */
	const char *key_text, *ignore_text, *tag_text, *keep_text, *duplicates_to;
	bool canonical, null_key, refresh, mark, key_by_id;
	int64_t within_us; /* 0: for ever */
	int64_t approx;    /* 0: exact */

	/* Compiled by the command, before dedup_plan_read; NULL: not given. */
	const struct expr *key, *ignore, *tag;
	const struct expr *assign;       /* (tag) = $id, where tag is no field of "." itself */

	/* Read. */
	bool keep_last, adds;            /* adds: records may leave as others than they came */
	struct slice tag_field;          /* where it is one */
	const struct json_omit *omit;    /* what is no part of a record's content */
	struct buf shape;                /* of the state */
	struct json_omit omits[(DEDUP_IGNORED + 1) * DEDUP_DEPTH];
	size_t nomits;
};

/* What else decides. */
struct dedup_around {
	bool state;      /* --state, or $SK_STATE */
	bool late;       /* --late */
	bool keys;       /* what is written can have keys and headers */
	bool evict;      /* --on-full evict */
};

int dedup_plan_read(struct dedup_plan *, const struct dedup_around *, struct failure *why);
void dedup_plan_release(struct dedup_plan *);

#endif
