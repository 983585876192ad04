/*
 * sk-join: joins two streams within a time bound, or a stream with a table.
 *
 * Two streams, or a stream and the rows of a table that come in it: each record waits until the
 * watermark has passed it, and meets in its turn those of the other side that it has a key with
 * (lib/join/pairs.h). A table that is a file is read first, and each record of the stream is
 * looked up in it as it comes; nothing else is kept. Memory: what may still find a partner, or
 * the table.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/job.h"
#include "join/stream.h"
#include "join/table.h"

static struct join_plan plan;
static int late_outlet;
/* One table for all threads, read by the first that is opened. */
static struct rows table;
static bool table_is_read;

static void
join_close(void *self)
{
	struct stream *j = self;

	pairs_free(j->pairs);
	result_free(j->result);
	sides_free(j->sides);
	free(j);
}

static void *
join_open(const struct op_context *ctx, struct failure *why)
{
	struct stream *j = mem_zalloc(sizeof(*j));

	*j = (struct stream){.plan = &plan, .table = &table, .late_outlet = late_outlet};
	j->sides = sides_new(&plan, ctx->stage, ctx->time, false);
	j->result = result_new(&plan, ctx->stage);
	if (plan.with != WITH_TABLE) {
		j->pairs = pairs_new(&plan, ctx, j->result);
	} else if (!table_is_read) {
		if (table_read(&plan, ctx->stage, ctx->place->max_memory, &table, why) < 0) {
			join_close(j);
			return NULL;
		}
		table_is_read = true;
	}
	return j;
}

/* The same for all: what a block's lines tell before their turn. */
static void
join_note(void *self, const struct json_scan *scan, struct buf *notes)
{
	struct stream *j = self;

	sides_note(j->sides, scan, notes);
}

static bool
join_when(void *self, const struct record *r, int64_t *us)
{
	struct stream *j = self;

	return sides_when(j->sides, r, us);
}

static int
join_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	return stream_take(self, r, e, why);
}

static bool
join_run(void *self, const struct block *b, size_t line, struct op_run *run)
{
	struct stream *j = self;
	const struct note_run *r = j->pairs ? notes_run(sides_notes(j->sides), b, line) : NULL;

	if (r)
		*run = (struct op_run){r->n, r->items, r->first_us, r->newest_us};
	return r;
}

static int
join_take_run(void *self, const struct block *b, size_t line, int64_t watermark_us,
	struct failure *why)
{
	struct stream *j = self;

	(void)watermark_us;
	return pairs_add_run(j->pairs, 0, sides_notes(j->sides), b, line, why);
}

static int
join_watermark(void *self, uint32_t task, int64_t us, struct emit *e, struct failure *why)
{
	struct stream *j = self;

	return j->pairs ? pairs_watermark(j->pairs, task, us, e, why) : 0;
}

/* ---- the end ----------------------------------------------------------------------- */

static int
join_end(void *self, bool complete, struct emit *e, struct failure *why)
{
	struct stream *j = self;

	if (j->pairs && complete && pairs_end(j->pairs, e, why) < 0)
		return -1;
	return stream_account(j, why);
}

/* ---- state ------------------------------------------------------------------------- */

static int
join_assign(void *self, uint32_t task, struct failure *why)
{
	struct stream *j = self;

	return j->pairs ? pairs_assign(j->pairs, task, why) : 0;
}

static int
join_revoke(void *self, uint32_t task, struct failure *why)
{
	struct stream *j = self;

	return j->pairs ? pairs_revoke(j->pairs, task, why) : 0;
}

static int
join_rollback(void *self, uint64_t epoch, struct failure *why)
{
	struct stream *j = self;

	return j->pairs ? pairs_rollback(j->pairs, epoch, why) : 0;
}

static int
join_barrier(void *self, uint64_t epoch, struct emit *e, struct failure *why)
{
	struct stream *j = self;

	(void)e;
	return j->pairs ? pairs_barrier(j->pairs, epoch, why) : 0;
}

static const struct operator join_operator = {
	.name = "join",
	.flags = OP_STATE | OP_TIMED | OP_NOTES,
	.open = join_open,
	.record = join_record,
	.note = join_note,
	.when = join_when,
	.run = join_run,
	.take_run = join_take_run,
	.watermark = join_watermark,
	.barrier = join_barrier,
	.rollback = join_rollback,
	.assign = join_assign,
	.revoke = join_revoke,
	.end = join_end,
	.close = join_close,
};

/* ---- the command line -------------------------------------------------------------- */

static int
prepare(struct job *job, void *unused, char **operands, int n, struct failure *why)
{
	const struct plan_around around = {.dead_letter = job->run.dead_letter != NULL,
		.state = job->run.state != NULL, .checkpoint = job->run.checkpoint_us > 0,
		.late = job->late >= 0, .from = job->from_given,
		.on_error = job->run.on_error, .unit = job->run.time.unit};
	int i;

	(void)unused;
	late_outlet = job->late;
	if (join_plan_read(&plan, &around, operands, n, why) < 0)
		return -1;
	job->run.timed = plan.timed;
	plan.one_thread = job->run.one_thread;
	plan.max_record = job->max_record;
	/* Records that are looked up don't know of each other. */
	if (plan.with == WITH_TABLE)
		job->run.serial = false;
	for (i = 0; i < PLAN_EXPRS; i++) {
		if (!plan.text[i])
			continue;
		plan.expr[i] = job_expr(job, join_expr_name[i], plan.text[i],
			i == PLAN_EMIT ? join_emit_vars : NULL, why);
		if (!plan.expr[i])
			return -1;
	}
	join_plan_compiled(&plan);
	return 0;
}

static void
release(void *unused)
{
	(void)unused;
	join_plan_release(&plan);
	rows_release(&table);
}

static struct opt options[] = {
	{0, "left", OPT_EXPR, &plan.text[PLAN_LEFT], "EXPR", "records for which EXPR is true are "
		"the left side; all others, if only --right is given"},
	{0, "right", OPT_EXPR, &plan.text[PLAN_RIGHT], "EXPR", "records for which EXPR is true are "
		"the right side; all others, if only --left is given"},
	{0, "table", OPT_FILE, &plan.table, "FILE", "the right side is the rows of FILE, NDJSON or "
		"SQLite, which is read first"},
	{0, "query", OPT_STRING, &plan.query, "SELECT", "which rows of a SQLite database; else its "
		"one table"},
	{0, "table-topic", OPT_STRING, &plan.topic, "TOPIC", "the records of TOPIC are rows, there "
		"from their event time on; null takes a row away"},
	{0, "table-where", OPT_EXPR, &plan.text[PLAN_ROWS], "EXPR", "so are those for which EXPR "
		"is true"},
	{'k', "key", OPT_EXPR, &plan.key, "EXPR", "what has to be equal on both sides; several "
		"outputs are one key"},
	{0, "left-key", OPT_EXPR, &plan.text[PLAN_KEY_LEFT], "EXPR", "the key of the left side"},
	{0, "right-key", OPT_EXPR, &plan.text[PLAN_KEY_RIGHT], "EXPR", "the key of the right side"},
	{0, "null-key", OPT_FLAG, &plan.null_key, NULL, "null and missing keys are keys like others"},
	{0, "within", OPT_STRING, &plan.within, "D[,D]", "so far apart may two records be in event "
		"time; with two, so much earlier and later the right one"},
	{0, "expires", OPT_EXPR, &plan.text[PLAN_EXPIRES], "EXPR", "the time until which a left "
		"record finds right ones; that come with it or later"},
	{0, "type", OPT_CHOICE, &plan.type_text, "TYPE", "inner, pairs alone; left, and left "
		"records without a partner; anti, those alone; dead-letter, pairs, and the others "
		"are dead letters", .choices = "inner|left|anti|dead-letter"},
	{0, "wait", OPT_DURATION, &plan.wait_us, "D", "so long, in event time, a record waits for "
		"its row"},
	{0, "emit", OPT_EXPR, &plan.text[PLAN_EMIT], "EXPR", "what is written, of $left and $right; "
		"else {left: $left, right: $right}, and $left with --type anti"},
	{0}
};

static const struct opt_example examples[] = {
	{"Orders with their payments", "sk-join -k .orderId --within 1h --time .ts orders.ndjson "
		"payments.ndjson"},
	{"Events with rows of a table", "sk-join -k .userId --table users.db --emit "
		"'. + {user: $right}' in.ndjson"},
	{0}
};

int
main(int argc, char **argv)
{
	static const struct job_tool tool = {
		.name = "sk-join",
		.summary = "joins two streams within a time bound, or a stream with a table",
		.synopsis = "-k EXPR [OPTION]... LEFT RIGHT\n"
			"-k EXPR {--left EXPR | --table FILE} [OPTION]... [SOURCE]...",
		.operands = "file",
		.options = options,
		.examples = examples,
		.op = &join_operator,
		.prepare = prepare,
		.release = release,
	};

	return job_main(argc, argv, &tool);
}
