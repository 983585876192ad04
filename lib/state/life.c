/* How a state comes and goes: tasks, rollback, barriers. */
#include <stdlib.h>

#include "base/mem.h"
#include "state/internal.h"

int
state_assign(struct state *s, uint32_t id, struct failure *why)
{
	struct task *t;
	size_t i;

	if (state_task(s, id))
		return fail(why, EXIT_INTERNAL, "task %u is assigned twice", id);
	t = mem_zalloc(sizeof(*t));
	t->id = id;
	t->horizon = INT64_MIN;
	parts_init(&t->parts, s->entry);
	s->task = mem_grow(s->task, &s->cap_tasks, s->ntasks + 1, sizeof(struct task *));
	for (i = s->ntasks++; i && s->task[i - 1]->id > id; i--)
		s->task[i] = s->task[i - 1];
	s->task[i] = t;
	return 0;
}

int
state_revoke(struct state *s, uint32_t id, struct failure *why)
{
	struct task *t = state_task(s, id);
	size_t i;

	if (!t)
		return fail(why, EXIT_INTERNAL, "task %u is revoked and was not assigned", id);
	state_empty(s, t);
	parts_release(&t->parts);
	for (i = 0; s->task[i] != t; i++)
		;
	s->ntasks--;
	for (; i < s->ntasks; i++)
		s->task[i] = s->task[i + 1];
	s->last = NULL;
	free(t);
	return 0;
}

int
state_rollback(struct state *s, uint64_t epoch, struct failure *why)
{
	size_t i;

	if (epoch != 0 && epoch != EPOCH_NEWEST) {
		fail(why, EXIT_CONFIG, "the job goes on from epoch %llu, but this process had "
			"its state in memory alone", (unsigned long long)epoch);
		fail_hint(why, "give every process of the job --state DIR, or begin the job "
			"anew");
		return -1;
	}
	for (i = 0; i < s->ntasks; i++)
		state_empty(s, s->task[i]);
	return 0;
}

int
state_barrier(struct state *s, uint64_t epoch, struct failure *why)
{
	(void)s, (void)epoch, (void)why;
	return 0;
}
