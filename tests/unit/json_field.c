/* Looking at documents: validated, on trust, and on trust that was misplaced. */
#include <stdlib.h>

#include "json/scan.h"
#include "test.h"

static struct json_scan scan;
static char block[65536];

static struct json_doc
doc_of_line(const char *text, size_t n, bool trust)
{
	struct json_doc d = {0};
	struct failure why = {0};

	memcpy(block, text, n);
	block[n] = '\n';
	memset(block + n + 1, '{', JSON_PADDING);
	json_scan_block(&scan, block, n + 1, trust);
	if (json_line_doc(&scan, 0, trust, &d, &why) != 0)
		printf("# %s\n", why.text);
	return d;
}

static bool
text_is(const struct json_doc *d, uint32_t t, const char *is)
{
	return t == JSON_NONE ? !is : is && slice_eq(json_text(d, t), slice_str(is));
}

static const struct {
	const char *doc, *key, *is;
} gets[] = {
	{"{\"a\":1,\"b\":2}", "a", "1"},
	{"{\"a\":1,\"b\":2}", "b", "2"},
	{"{\"a\":1,\"b\":2}", "c", NULL},
	{"{\"a\":1,\"b\":2}", "", NULL},
	{"{\"\":1}", "", "1"},
	{"{}", "a", NULL},
	{"[\"a\",1]", "a", NULL},
	{"\"a\"", "a", NULL},
	{"7", "a", NULL},
	{"{\"a\":1,\"a\":2}", "a", "2"},
	{"{\"a\":1,\"b\":{\"a\":3},\"a\" : [ 2 ] }", "a", "[ 2 ]"},
	{"{\"b\":{\"a\":3}}", "a", NULL},
	{"{\"b\":[{\"a\":3},\"a\"],\"a\":\"x\"}", "a", "\"x\""},
	{"{\"a\":{\"a\":{\"a\":1}}}", "a", "{\"a\":{\"a\":1}}"},
	{"{\"abcdefg\":1}", "abcdefg", "1"},
	{"{\"abcdefgh\":1}", "abcdefgh", "1"},
	{"{\"abcdefghi\":1}", "abcdefghi", "1"},
	{"{\"abcdefghi\":1}", "abcdefgh", NULL},
	{"{\"abcdefgh\":1}", "abcdefghi", NULL},
	{"{\"abcdefghij\":1,\"abcdefghik\":2}", "abcdefghik", "2"},
	{"{\"ab\":1}", "a", NULL},
	{"{\"a\":1}", "ab", NULL},
	{"{\"\\u0061\":1}", "a", "1"},
	{"{\"a\":1,\"\\u0061\":2}", "a", "2"},
	{"{\"\\u0061\":1,\"a\":2}", "a", "2"},
	{"{\"a\\\"b\":1}", "a\"b", "1"},
	{"{\"a\\\\b\":1}", "a\\b", "1"},
	{"{\"a\\\\b\":1}", "a\\\\b", NULL},
	{"{\"a\":1,\"b\":2}", "a\":1,\"b", NULL},
	{"{\"x\":\"\\n\",\"abcdefghijk\":1}", "abcdefghijk", "1"},
	{"{\"x\":\"\\n\",\"abcdefghijk\":1}", "abcdefghijl", NULL},
	{"{\"\\n\":1}", "\n", "1"},
	{"{\"\xC3\xA4\":1}", "\xC3\xA4", "1"},
	{"{\"\\u00e4\":1}", "\xC3\xA4", "1"},
	{"{\"\\ud83d\\ude00\":1}", "\xF0\x9F\x98\x80", "1"},
	{" { \"a\" :  true  , \"b\" : null } ", "a", "true"},
	{" { \"a\" :  true  , \"b\" : \"x y \" } ", "b", "\"x y \""},
	{"{\"a\":-1.5e3}", "a", "-1.5e3"},
	{"{\"a\":[1,2,{\"b\":[]}],\"c\":{}}", "c", "{}"},
};

static void
test_get(void)
{
	size_t i;
	int trust;

	for (i = 0; i < sizeof(gets) / sizeof(gets[0]); i++)
		for (trust = 0; trust < 2; trust++) {
			struct json_doc d = doc_of_line(gets[i].doc, strlen(gets[i].doc), trust);

			ok(text_is(&d, json_get(&d, 0, slice_str(gets[i].key)), gets[i].is),
				"get '%s' of line %zu%s", gets[i].key[0] == '\n' ? "\\n" : gets[i].key,
				i, trust ? ", on trust" : "");
		}
}

static void
test_at(bool trust)
{
	static const char text[] = "[10,[1,2],{\"a\":[]},\"x\", null ]";
	struct json_doc d = doc_of_line(text, sizeof(text) - 1, trust);
	struct json_iter it;
	size_t n = 0;

	ok(text_is(&d, json_at(&d, 0, 0), "10") && text_is(&d, json_at(&d, 0, 1), "[1,2]") &&
		text_is(&d, json_at(&d, 0, 2), "{\"a\":[]}") &&
		text_is(&d, json_at(&d, 0, 3), "\"x\"") &&
		text_is(&d, json_at(&d, 0, 4), "null") && json_at(&d, 0, 5) == JSON_NONE,
		"elements from the front");
	ok(text_is(&d, json_at(&d, 0, -1), "null") && text_is(&d, json_at(&d, 0, -5), "10") &&
		json_at(&d, 0, -6) == JSON_NONE && json_at(&d, 0, INT64_MIN) == JSON_NONE &&
		json_at(&d, 0, INT64_MAX) == JSON_NONE, "elements from the end");
	ok(json_at(&d, 1, 0) == JSON_NONE, "a number has no elements");
	ok(json_count(&d, 0) == 5 && json_count(&d, 1) == 0, "counted");
	ok(json_after(&d, 0) == d.n, "after the whole is the end");
	for (json_enter(&d, 0, &it); json_step(&d, &it); n++)
		ok(it.key == JSON_NONE && it.value == json_at(&d, 0, (int64_t)n), "step %zu", n);
	ok(n == 5, "five steps");
	json_enter(&d, 1, &it);
	ok(!json_step(&d, &it), "no step into a number");
}

static void
test_members(bool trust)
{
	static const char text[] = "{\"a\":1,\"b\":{\"x\":[]},\"a\":\"z\",\"c\":[{}]}";
	static const char *const keys[] = {"a", "b", "a", "c"};
	static const char *const values[] = {"1", "{\"x\":[]}", "\"z\"", "[{}]"};
	struct json_doc d = doc_of_line(text, sizeof(text) - 1, trust);
	struct json_iter it;
	size_t n = 0;

	for (json_enter(&d, 0, &it); n < 4 && json_step(&d, &it); n++)
		ok(slice_eq(json_string_raw(&d, it.key), slice_str(keys[n])) &&
			text_is(&d, it.value, values[n]), "member %zu", n);
	ok(n == 4 && !json_step(&d, &it), "four members");
	ok(json_count(&d, 0) == 3, "three distinct names");
}

static void
test_types(void)
{
	static const char text[] = "[null,false,true,-1,9,\"s\",[],{}]";
	static const enum json_type types[] = {JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER,
		JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT};
	struct json_doc d = doc_of_line(text, sizeof(text) - 1, false);
	int64_t i;

	for (i = 0; i < 8; i++)
		ok(json_type_at(&d, json_at(&d, 0, i)) == types[i], "type %d", (int)i);
}

static void
test_count_many(void)
{
	static char text[60000];
	struct json_doc d;
	size_t n = 0, i;

	text[n++] = '{';
	for (i = 0; i < 3000; i++)
		n += (size_t)sprintf(text + n, "%s\"k%zu\":%zu", i ? "," : "", i % 1000, i);
	text[n++] = '}';
	d = doc_of_line(text, n, false);
	ok(json_count(&d, 0) == 1000, "distinct names of a large object");
	d = doc_of_line("{\"a\":1,\"\\u0061\":2,\"b\":3}", 24, false);
	ok(json_count(&d, 0) == 2, "distinct names with escapes");
}

/* Anything at all on trust: no read out of bounds, an end to every walk. */
static size_t
look_at_all(const struct json_doc *d, uint32_t t, unsigned depth)
{
	struct json_iter it;
	size_t sum = json_text(d, t).n + json_string_raw(d, t).n + (size_t)json_type_at(d, t) +
		json_after(d, t);

	sum += json_get(d, t, SLICE("a")) + json_get(d, t, SLICE("abcdefghij"));
	sum += json_at(d, t, 1) + json_at(d, t, -1) + json_count(d, t);
	for (json_enter(d, t, &it); json_step(d, &it);)
		if (depth < 8)
			sum += look_at_all(d, it.value, depth + 1);
	return sum;
}

static void
test_misplaced_trust(void)
{
	static const char bytes[] = "{}[]{}[]::,,\"\"\"\"a1 \\u\x80";
	static const char abcd[] = "{\"a\":[1,{\"abcdefghij\":\"x\"}],\"b\":\"\\";
	uint64_t x = 88172645463325252u;
	size_t round, i, n, sum = 0, k;
	struct json_scan s = {0};

	for (round = 0; round < 20000; round++) {
		char *p;

		n = 1 + round % 150;
		p = malloc(n + JSON_PADDING);
		for (i = 0; i < n; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			p[i] = x >> 20 & 1 ? bytes[(x >> 24) % (sizeof(bytes) - 1)] :
				abcd[i % (sizeof(abcd) - 1)];
		}
		memset(p + n, bytes[round % 20], JSON_PADDING);
		json_scan_block(&s, p, n, true);
		for (k = 0; k < s.nlines; k++) {
			struct json_doc d;
			uint32_t t;

			json_line_doc(&s, k, true, &d, NULL);
			for (t = 0; t < d.n && t < 12; t++)
				sum += look_at_all(&d, t, 0);
		}
		free(p);
	}
	json_scan_release(&s);
	ok(sum > 0, "anything may be looked at on trust");
}

int
main(void)
{
	test_get();
	test_at(false);
	test_at(true);
	test_members(false);
	test_members(true);
	test_types();
	test_count_many();
	test_misplaced_trust();
	json_scan_release(&scan);
	return done();
}
