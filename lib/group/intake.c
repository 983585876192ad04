/* Records on their way into groups. */
#include "group/intake.h"

#include "group/ending.h"

void
intake_init(struct intake *a, const struct plan *plan, struct groups *groups, const char *stage,
	int late_outlet)
{
	*a = (struct intake){.plan = plan, .groups = groups, .late_outlet = late_outlet};
	rules_init(&a->rules, plan, groups, stage);
	a->is_quick = a->rules.glance.members;
	a->quick = (struct quick){&a->rules.glance, groups, groups_state(groups),
		plan->size};
}

void
intake_release(struct intake *a)
{
	rules_release(&a->rules);
	group_release(&a->group);
	group_release(&a->other);
}

static void
begin_group(struct intake *a, struct key128 key, const struct group_head *was)
{
	const struct record *r = a->rules.record;

	if (!was)
		groups_begin(a->groups, r->task, key, rules_key_text(&a->rules), &a->group);
	group_saw(&a->group.h, r->time_us);
}

/* Of a sorted input: this key is not that of the open group, which is thereby complete. */
static int
end_other(struct intake *a, uint32_t task, struct key128 key, bool write)
{
	struct group_head head;
	struct key128 other;
	struct slice kept;

	if (!a->plan->groups.sorted || !groups_other(a->groups, task, key, &other, &kept))
		return 0;
	if (!write) {
		head = group_head_of(kept);
		return groups_close(a->groups, task, other, &head, head.last_us, a->rules.why);
	}
	groups_load(a->groups, task, other, kept, &a->other);
	return group_finish(&a->rules, &a->other, OUTCOME_EMIT, "key-change", NULL, a->emit,
		a->rules.why);
}

/* The parts go in one by one. Nothing is kept before all of them are good. */
static int
take_parts(struct intake *a, struct key128 key, const struct group_head *was,
	const struct value *part, size_t n)
{
	const struct record *r = a->rules.record;
	bool finished = false, remember = a->plan->groups.closed || a->plan->groups.closed_us;
	int64_t closed_us = TIME_NONE;
	uint64_t size = was ? was->size : 0;
	const char *by;
	size_t i;
	int rc;

	if (rules_size(&a->rules, &size) < 0 || end_other(a, r->task, key, true) < 0)
		return -1;
	begin_group(a, key, was);
	for (i = 0; i < n && !(finished && remember); i++) {
		a->group.h.size = size;
		if (rules_merge(&a->rules, &a->group, part ? &part[i] : NULL) < 0 ||
			(rc = rules_complete(&a->rules, &a->group, &by)) < 0)
			return -1;
		if (!rc)
			continue;
		if (group_finish(&a->rules, &a->group, OUTCOME_EMIT, by, r, a->emit,
				a->rules.why) < 0)
			return -1;
		closed_us = a->group.h.last_us;
		finished = true;
		begin_group(a, key, NULL);
	}
	emit_hold(a->emit);
	if (end_other(a, r->task, key, false) < 0)
		return -1;
	if (!a->group.h.count)
		return groups_close(a->groups, r->task, key, was, closed_us, a->rules.why);
	if (finished && was && groups_drop_pieces(a->groups, r->task, key, was, a->rules.why) < 0)
		return -1;
	return groups_keep(a->groups, r->task, key, &a->group, finished ? NULL : was,
		a->rules.why);
}

static int
one_record(struct intake *a)
{
	const struct record *r = a->rules.record;
	const struct value *part;
	struct group_head was;
	struct slice kept;
	struct key128 key;
	enum group_is is;
	ptrdiff_t n;

	if (rules_key(&a->rules, &key) < 0)
		return -1;
	if (a->plan->timed && r->time_us == TIME_NONE)
		return fail_record(a->rules.why, "time", "the record has no event time");
	is = groups_find(a->groups, r->task, key, &kept);
	if (is == GROUP_IS_CLOSED) {
		if (a->late_outlet >= 0)
			emit_same(a->emit, (unsigned)a->late_outlet, r);
		emit_late(a->emit);
		return 0;
	}
	n = rules_parts(&a->rules, &part);
	if (n < 0)
		return -1;
	if (n == 0) {
		emit_drop(a->emit);
		return 0;
	}
	if (is == GROUP_IS_OPEN) {
		groups_load(a->groups, r->task, key, kept, &a->group);
		was = a->group.h;
	}
	return take_parts(a, key, is == GROUP_IS_OPEN ? &was : NULL, part, (size_t)n);
}

int
intake_record(struct intake *a, const struct record *r, struct emit *e, struct failure *why)
{
	int rc = 0;

	a->emit = e;
	rules_begin(&a->rules, r, why);
	if (a->is_quick && a->rules.note && a->rules.note->object >= 0)
		rc = quick_take(&a->quick, &a->rules, e, why);
	if (rc)
		return rc < 0 ? -1 : OP_OK;
	rc = one_record(a);
	rules_done(&a->rules);
	return rc;
}

int
intake_noted(struct intake *a, struct noted *n, struct emit *e, struct failure *why)
{
	return a->is_quick ? quick_take_all(&a->quick, n, e, why) : 0;
}
