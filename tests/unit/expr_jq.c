/* The libjq fallback: what it answers, what it refuses, and that data cannot break it. */
#include "expr/jq.h"

#include <malloc.h>
#include <stdlib.h>

#include "test.h"

/* libjq does not free what its parser held when a filter has a syntax error, nor the key at
 * which an iteration over an object ends in an error. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libjq.so";
}

static const char *const names[] = {"topic", "key", "headers", NULL};
static struct json_scan scan;
static struct arena arena;

struct run {
	struct buf out;
	const struct value *in;
	size_t n, stop_at;
	unsigned asked; /* bits of the variables that were asked for */
};

static struct value
get_var(void *arg, unsigned i)
{
	struct run *run = arg;

	run->asked |= 1u << i;
	return i == 1 ? (struct value){.kind = VALUE_LITERAL, .u.text = SLICE("1.50")} :
		value_string(slice_str(names[i]));
}

static int
take(void *arg, const struct value *v)
{
	struct run *run = arg;

	if (run->n++)
		buf_addc(&run->out, '\n');
	if (value_same(v, run->in))
		buf_addc(&run->out, '=');
	value_add_json(&run->out, v);
	return run->n == run->stop_at ? 7 : 0;
}

/* Run on text: the outputs, one a line, then "!message"; '=' before the input itself. */
static int
run_on(struct jq_filter *f, const char *text, struct run *run, struct failure *why)
{
	struct expr_env env = {get_var, run};
	struct json_doc doc;
	struct value in;
	int r;

	buf_reset(&run->out);
	run->n = 0;
	arena_reset(&arena);
	if (json_doc_of(&scan, slice_str(text), &doc, why))
		return -2;
	in = value_token(&doc, 0);
	run->in = &in;
	r = jq_filter_each(f, &in, &env, take, run, &arena, why);
	if (r == -1)
		buf_addf(&run->out, "%s!%s", run->n ? "\n" : "", why->text);
	return r;
}

struct expected {
	const char *program, *input, *output; /* "!..." of a program: the compile error */
};

/* A title is one line. */
static const char *
title(const char *s)
{
	static char line[80];
	size_t i;

	for (i = 0; s[i] && i + 1 < sizeof(line); i++)
		line[i] = s[i] == '\n' ? ' ' : s[i];
	line[i] = '\0';
	return line;
}

static void
check(const struct expected *e, const struct expr_options *options)
{
	struct failure why;
	struct jq_filter *f = jq_filter_new(e->program, options, &why);
	struct run run = {0};

	if (!f) {
		buf_addf(&run.out, "!%s", why.text);
		ok(why.status == EXIT_USAGE && !strcmp(buf_cstr(&run.out), e->output),
			"%s does not compile: %s", title(e->program), buf_cstr(&run.out));
	} else {
		run_on(f, e->input, &run, &why);
		if (!ok(!strcmp(buf_cstr(&run.out), e->output), "%s on %.50s",
				title(e->program), e->input))
			printf("# got %s\n# not %s\n", buf_cstr(&run.out), e->output);
	}
	buf_release(&run.out);
	jq_filter_free(f);
}

#define U "12345678901234567890"
#define UNFIT "!number " U " does not fit a double: arithmetic would change it"

static const struct expected cases[] = {
	/* The program is the user's text, whatever it says. */
	{".", "{\"b\":1.0, \"a\":[ ]}", "={\"b\":1.0,\"a\":[]}"},
	{". # x", "1", "=1"},
	{"# x", "1", "=1"},
	{"", "1", "=1"},
	{" \n", "1", "=1"},
	{"def f: 2;", "1", "=1"},
	{"def f: .+1; f", "1", "2"},
	{"\"(\" | \"a\\\"(\"", "1", "\"a\\\"(\""},
	{"\"a\\(1 + (\"2\\(\")\")\" | length))b\"", "1", "\"a3b\""},
	{".) | (.", "1", "!line 1: syntax error, unexpected character"},
	{".a)", "1", "!line 1: syntax error, unexpected character, expecting end of the filter"},
	{".[", "1", "!line 1: syntax error, unexpected end of the filter"},
	{"\"abc", "1", "!line 1: syntax error, unexpected end of the filter, expecting text or "
		"\"\\(\" or '\"'"},
	{"1,\nfoo", "1", "!line 2: foo/0 is not defined"},
	{"$foo", "1", "!line 1: $foo is not defined"},
	{"\n$__loc__.line", "1", "2"},
	{"if . then 1", "1", "!line 1: syntax error, unexpected end of the filter"},
	/* Nothing but the record. */
	{"import \"a\" as a; .", "1", "!import is not available: a filter is one text"},
	{"include \"a\"; .", "1", "!include is not available: a filter is one text"},
	{"module {}; .", "1", "!module is not available: a filter is one text"},
	{"input", "1", "!input is not available: a filter sees its record alone"},
	{"[inputs]", "1", "!inputs is not available: a filter sees its record alone"},
	{"_input", "1", "!_input is not available: a filter sees its record alone"},
	{"debug", "1", "!debug is not available: a filter sees its record alone"},
	{"stderr", "1", "!stderr is not available: a filter sees its record alone"},
	{"halt", "1", "!halt is not available: a filter sees its record alone"},
	{"halt_error", "1", "!halt_error is not available: a filter sees its record alone"},
	{"halt_error(1)", "1", "!halt_error is not available: a filter sees its record alone"},
	{"input_filename", "1", "!input_filename is not available: a filter sees its record alone"},
	{"input_line_number", "1",
		"!input_line_number is not available: a filter sees its record alone"},
	{"get_search_list", "1", "!get_search_list is not available: a filter sees its record alone"},
	{"modulemeta", "1", "!modulemeta is not available: a filter sees its record alone"},
	{"{input:1}|.input", "1", "=1"},
	{"{debug:2}", "1", "{\"debug\":2}"},
	{"def input: 3; input", "1", "3"},
	{"$ENV,env,env.HOME", "1", "{}\n{}\nnull"},
	/* Variables. */
	{"[$topic,$key]", "1", "[\"topic\",1.50]"},
	{"{$topic}", "1", "{\"topic\":\"topic\"}"},
	{"$ topic", "1", "\"topic\""},
	{"$key|., .+1", "1", "1.50\n2.5"},
	{"1 as $topic|$topic", "1", "=1"},
	{"[$topic]|limit(1;.[])", "{}", "\"topic\""},
	/* Values. */
	{"[limit(3;.[])]", "[1,2,3,4]", "[1,2,3]"},
	{".a", "{\"a\":1,\"a\":2}", "2"},
	{".", "\"\\u0000a\\ud83d\\ude00\"", "=\"\\u0000a\xf0\x9f\x98\x80\""},
	{"[.]", "\"\\u0000a\\ud83d\\ude00\\ud800\"",
		"[\"\\u0000a\xf0\x9f\x98\x80\xef\xbf\xbd\"]"},
	{"length", "\"\\u0000a\"", "2"},
	{"[.[]]", "{\"\\u0061\":null,\"b\":true,\"c\":false,\"d\":{},\"e\":[]}",
		"[null,true,false,{},[]]"},
	{"nan, -nan, infinite", "0", "null\nnull\n1.7976931348623157e+308"},
	/* Errors are jq's. */
	{".a", "\"x\"", "!Cannot index string with string \"a\""},
	{"1,error(\"x\"),2", "0", "1\n!x"},
	{"error({a:1})", "0", "!error (not a string): {\"a\":1}"},
	{"1,error(null),2", "0", "1\n2"},
	{"error", "\"a\\u0000b\"", "!a"},
	{"label $f|1,break $f,2", "0", "1"},
	/* Numbers keep their text. */
	{"[.[]]", "[1.10,100.0,1e2,0.5,-0,1E400]", "[1.10,100,100,0.5,-0,1E400]"},
	{".a", "{\"a\":1.0}", "1.0"},
	{".a", "{\"a\":1.0,\"b\":1}", "1"},
	{".a", "{\"a\":1.0,\"b\":1.0}", "1.0"},
	{"limit(1;.a)", "{\"a\":1.0}", "1.0"},
	{"1.10,.5,007,1.", "0", "1.10\n0.5\n7\n1"},
	{".a", "{\"a\":" U "}", U},
	{"[.a,.b]", "{\"a\":" U ",\"b\":\"x\"}", "[" U ",\"x\"]"},
	{"to_entries", "{\"a\":" U "}", "[{\"key\":\"a\",\"value\":" U "}]"},
	{"[.[]|select(. > 3)]", "[1," U ",2,4]", "[" U ",4]"},
	{"sort, min, max, unique, index(" U ")", "[" U ",1]",
		"[1," U "]\n1\n" U "\n[1," U "]\n0"},
	{"group_by(.a)", "[{\"a\":" U "},{\"a\":1}]", "[[{\"a\":1}],[{\"a\":" U "}]]"},
	{".a == " U, "{\"a\":" U "}", "true"},
	{".a == 12345678901234567891", "{\"a\":" U "}", "!numbers " U " and "
		"12345678901234567891 share a double, so that libjq cannot tell them apart"},
	{"unique", "[" U ",12345678901234567891]", "!numbers " U " and "
		"12345678901234567891 share a double, so that libjq cannot tell them apart"},
	{".b + 1", "{\"a\":" U ",\"b\":2}", "3"},
	{".b += 1", "{\"a\":" U ",\"b\":2}", "{\"a\":" U ",\"b\":3}"},
	{"\"\\(.b)\", @json \"\\(.b)\", (.b|tostring)", "{\"a\":" U ",\"b\":2}",
		"\"2\"\n\"2\"\n\"2\""},
	{"[.a] + [1], {a} + {b:1}, null + .a", "{\"a\":" U "}",
		"[" U ",1]\n{\"a\":" U ",\"b\":1}\n" U},
	{".a + 1", "{\"a\":" U "}", UNFIT},
	{"-.a", "{\"a\":" U "}", UNFIT},
	{".a % 2 == 0", "{\"a\":" U "}", UNFIT},
	{".a += 1", "{\"a\":" U "}", UNFIT},
	{".a|floor", "{\"a\":" U "}", UNFIT},
	{"pow(.a;2)", "{\"a\":" U "}", UNFIT},
	{"[.a]|add", "{\"a\":" U "}", U},
	{"[.a,1]|add", "{\"a\":" U "}", UNFIT},
	{"\"\\(.a)\"", "{\"a\":" U "}", UNFIT},
	{"tojson", "{\"a\":" U "}", UNFIT},
	{"@csv", "[" U "]", UNFIT},
	{"[.[]|tostring]", "[\"x\"," U "]", UNFIT},
	{"join(\",\")", "[\"x\"," U "]", UNFIT},
	{"1, (.a+1)?, 2", "{\"a\":" U "}", "1\n" UNFIT},
	{"try (.a+1) catch 0", "{\"a\":" U "}", UNFIT},
	{".n * 2", "{\"a\":9007199254740993,\"n\":4503599627370496}", "!number "
		"9007199254740993 does not fit a double: a computed number equals its double"},
	{".a|length", "{\"a\":[null],\"b\":1.00000000000000000001}",
		"!number 1.00000000000000000001 does not fit a double"},
	{"9007199254740993 + 0", "1", "9007199254740992"},
	{"[., 9007199254740993]", "1", "[1,9007199254740993]"},
	{". % -1, . % -1.5", "1e19", "0\n0"},
	{".[0] % -1", "[1e300]", "0"},
	{"tonumber", "\"" U "\"", "!number " U " does not fit a double: libjq would change it"},
	{"tonumber, (tojson|fromjson)", "\"9007199254740992\"",
		"9007199254740992\n\"9007199254740992\""},
	{"fromjson", "\"[" U "]\"", "!number " U " does not fit a double: libjq would change it"},
	{"fromjson", "\"{\\\"" U "\\\":1.5}\"", "{\"" U "\":1.5}"},
	{"(\"ab\" * .)|length", "3", "6"},
	{"(\"ab\" * .)|length", "1e9", "!Repeat string result too long"},
	{"error", "{\"a\":" U "}", "!error (not a string): {\"a\":" U "}"},
	{"[now > 3, .a]", "{\"a\":" U "}", "[true," U "]"},
	{"[range(2)], [.key]", "{\"key\":" U "}", "[0,1]\n[" U "]"},
	/* What crashes, hangs or leaks in libjq 1.6. */
	{"todate", "1e18", "!errror converting number of seconds since epoch to datetime"},
	{"todate", "0", "\"1970-01-01T00:00:00Z\""},
	{"strftime(\"%Y\")", "[\"a\"]", "!strftime/1 requires parsed datetime inputs"},
	{".[.[0]] = 1", "[2147483647]", "!Array index too large"},
	{".[.[0]] |= 1", "[16777216]", "!Array index too large"},
	{".[.[0]] = 1", "[2]", "[2,null,1]"},
	{"setpath([.[0]];1)", "[1e9]", "!Array index too large"},
	{"[match(\"x*\";\"g\").offset]", "\"a\xc3\xa9""b\"", "!a regex that can match nothing is "
		"not applied to all of a text that is not ASCII"},
	{"[match(\"x*\";\"g\").offset]", "\"ab\"", "[0,1]"},
	{"[scan(\"\\\\w+\")]", "\"a\xc3\xa9 b\"", "[\"a\xc3\xa9\",\"b\"]"},
	{"[splits(\", +\")]", "\"a\xc3\xa9, b\"", "[\"a\xc3\xa9\",\"b\"]"},
	{"[match(\"(\";\"g\")]", "\"\xc3\xa9\"",
		"!Regex failure: end pattern with unmatched parenthesis"},
	{"indices(\"\"), index(\"a\"), rindex(\"a\"), indices(\"a\")", "\"aba\"",
		"null\n0\n2\n[0,2]"},
	{"indices(1), indices([1,2]), indices([]), index(2), rindex(1)", "[1,2,1]",
		"[0,2]\n[0]\n[]\n1\n2"},
	{"ltrimstr(\"a\"), ltrimstr(1), rtrimstr(\"b\")", "\"ab\"", "\"b\"\n=\"ab\"\n\"a\""},
	{"implode", "[-1,55296,1114112]", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
	{"reduce range(2000) as $i (1;[.])", "0",
		"!nested deeper than 1024 levels, which libjq does not take"},
};

static void
check_depth(void)
{
	char text[2 * 300 + 1];
	struct failure why;
	struct jq_filter *f = jq_filter_new("length", NULL, &why);
	struct run run = {0};

	for (int depth = 256; depth <= 257; depth++) {
		memset(text, '[', (size_t)depth);
		memset(text + depth, ']', (size_t)depth);
		text[2 * depth] = '\0';
		run_on(f, text, &run, &why);
		ok(!strcmp(buf_cstr(&run.out), depth == 256 ? "1" :
			"!nested deeper than 256 levels, which libjq does not take"),
			"%d levels: %s", depth, buf_cstr(&run.out));
	}
	jq_filter_free(f);
	buf_release(&run.out);
}

/* A run that is stopped leaves the filter ready for the next record. */
static void
check_stop(void)
{
	struct failure why;
	struct jq_filter *f = jq_filter_new("repeat(.)", NULL, &why);
	struct run run = {.stop_at = 3};

	ok(run_on(f, "[5]", &run, &why) == 7, "the sink's verdict is returned");
	ok(!strcmp(buf_cstr(&run.out), "=[5]\n=[5]\n=[5]"), "after so many outputs");
	ok(run_on(f, "\"x\"", &run, &why) == 7 &&
		!strcmp(buf_cstr(&run.out), "=\"x\"\n=\"x\"\n=\"x\""), "and again");
	jq_filter_free(f);
	buf_release(&run.out);
}

static void
check_vars(void)
{
	struct expr_options options = {names, false, false};
	struct failure why;
	struct jq_filter *f = jq_filter_new("[$headers, .]", &options, &why);
	struct run run = {0};

	run_on(f, "1", &run, &why);
	ok(run.asked == 4, "only the variables that are used are asked for");
	jq_filter_free(f);
	buf_release(&run.out);
}

static void
check_double(void)
{
	static const struct expected lax[] = {
		{"[.a, .a + 1, .b]", "{\"a\":9007199254740993,\"b\":9007199254740992}",
			"[9007199254740992,9007199254740992,9007199254740992]"},
		{"[.a, tostring]", "{\"a\":" U "}",
			"[" U ",\"{\\\"a\\\":12345678901234567000}\"]"},
	};
	struct expr_options options = {names, false, true};

	for (size_t i = 0; i < sizeof(lax) / sizeof(lax[0]); i++)
		check(&lax[i], &options);
}

static void
check_environment(void)
{
	static const struct expected open[] = {{"$ENV.SK_X, env.SK_X, ($ENV.HOME == env.HOME)",
		"0", "\"y\"\n\"y\"\ntrue"}};
	struct expr_options options = {names, true, false};

	setenv("SK_X", "y", 1);
	check(&open[0], &options);
	ok(getenv("HOME") != NULL, "HOME is left as it was");
}

/* Memory in use does not grow with the records, those that fail included. */
static void
check_leaks(void)
{
	static const char *const programs[] = {
		".a, [.b[]?], {c: .d}, (.a|tostring)", ".b[] |= .+1", "error", ".a.b.c",
		".[0:2]", "[$topic, $key, .a]", ".a|ltrimstr(\"x\")", "try error(\"x\") catch .",
		"[.b[]?|select(.>1)]|limit(1;.[])", "[scan(\"a\")]", ".a+1", "todate",
	};
	static const char *const docs[] = {"{\"a\":\"x\\u00e9\",\"b\":[1.10,2]}", "\"abc\"",
		"[\"x\"]", "{\"a\":" U ",\"b\":[" U ",3]}", "1.50", "null"};
	struct expr_options options = {names, false, false};
	size_t nprograms = sizeof(programs) / sizeof(programs[0]);
	size_t ndocs = sizeof(docs) / sizeof(docs[0]);

	for (size_t p = 0; p < nprograms; p++) {
		struct failure why;
		struct jq_filter *f = jq_filter_new(programs[p], &options, &why);
		struct run run = {0};
		size_t before = 0, after;

		for (size_t i = 0; i < 200 * ndocs; i++) {
			if (i == 100 * ndocs)
				before = (size_t)mallinfo2().uordblks;
			run_on(f, docs[i % ndocs], &run, &why);
		}
		after = (size_t)mallinfo2().uordblks;
		/* malloc may round a block up once; a leak is 17 bytes or more a record. */
		ok(after < before + 100 * ndocs, "no leak: %s (%zu, then %zu)", programs[p],
			before, after);
		jq_filter_free(f);
		buf_release(&run.out);
	}
}

int
main(void)
{
	struct expr_options options = {names, false, false};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check(&cases[i], &options);
	check_depth();
	check_stop();
	check_vars();
	check_double();
	check_environment();
	check_leaks();
	json_scan_release(&scan);
	arena_release(&arena);
	return done();
}
