/*
 * intake: a record on its way into its group: its parts are merged, and the group is written
 * where that completes it. What a record changes is made aside first, so a bad one leaves the
 * state alone.
 */
#ifndef SK_GROUP_INTAKE_H
#define SK_GROUP_INTAKE_H

#include "group/quick.h"

struct intake {
	const struct plan *plan;
	struct groups *groups;
	int late_outlet;     /* -1: none */
	bool is_quick;       /* that may do: */
	struct quick quick;
	struct rules rules;
	struct group group;  /* the record's */
	struct group other;  /* one that something else ends */
	struct emit *emit;
};

/* The plan and the groups are borrowed. */
void intake_init(struct intake *, const struct plan *, struct groups *, const char *stage,
	int late_outlet);
void intake_release(struct intake *);

/* operator.record */
int intake_record(struct intake *, const struct record *, struct emit *, struct failure *why);
/* operator.noted */
int intake_noted(struct intake *, struct noted *, struct emit *, struct failure *why);

#endif
