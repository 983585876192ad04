/*
 * sk-window: counts, sums, quantiles ... per key and window of event time.
 *
 * A record goes into all its windows that are open; a window is written once the watermark
 * has passed its end. What is kept of a key in a window lies in the state: a few bytes a
 * function, or what list, set and their like hold. Hopping windows share panes, so a record
 * is added once, whatever the number of its windows. Memory: the keys of the open windows.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "job/job.h"
#include "window/windows.h"

static struct {
	struct window_options window;
	struct opt_list functions;
	const char *key, *emit, *time_format;
	bool null_key, from_partials;
	/* Made of them: */
	struct windows_plan plan;
	struct spec *spec;
	struct fold *fold;
	struct buf shape;
	int late;
} config = {.emit = "final", .time_format = "rfc3339"};

struct window {
	struct windows *windows;
	struct reading reading;
	struct runs_plan runs;
	bool has_runs;
};

static void *
window_open(const struct op_context *ctx, struct failure *why)
{
	struct window *w = mem_zalloc(sizeof(*w));
	struct state_options state = {.tool = "sk-window", .shape = buf_cstr(&config.shape)};

	(void)why;
	config.plan.reading.stage = ctx->stage;
	config.plan.reading.time = ctx->time;
	w->windows = windows_new(&config.plan, &state, ctx);
	reading_init(&w->reading, &config.plan.reading, windows_keys(w->windows));
	w->has_runs = windows_runs(w->windows, &w->reading, &w->runs);
	return w;
}

static void
window_close(void *self)
{
	struct window *w = self;

	if (w->has_runs)
		runs_release(&w->runs);
	windows_free(w->windows);
	reading_release(&w->reading);
	free(w);
}

static int
window_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	struct window *w = self;
	enum windows_became became;

	if (config.plan.from_partials) {
		became = windows_take(w->windows, r->task, r, e, why);
	} else {
		if (reading_take(&w->reading, r, why) < 0)
			return -1;
		became = windows_add(w->windows, r->task, &w->reading, e, why);
	}
	switch (became) {
	case WINDOWS_FAILED:
		return -1;
	case WINDOWS_HELD:
		emit_hold(e);
		break;
	case WINDOWS_LATE:
		if (config.late >= 0)
			emit_same(e, (unsigned)config.late, r);
		emit_late(e);
		break;
	case WINDOWS_NONE:
		emit_drop(e);
		break;
	}
	return 0;
}

static void
window_note(void *self, const struct json_scan *scan, struct buf *notes)
{
	struct window *w = self;

	if (config.plan.from_partials)
		return;
	reading_note(&w->reading, scan, notes);
	if (w->has_runs)
		runs_make(&w->runs, scan, notes);
}

static bool
window_when(void *self, const struct record *r, int64_t *us)
{
	return !config.plan.from_partials &&
		reading_when(&((struct window *)self)->reading, r, us);
}

static bool
window_run(void *self, const struct block *b, size_t line, struct op_run *run)
{
	struct window *w = self;
	const struct run *r = w->has_runs ? runs_at(&w->runs, b, line) : NULL;

	if (r)
		*run = (struct op_run){r->n, r->n, r->first_us, r->newest_us};
	return r;
}

static int
window_take_run(void *self, const struct block *b, size_t line, int64_t watermark_us,
	struct failure *why)
{
	struct window *w = self;

	return windows_take_run(w->windows, 0, &w->runs, b, line, watermark_us, why);
}

static int
window_watermark(void *self, uint32_t task, int64_t us, struct emit *e, struct failure *why)
{
	return windows_watermark(((struct window *)self)->windows, task, us, e, why);
}

static int
window_end(void *self, bool complete, struct emit *e, struct failure *why)
{
	struct windows *windows = ((struct window *)self)->windows;
	uint64_t lost;

	if (complete && windows_end(windows, e, why) < 0)
		return -1;
	lost = windows_evicted(windows);
	return lost ? fail(why, EXIT_SOME_BAD, "for the bounds of the state, what was kept of %llu "
		"key%s in a window was given up", (unsigned long long)lost,
		lost == 1 ? "" : "s") : 0;
}

/* ---- state ------------------------------------------------------------------------- */

static int
window_assign(void *self, uint32_t task, struct failure *why)
{
	return windows_assign(((struct window *)self)->windows, task, why);
}

static int
window_revoke(void *self, uint32_t task, struct failure *why)
{
	return windows_revoke(((struct window *)self)->windows, task, why);
}

static int
window_rollback(void *self, uint64_t epoch, struct failure *why)
{
	return windows_rollback(((struct window *)self)->windows, epoch, why);
}

static int
window_barrier(void *self, uint64_t epoch, struct emit *e, struct failure *why)
{
	(void)e;
	return windows_barrier(((struct window *)self)->windows, epoch, why);
}

static const struct operator window_operator = {
	.name = "window",
	.flags = OP_STATE | OP_TIMED | OP_NOTES,
	.open = window_open,
	.record = window_record,
	.note = window_note,
	.when = window_when,
	.run = window_run,
	.take_run = window_take_run,
	.watermark = window_watermark,
	.barrier = window_barrier,
	.rollback = window_rollback,
	.assign = window_assign,
	.revoke = window_revoke,
	.end = window_end,
	.close = window_close,
};

/* ---- the command line -------------------------------------------------------------- */

/* The functions, their expressions compiled. */
static int
read_functions(struct job *job, struct failure *why)
{
	static const char *const none[] = {NULL};
	size_t n = config.functions.n, i, j;
	struct spec *s;

	config.spec = mem_zalloc((n + 1) * sizeof(*config.spec));
	config.fold = mem_array(n + 1, sizeof(*config.fold));
	if (specs_parse(config.functions.v, n, config.spec, why) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		s = &config.spec[i];
		for (j = 0; j < SPEC_EXPRS; j++) {
			if (!s->text[j] || config.from_partials)
				continue;
			s->expr[j] = job_expr(job, s->option, s->text[j], none, why);
			if (!s->expr[j])
				return -1;
		}
		config.fold[i] = s->fold;
	}
	config.plan.fixed = fold_place(config.fold, n);
	for (i = 0; i < n; i++)
		config.spec[i].fold = config.fold[i];
	config.plan.reading.spec = config.spec;
	config.plan.reading.nspecs = config.plan.nfolds = n;
	config.plan.fold = config.fold;
	return 0;
}

static int
prepare(struct job *job, void *unused, char **operands, int n, struct failure *why)
{
	struct windows_plan *plan = &config.plan;

	(void)unused;
	(void)operands;
	(void)n;
	config.late = job->late;
	plan->update = strcmp(config.emit, "update") == 0;
	plan->in_ms = strcmp(config.time_format, "ms") == 0;
	plan->from_partials = config.from_partials;
	plan->reading.null_key = config.null_key;
	if (window_read(&plan->shape, &config.window, why) < 0 || windows_check(plan, why) < 0)
		return -1;
	if (config.key) {
		plan->reading.key = job_expr(job, "-k", config.key, NULL, why);
		if (!plan->reading.key)
			return -1;
	}
	if (read_functions(job, why) < 0)
		return -1;
	windows_add_shape(&config.shape, plan, &config.window, config.key, config.functions.v);
	/* Partial results say where they belong; without a time all close at the end. */
	job->run.timed = !config.from_partials || job->time_given;
	return 0;
}

static void
release(void *unused)
{
	size_t i;

	(void)unused;
	for (i = 0; config.spec && i < config.functions.n; i++)
		spec_release(&config.spec[i]);
	free(config.spec);
	free(config.fold);
	window_release(&config.plan.shape);
	opt_list_release(&config.functions);
	buf_release(&config.shape);
}

static struct opt options[] = {
	{0, "tumbling", OPT_STRING, &config.window.text[WINDOW_TUMBLING], "D", "windows of length D, "
		"one behind the other"},
	{0, "hopping", OPT_STRING, &config.window.text[WINDOW_HOPPING], "D/STEP", "windows of "
		"length D, one every STEP"},
	{0, "cumulate", OPT_STRING, &config.window.text[WINDOW_CUMULATE], "MAX/STEP", "windows that "
		"grow by STEP up to MAX, and begin anew"},
	{0, "session", OPT_STRING, &config.window.text[WINDOW_SESSION], "GAP", "a window lasts until "
		"a key has been silent for GAP"},
	{0, "sliding", OPT_STRING, &config.window.text[WINDOW_SLIDING], "D", "for each record, over "
		"the D before it"},
	{0, "count", OPT_STRING, &config.window.text[WINDOW_COUNT], "N", "N records of a key"},
	{0, "offset", OPT_DURATION, &config.window.offset_us, "D", "move the grid of windows by D"},
	{0, "tz", OPT_STRING, &config.window.zone, "ZONE", "windows of days, as they are in ZONE: "
		"Europe/Berlin"},
	{0, "lateness", OPT_DURATION, &config.window.lateness_us, "D", "keep windows open D longer"},
	{'k', "key", OPT_EXPR, &config.key, "EXPR", "windows of their own for each value of EXPR; "
		"several outputs are one key"},
	{0, "null-key", OPT_FLAG, &config.null_key, NULL, "null and missing keys are keys like others"},
	{'a', "aggregate", OPT_STRING, &config.functions, "SPEC", "what is computed, n=count; "
		"repeated: 'total=sum(.amount)', 'p99=quantile(.ms; 0.99) where .ok'",
		.list = true},
	{0, "emit", OPT_CHOICE, &config.emit, "WHEN", "write a window when it is closed, or whenever "
		"it changes (final)", .choices = "final|update"},
	{0, "every", OPT_DURATION, &config.plan.every_us, "D", "of updates, one every D of event "
		"time", .min = 1},
	{0, "partial", OPT_FLAG, &config.plan.partial, NULL, "write results that can be merged"},
	{0, "from-partials", OPT_FLAG, &config.from_partials, NULL, "read and merge such results"},
	{0, "time-format", OPT_CHOICE, &config.time_format, "FORMAT", "of start and end (rfc3339)",
		.choices = "rfc3339|ms"},
	{0}
};

static const struct opt_example examples[] = {
	{"Per minute and type", "sk-window --tumbling 1m -k .type -a n=count --time .ts orders.ndjson"},
	{"Visits", "sk-window --session 30m -k .user -a 'from=first(.page)' --time .ts log"},
	{0}
};

int
main(int argc, char **argv)
{
	static const struct job_tool tool = {
		.name = "sk-window",
		.summary = "counts, sums, quantiles per key and window of event time",
		.synopsis = "WINDOW -a SPEC [OPTION]... [SOURCE]...",
		.operands = "file",
		.options = options,
		.examples = examples,
		.op = &window_operator,
		.prepare = prepare,
		.release = release,
	};

	return job_main(argc, argv, &tool);
}
