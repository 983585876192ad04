/* What callers of lib/expr rely on beside jq's answers: paths told from syntax, --explain,
 * mistakes with their place, exact numbers, identity of what passes, bounds. */
#include "expr/expr.h"

#include <stdlib.h>

#include "test.h"

/* libjq does not free what its parser held when a filter has a syntax error. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libjq.so";
}

static struct json_scan scan;

struct got {
	struct buf lines;
	const struct value *in;
	size_t n, stop_at;
	unsigned asked;
};

static struct value
variable(void *arg, unsigned i)
{
	struct got *g = arg;

	g->asked |= 1u << i;
	return value_double(i);
}

static int
add_line(void *arg, const struct value *v)
{
	struct got *g = arg;

	if (g->n++)
		buf_addc(&g->lines, '\n');
	if (g->in && value_same(v, g->in))
		buf_addc(&g->lines, '=');
	value_add_json(&g->lines, v);
	return g->n == g->stop_at ? 7 : 0;
}

static const char *const vars[] = {"topic", "key", NULL};

/* Outputs a line each, '=' before the input itself, then !error: the result is g->lines. */
static int
run(const char *program, const char *input, bool numbers_double, struct got *g)
{
	struct expr_options options = {.vars = vars, .numbers_double = numbers_double};
	struct expr_env env = {variable, g};
	struct failure why;
	struct json_doc doc;
	struct value in;
	struct expr *x = expr_compile(program, &options, &why);
	struct expr_run *r;
	int rc;

	buf_reset(&g->lines);
	g->n = 0;
	g->asked = 0;
	if (!x) {
		buf_addf(&g->lines, "!%s", why.text);
		return -2;
	}
	if (json_doc_of(&scan, slice_str(input), &doc, &why) < 0)
		return -3;
	in = value_token(&doc, 0);
	g->in = &in;
	r = expr_run_new(x);
	rc = expr_each(r, &in, &env, add_line, g, &why);
	if (rc == -1)
		buf_addf(&g->lines, "%s!%s", g->n ? "\n" : "", why.text);
	expr_run_free(r);
	expr_free(x);
	return rc;
}

static void
gives(const char *program, const char *input, const char *wanted)
{
	struct got g = {0};

	run(program, input, false, &g);
	if (!ok(strcmp(buf_cstr(&g.lines), wanted) == 0, "%s", program))
		printf("# on %s\n# got %s\n# wanted %s\n", input, buf_cstr(&g.lines), wanted);
	buf_release(&g.lines);
}

/* ---- syntax ---------------------------------------------------------------------------- */

static void
paths(void)
{
	static const struct {
		const char *program;
		size_t paths;
		bool one;
		const char *name; /* of the last path */
	} table[] = {
		{".", 1, true, NULL}, {".a", 1, true, "a"}, {".a.b", 1, true, "b"},
		{".[\"x y\"]", 1, true, "x y"}, {".\"x\"", 1, true, "x"},
		{".a[0]", 1, true, NULL}, {".a[0].c", 1, true, "c"},
		{" . # all", 1, true, NULL},
		{".a,.b", 2, false, "b"}, {".a, .b.c, .d[1]", 3, false, NULL},
		{".a?", 0, false, NULL}, {".[]", 0, false, NULL}, {".a[]", 0, false, NULL},
		{".a[1:]", 0, false, NULL}, {"(.a)", 0, false, NULL},
		{".a|.b", 0, false, NULL},
		{"first", 0, false, NULL}, {".a+.b", 0, false, NULL}, {"1", 0, false, NULL},
		{"$topic.a", 0, false, NULL}, {".[\"a\\(1)\"]", 0, false, NULL},
		{"", 0, false, NULL}, {"# .a", 0, false, NULL},
		{".a,(.b)", 0, false, NULL}, {"(.a,.b)", 0, false, NULL},
		{".[.a]", 0, false, NULL}, {"(.a).b", 0, false, NULL},
	};
	struct expr_options options = {.vars = vars};
	struct failure why;
	struct expr *x;
	struct slice name;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
		x = expr_compile(table[i].program, &options, &why);
		if (!ok(x != NULL, "compiles: %s", table[i].program))
			continue;
		ok(expr_paths(x) == table[i].paths && expr_is_path(x) == table[i].one,
			"%zu bare paths in %s", table[i].paths, table[i].program);
		if (table[i].paths) {
			name = expr_path_name(x, table[i].paths - 1);
			ok(table[i].name ? slice_eq(name, slice_str(table[i].name)) : !name.p,
				"the name of %s", table[i].program);
		}
		expr_free(x);
	}
}

static void
explains(const char *program, const char *wanted)
{
	struct expr_options options = {.vars = vars};
	struct failure why;
	struct buf b = {0};
	struct expr *x = expr_compile(program, &options, &why);

	if (x)
		expr_explain(x, &b);
	else
		buf_adds(&b, why.text);
	if (!ok(strcmp(buf_cstr(&b), wanted) == 0, "explains %s", program))
		printf("# got %s\n", buf_cstr(&b));
	expr_free(x);
	buf_release(&b);
}

static void
refuses(const char *program, const char *wanted)
{
	struct expr_options options = {.vars = vars};
	struct failure why;
	struct expr *x = expr_compile(program, &options, &why);

	if (!ok(!x && strcmp(why.text, wanted) == 0 && why.status == EXIT_USAGE,
	    "refuses %.40s", program))
		printf("# got %s\n", x ? "a filter" : why.text);
	expr_free(x);
}

static void
mistakes(void)
{
	struct buf b = {0};
	int i;

	refuses(".a)", "unexpected ')' at column 3");
	refuses(".a | | .b", "unexpected '|' at column 6");
	refuses("[1, 2", "unexpected end of the filter at column 6");
	refuses("{a: 1 + 2}", "unexpected '+' at column 7");
	refuses("{a: .x // 1}", "unexpected '//' at column 8");
	refuses(".a.[0]", "unexpected '[' at column 4");
	refuses("if .a then 1 end", "unexpected 'end' at column 14");
	refuses("1 == 1 == 1", "unexpected '==' at column 8");
	refuses("\"abc", "unterminated string at column 1");
	refuses("\"a\\x\"", "invalid escape at column 3");
	refuses("\"\\ud83d\"", "invalid escape at column 2");
	refuses("1.2.3", "invalid number at column 1");
	refuses("$nope", "$nope is not defined, at column 1");
	refuses(".a\n| )", "unexpected ')' at line 2, column 3");
	refuses("\xff", "the filter is not UTF-8");
	for (i = 0; i < 5000; i++)
		buf_addc(&b, '(');
	refuses(buf_cstr(&b), "the filter is nested too deep at column 1001");
	buf_reset(&b);
	for (i = 0; i < 5000; i++)
		buf_adds(&b, ".+");
	buf_addc(&b, '.');
	refuses(buf_cstr(&b), "the filter is nested too deep at column 2002");
	buf_reset(&b);
	for (i = 0; i < 5000; i++)
		buf_adds(&b, "[.[] as $x | ");
	refuses(buf_cstr(&b), "the filter is nested too deep at column 8660");
	buf_release(&b);
}

/* ---- numbers --------------------------------------------------------------------------- */

#define BIG "12345678901234567890"
#define UNFIT "!number " BIG " does not fit a double: arithmetic would change it"

static void
numbers(void)
{
	struct got g = {0};

	gives(".", "{\"a\":" BIG "}", "={\"a\":" BIG "}");
	gives(".a", "{\"a\":" BIG "}", BIG);
	gives(".a", "{\"a\":1.10}", "1.10");
	gives("{b:.a}, [.a]", "{\"a\":1.10e2}", "{\"b\":1.10e2}\n[1.10e2]");
	gives(".a == " BIG ", .a == 12345678901234567891", "{\"a\":" BIG "}", "true\nfalse");
	gives(".a < .b, .a == .b, ([.b, .a] | sort)",
		"{\"a\":12345678901234567890,\"b\":12345678901234567891}",
		"true\nfalse\n[12345678901234567890,12345678901234567891]");
	gives("unique", "[12345678901234567890,12345678901234567891,12345678901234567890.0]",
		"[12345678901234567890,12345678901234567891]");
	gives("max, (group_by(.) | length)", "[12345678901234567891,12345678901234567890]",
		"12345678901234567891\n2");
	gives(".a == .b", "{\"a\":1.0,\"b\":10e-1}", "true");
	gives("(.a + 0) == .b", "{\"a\":0.1,\"b\":0.1000}", "true");
	gives("(12345678901234567000 + 0) == .", BIG, "false");
	gives("(12345678901234567000 + 0) < .", BIG, "true");
	gives(". + 1", BIG, UNFIT);
	gives("-.", BIG, UNFIT);
	gives(". * 2", BIG, UNFIT);
	gives("1 - .", BIG, UNFIT);
	gives("floor", BIG, UNFIT);
	gives("length", BIG, UNFIT);
	gives("try (. + 1) catch 0", BIG, UNFIT);
	gives("(. + 1)?", BIG, UNFIT);
	gives("add", "[1," BIG "]", UNFIT);
	gives("add", "[null," BIG "]", BIG);
	gives(". + 1", "0.1", "1.1");
	gives(". + 1", "100000000000000000000", "1e+20");
	gives(". * 3.14159265358979323846", "2", "6.283185307179586");
	gives("tostring, \"\\(.)\", tojson", BIG, "\"" BIG "\"\n\"" BIG "\"\n\"" BIG "\"");
	gives("tostring", "1.10", "\"1.1\"");
	gives("tonumber", "\"" BIG "\"", BIG);
	gives("fromjson", "\"[1.50," BIG "]\"", "[1.5," BIG "]");
	gives("1.50, 1e2", "null", "1.5\n100");
	gives(BIG ", -" BIG, "null", BIG "\n-12345678901234567000");
	run(". + 1", BIG, true, &g);
	ok(strcmp(buf_cstr(&g.lines), "12345678901234567000") == 0,
		"--numbers=double calculates with any number");
	buf_release(&g.lines);
}

/* ---- running --------------------------------------------------------------------------- */

static int
truth(const char *program, const char *input)
{
	struct failure why;
	struct json_doc doc;
	struct value in;
	struct expr *x = expr_compile(program, NULL, &why);
	struct expr_run *r = expr_run_new(x);
	int rc;

	json_doc_of(&scan, slice_str(input), &doc, &why);
	in = value_token(&doc, 0);
	rc = expr_test(r, &in, NULL, &why);
	expr_run_free(r);
	expr_free(x);
	return rc;
}

static void
running(void)
{
	struct got g = {.stop_at = 2};
	struct expr_options options = {.vars = vars};
	struct failure why;
	struct json_doc doc;
	struct value in;
	const struct value *v;
	struct expr *x;
	struct expr_run *r;

	gives("", "{\"a\":1.0}", "={\"a\":1.0}");
	gives("select(.a == 1)", "{\"a\":1.0}", "={\"a\":1.0}");
	gives(".a | select(. > 0)", "{\"a\":1.0}", "1.0");
	gives("if .a then . else empty end", "{ \"a\" : [ ] }", "={\"a\":[]}");
	gives("., .", "[1]", "=[1]\n=[1]");
	gives("error({a: 1.50})", "null", "!error (not a string): {\"a\":1.5}");
	gives("1, error(\"two\"), 3", "null", "1\n!two");
	gives("{\"\\u007f\": .a[0:3], b: \"\\u007f\"} | .b = .[\"\\u007f\"]",
		"{\"a\":\"a\\u007fbc\"}",
		"{\"\\u007f\":\"a\\u007fb\",\"b\":\"a\\u007fb\"}");
	gives("{a: .x[0:2]} | {\"q\\\"\": .a}", "{\"x\":\"abc\"}", "{\"q\\\"\":\"ab\"}");
	gives("{a, b: .b[0:3]}", "{\"a\":1,\"a\":2,\"b\":\"\\u0061bcd\"}",
		"{\"a\":2,\"b\":\"abc\"}");

	ok(run("1, 2, 3", "null", false, &g) == 7 && strcmp(buf_cstr(&g.lines), "1\n2") == 0,
		"what a sink returns ends the run and is returned");
	ok(run("try (1, 2, 3) catch 4", "null", false, &g) == 7 && g.n == 2,
		"no try holds it up");
	g.stop_at = 0;
	run("if . then $key else $topic end", "true", false, &g);
	ok(g.asked == 2, "only variables that are used are asked for");
	run("1 as $topic | $topic", "true", false, &g);
	ok(g.asked == 0, "a binding hides a variable");
	buf_release(&g.lines);

	ok(truth(".a == \"x\"", "{\"a\":\"x\"}") == 1, "test: true");
	ok(truth(".a == \"x\"", "{\"a\":\"xy\"}") == 0, "test: false");
	ok(truth(".a == \"x\\\",\\\"b\"", "{\"a\":\"x\",\"b\":1}") == 0,
		"test: a constant with a quote is no part of the line");
	ok(truth(".a", "{\"a\":0}") == 1, "test: 0 is true");
	ok(truth("empty", "{}") == 0, "test: no output is false");
	ok(truth("null, false, 1, error", "{}") == 1, "test: one true output is enough");
	ok(truth("null, false", "{}") == 0, "test: none is true");
	ok(truth("select(.a) | .b", "{\"a\":1,\"b\":null}") == 0, "test: select, then null");
	ok(truth(".a.b", "{\"a\":1}") == -1, "test: an error");
	ok(truth(".a == 1 and (.b | not)", "{\"a\":1,\"b\":false}") == 1, "test: and, not");

	x = expr_compile(".[] | . + 1", &options, &why);
	r = expr_run_new(x);
	json_doc_of(&scan, SLICE("[1,2,3]"), &doc, &why);
	in = value_token(&doc, 0);
	ok(expr_all(r, &in, NULL, &v, &why) == 3 && v[2].u.number == 4, "all outputs");
	json_doc_of(&scan, SLICE("[1,\"x\"]"), &doc, &why);
	in = value_token(&doc, 0);
	ok(expr_all(r, &in, NULL, &v, &why) == -1 && why.status == EXIT_DATA,
		"all outputs, or a bad record");
	expr_run_reset(r);
	expr_run_free(r);
	expr_free(x);
	expr_run_free(NULL);
	expr_free(NULL);

	setenv("SK_EXPR", "libjq", 1);
	explains(".a", "libjq: SK_EXPR asks for it");
	x = expr_compile(".a", &options, &why);
	ok(x && expr_is_path(x) && !expr_is_native(x), "a path is one in libjq too");
	expr_free(x);
	unsetenv("SK_EXPR");
	explains(".a | select(. > 1)", "native: .a | select(. > 1)");
	explains("[limit(3;.[])]", "libjq: limit/2 is not native");
	explains("reduce .[] as $x (0; . + $x)", "libjq: reduce is not native");
	explains("..", "libjq: .. is not native");
	explains("@csv", "libjq: @csv is not native");
	explains(". as [$a] | $a", "libjq: destructuring is not native");
	explains("first(.a, (.b)?)", "libjq: try within first is not native");
	explains(".a |= (tonumber? // 0)", "libjq: try within |= is not native");
	explains("to_entries |= .", "libjq: a function as a path is not native");
}

/* ---- values ---------------------------------------------------------------------------- */

static void
values(void)
{
	struct failure why;
	struct json_doc doc;
	struct json_scan other = {0};
	struct json_doc doc2;
	struct expr *x = expr_compile("{b: (.n + 0), a: [.s, null], (.s): true}", NULL, &why);
	struct expr_run *r = expr_run_new(x);
	struct value in, token, got;
	const struct value *v;
	struct value_iter it;
	struct buf b = {0};
	struct arena *arena = expr_run_arena(r);
	struct slice s;
	size_t n = 0;

	json_doc_of(&scan, SLICE("{\"n\":1e0,\"s\":\"\\u0061\\n\"}"), &doc, &why);
	json_doc_of(&other, SLICE("{\"a\\n\":true, \"a\":[\"a\\n\",null], \"b\":1.0}"),
		&doc2, &why);
	in = value_token(&doc, 0);
	token = value_token(&doc2, 0);
	ok(expr_all(r, &in, NULL, &v, &why) == 1, "an object is made");
	value_add_json(&b, v);
	ok(slice_eq(buf_slice(&b), SLICE("{\"b\":1,\"a\":[\"a\\n\",null],\"a\\n\":true}")),
		"its JSON");
	ok(value_cmp(v, &token, arena) == 0 && value_cmp(&token, v, arena) == 0,
		"it equals the same object of a document");
	buf_reset(&b);
	value_add_canonical(&b, v);
	n = b.n;
	value_add_canonical(&b, &token);
	ok(b.n == 2 * n && memcmp(b.p, b.p + n, n) == 0, "and shares its canonical form");
	ok(value_count(v) == 3 && value_count(&token) == 3, "members are counted");
	ok(value_get(v, SLICE("a\n"), &got) && value_type(&got) == JSON_TRUE &&
		value_get(&token, SLICE("a\n"), &got) && value_type(&got) == JSON_TRUE &&
		!value_get(v, SLICE("x"), &got), "members are found");
	for (n = 0, value_enter(&token, &it, arena); value_step(&it); n++)
		if (n == 0)
			ok(slice_eq(it.name, SLICE("a\n")), "a walk gives decoded names");
	ok(n == 3, "a walk over an object ends");
	ok(!value_same(v, v) && value_same(&token, &token) && !value_same(&token, &in),
		"only tokens are the same");
	buf_reset(&b);
	value_get(&in, SLICE("s"), &got);
	value_add_text(&b, &got);
	ok(slice_eq(buf_slice(&b), SLICE("a\n")), "a string's text");
	s = value_string_bytes(&got, arena);
	ok(slice_eq(s, SLICE("a\n")), "a string's bytes");
	ok(!value_string_bytes(&in, arena).p, "of anything else none");
	s = SLICE("");
	got = value_string(s);
	ok(value_string_bytes(&got, arena).p, "an empty string is a string");
	expr_run_free(r);
	expr_free(x);
	json_scan_release(&other);
	buf_release(&b);
}

/* ---- bounds ---------------------------------------------------------------------------- */

static void
bounds(void)
{
	struct buf program = {0}, doc = {0};
	struct got g = {0};
	int i;

	/* A hundred thousand open generators: too much for any stack. */
	buf_adds(&program, "{a0:.[]");
	for (i = 1; i < 100000; i++)
		buf_addf(&program, ",a%d:.[]", i);
	buf_addc(&program, '}');
	run(buf_cstr(&program), "[1]", false, &g);
	ok(strcmp(buf_cstr(&g.lines), "!the filter needs too much stack") == 0,
		"a filter that needs too much stack fails");

	for (i = 0; i < 1024; i++)
		buf_addc(&doc, '[');
	for (i = 0; i < 1024; i++)
		buf_addc(&doc, ']');
	run("[.] | sort, unique, tojson == (.[0] | [.] | tojson), (.[0] == .[0]), "
		"(tojson | length), contains([[[]]]), ([.] | map_values([.]) | add | length)",
		buf_cstr(&doc), false, &g);
	ok(g.n == 7, "the deepest document is sorted, compared and written");

	buf_reset(&program);
	for (i = 0; i < 490; i++)
		buf_addc(&program, '[');
	buf_addc(&program, '.');
	for (i = 0; i < 490; i++)
		buf_addc(&program, ']');
	ok(run(buf_cstr(&program), buf_cstr(&doc), false, &g) == 0, "and wrapped 490 times");
	gives("\"abc\" * 1e9", "null",
		"!Repeat string result too long");
	gives(".[1e9] = 1", "null", "!Array index 1000000000 is too large");
	gives("[range(5)] | .[] |= empty", "null", "[1,3]");
	buf_release(&program);
	buf_release(&doc);
	buf_release(&g.lines);
}

int
main(void)
{
	unsetenv("SK_EXPR");
	paths();
	mistakes();
	numbers();
	running();
	values();
	bounds();
	json_scan_release(&scan);
	return done();
}
