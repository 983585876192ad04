/*
 * ending: what becomes of a group that is done: it is written, dropped, or a dead letter; and
 * what is said of those that are left at the end.
 */
#ifndef SK_GROUP_ENDING_H
#define SK_GROUP_ENDING_H

#include "flow/emit.h"
#include "group/rules.h"

/* by: the rule that ended it. parent: the record that completed it, or NULL. */
int group_finish(struct rules *, const struct group *, enum outcome, const char *by,
	const struct record *parent, struct emit *, struct failure *why);

/* All groups that are due before us, in the order of (deadline, key); at_end: because the input
 * is at its end. */
int groups_finish_due(struct groups *, struct rules *, struct group *room, uint32_t task,
	int64_t us, bool at_end, struct emit *, struct failure *why);

/* The complete end of the input. -1: EXIT_SOME_BAD where groups were left or lost. */
int groups_finish_all(struct groups *, struct rules *, struct group *room, struct emit *,
	struct failure *why);
/* The end of a run that was drained: only what was lost is said. */
int groups_leave(const struct groups *, struct failure *why);

#endif
