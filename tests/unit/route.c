/* Rules of routing, as text. */
#include "route/route.h"
#include "test.h"

static void
test_split(void)
{
	static const struct {
		const char *text, *expr, *sink; /* expr NULL: no rule */
	} cases[] = {
		{".n => x", ".n", "x"},
		{"  .n > 1\t=>\tbig.ndjson \r", ".n > 1", "big.ndjson"},
		{".s == \"a => b\" => x", ".s == \"a => b\"", "x"},
		{".a => append:b c", ".a", "append:b c"},
		{".n >= 1 => x", ".n >= 1", "x"},
		{".n=> x", NULL, NULL},
		{" => x", NULL, NULL},
		{".n =>", NULL, NULL},
		{".n => ", NULL, NULL},
		{".n", NULL, NULL},
		{"=>", NULL, NULL},
		{"", NULL, NULL},
	};
	struct slice expr, sink;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rc = route_split(slice_str(cases[i].text), &expr, &sink);
		if (!cases[i].expr)
			ok(rc < 0, "'%s' is no rule", cases[i].text);
		else
			ok(rc == 0 && slice_eq(expr, slice_str(cases[i].expr)) &&
				slice_eq(sink, slice_str(cases[i].sink)),
				"'%s' is split at its last arrow", cases[i].text);
	}
}

static void
test_names(void)
{
	static const char *allow[] = {"orders-*", "x"};
	static const struct {
		const char *name, *topic;
		size_t nallow;
		bool fits;
	} cases[] = {
		{"eu", NULL, 0, true},
		{"a/b", NULL, 0, false},
		{"..", NULL, 0, false},
		{"", NULL, 0, false},
		{"orders-eu", NULL, 2, true},
		{"eu", NULL, 2, false},
		{"x", NULL, 2, true},
		{"eu", "orders-{}", 2, true},
		{"eu", "items-{}", 2, false},
		{"x", "{}", 2, true},
	};
	struct buf name = {0}, scratch = {0};
	struct route_names names;
	struct value v;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		names = (struct route_names){allow, cases[i].nallow, cases[i].topic};
		v = value_string(slice_str(cases[i].name));
		ok(route_name(&names, &name, &scratch, &v) == cases[i].fits &&
			slice_eq(buf_slice(&name), slice_str(cases[i].name)),
			"'%s' in %s, %zu globs: %s", cases[i].name,
			cases[i].topic ? cases[i].topic : "a file", cases[i].nallow,
			cases[i].fits ? "fits" : "does not");
	}
	v = value_null();
	ok(!route_name(&names, &name, &scratch, &v), "null is no name");
	buf_release(&name);
	buf_release(&scratch);
}

int
main(void)
{
	test_split();
	test_names();
	return done();
}
