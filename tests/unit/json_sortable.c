/* The sortable form: its byte order is jq's order of values, its equality their identity. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "expr/expr.h"
#include "json/sortable.h"

static uint64_t state = 88172645463325252u;

static unsigned
below(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % n;
}

static int
sign(int c)
{
	return (c > 0) - (c < 0);
}

/* ---- made-up values ---------------------------------------------------------------- */

static void
make_number(struct buf *b)
{
	static const char *const odd[] = {"0", "-0", "0.0", "0e5", "1", "1.0", "10e-1", "-1",
		"12345678901234567890", "12345678901234567891", "-12345678901234567890",
		"99999999999999999", "100000000000000000", "1e17", "1e400", "-1e400", "1e-400",
		"1e99999999999999999999", "1e-99999999999999999999", "1e999999999999999999",
		"1e1000000000000000000", "10", "100", "1000000000000000", "0.1", "0.10", "0.01"};
	unsigned i, n;

	if (below(3) == 0) {
		buf_adds(b, odd[below(sizeof(odd) / sizeof(odd[0]))]);
		return;
	}
	if (below(3) == 0)
		buf_addc(b, '-');
	n = below(4);
	buf_addc(b, (char)('0' + (n ? 1 + below(9) : below(2))));
	if (b->p[b->n - 1] != '0')
		for (i = 0; i < n; i++)
			buf_addc(b, (char)('0' + below(3)));
	if (below(2)) {
		buf_addc(b, '.');
		for (i = 0; i < 1 + n; i++)
			buf_addc(b, (char)('0' + below(3)));
	}
	if (below(3) == 0)
		buf_addf(b, "%c%s%u", below(2) ? 'e' : 'E', below(2) ? "-" : below(2) ? "+" : "",
			below(below(2) ? 4 : 30));
}

static void
make_string(struct buf *b)
{
	static const char *const part[] = {"a", "b", "ab", "\\u0000", "\\u0001", "\\u00ff", "é",
		"\\u00e9", "\xF0\x9F\x98\x80", "\\ud83d\\ude00", "\xEF\xBF\xBD", "\\ud800", "\\n",
		"\\\"", "z", "\x7F", "\\u007f"};
	unsigned n = below(4);

	buf_addc(b, '"');
	while (n--)
		buf_adds(b, part[below(sizeof(part) / sizeof(part[0]))]);
	buf_addc(b, '"');
}

static void
make(struct buf *b, unsigned depth)
{
	static const char *const word[] = {"null", "false", "true"};
	unsigned kind = below(depth < 3 ? 8 : 5), n, i;

	switch (kind) {
	case 0:
		buf_adds(b, word[below(3)]);
		return;
	case 1:
	case 2:
		make_number(b);
		return;
	case 3:
	case 4:
		make_string(b);
		return;
	default:
		n = below(4);
		buf_addc(b, kind == 5 ? '[' : '{');
		for (i = 0; i < n; i++) {
			if (i)
				buf_adds(b, below(2) ? "," : " , ");
			if (kind != 5) {
				if (below(2))
					buf_adds(b, below(2) ? "\"a\"" : "\"\\u0061\"");
				else
					make_string(b);
				buf_addc(b, ':');
			}
			make(b, depth + 1);
		}
		buf_addc(b, kind == 5 ? ']' : '}');
	}
}

/* ---- the order --------------------------------------------------------------------- */

struct side {
	struct buf text, form, canonical;
	struct json_scan scan;
	struct json_doc doc;
};

/* Of a string without escapes the short way gives the same; of all else nothing. */
static bool
plain_is_same(const struct side *s)
{
	struct slice text = buf_slice(&s->text);
	bool plain = json_type_at(&s->doc, 0) == JSON_STRING && text.p[0] == '"' &&
		text.p[text.n - 1] == '"' && !memchr(text.p, '\\', text.n);
	struct buf b = {0};
	bool said = json_add_sortable_plain(&b, text);
	bool good = said ? slice_eq(buf_slice(&b), buf_slice(&s->form)) : !b.n;

	if (said != plain || !good)
		printf("# %.*s: the short way %s\n", (int)text.n, text.p, said ? "differs" :
			"is not taken");
	buf_release(&b);
	return said == plain && good;
}

static bool
set(struct side *s)
{
	struct failure why;

	buf_reset(&s->form);
	buf_reset(&s->canonical);
	if (json_doc_of(&s->scan, buf_slice(&s->text), &s->doc, &why) < 0) {
		printf("# %.*s: %s\n", (int)s->text.n, s->text.p, why.text);
		return false;
	}
	json_add_sortable(&s->form, &s->doc, 0);
	json_canonical(&s->canonical, &s->doc, 0);
	return plain_is_same(s);
}

static bool
agree(struct side *a, struct side *b, struct arena *arena)
{
	struct value x, y;
	int want, got;
	bool good;

	if (!set(a) || !set(b))
		return false;
	x = value_token(&a->doc, 0);
	y = value_token(&b->doc, 0);
	want = sign(value_cmp(&x, &y, arena));
	got = sign(slice_cmp(buf_slice(&a->form), buf_slice(&b->form)));
	good = want == got && (got == 0) == slice_eq(buf_slice(&a->canonical),
		buf_slice(&b->canonical));
	if (got != 0) /* no form begins another */
		good &= !slice_starts(buf_slice(&a->form), buf_slice(&b->form)) &&
			!slice_starts(buf_slice(&b->form), buf_slice(&a->form));
	if (!good)
		printf("# %.*s ? %.*s: jq says %d, the forms %d\n", (int)a->text.n, a->text.p,
			(int)b->text.n, b->text.p, want, got);
	arena_reset(arena);
	return good;
}

static void
release(struct side *s)
{
	buf_release(&s->text);
	buf_release(&s->form);
	buf_release(&s->canonical);
	json_scan_release(&s->scan);
}

int
main(void)
{
	static const char *const ladder[] = {"null", "false", "true",
		"-1e999999999999999999999", "-20", "-3", "-2.5", "-2", "-0.2", "-1e-30", "0",
		"1e-999999999999999999999", "1e-30", "0.1", "0.11", "1", "1.5", "2", "9", "10",
		"99999999999999999", "100000000000000000", "12345678901234567890",
		"12345678901234567891", "1e999999999999999999", "1e1000000000000000000",
		"1e999999999999999999999",
		"\"\"", "\"\\u0000\"", "\"\\u0000a\"", "\"\\u0001\"", "\"a\"", "\"a\\u0000\"", "\"ab\"",
		"\"b\"", "\"\xEF\xBF\xBE\"", "\"\xF0\x9F\x98\x80\"",
		"[]", "[null]", "[null,null]", "[1]", "[1,0]", "[\"\"]", "[[]]", "[{}]",
		"{}", "{\"a\":5}", "{\"a\":[]}", "{\"a\":1,\"b\":0}", "{\"a\":1,\"b\":1}", "{\"b\":0}"};
	static const char *const same[][2] = {{"1", "1.0"}, {"1", "10e-1"}, {"-0", "0e9"},
		{"\"\\u0061\"", "\"a\""}, {"{\"a\":1,\"b\":2}", "{ \"b\" : 2.0 , \"a\" : 1 }"},
		{"{\"a\":1,\"a\":2}", "{\"a\":2}"}, {"\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\""}};
	struct side a = {0}, b = {0};
	struct arena arena = {0};
	size_t n = sizeof(ladder) / sizeof(ladder[0]), i, j;
	unsigned equal = 0;
	bool good = true;

	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++) {
			buf_reset(&a.text);
			buf_reset(&b.text);
			buf_adds(&a.text, ladder[i]);
			buf_adds(&b.text, ladder[j]);
			good &= agree(&a, &b, &arena) &&
				sign(slice_cmp(buf_slice(&a.form), buf_slice(&b.form))) ==
				(i > j) - (i < j);
		}
	ok(good, "a ladder of values stands in its order, each against each");
	good = true;
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		buf_reset(&a.text);
		buf_reset(&b.text);
		buf_adds(&a.text, same[i][0]);
		buf_adds(&b.text, same[i][1]);
		good &= agree(&a, &b, &arena) && slice_eq(buf_slice(&a.form), buf_slice(&b.form));
	}
	ok(good, "equal values have one form");
	good = true;
	for (i = 0; i < 300000 && good; i++) {
		buf_reset(&a.text);
		buf_reset(&b.text);
		make(&a.text, 0);
		if (below(3))
			make(&b.text, 0);
		else
			buf_add_slice(&b.text, buf_slice(&a.text));
		if (below(3) == 0 && a.text.n) { /* something near */
			buf_addc(&a.text, ' ');
			buf_adds(&b.text, "\t");
		}
		good = agree(&a, &b, &arena);
		equal += slice_eq(buf_slice(&a.form), buf_slice(&b.form));
	}
	ok(good, "on 300,000 pairs of values the order is jq's and the equality canonical");
	ok(equal > 30000 && equal < 270000, "of which some were equal and some were not");
	release(&a);
	release(&b);
	arena_release(&arena);
	return done();
}
