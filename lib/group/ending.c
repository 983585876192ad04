/* Groups that are done, and those that never will be. */
#include "group/ending.h"

#include <stdio.h>

int
group_finish(struct rules *r, const struct group *g, enum outcome outcome, const char *by,
	const struct record *parent, struct emit *e, struct failure *why)
{
	char message[64];

	if (outcome == OUTCOME_EMIT) {
		if (group_add_json(&r->work, emit_begin(e, 0, parent), g,
				r->plan->meta ? by : NULL, why) < 0)
			return -1;
		emit_end(e);
	} else if (outcome == OUTCOME_DEAD) {
		buf_reset(&r->room);
		if (group_add_json(&r->work, &r->room, g, NULL, why) < 0)
			return -1;
		snprintf(message, sizeof(message), "a group is incomplete: %s", by);
		emit_dead(e, "incomplete", message, group_key(g), buf_slice(&r->room));
	}
	return 0;
}

int
groups_finish_due(struct groups *groups, struct rules *r, struct group *g, uint32_t task,
	int64_t us, bool at_end, struct emit *e, struct failure *why)
{
	const struct plan *plan = r->plan;
	struct due due;

	while (groups_due(groups, task, us, &due)) {
		groups_load(groups, task, due.key, due.kept, g);
		if (group_finish(r, g, at_end ? plan->at_end : plan->on_timeout,
				at_end ? "end" : due.by, NULL, e, why) < 0 ||
			groups_close(groups, task, due.key, &g->h,
				at_end ? g->h.last_us : due.us, why) < 0)
			return -1;
	}
	return 0;
}

/* What was lost on the way and what is left over, if that is anything. */
static int
account(uint64_t lost, uint64_t left, struct failure *why)
{
	if (lost)
		fail(why, EXIT_SOME_BAD, "%llu group%s given up for the bounds of the state",
			(unsigned long long)lost, lost == 1 ? " was" : "s were");
	if (!left)
		return lost ? -1 : 0;
	if (lost)
		fail_within(why, "%llu incomplete at the end of the input, and not written; ",
			(unsigned long long)left);
	else
		fail(why, EXIT_SOME_BAD, "%llu group%s incomplete at the end of the input, and "
			"not written", (unsigned long long)left, left == 1 ? " is" : "s are");
	fail_hint(why, "--at-end emit writes them all the same, --at-end drop does not mind, "
		"--dead-letter SINK keeps them");
	return -1;
}

int
groups_leave(const struct groups *groups, struct failure *why)
{
	return account(groups_evicted(groups), 0, why);
}

int
groups_finish_all(struct groups *groups, struct rules *r, struct group *g, struct emit *e,
	struct failure *why)
{
	const struct plan *plan = r->plan;
	uint64_t left = 0;
	size_t i;

	if (plan->at_end == OUTCOME_STAY) {
		left = plan->stays ? 0 : groups_open(groups);
		return account(groups_evicted(groups), left, why);
	}
	/* What nobody will see or hear of needs no order. */
	if (plan->at_end == OUTCOME_DROP && !state_is_kept(groups_state(groups)))
		return groups_leave(groups, why);
	groups_all_due(groups);
	for (i = 0; i < groups_ntasks(groups); i++)
		if (groups_finish_due(groups, r, g, groups_task(groups, i), INT64_MAX, true, e,
				why) < 0)
			return -1;
	return groups_leave(groups, why);
}
