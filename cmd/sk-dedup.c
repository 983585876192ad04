/*
 * sk-dedup: lets each event through once; gives it a content-based id.
 *
 * What tells an event from others (its bytes, its content, or a key) is hashed under a secret
 * to 128 bits, and these are remembered: for ever or for a window of event time, exactly or
 * in a filter that can be wrong. To keep the last of equal events instead of the first, they
 * are held. What only needs a line's bytes is done before anything is made of the line.
 * Memory: 21 to 32 bytes a key; the held events.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "dedup/approx.h"
#include "dedup/fate.h"
#include "job/job.h"
#include "sink/sink.h"

static struct dedup_plan plan;
static int duplicates_outlet = -1, late_outlet = -1;

struct dedup {
	struct memory *memory;
	struct fates fates;
};

static void *
dedup_open(const struct op_context *ctx, struct failure *why)
{
	const struct outlets to = {duplicates_outlet, late_outlet};
	struct dedup *d = mem_zalloc(sizeof(*d));
	size_t value_bytes = plan.keep_last ? STATE_VARIABLE :
		plan.within_us ? sizeof(int64_t) : 0;

	d->memory = memory_new(&plan, value_bytes, ctx, why);
	if (!d->memory) {
		free(d);
		return NULL;
	}
	fates_init(&d->fates, &plan, &to, d->memory, ctx->stage);
	return d;
}

static void
dedup_close(void *self)
{
	struct dedup *d = self;

	fates_release(&d->fates);
	memory_free(d->memory);
	free(d);
}

static int
dedup_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	return fates_record(&((struct dedup *)self)->fates, r, e, why);
}

static void
dedup_note(void *self, const struct json_scan *s, struct buf *notes)
{
	verdicts_note(&((struct dedup *)self)->fates.verdicts, s, notes);
}

static bool
dedup_glance(void *self, struct json_scan *s, const struct buf *notes, uint8_t *to)
{
	return fates_glance(&((struct dedup *)self)->fates, s, notes, to);
}

/* ---- time and the end -------------------------------------------------------------- */

static int
dedup_watermark(void *self, uint32_t task, int64_t us, struct emit *e, struct failure *why)
{
	struct dedup *d = self;

	d->fates.emit = e;
	if (d->fates.held && held_due(d->fates.held, task, us, why) < 0)
		return -1;
	return memory_watermark(d->memory, task, us, why);
}

static void
tell_of_evicted(struct dedup *d)
{
	uint64_t n = memory_evicted(d->memory);
	struct failure why;

	if (!n)
		return;
	fail(&why, EXIT_OK, "%" PRIu64 " key%s given up for the bounds of the state: duplicates "
		"that came later were not told", n, n == 1 ? " was" : "s were");
	flow_say("sk-dedup", &why);
}

static int
dedup_end(void *self, bool complete, struct emit *e, struct failure *why)
{
	struct dedup *d = self;
	size_t i;

	d->fates.emit = e;
	for (i = 0; d->fates.held && complete && i < held_ntasks(d->fates.held); i++)
		if (held_due(d->fates.held, held_task(d->fates.held, i), INT64_MAX, why) < 0)
			return -1;
	tell_of_evicted(d);
	return 0;
}

/* ---- state ------------------------------------------------------------------------- */

static int
dedup_assign(void *self, uint32_t task, struct failure *why)
{
	struct dedup *d = self;

	if (memory_assign(d->memory, task, why) < 0)
		return -1;
	return d->fates.held ? held_assign(d->fates.held, task) : 0;
}

static int
dedup_revoke(void *self, uint32_t task, struct failure *why)
{
	struct dedup *d = self;

	if (d->fates.held)
		held_revoke(d->fates.held, task);
	return memory_revoke(d->memory, task, why);
}

static int
dedup_rollback(void *self, uint64_t epoch, struct failure *why)
{
	struct dedup *d = self;

	if (memory_rollback(d->memory, epoch, why) < 0)
		return -1;
	return d->fates.held ? held_rollback(d->fates.held) : 0;
}

static int
dedup_barrier(void *self, uint64_t epoch, struct emit *e, struct failure *why)
{
	(void)e;
	return memory_barrier(((struct dedup *)self)->memory, epoch, why);
}

static const struct operator dedup_operator = {
	.name = "dedup",
	.flags = OP_STATE | OP_TIMED | OP_LAZY | OP_NOTES,
	.open = dedup_open,
	.record = dedup_record,
	.note = dedup_note,
	.glance = dedup_glance,
	.watermark = dedup_watermark,
	.barrier = dedup_barrier,
	.rollback = dedup_rollback,
	.assign = dedup_assign,
	.revoke = dedup_revoke,
	.end = dedup_end,
	.close = dedup_close,
};

/* ---- the command line -------------------------------------------------------------- */

static int
compile(struct job *job, const char *name, const char *text, const struct expr **to,
	struct failure *why)
{
	if (text)
		*to = job_expr(job, name, text, NULL, why);
	return text && !*to ? -1 : 0;
}

/* A place within an object of the record is set by an expression. */
static int
compile_assignment(struct job *job, struct failure *why)
{
	static const char *const id[] = {"id", NULL};
	struct buf text = {0};

	if (!plan.tag || plan.tag_field.p)
		return 0;
	buf_addf(&text, "(%s) = $id", plan.tag_text);
	plan.assign = job_expr(job, "--tag", buf_cstr(&text), id, why);
	buf_release(&text);
	return plan.assign ? 0 : -1;
}

static void
tell_of_approx(const struct job *job)
{
	struct failure why;

	if (!plan.approx || job->explain)
		return;
	fail(&why, EXIT_OK, "--approx: one in " APPROX_ODDS " new records may be taken for a "
		"duplicate");
	flow_say("sk-dedup", &why);
}

static int
prepare(struct job *job, void *unused, char **operands, int n, struct failure *why)
{
	struct dedup_around around = {.state = job->run.state != NULL, .late = job->late >= 0,
		.keys = job->run.envelope_out || sink_envelopes(job->to),
		.evict = job->run.evict};

	(void)unused;
	(void)operands;
	(void)n;
	late_outlet = job->late;
	if (compile(job, "-k", plan.key_text, &plan.key, why) < 0 ||
		compile(job, "--ignore", plan.ignore_text, &plan.ignore, why) < 0 ||
		compile(job, "--tag", plan.tag_text, &plan.tag, why) < 0 ||
		dedup_plan_read(&plan, &around, why) < 0 || compile_assignment(job, why) < 0)
		return -1;
	job->run.timed = plan.within_us > 0;
	if (plan.duplicates_to)
		duplicates_outlet = flow_outlet(job->flow, plan.duplicates_to, true, why);
	if (plan.duplicates_to && duplicates_outlet < 0)
		return -1;
	tell_of_approx(job);
	return 0;
}

static void
release(void *unused)
{
	(void)unused;
	dedup_plan_release(&plan);
}

static struct opt options[] = {
	{'k', "key", OPT_EXPR, &plan.key_text, "EXPR", "events with the same key are duplicates; "
		"several outputs are one key. Without it whole lines are compared"},
	{0, "null-key", OPT_FLAG, &plan.null_key, NULL, "null and missing keys are keys like others"},
	{0, "canonical", OPT_FLAG, &plan.canonical, NULL, "compare what lines mean: the order of "
		"keys, white space and the spelling of numbers and strings don't matter"},
	{0, "ignore", OPT_EXPR, &plan.ignore_text, "FIELDS", "what events mean without these: "
		".ts,.meta.seq"},
	{0, "within", OPT_DURATION, &plan.within_us, "D", "only within D of event time; then the "
		"key is forgotten", .min = 1},
	{0, "refresh", OPT_FLAG, &plan.refresh, NULL, "each duplicate begins that time anew"},
	{0, "keep", OPT_CHOICE, &plan.keep_text, "WHICH", "of equal events the first (the default) "
		"or the last; that one is held until nothing can follow", .choices = "first|last"},
	{0, "duplicates", OPT_SINK, &plan.duplicates_to, "SINK", "write duplicates to SINK; else "
		"they are dropped"},
	{0, "mark", OPT_FLAG, &plan.mark, NULL, "duplicates pass, with _duplicate: true"},
	{0, "tag", OPT_EXPR, &plan.tag_text, "FIELD", "put the SHA-256 of an event's content into "
		"FIELD: .messageId"},
	{0, "key-by-id", OPT_FLAG, &plan.key_by_id, NULL, "make that the key of the record too, and "
		"its header messageId"},
	{0, "approx", OPT_COUNT, &plan.approx, "N", "remember N keys in a filter; 4.3 bytes a key, "
		"and one in " APPROX_ODDS " new events is taken for a duplicate", .min = 1,
		.max = (int64_t)1 << 40},
	{0}
};

static const struct opt_example examples[] = {
	{"Each line once", "sk-dedup orders.ndjson"},
	{"Each order once, with an id of its content", "sk-dedup -k .orderId --tag .messageId "
		"orders.ndjson"},
	{0}
};

int
main(int argc, char **argv)
{
	static const struct job_tool tool = {
		.name = "sk-dedup",
		.summary = "lets each event through once",
		.synopsis = "[OPTION]... [SOURCE]...",
		.operands = "file",
		.options = options,
		.examples = examples,
		.op = &dedup_operator,
		.prepare = prepare,
		.release = release,
	};

	return job_main(argc, argv, &tool);
}
