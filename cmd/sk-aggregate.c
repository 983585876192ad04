/*
 * sk-aggregate: joins the parts of one thing until it is complete.
 *
 * Parts that share a key are merged into a group, which lies in the state. Behind each part
 * it is asked whether the group is complete, and if so it is written and forgotten; time, a
 * change of the key and the end of the input complete groups too. Memory: the open groups, and
 * the keys that --closed remembers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "group/ending.h"
#include "group/intake.h"
#include "job/job.h"

static struct plan plan;
static int late_outlet;

struct aggregate {
	struct groups *groups;
	struct intake intake;
};

static void *
aggregate_open(const struct op_context *ctx, struct failure *why)
{
	struct aggregate *a = mem_zalloc(sizeof(*a));
	struct state_options state = {.tool = "sk-aggregate", .shape = buf_cstr(&plan.shape)};

	(void)why;
	a->groups = groups_new(&plan.groups, &state, ctx);
	intake_init(&a->intake, &plan, a->groups, ctx->stage, late_outlet);
	return a;
}

static void
aggregate_close(void *self)
{
	struct aggregate *a = self;

	groups_free(a->groups);
	intake_release(&a->intake);
	free(a);
}

static int
aggregate_watermark(void *self, uint32_t task, int64_t us, struct emit *e, struct failure *why)
{
	struct aggregate *a = self;

	if (groups_finish_due(a->groups, &a->intake.rules, &a->intake.other, task, us, false, e,
			why) < 0)
		return -1;
	return groups_watermark(a->groups, task, us, why);
}

static int
aggregate_end(void *self, bool complete, struct emit *e, struct failure *why)
{
	struct aggregate *a = self;

	if (!complete)
		return groups_leave(a->groups, why);
	return groups_finish_all(a->groups, &a->intake.rules, &a->intake.other, e, why);
}

/* ---- records ----------------------------------------------------------------------- */

static int
aggregate_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	return intake_record(&((struct aggregate *)self)->intake, r, e, why);
}

static void
aggregate_note(void *self, const struct json_scan *s, struct buf *notes)
{
	glance_block(&((struct aggregate *)self)->intake.rules.glance, s, notes);
}

static int
aggregate_noted(void *self, struct noted *n, struct emit *e, struct failure *why)
{
	return intake_noted(&((struct aggregate *)self)->intake, n, e, why);
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
	.noted = aggregate_noted,
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
