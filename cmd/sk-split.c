/*
 * sk-split: makes one event into many, plus a summary.
 *
 * A bare path names an array, whose elements become events; of any other expression each
 * output becomes one. Children can be shaped (--emit), get fields of their parent (--copy),
 * and get what is needed to put them together again (--correlate). All that one parent
 * leads to appears together or not at all. Memory: one block of input and the children of
 * one parent.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "expr/extend.h"
#include "job/job.h"

#define MAX_COPIES 64

/* The expressions of the command line. */
enum { SPLIT, EMIT, COPY, SUMMARY, ID, NEXPRS };
static const char *const expr_name[NEXPRS] = {"EXPR", "--emit", "--copy", "--summary", "--id"};

static struct {
	const char *text[NEXPRS];
	const struct expr *expr[NEXPRS]; /* NULL: not given */
	const char *summary_to, *empty;
	int summary_outlet;
	bool overwrite, correlate;
} config = {.empty = "error"};

enum { VAR_ROOT = FLOW_NVARS, VAR_INDEX, VAR_COUNT };
static const char *const split_vars[] = {"root", "index", "count", NULL};

struct split {
	const char *stage;
	struct expr_run *run[NEXPRS];
	struct buf id;                     /* of the parent */
	struct value_member correlation[4];
	/* Of the parent in hand: */
	const struct record *record;
	struct value root;
	struct emit *emit;
	struct failure *why;
	const struct value *copied;        /* values of the copied fields, in order */
	size_t ncopied;
	size_t index, count;
	size_t shaped;                     /* outputs of --emit for the child in hand */
};

static void *
split_open(const struct op_context *ctx, struct failure *why)
{
	struct split *s = mem_zalloc(sizeof(*s));
	int i;

	(void)why;
	s->stage = ctx->stage;
	for (i = 0; i < NEXPRS; i++)
		if (config.expr[i])
			s->run[i] = expr_run_new(config.expr[i]);
	return s;
}

static void
split_close(void *self)
{
	struct split *s = self;
	int i;

	for (i = 0; i < NEXPRS; i++)
		expr_run_free(s->run[i]);
	buf_release(&s->id);
	free(s);
}

static struct value
split_var(void *self, unsigned index)
{
	const struct split *s = self;

	switch (index) {
	case VAR_ROOT:
		return s->root;
	case VAR_INDEX:
		return value_double((double)s->index);
	default:
		return value_double((double)s->count);
	}
}

static struct record_vars
scope(struct split *s, int which)
{
	return (struct record_vars){.record = s->record, .stage = s->stage,
		.arena = expr_run_arena(s->run[which]), .more = split_var, .arg = s};
}

/* Run expression which on input; its values live until the parent is done. */
static int
each(struct split *s, int which, const struct value *input, expr_sink *sink)
{
	struct record_vars vars = scope(s, which);

	return expr_each(s->run[which], input, &(struct expr_env){record_var, &vars}, sink, s,
		s->why);
}

/* All outputs of expression which for the parent, or -1. */
static ptrdiff_t
all(struct split *s, int which, const struct value **out)
{
	struct record_vars vars = scope(s, which);

	return expr_all(s->run[which], &s->root, &(struct expr_env){record_var, &vars}, out,
		s->why);
}

/* ---- one child --------------------------------------------------------------------- */

/* What goes into each child beside its own: copies, and the correlation. */
static size_t
additions(struct split *s, struct value_member *to)
{
	struct value_member *m = s->correlation;
	size_t n;

	for (n = 0; n < s->ncopied; n++)
		to[n] = (struct value_member){expr_path_name(config.expr[COPY], n),
			s->copied[n]};
	if (!config.correlate)
		return n;
	m[0] = (struct value_member){SLICE("id"), value_string(buf_slice(&s->id))};
	m[1] = (struct value_member){SLICE("index"), value_double((double)s->index)};
	m[2] = (struct value_member){SLICE("count"), value_double((double)s->count)};
	m[3] = (struct value_member){SLICE("last"),
		{.kind = s->index + 1 == s->count ? VALUE_TRUE : VALUE_FALSE}};
	to[n].name = SLICE("_split");
	to[n].value = (struct value){.kind = VALUE_OBJECT, .u.object = {m, 4}};
	return n + 1;
}

static int
write_child(struct split *s, const struct value *child)
{
	struct value_member more[MAX_COPIES + 1];
	size_t n = additions(s, more);
	struct slice name;
	struct buf *b;

	if (value_type(child) != JSON_OBJECT && (n || !s->run[EMIT]))
		return fail_record(s->why, "not-object", "element %zu is no object: %s", s->index,
			s->run[EMIT] ? "nothing can be added to it" : "--emit can make it one");
	b = emit_begin(s->emit, 0, s->record);
	if (!n)
		value_add_json(b, child);
	else if (!value_add_extended(b, child, more, n, config.overwrite,
			expr_run_arena(s->run[SPLIT]), &name))
		return fail_record(s->why, "clash", "element %zu has a member '%.*s' of its own: "
			"--overwrite lets it give way", s->index, (int)name.n, name.p);
	emit_end(s->emit);
	return 0;
}

static int
write_shaped(void *self, const struct value *out)
{
	struct split *s = self;

	s->shaped++;
	return write_child(s, out);
}

static int
one_child(struct split *s, const struct value *child)
{
	int rc;

	if (!s->run[EMIT])
		return write_child(s, child);
	s->shaped = 0;
	rc = each(s, EMIT, child, write_shaped);
	if (rc == 0 && config.correlate && s->shaped != 1)
		return fail_record(s->why, "emit", "--emit gives %zu events for element %zu: "
			"--correlate needs one", s->shaped, s->index);
	return rc;
}

/* ---- one parent -------------------------------------------------------------------- */

/* The parent's identity: --id, else where it came from, else what it is. */
static int
parent_id(struct split *s)
{
	const struct value *v;
	ptrdiff_t n;

	buf_reset(&s->id);
	if (!s->run[ID]) {
		record_add_identity(s->record, &s->id);
		return 0;
	}
	n = all(s, ID, &v);
	if (n < 0)
		return -1;
	if (n != 1 || value_type(&v[0]) == JSON_NULL)
		return fail_record(s->why, "id", "--id gives %s",
			n == 1 ? "null" : n ? "several values" : "nothing");
	value_add_text(&s->id, &v[0]);
	return 0;
}

static int
write_summary(void *self, const struct value *out)
{
	struct split *s = self;

	value_add_json(emit_begin(s->emit, (unsigned)config.summary_outlet, s->record), out);
	emit_end(s->emit);
	return 0;
}

/* No child: what --empty says. */
static int
no_children(struct split *s, const char *what)
{
	if (strcmp(config.empty, "error") == 0) {
		fail_record(s->why, "empty", "%s is %s", expr_text(config.expr[SPLIT]), what);
		fail_hint(s->why, "--empty drop or --empty pass say what becomes of such an event");
		return -1;
	}
	if (strcmp(config.empty, "pass") == 0)
		emit_same(s->emit, 0, s->record);
	else
		emit_drop(s->emit);
	return 0;
}

static int
begin_children(struct split *s, size_t n)
{
	ptrdiff_t copies = 0;

	s->count = n;
	s->index = 0;
	if (config.correlate && parent_id(s) < 0)
		return -1;
	if (s->run[COPY])
		copies = all(s, COPY, &s->copied);
	if (copies < 0)
		return -1;
	s->ncopied = (size_t)copies;
	return 0;
}

/* The elements of an array, one a child. what: how to call an empty one. */
static int
split_array(struct split *s, const struct value *array, const char *what)
{
	struct value_iter it;
	size_t n = value_count(array);

	if (!n)
		return no_children(s, what);
	if (begin_children(s, n) < 0)
		return -1;
	for (value_enter(array, &it, expr_run_arena(s->run[SPLIT])); value_step(&it); s->index++)
		if (one_child(s, &it.value) < 0)
			return -1;
	return 0;
}

static int
split_path(struct split *s, const struct value *v)
{
	switch (value_type(v)) {
	case JSON_NULL:
		return no_children(s, "null or missing");
	case JSON_ARRAY:
		return split_array(s, v, "empty");
	default:
		return fail_record(s->why, "not-array", "%s is no array",
			expr_text(config.expr[SPLIT]));
	}
}

static int
split_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	struct split *s = self;
	struct value outputs = {.kind = VALUE_ARRAY};
	const struct value *out;
	ptrdiff_t n;
	int rc, i;

	s->record = r;
	s->root = record_value(r);
	s->emit = e;
	s->why = why;
	s->index = s->count = s->ncopied = 0;
	n = all(s, SPLIT, &out);
	outputs.u.array.item = out;
	outputs.u.array.n = n < 0 ? 0 : (size_t)n;
	if (n < 0)
		rc = -1;
	else if (expr_is_path(config.expr[SPLIT]))
		rc = split_path(s, &out[0]);
	else
		rc = split_array(s, &outputs, "without output");
	if (rc == 0 && s->count && s->run[SUMMARY])
		rc = each(s, SUMMARY, &s->root, write_summary);
	if (rc == 0)
		emit_drop(e); /* counts only where nothing was emitted */
	for (i = 0; i < NEXPRS; i++)
		if (s->run[i])
			expr_run_reset(s->run[i]);
	return rc;
}

static const struct operator split_operator = {
	.name = "split",
	.open = split_open,
	.record = split_record,
	.close = split_close,
};

/* ---- the command line -------------------------------------------------------------- */

static int
prepare(struct job *job, void *unused, char **operands, int n, struct failure *why)
{
	int i;

	(void)unused;
	if (n < 1)
		return fail(why, EXIT_USAGE, "an expression is missing: sk-split EXPR [SOURCE]...");
	if (config.text[ID] && !config.correlate)
		return fail(why, EXIT_USAGE, "--id is of use with --correlate only");
	if (config.summary_to && !config.text[SUMMARY])
		return fail(why, EXIT_USAGE, "--summary-to needs --summary EXPR");
	config.text[SPLIT] = operands[0];
	for (i = 0; i < NEXPRS; i++) {
		if (!config.text[i])
			continue;
		config.expr[i] = job_expr(job, expr_name[i], config.text[i], split_vars, why);
		if (!config.expr[i])
			return -1;
	}
	if (config.expr[COPY] && expr_check_names(config.expr[COPY], MAX_COPIES, why) < 0)
		return fail_within(why, "--copy: ");
	if (config.summary_to) {
		config.summary_outlet = flow_outlet(job->flow, config.summary_to, true, why);
		if (config.summary_outlet < 0)
			return -1;
	}
	return 1;
}

static struct opt options[] = {
	{0, "copy", OPT_EXPR, &config.text[COPY], "PATHS", "copy fields of the parent into each "
		"event: .orderId,.userId"},
	{0, "overwrite", OPT_FLAG, &config.overwrite, NULL, "let what is added replace a member "
		"that the element has too"},
	{0, "emit", OPT_EXPR, &config.text[EMIT], "EXPR", "shape an event: . is the element, with "
		"$root, $index and $count"},
	{0, "empty", OPT_CHOICE, &config.empty, "POLICY", "an event without elements is an "
		"error (a bad record), is dropped, or passes", .choices = "error|drop|pass"},
	{0, "summary", OPT_EXPR, &config.text[SUMMARY], "EXPR", "after the children, an event "
		"made from the parent"},
	{0, "summary-to", OPT_SINK, &config.summary_to, "SINK", "write summaries to SINK"},
	{0, "correlate", OPT_FLAG, &config.correlate, NULL, "add _split {id, index, count, "
		"last} to each event"},
	{0, "id", OPT_EXPR, &config.text[ID], "EXPR", "the id of a parent; else its place in its "
		"file or topic, else a hash of it"},
	{0}
};

static const struct opt_example examples[] = {
	{"One event an item", "sk-split .items --copy .orderId -w .items orders.ndjson"},
	{"Numbered parts", "sk-split .items --correlate --id .orderId -w .items orders.ndjson"},
	{0}
};

int
main(int argc, char **argv)
{
	static const struct job_tool tool = {
		.name = "sk-split",
		.summary = "makes one event into many, plus a summary",
		.synopsis = "[OPTION]... EXPR [SOURCE]...",
		.operands = "expr file",
		.options = options,
		.examples = examples,
		.op = &split_operator,
		.prepare = prepare,
	};

	return job_main(argc, argv, &tool);
}
