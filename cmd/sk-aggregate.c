/*
 * sk-aggregate: joins the parts of one thing until it is complete.
 *
 * Parts that share a key are merged into a group, which lies in the state. Behind each part
 * it is asked whether the group is complete, and if so it is written and forgotten; time, a
 * change of the key and the end of the input complete groups too. What a record changes is
 * made aside first, so a bad one leaves the state alone. Memory: the open groups, and the
 * keys that --closed remembers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "group/ending.h"
#include "group/quick.h"
#include "job/job.h"

static struct plan plan;
static int late_outlet;

struct aggregate {
	struct groups *groups;
	struct rules rules;
	bool quick;
	struct group group;  /* the record's */
	struct group other;  /* one that something else ends */
	struct emit *emit;
};

static void *
aggregate_open(const struct op_context *ctx, struct failure *why)
{
	struct aggregate *a = mem_zalloc(sizeof(*a));
	struct state_options state = {.tool = "sk-aggregate", .shape = buf_cstr(&plan.shape)};

	(void)why;
	a->groups = groups_new(&plan.groups, &state, ctx);
	rules_init(&a->rules, &plan, a->groups, ctx->stage);
	a->quick = quick_is_fit(&plan, &a->rules.glance);
	return a;
}

static void
aggregate_close(void *self)
{
	struct aggregate *a = self;

	groups_free(a->groups);
	rules_release(&a->rules);
	group_release(&a->group);
	group_release(&a->other);
	free(a);
}

static int
aggregate_watermark(void *self, uint32_t task, int64_t us, struct emit *e, struct failure *why)
{
	struct aggregate *a = self;

	if (groups_finish_due(a->groups, &a->rules, &a->other, task, us, false, e, why) < 0)
		return -1;
	return groups_watermark(a->groups, task, us, why);
}

static int
aggregate_end(void *self, bool complete, struct emit *e, struct failure *why)
{
	struct aggregate *a = self;

	if (!complete)
		return groups_leave(a->groups, why);
	return groups_finish_all(a->groups, &a->rules, &a->other, e, why);
}

/* ---- one record -------------------------------------------------------------------- */

static void
begin_group(struct aggregate *a, struct key128 key, const struct group_head *was)
{
	const struct record *r = a->rules.record;

	if (!was)
		groups_begin(a->groups, r->task, key, rules_key_text(&a->rules), &a->group);
	group_saw(&a->group.h, r->time_us);
}

/* Of a sorted input: this key is not that of the open group, which is thereby complete. */
static int
end_other(struct aggregate *a, uint32_t task, struct key128 key, bool write)
{
	struct group_head head;
	struct key128 other;
	struct slice kept;

	if (!plan.groups.sorted || !groups_other(a->groups, task, key, &other, &kept))
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
take_parts(struct aggregate *a, struct key128 key, const struct group_head *was,
	const struct value *part, size_t n)
{
	const struct record *r = a->rules.record;
	bool finished = false, remember = plan.groups.closed || plan.groups.closed_us;
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
one_record(struct aggregate *a)
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
	if (plan.timed && r->time_us == TIME_NONE)
		return fail_record(a->rules.why, "time", "the record has no event time");
	is = groups_find(a->groups, r->task, key, &kept);
	if (is == GROUP_IS_CLOSED) {
		if (late_outlet >= 0)
			emit_same(a->emit, (unsigned)late_outlet, r);
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

static int
aggregate_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	struct aggregate *a = self;
	int rc = 0;

	a->emit = e;
	rules_begin(&a->rules, r, why);
	if (a->quick && a->rules.note && a->rules.note->object >= 0)
		rc = quick_take(&a->rules, a->groups, e, why);
	if (rc)
		return rc < 0 ? -1 : OP_OK;
	rc = one_record(a);
	rules_done(&a->rules);
	return rc;
}

static void
aggregate_note(void *self, const struct json_scan *s, struct buf *notes)
{
	glance_block(&((struct aggregate *)self)->rules.glance, s, notes);
}

/* ---- state ------------------------------------------------------------------------- */

static int
aggregate_assign(void *self, uint32_t task, struct failure *why)
{
	return groups_assign(((struct aggregate *)self)->groups, task, why);
}

static int
aggregate_revoke(void *self, uint32_t task, struct failure *why)
{
	return groups_revoke(((struct aggregate *)self)->groups, task, why);
}

static int
aggregate_rollback(void *self, uint64_t epoch, struct failure *why)
{
	return groups_rollback(((struct aggregate *)self)->groups, epoch, why);
}

static int
aggregate_barrier(void *self, uint64_t epoch, struct emit *e, struct failure *why)
{
	(void)e;
	return groups_barrier(((struct aggregate *)self)->groups, epoch, why);
}

static const struct operator aggregate_operator = {
	.name = "aggregate",
	.flags = OP_STATE | OP_TIMED | OP_NOTES,
	.open = aggregate_open,
	.record = aggregate_record,
	.note = aggregate_note,
	.watermark = aggregate_watermark,
	.barrier = aggregate_barrier,
	.rollback = aggregate_rollback,
	.assign = aggregate_assign,
	.revoke = aggregate_revoke,
	.end = aggregate_end,
	.close = aggregate_close,
};

/* ---- the command line -------------------------------------------------------------- */

static int
prepare(struct job *job, void *unused, char **operands, int n, struct failure *why)
{
	static const char *const event[] = {"event", NULL};
	const struct plan_around around = {.dead_letter = job->run.dead_letter != NULL,
		.state = job->run.state != NULL, .late = job->late >= 0};
	int i;

	(void)unused;
	(void)operands;
	(void)n;
	late_outlet = job->late;
	if (plan_read(&plan, &around, why) < 0)
		return -1;
	job->run.timed = plan.timed || (plan.meta && job->time_given);
	for (i = 0; i < PLAN_EXPRS; i++) {
		if (!plan.text[i])
			continue;
		plan.expr[i] = job_expr(job, plan_expr_name[i], plan.text[i],
			i == PLAN_MERGE || i == PLAN_WHEN ? event : NULL, why);
		if (!plan.expr[i])
			return -1;
	}
	return 0;
}

static void
release(void *unused)
{
	(void)unused;
	plan_release(&plan);
}

static struct opt options[] = {
	{'k', "key", OPT_EXPR, &plan.text[PLAN_KEY], "EXPR", "what the parts of one thing have in "
		"common; several outputs are one key"},
	{0, "null-key", OPT_FLAG, &plan.null_key, NULL, "null and missing keys are keys like others"},
	{0, "part", OPT_EXPR, &plan.text[PLAN_PART], "EXPR", "what of an event is merged; else all of "
		"it. Without an output it is dropped, of several each is a part"},
	{0, "merge", OPT_EXPR, &plan.text[PLAN_MERGE], "HOW", "shallow, deep, array, or an "
		"expression; of it . is the whole so far and $event the part. shallow, the "
		"default: later fields win"},
	{0, "field", OPT_STRING, &plan.field_texts, "FIELD=RULE", "for one field: sum min max "
		"first last concat ...; the others are array unique count longest retain",
		.list = true},
	{0, "complete-when", OPT_EXPR, &plan.text[PLAN_WHEN], "EXPR", "complete when EXPR is true of "
		"the whole"},
	{0, "eager", OPT_FLAG, &plan.eager, NULL, "ask that of the event, not of the whole"},
	{0, "require", OPT_STRING, &plan.require, "FIELDS", "complete when these are there: "
		"id,paymentId"},
	{0, "size", OPT_EXPR, &plan.text[PLAN_SIZE], "N|EXPR", "complete when there are so many "
		"parts; by a number, or by what EXPR gives of an event"},
	{0, "max-age", OPT_DURATION, &plan.groups.max_age_us, "D", "complete D after its first "
		"part, in event time", .min = 1},
	{0, "timeout", OPT_DURATION, &plan.groups.timeout_us, "D", "complete D after its last "
		"part, in event time", .min = 1},
	{0, "sorted", OPT_FLAG, &plan.groups.sorted, NULL, "complete when another key comes; one "
		"group at a time is open"},
	{0, "on-timeout", OPT_CHOICE, &plan.on_timeout_text, "WHAT", "what becomes of a group that "
		"is due (emit)", .choices = "emit|drop|dead-letter"},
	{0, "at-end", OPT_CHOICE, &plan.at_end_text, "WHAT", "what becomes of those open at the "
		"end; of the input, that is", .choices = "emit|drop|dead-letter"},
	{0, "closed", OPT_STRING, &plan.closed, "N|D", "the last N finished keys are known, or for "
		"D; what comes for them is late"},
	{0, "meta", OPT_FLAG, &plan.meta, NULL, "add _aggregate {key, count, by, first, last}"},
	{0}
};

static const struct opt_example examples[] = {
	{"Put together what was split", "sk-aggregate -k ._split.id --size ._split.count "
		"--merge array items.ndjson"},
	{"An order and its payment", "sk-aggregate -k .orderId --require userId,paymentId "
		"orders.ndjson"},
	{0}
};

int
main(int argc, char **argv)
{
	static const struct job_tool tool = {
		.name = "sk-aggregate",
		.summary = "joins the parts of one thing until it is complete",
		.synopsis = "-k EXPR [OPTION]... [SOURCE]...",
		.operands = "file",
		.options = options,
		.examples = examples,
		.op = &aggregate_operator,
		.prepare = prepare,
		.release = release,
	};

	return job_main(argc, argv, &tool);
}
