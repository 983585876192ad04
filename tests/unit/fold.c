/* Aggregate functions: what they give, and that order, cuts and partial results change nothing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "test.h"
#include "window/fold.h"

#define S INT64_C(1000000)

static struct fold_work work;

static int
refuse(struct failure *why, const char *what)
{
	printf("# %s: %s\n", what, why->text);
	return -1;
}

static struct fold
fold_named(const char *name)
{
	struct fold f = {.name = SLICE("x"), .quantile = 0.5, .most = 2};

	while (fold_func_name[f.func] && strcmp(fold_func_name[f.func], name) != 0)
		f.func++;
	return f;
}

struct sample {
	const char *value, *what;
	int64_t us;
};

static int
add(const struct fold *f, struct fold_scratch *s, const struct sample *x)
{
	struct fold_input in = {.us = x->us, .value = fold_value_of(slice_str(x->value))};
	struct failure why;

	if (x->what)
		in.what = fold_value_of(slice_str(x->what));
	if (fold_check(f, &in, &work, &why) < 0)
		return refuse(&why, x->value);
	if (fold_add(f, &s->cell, 0, &in, &work, &why) < 0)
		return refuse(&why, x->value);
	return 0;
}

/* What a function gives for values that stand a second apart; " " between them. */
static void
gives(const char *name, double quantile, const char *values, const char *wanted)
{
	struct fold f = fold_named(name);
	struct fold_scratch s;
	struct buf b = {0};
	char *text = mem_strdup(values), *p, *save = NULL;
	struct sample x = {.us = 1767225600 * S};
	int rc = 0;

	f.quantile = quantile;
	fold_scratch_init(&s, fold_place(&f, 1), 1);
	for (p = strtok_r(text, " ", &save); p && rc == 0; p = strtok_r(NULL, " ", &save)) {
		x.value = x.what = p;
		if (f.func >= FOLD_ARGMIN && strchr(p, '=')) {
			*strchr(p, '=') = '\0';
			x.what = p + strlen(p) + 1;
		}
		rc = add(&f, &s, &x);
		x.us += S;
	}
	if (rc == 0)
		fold_render(&f, &s.cell, 0, &work, &b);
	else
		buf_adds(&b, "refused");
	ok(slice_eq(buf_slice(&b), slice_str(wanted)), "%s of %.60s is %.60s (%.*s)", name, values,
		wanted, (int)b.n, b.p);
	buf_release(&b);
	fold_scratch_release(&s);
	free(text);
}

static void
results(void)
{
	gives("count", 0, "", "0");
	gives("count", 0, "1 null \"x\"", "3");
	gives("sum", 0, "", "null");
	gives("sum", 0, "0.1 0.2 9007199254740993", "9007199254740993.3");
	gives("sum", 0, "9223372036854775807 9223372036854775807", "18446744073709551614");
	gives("sum", 0, "170141183460469231731687303715884105727 1",
		"170141183460469231731687303715884105728");
	gives("sum", 0, "999999999999999999 0.00000000000000001 -999999999999999999",
		"0.00000000000000001");
	gives("sum", 0, "1e3 1 2.50", "1003.50");
	gives("sum", 0, "-5 -0.25", "-5.25");
	gives("sum", 0, "0.1 -0.1", "0.0");
	gives("sum", 0, "-0", "0");
	gives("sum", 0, "1e1001", "refused");
	gives("sum", 0, "\"1\"", "refused");
	gives("sum", 0, "true", "refused");
	gives("avg", 0, "1 2", "1.5");
	gives("avg", 0, "0.1 0.2 0.3", "0.2");
	gives("avg", 0, "1 1 2", "1.3333333333333333");
	gives("avg", 0, "9007199254740993 9007199254740993", "9007199254740992");
	gives("avg", 0, "-1 -2 -4", "-2.3333333333333335");
	gives("avg", 0, "0", "0");
	gives("avg", 0, "1e300 3e300", "2e+300");
	gives("avg", 0, "1e-300 3e-300", "2e-300");
	gives("stddev", 0, "5", "null");
	gives("stddev", 0, "2 4 4 4 5 5 7 9", "2.138089935299395");
	gives("stddev", 0, "1000000000.1 1000000000.2 1000000000.3", "0.1");
	gives("stddev", 0, "9007199254740993 9007199254740993", "0");
	gives("stddev", 0, "1e30 3e30", "1414213562373095000000000000000");
	/* Whose square is no double. */
	gives("stddev", 0, "1e300 3e300", "1.4142135623730952e+300");
	gives("stddev", 0, "-1e-300 1e-300", "1.4142135623730952e-300");
	gives("stddev", 0, "1e-1000 3e-1000", "0");
	gives("stddev", 0, "0 0.0", "0");
	gives("min", 0, "", "null");
	gives("min", 0, "3 1.0 1 2", "1");
	gives("min", 0, "12345678901234567891 12345678901234567890", "12345678901234567890");
	gives("min", 0, "\"b\" 7 true [1] {}", "true");
	gives("max", 0, "3 3.0 1 2", "3");
	gives("max", 0, "\"b\" \"a\" 7", "\"b\"");
	gives("max", 0, "\"a\\u0001\" \"a\"", "\"a\\u0001\"");
	gives("max", 0, "{\"a\":1} {\"a\":2} [9]", "{\"a\":2}");
	gives("max", 0, "\"this-one-is-longer-than-what-fits-the-box\" \"a\"",
		"\"this-one-is-longer-than-what-fits-the-box\"");
	gives("first", 0, "7 8 9", "7");
	gives("last", 0, "7 8 \"the-last-one,-which-is-long-enough-for-a-room\"",
		"\"the-last-one,-which-is-long-enough-for-a-room\"");
	gives("list", 0, "3 \"x\" 3 1", "[3,\"x\",3,1]");
	gives("list", 0, "", "[]");
	gives("set", 0, "3 \"x\" 3.0 1 [2] [2.0]", "[1,3,\"x\",[2]]");
	gives("set", 0, "1e5 100000 1.50 1.5", "[1.5,100000]");
	gives("distinct", 0, "3 \"3\" 3.0 1 true 1e0", "4");
	gives("approx_distinct", 0, "3 \"3\" 3.0 1 true 1e0", "4");
	gives("topk", 0, "\"a\" \"b\" \"c\" \"c\" \"b\" \"c\"",
		"[{\"value\":\"c\",\"count\":3},{\"value\":\"b\",\"count\":2}]");
	gives("topk", 0, "2 1 3", "[{\"value\":1,\"count\":1},{\"value\":2,\"count\":1}]");
	gives("argmin", 0, "3=\"c\" 1=\"a\" 2=\"b\" 1=\"z\"", "\"a\"");
	gives("argmax", 0, "3=\"c\" 1=\"a\" 3.0=\"b\"", "\"c\"");
	gives("argmax", 0, "1=[1,2,3,4,5,6,7,8,9,10,11,12,13,14] 0=0",
		"[1,2,3,4,5,6,7,8,9,10,11,12,13,14]");
	gives("quantile", 0, "5 1 9", "1");
	gives("quantile", 1, "5 1 9", "9");
	gives("quantile", 0.5, "-7 -7", "-7");
	gives("quantile", 0.5, "", "null");
	/* As a decimal: 0.58 times 50 is 29. Doubles say less. */
	gives("quantile", 0.58, "-1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 "
		"-1 -1 -1 -1 -1 -1 -1 -1 -1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", "0");
	gives("quantile", 0.5, "-0 0 0", "0");
	gives("quantile", 0.5, "\"1\"", "refused");
}

/* ---- order, cuts, partial results --------------------------------------------------------- */

static uint64_t seed = 1;

static unsigned
draw(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static void
shuffle(struct sample *x, size_t n)
{
	struct sample t;
	size_t i, j;

	for (i = n; i > 1; i--) {
		j = draw((unsigned)i);
		t = x[j], x[j] = x[i - 1], x[i - 1] = t;
	}
}

/* Numbers of all kinds, and for who takes them other values; many are equal. */
static void
make_samples(struct sample *x, size_t n, bool numbers)
{
	char text[80];
	size_t i;
	int kind;

	for (i = 0; i < n; i++) {
		kind = (int)draw(numbers ? 7 : 12);
		if (kind == 0)
			snprintf(text, sizeof(text), "%u", draw(1000));
		else if (kind == 1)
			snprintf(text, sizeof(text), "-%u.%02u", draw(1000), draw(100));
		else if (kind == 2)
			snprintf(text, sizeof(text), "%u.0", draw(20));
		else if (kind == 3)
			snprintf(text, sizeof(text), "%u%09u%09u", draw(9) + 1, draw(1000000000),
				draw(1000000000));
		else if (kind == 4)
			snprintf(text, sizeof(text), "%u.5e%d", draw(9) + 1, (int)draw(60) - 30);
		else if (kind == 5)
			snprintf(text, sizeof(text), "0.%017u", draw(1000000));
		else if (kind == 6)
			snprintf(text, sizeof(text), "%u", draw(20));
		else if (kind == 7)
			snprintf(text, sizeof(text), "\"s%u\"", draw(30));
		else if (kind == 8)
			snprintf(text, sizeof(text), "\"a longer string, for the rooms %u\"",
				draw(9));
		else if (kind == 9)
			snprintf(text, sizeof(text), "[%u,%u.0]", draw(3), draw(3));
		else if (kind == 10)
			snprintf(text, sizeof(text), "{\"a\":%u}", draw(4));
		else
			snprintf(text, sizeof(text), draw(2) ? "true" : "false");
		x[i].value = mem_strdup(text);
		x[i].what = x[draw((unsigned)i + 1)].value;
		x[i].us = (int64_t)draw(50) * S;
	}
}

/* All of it in pieces: each folded alone, and carried over as it is or as a partial result. */
static bool
in_pieces(const struct fold *f, size_t fixed, const struct sample *x, size_t n, bool save,
	struct buf *out)
{
	struct fold_scratch all, one;
	struct json_scan scan = {0};
	struct failure why;
	struct json_doc d;
	struct buf b = {0};
	size_t i = 0, end;
	bool good = true;

	fold_scratch_init(&all, fixed, 1);
	fold_scratch_init(&one, fixed, 1);
	while (i < n && good) {
		fold_scratch_clear(&one);
		for (end = i + 1 + draw(40); i < end && i < n && good; i++)
			good = add(f, &one, &x[i]) == 0;
		if (!save) {
			good &= fold_merge(f, &all.cell, 0, &one.cell, &work, &why) == 0;
			continue;
		}
		buf_reset(&b);
		fold_save(f, &one.cell, 0, &work, &b);
		good &= json_doc_of(&scan, buf_slice(&b), &d, &why) == 0 &&
			fold_take(f, &all.cell, 0, &d, 0, &work, &why) == 0;
		if (!good)
			printf("# %s: %.*s\n", why.text, (int)(b.n < 300 ? b.n : 300), b.p);
	}
	buf_reset(out);
	fold_render(f, &all.cell, 0, &work, out);
	buf_addc(out, ' ');
	fold_save(f, &all.cell, 0, &work, out);
	fold_scratch_release(&all);
	fold_scratch_release(&one);
	json_scan_release(&scan);
	buf_release(&b);
	return good;
}

static void
same_whatever(const char *name, size_t n)
{
	struct fold f = fold_named(name);
	bool numbers = f.func == FOLD_SUM || f.func == FOLD_AVG || f.func == FOLD_STDDEV ||
		f.func == FOLD_QUANTILE, good = true;
	struct sample *x = mem_array(n, sizeof(*x));
	size_t fixed = fold_place(&f, 1), i;
	struct buf want = {0}, got = {0};
	int round;

	make_samples(x, n, numbers);
	for (round = 0; round < 12 && good; round++) {
		good = in_pieces(&f, fixed, x, n, round & 1, round ? &got : &want);
		if (round && !slice_eq(buf_slice(&want), buf_slice(&got))) {
			good = false;
			printf("# round %d\n# %.*s\n# %.*s\n", round,
				(int)(want.n < 900 ? want.n : 900), want.p,
				(int)(got.n < 900 ? got.n : 900), got.p);
		}
		shuffle(x, n);
	}
	ok(good, "%s of %zu values, in any order and pieces", name, n);
	buf_release(&want);
	buf_release(&got);
	for (i = 0; i < n; i++)
		free((void *)(uintptr_t)x[i].value);
	free(x);
}

/* ---- estimates ----------------------------------------------------------------------------- */

static void
close_to(const char *name, double wanted, double within, struct fold_scratch *s,
	const struct fold *f)
{
	struct buf b = {0};
	double got;

	fold_render(f, &s->cell, 0, &work, &b);
	got = strtod(buf_cstr(&b), NULL);
	ok(fabs(got - wanted) <= within * fabs(wanted), "%s is %g, within %g: %g", name, wanted,
		within, got);
	buf_release(&b);
}

static void
estimates(void)
{
	static const unsigned many[] = {100, 513, 2000, 20000, 300000};
	struct fold f = fold_named("approx_distinct");
	struct fold_scratch s;
	char text[40];
	struct sample x = {.value = text};
	size_t i, j;
	double q, log10_of = 0;

	fold_scratch_init(&s, fold_place(&f, 1), 1);
	for (i = 0; i < sizeof(many) / sizeof(many[0]); i++) {
		fold_scratch_clear(&s);
		for (j = 0; j < many[i]; j++) {
			snprintf(text, sizeof(text), "\"user-%zu\"", j * 7919);
			add(&f, &s, &x);
		}
		close_to("approx_distinct", many[i], 0.025, &s, &f);
	}
	fold_scratch_release(&s);
	f = fold_named("quantile");
	fold_scratch_init(&s, fold_place(&f, 1), 1);
	/* From 1e-6 to 1e6, as many of each size; the exact quantile is known. */
	for (j = 0; j <= 12000; j++) {
		log10_of = -6 + (double)j / 1000;
		snprintf(text, sizeof(text), "%.17g", pow(10, log10_of));
		add(&f, &s, &x);
	}
	for (q = 0; q <= 1.0; q += 0.0625) {
		f.quantile = q;
		close_to("quantile", pow(10, -6 + floor(q * 12000) / 1000), 0.01, &s, &f);
	}
	fold_scratch_release(&s);
}

int
main(void)
{
	static const char *const no_partial[] = {"{}", "[]", "1.5", "\"x\"", "{\"n\":1}", "[1]",
		"{\"n\":1,\"sum\":\"x\"}", "{\"hashes\":[\"x\"]}", "{\"registers\":\"AAAA\"}",
		"{\"min\":1,\"max\":1,\"bins\":[[0,1]]}", "{\"min\":1,\"max\":1,\"bins\":[]}",
		"[[1,2]]", "[[1,\"2\"]]", "[1,2,3]", "true"};
	struct json_scan scan = {0};
	struct fold_scratch s;
	struct json_doc d;
	struct failure why;
	struct fold f;
	size_t i, j, bad;

	results();
	for (i = 0; fold_func_name[i]; i++) {
		same_whatever(fold_func_name[i], 1);
		same_whatever(fold_func_name[i], 50);
		same_whatever(fold_func_name[i], 2000);
	}
	estimates();
	/* What is no partial result is refused, or taken where it happens to be one. */
	for (i = 0; fold_func_name[i]; i++) {
		f = fold_named(fold_func_name[i]);
		fold_scratch_init(&s, fold_place(&f, 1), 1);
		for (j = 0, bad = 0; j < sizeof(no_partial) / sizeof(no_partial[0]); j++) {
			fold_scratch_clear(&s);
			json_doc_of(&scan, slice_str(no_partial[j]), &d, &why);
			bad += fold_take(&f, &s.cell, 0, &d, 0, &work, &why) < 0 &&
				why.status == EXIT_DATA;
		}
		ok(bad >= 10, "%s refuses %zu of %zu partial results", fold_func_name[i], bad, j);
		fold_scratch_release(&s);
	}
	json_scan_release(&scan);
	fold_work_release(&work);
	return done();
}
