/*
 * rules: the expressions of sk-aggregate at work on one record: the key, the parts, how a part
 * is merged, and whether the group is then complete.
 */
#ifndef SK_GROUP_RULES_H
#define SK_GROUP_RULES_H

#include "group/glance.h"

struct rules {
	const struct plan *plan;
	const char *stage;
	struct expr_run *run[PLAN_EXPRS];
	struct glance glance;
	struct group_work work;
	struct buf room;               /* for what is made of a record */
	/* Of the record in hand: */
	const struct record *record;
	const struct glance_note *note; /* NULL: nothing is known of it */
	struct key128 noted;           /* its key */
	struct value root, part;
	bool looked;                   /* root is there */
	const struct value *key;
	size_t nkeys;
	struct value field;            /* the key, where that is one field */
	struct failure *why;
};

void rules_init(struct rules *, const struct plan *, const struct groups *, const char *stage);
void rules_release(struct rules *);

/* A record is looked at until rules_done. Functions that return -1 have filled why. */
void rules_begin(struct rules *, const struct record *, struct failure *why);
void rules_done(struct rules *);

/* The record's key; rules_key_text then is the key as people read it. */
int rules_key(struct rules *, struct key128 *);
struct slice rules_key_text(struct rules *);
/* The parts of the record: their number, or -1. One that is at a glance has *part NULL. */
ptrdiff_t rules_parts(struct rules *, const struct value **part);
/* The number of parts by --size as the record has it; without one *size stays. */
int rules_size(struct rules *, uint64_t *size);
int rules_merge(struct rules *, struct group *, const struct value *part);
/* Is the group complete? 1, by the rule *by, the first that holds: complete-when, require,
 * size; 0; or -1. */
int rules_complete(struct rules *, const struct group *, const char **by);

#endif
