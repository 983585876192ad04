/*
 * sk-route: sends each event where its content says.
 *
 * Rules 'EXPR => SINK' are tried in order, then --by, whose value fills the {} of -o; then
 * --default. What matches nothing is a bad record unless the user said otherwise: nothing
 * vanishes. A name that comes from data is one safe path component, or it is no match.
 * Memory: one block of input, a buffer a sink.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "job/job.h"
#include "route/route.h"

struct rule {
	char *text;              /* owned: the expression */
	const struct expr *expr;
	unsigned outlet;
};

static struct {
	struct opt_list rules;
	const char *file, *by, *fallback;
	bool all, drop_unmatched;
	struct rule *rule;
	size_t nrules, cap_rules;
	const struct expr *by_expr;
	int default_outlet;      /* -1: none */
	struct route_names names;
	char *topic;             /* of -o; NULL: it is no topic */
} config = {.default_outlet = -1};

struct route {
	struct expr_run **rule;  /* one a rule */
	struct expr_run *by;
	const char *stage;
	struct buf name, shown;
};

static void *
route_open(const struct op_context *ctx, struct failure *why)
{
	struct route *r = mem_zalloc(sizeof(*r));
	size_t i;

	(void)why;
	r->stage = ctx->stage;
	r->rule = mem_array(config.nrules, sizeof(*r->rule));
	for (i = 0; i < config.nrules; i++)
		r->rule[i] = expr_run_new(config.rule[i].expr);
	if (config.by_expr)
		r->by = expr_run_new(config.by_expr);
	return r;
}

static void
route_close(void *self)
{
	struct route *r = self;
	size_t i;

	for (i = 0; i < config.nrules; i++)
		expr_run_free(r->rule[i]);
	expr_run_free(r->by);
	free(r->rule);
	buf_release(&r->name);
	buf_release(&r->shown);
	free(r);
}

/* Fill the template of -o. 1: matched, 0: no, -1: bad record. */
static int
by_value(struct route *route, const struct record *r, struct emit *e, struct failure *why)
{
	struct value root = record_value(r);
	struct record_vars vars = {.record = r, .stage = route->stage,
		.arena = expr_run_arena(route->by)};
	struct expr_env env = {record_var, &vars};
	const struct value *v;
	ptrdiff_t n, i;
	int matched = 0;

	buf_reset(&route->name);
	n = expr_all(route->by, &root, &env, &v, why);
	if (n > 1 && !config.all)
		n = fail_record(why, "unmatched", "--by gives several values: --all sends the "
			"event to each");
	for (i = 0; i < n; i++) {
		if (!route_name(&config.names, &route->name, &route->shown, &v[i]))
			continue;
		emit_same_named(e, 0, buf_slice(&route->name), r);
		matched = 1;
	}
	expr_run_reset(route->by);
	return n < 0 ? -1 : matched;
}

static int
unmatched(struct route *route, const struct record *r, struct emit *e, struct failure *why)
{
	struct buf shown = {0};

	if (config.default_outlet >= 0) {
		emit_same(e, (unsigned)config.default_outlet, r);
		return OP_OK;
	}
	if (config.drop_unmatched) {
		emit_drop(e);
		return OP_OK;
	}
	if (route->by && route->name.n) {
		text_add_safe(&shown, buf_slice(&route->name), 80);
		fail_record(why, "unmatched", "no route for %s of %s", buf_cstr(&shown),
			expr_text(config.by_expr));
	} else {
		text_add_safe(&shown, r->bytes, 80);
		fail_record(why, "unmatched", "no route for %s", buf_cstr(&shown));
	}
	fail_hint(why, "--default SINK takes what matches nothing, --drop-unmatched drops it");
	buf_release(&shown);
	return -1;
}

static int
test_rule(struct route *route, size_t i, const struct record *r, struct failure *why)
{
	struct value root = record_value(r);
	struct record_vars vars = {.record = r, .stage = route->stage,
		.arena = expr_run_arena(route->rule[i])};
	struct expr_env env = {record_var, &vars};
	int rc = expr_test(route->rule[i], &root, &env, why);

	expr_run_reset(route->rule[i]);
	return rc;
}

static int
route_record(void *self, const struct record *r, struct emit *e, struct failure *why)
{
	struct route *route = self;
	bool some = false;
	size_t i;
	int rc;

	for (i = 0; i < config.nrules; i++) {
		rc = test_rule(route, i, r, why);
		if (rc < 0)
			return -1;
		if (!rc)
			continue;
		emit_same(e, config.rule[i].outlet, r);
		if (!config.all)
			return OP_OK;
		some = true;
	}
	if (route->by) {
		rc = by_value(route, r, e, why);
		if (rc < 0)
			return -1;
		some |= rc;
	}
	return some ? OP_OK : unmatched(route, r, e, why);
}

/* Where one rule at most matches and nothing else is to be known: from the last rule to the
 * first, each changes what the ones behind it say. */
static bool
route_glance(void *self, struct json_scan *s, const struct buf *notes, uint8_t *to)
{
	struct route *route = self;
	int rest = config.default_outlet >= GLANCE_DROP ? GLANCE_RECORD :
		config.default_outlet >= 0 ? config.default_outlet :
		config.drop_unmatched ? GLANCE_DROP : GLANCE_RECORD;
	const int8_t *is;
	size_t k;

	(void)notes;
	if (config.all || route->by)
		return false;
	memset(to, rest, s->nlines);
	for (k = config.nrules; k--;) {
		is = expr_answers(route->rule[k], s);
		if (!is || config.rule[k].outlet >= GLANCE_DROP)
			return false;
		glance_by(to, is, s->nlines, (int)config.rule[k].outlet, GLANCE_STAYS);
	}
	return true;
}

static const struct operator route_operator = {
	.name = "route",
	.flags = OP_LAZY,
	.open = route_open,
	.record = route_record,
	.glance = route_glance,
	.close = route_close,
};

/* ---- the command line -------------------------------------------------------------- */

static int
add_rule(void *arg, const char *what, struct slice text, struct failure *why)
{
	struct job *job = arg;
	struct slice expr, sink;
	struct rule *rule;
	char *uri;
	int outlet;

	if (route_split(text, &expr, &sink) < 0)
		return fail(why, EXIT_USAGE, "%s: a rule reads 'EXPR => SINK'", what);
	uri = mem_dup(sink.p, sink.n);
	outlet = strstr(uri, "{}") ?
		fail(why, EXIT_USAGE, "only -o takes a {}, with --by") :
		flow_outlet(job->flow, uri, true, why);
	free(uri);
	if (outlet < 0)
		return fail_within(why, "%s: ", what);
	config.rule = mem_grow(config.rule, &config.cap_rules, config.nrules + 1,
		sizeof(*config.rule));
	rule = &config.rule[config.nrules++];
	*rule = (struct rule){mem_dup(expr.p, expr.n), NULL, (unsigned)outlet};
	rule->expr = job_expr(job, what, rule->text, NULL, why);
	return rule->expr ? 0 : -1;
}

static int
prepare(struct job *job, void *unused, char **operands, int n, struct failure *why)
{
	size_t i;

	(void)unused;
	(void)operands;
	(void)n;
	if (strncmp(job->to, "kafka:", 6) == 0)
		config.topic = mem_dup(job->to + 6, strcspn(job->to + 6, "?"));
	config.names = (struct route_names){job->allow->v, job->allow->n, config.topic};
	for (i = 0; i < config.rules.n; i++)
		if (add_rule(job, "--rule", slice_str(config.rules.v[i]), why) < 0)
			return -1;
	if (config.file && route_read(config.file, "--rules", add_rule, job, why) < 0)
		return -1;
	if (!config.nrules && !config.by)
		return fail(why, EXIT_USAGE, "nothing says where to: -r 'EXPR => SINK', --rules "
			"FILE or --by EXPR");
	if (config.by && !strstr(job->to, "{}"))
		return fail(why, EXIT_USAGE, "--by needs a template: -o 'items-{}.ndjson'");
	if (!config.by && job->to_given)
		return fail(why, EXIT_USAGE, "-o is of use with --by only: rules name their sinks");
	if (config.fallback && config.drop_unmatched)
		return fail(why, EXIT_USAGE, "--default and --drop-unmatched exclude each other");
	if (config.by && config.topic && !config.names.n)
		return fail(why, EXIT_USAGE, "topics that data choose need --allow GLOB");
	if (config.by) {
		config.by_expr = job_expr(job, "--by", config.by, NULL, why);
		if (!config.by_expr)
			return -1;
	}
	if (config.fallback) {
		config.default_outlet = flow_outlet(job->flow, config.fallback, true, why);
		if (config.default_outlet < 0)
			return -1;
	}
	return 0;
}

static void
release(void *unused)
{
	size_t i;

	(void)unused;
	for (i = 0; i < config.nrules; i++)
		free(config.rule[i].text);
	free(config.rule);
	free(config.topic);
	opt_list_release(&config.rules);
}

static struct opt options[] = {
	{'r', "rule", OPT_STRING, &config.rules, "RULE", "'EXPR => SINK': send events for which "
		"EXPR is true to SINK; the first match counts", .list = true},
	{0, "rules", OPT_FILE, &config.file, "FILE", "read rules from FILE, one a line"},
	{0, "all", OPT_FLAG, &config.all, NULL, "send an event to every match"},
	{0, "by", OPT_EXPR, &config.by, "EXPR", "fill the {} of -o with the value of EXPR"},
	{0, "default", OPT_SINK, &config.fallback, "SINK", "where to what matches nothing"},
	{0, "drop-unmatched", OPT_FLAG, &config.drop_unmatched, NULL, "drop what matches "
		"nothing"},
	{0}
};

static const struct opt_example examples[] = {
	{"A file a category", "sk-route --by .category -o '{}.ndjson' --default rest.ndjson"},
	{"Failed payments aside", "sk-route -r '.status==\"failed\" => failed.ndjson' --default -"},
	{0}
};

int
main(int argc, char **argv)
{
	static const struct job_tool tool = {
		.name = "sk-route",
		.summary = "sends each event where its content says",
		.synopsis = "[OPTION]... [SOURCE]...",
		.operands = "file",
		.options = options,
		.examples = examples,
		.op = &route_operator,
		.prepare = prepare,
		.release = release,
	};

	return job_main(argc, argv, &tool);
}
