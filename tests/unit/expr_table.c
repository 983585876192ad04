/* The native evaluator against a table of what jq 1.6 answers. */
#include "expr/expr.h"

#include "expr_cases.h"
#include "test.h"

static struct value
variable(void *arg, unsigned i)
{
	(void)arg;
	return i ? value_double(42) : value_string(SLICE("the-topic"));
}

static int
add_line(void *arg, const struct value *v)
{
	struct buf *b = arg;

	if (b->n)
		buf_addc(b, '\n');
	value_add_json(b, v);
	return 0;
}

static bool
answers(const struct expr_case *c, struct json_scan *scan, struct buf *got)
{
	static const char *const vars[] = {"topic", "n", NULL};
	struct expr_options options = {.vars = vars};
	struct expr_env env = {variable, NULL};
	struct failure why;
	struct json_doc doc;
	struct value in;
	struct expr *x = expr_compile(c->program, &options, &why);
	struct expr_run *r;
	int i;

	buf_reset(got);
	if (!x) {
		buf_addf(got, "does not compile: %s", why.text);
		return false;
	}
	if (!expr_is_native(x)) {
		buf_adds(got, "is not native");
		expr_free(x);
		return false;
	}
	if (json_doc_of(scan, slice_str(c->input), &doc, &why) < 0) {
		buf_addf(got, "bad input: %s", why.text);
		expr_free(x);
		return false;
	}
	in = value_token(&doc, 0);
	r = expr_run_new(x);
	/* Twice: what one record left behind must not matter to the next. */
	for (i = 0; i < 2; i++) {
		buf_reset(got);
		if (expr_each(r, &in, &env, add_line, got, &why) < 0)
			buf_addf(got, "%s!%s", got->n ? "\n" : "", why.text);
		expr_run_reset(r);
	}
	expr_run_free(r);
	expr_free(x);
	return slice_eq(buf_slice(got), slice_str(c->answer));
}

int
main(void)
{
	struct json_scan scan = {0};
	struct buf got = {0};
	size_t i;

	for (i = 0; i < sizeof(expr_cases) / sizeof(*expr_cases); i++) {
		const struct expr_case *c = &expr_cases[i];

		if (!ok(answers(c, &scan, &got), "%.60s", c->program))
			printf("# program: %s\n# input: %s\n# got:\n# %s\n# wanted:\n# %s\n",
				c->program, c->input, buf_cstr(&got), c->answer);
	}
	buf_release(&got);
	json_scan_release(&scan);
	return done();
}
