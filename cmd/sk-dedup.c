/*
 * sk-dedup: lets each event through once; gives it a content-based id.
 *
 * What tells an event from others (its bytes, its content, or a key) is hashed under a secret
 * to 128 bits, and these are remembered: for ever or for a window of event time, exactly or
 * in a filter that can be wrong. To keep the last of equal events instead of the first, they
 * are held. What only needs a line's bytes is done before anything is made of the line.
 * Memory: 21 to 27 bytes a key; the held events.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "dedup/additions.h"
#include "dedup/approx.h"
#include "dedup/held.h"
#include "dedup/verdict.h"
#include "job/job.h"
#include "sink/sink.h"

static struct dedup_plan plan;
static int duplicates_outlet = -1, late_outlet = -1;

struct dedup {
	struct identity identity;
	struct additions additions;
	struct memory *memory;
	struct held *held;         /* --keep last */
	struct verdicts verdicts;
	bool at_a_glance;          /* they are all that is needed */
	struct emit *emit;
};

/* ---- what becomes of a record ---------------------------------------------------------- */

static int
pass(struct dedup *d, const struct record *r, struct failure *why)
{
	if (plan.adds)
		return additions_write(&d->additions, d->emit, r, false, why);
	emit_same(d->emit, 0, r);
	return 0;
}

static int
duplicate(struct dedup *d, const struct record *r, struct failure *why)
{
	if (plan.mark)
		return additions_write(&d->additions, d->emit, r, true, why);
	if (duplicates_outlet >= 0)
		emit_same(d->emit, (unsigned)duplicates_outlet, r);
	else
		emit_drop(d->emit);
	return 0;
}

static int
late(struct dedup *d, const struct record *r)
{
	if (late_outlet >= 0)
		emit_same(d->emit, (unsigned)late_outlet, r);
	emit_late(d->emit);
	return 0;
}

static int
write_held(void *self, const struct record *r, enum held_as as, struct failure *why)
{
	switch (as) {
	case HELD_LAST:
		return pass(self, r, why);
	case HELD_DUPLICATE:
		return duplicate(self, r, why);
	default:
		return late(self, r);
	}
}

static void *
dedup_open(const struct op_context *ctx, struct failure *why)
{
	struct dedup *d = mem_zalloc(sizeof(*d));
	size_t value_bytes = plan.keep_last ? STATE_VARIABLE :
		plan.within_us ? sizeof(int64_t) : 0;

	d->memory = memory_new(&plan, value_bytes, ctx, why);
	if (!d->memory) {
		free(d);
		return NULL;
	}
	identity_init(&d->identity, &plan, ctx->stage);
	additions_init(&d->additions, &plan, ctx->stage);
	if (plan.keep_last)
		d->held = held_new(&(struct held_options){&plan, write_held, d}, d->memory);
	d->verdicts = (struct verdicts){.identity = &d->identity, .memory = d->memory};
	d->at_a_glance = identity_is_bytes(&d->identity) && !plan.keep_last &&
		!plan.within_us && !plan.adds && !plan.mark && duplicates_outlet < GLANCE_DROP;
	return d;
}

static void
dedup_close(void *self)
{
	struct dedup *d = self;

	held_free(d->held);
	memory_free(d->memory);
	verdicts_release(&d->verdicts);
	identity_release(&d->identity);
	additions_release(&d->additions);
	free(d);
}

/* ---- one record ------------------------------------------------------------------------ */

static void
dedup_note(void *self, const struct json_scan *s, struct buf *notes)
{
	verdicts_note(&((struct dedup *)self)->verdicts, s, notes);
}

static bool
dedup_glance(void *self, struct json_scan *s, const struct buf *notes, uint8_t *to)
{
	struct dedup *d = self;
	uint8_t goes[] = {
		[VERDICT_NEW] = 0,
		[VERDICT_SEEN] = duplicates_outlet < 0 ? GLANCE_DROP : (uint8_t)duplicates_outlet,
		[VERDICT_NONE] = GLANCE_RECORD,
	};
	size_t i;

	if (!d->at_a_glance)
		return false;
	verdicts_take(&d->verdicts, s, notes);
	for (i = 0; i < s->nlines; i++)
		to[i] = goes[d->verdicts.is[i]];
	return true;
}

static int
keep_first(struct dedup *d, const struct record *r, struct key128 key, struct failure *why)
{
	switch (memory_take(d->memory, r->task, key, r->time_us, why)) {
	case MEMORY_NEW:
		return pass(d, r, why);
	case MEMORY_SEEN:
		return duplicate(d, r, why);
	case MEMORY_LATE:
		return late(d, r);
	default:
		return -1;
	}
}

static int
keep_last(struct dedup *d, const struct record *r, struct key128 key, struct failure *why)
{
	bool envelope = emit_as_envelope(d->emit, 0) || (duplicates_outlet >= 0 &&
		emit_as_envelope(d->emit, (unsigned)duplicates_outlet));
	int rc = held_take(d->held, r, key, envelope, why);

	if (rc > 0)
		emit_hold(d->emit);
	return rc < 0 ? -1 : 0;
}

static int
dedup_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	struct dedup *d = self;
	struct slice bytes;
	struct key128 key;
	enum verdict told = d->at_a_glance ? verdict_of(&d->verdicts, r) : VERDICT_NONE;

	d->emit = e;
	if (told != VERDICT_NONE)
		return told == VERDICT_NEW ? pass(d, r, why) : duplicate(d, r, why);
	if (plan.within_us && r->time_us == TIME_NONE)
		return fail_record(why, "time", "the record has no event time");
	if (plan.adds && additions_fit(&d->additions, r, why) < 0)
		return -1;
	if (!verdict_key(&d->verdicts, r, &key)) {
		if (identity_of(&d->identity, r, &bytes, why) < 0)
			return -1;
		key = memory_key(d->memory, bytes);
	}
	return plan.keep_last ? keep_last(d, r, key, why) : keep_first(d, r, key, why);
}

/* ---- time and the end ------------------------------------------------------------------ */

static int
dedup_watermark(void *self, uint32_t task, int64_t us, struct emit *e, struct failure *why)
{
	struct dedup *d = self;

	d->emit = e;
	if (d->held && held_due(d->held, task, us, why) < 0)
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

	d->emit = e;
	for (i = 0; d->held && complete && i < held_ntasks(d->held); i++)
		if (held_due(d->held, held_task(d->held, i), INT64_MAX, why) < 0)
			return -1;
	tell_of_evicted(d);
	return 0;
}

/* ---- state ----------------------------------------------------------------------------- */

static int
dedup_assign(void *self, uint32_t task, struct failure *why)
{
	struct dedup *d = self;

	if (memory_assign(d->memory, task, why) < 0)
		return -1;
	return d->held ? held_assign(d->held, task) : 0;
}

static int
dedup_revoke(void *self, uint32_t task, struct failure *why)
{
	struct dedup *d = self;

	if (d->held)
		held_revoke(d->held, task);
	return memory_revoke(d->memory, task, why);
}

static int
dedup_rollback(void *self, uint64_t epoch, struct failure *why)
{
	struct dedup *d = self;

	if (memory_rollback(d->memory, epoch, why) < 0)
		return -1;
	return d->held ? held_rollback(d->held) : 0;
}

static int
dedup_barrier(void *self, uint64_t epoch, struct emit *e, struct failure *why)
{
	(void)e;
	return memory_barrier(((struct dedup *)self)->memory, epoch, why);
}

static const struct operator dedup_operator = {
	.name = "dedup",
	.flags = OP_STATE | OP_TIMED | OP_LAZY,
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

/* ---- the command line ------------------------------------------------------------------ */

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
