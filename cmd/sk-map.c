/*
 * sk-map: filters and reshapes records by a jq expression.
 *
 * Each output of the filter is a line. One that is the input itself leaves as the input's
 * bytes; anything else is compact, number literals kept. Memory: one block of input.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "job/job.h"

static struct {
	bool raw;
	const struct expr *expr;
} config;

struct map {
	struct expr_run *run;
	const char *stage;
	bool selects;
	/* Of the record in hand: */
	const struct record *record;
	struct value root;
	struct emit *emit;
	bool some;
};

static void *
map_open(const struct op_context *ctx, struct failure *why)
{
	struct map *m = mem_zalloc(sizeof(*m));

	(void)why;
	m->run = expr_run_new(config.expr);
	m->stage = ctx->stage;
	m->selects = expr_is_select(config.expr);
	return m;
}

static void
map_close(void *self)
{
	struct map *m = self;

	expr_run_free(m->run);
	free(m);
}

static int
map_output(void *self, const struct value *out)
{
	struct map *m = self;
	struct buf *b;

	m->some = true;
	if (value_same(out, &m->root) && !(config.raw && value_type(out) == JSON_STRING)) {
		emit_same(m->emit, 0, m->record);
		return 0;
	}
	b = emit_begin(m->emit, 0, m->record);
	if (config.raw)
		value_add_text(b, out);
	else
		value_add_json(b, out);
	emit_end(m->emit);
	return 0;
}

/* What select(...) lets through is the record as it came. */
static bool
map_glance(void *self, struct json_scan *s, const struct buf *notes, uint8_t *to)
{
	struct map *m = self;
	const int8_t *is = m->selects ? expr_answers(m->run, s) : NULL;

	(void)notes;
	if (is)
		glance_by(to, is, s->nlines, 0, GLANCE_DROP);
	return is;
}

static int
map_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	struct map *m = self;
	struct record_vars vars = {.record = r, .stage = m->stage,
		.arena = expr_run_arena(m->run)};
	struct expr_env env = {record_var, &vars};
	int rc;

	m->record = r;
	m->root = record_value(r);
	m->emit = e;
	m->some = false;
	rc = expr_each(m->run, &m->root, &env, map_output, m, why);
	if (!m->some)
		emit_drop(e);
	expr_run_reset(m->run);
	return rc;
}

static const struct operator map_operator = {
	.name = "map",
	.flags = OP_LAZY,
	.open = map_open,
	.record = map_record,
	.glance = map_glance,
	.close = map_close,
};

static int
prepare(struct job *job, void *unused, char **operands, int n, struct failure *why)
{
	(void)unused;
	if (n < 1)
		return fail(why, EXIT_USAGE, "an expression is missing: sk-map EXPR [SOURCE]...");
	if (config.raw && job->run.envelope_out)
		return fail(why, EXIT_USAGE, "-r and envelopes on output exclude each other");
	config.expr = job_expr(job, "EXPR", operands[0], NULL, why);
	return config.expr ? 1 : -1;
}

static struct opt options[] = {
	{'r', "raw", OPT_FLAG, &config.raw, NULL, "write strings as they are, without quotes "
		"and escapes"},
	{0}
};

static const struct opt_example examples[] = {
	{"Keep what was paid", "sk-map 'select(.type==\"payment-processed\")' orders.ndjson"},
	{"Reshape each event", "sk-map '{orderId, amount, day: .ts[0:10]}' orders.ndjson"},
	{0}
};

int
main(int argc, char **argv)
{
	static const struct job_tool tool = {
		.name = "sk-map",
		.summary = "filters and reshapes records by a jq expression",
		.synopsis = "[OPTION]... EXPR [SOURCE]...",
		.operands = "expr file",
		.options = options,
		.examples = examples,
		.op = &map_operator,
		.prepare = prepare,
	};

	return job_main(argc, argv, &tool);
}
