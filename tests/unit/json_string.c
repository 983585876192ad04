/* Strings, compact and canonical forms, each against libjq 1.6 where it has an
 * opinion. */
#include "test.h"

#include <jv.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"

static uint64_t state = 7;

static unsigned
below(unsigned n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)((state >> 33) % n);
}

/* The text in memory of its own size, so that the sanitizer sees a byte too many. */
static struct slice
alone(struct slice s)
{
	char *p = malloc(s.n ? s.n : 1);

	if (!p)
		abort();
	if (s.n)
		memcpy(p, s.p, s.n);
	return slice_of(p, s.n);
}

static bool
same(struct buf *b, struct slice want)
{
	return slice_eq(buf_slice(b), want);
}

static struct slice
encoded(struct buf *b, struct slice s)
{
	buf_reset(b);
	json_add_string(b, s);
	return buf_slice(b);
}

/* What jq -c prints for the string of these bytes. */
static bool
is_jq_string(struct buf *b, struct slice s)
{
	jv text = jv_dump_string(jv_string_sized(s.p, (int)s.n), 0);
	bool good = slice_eq(encoded(b, s), slice_str(jv_string_value(text)));

	jv_free(text);
	return good;
}

static void
encoding(void)
{
	struct buf b = {0};
	char text[96];
	int c, n, at, wrong = 0;
	struct slice s;

	ok(slice_eq(encoded(&b, SLICE("")), SLICE("\"\"")), "the empty string");
	ok(slice_eq(encoded(&b, SLICE("a\"b\\c/\b\f\n\r\t\x01\x1f\x7f")),
		SLICE("\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\"")),
		"the escapes that jq writes");
	ok(slice_eq(encoded(&b, SLICE("Gr\xC3\xBC\xC3\x9F"
				      "e \xE2\x98\x95 \xF0\x9F\x98\x80")),
		   SLICE("\"Gr\xC3\xBC\xC3\x9F"
			 "e \xE2\x98\x95 \xF0\x9F\x98\x80\"")),
		"what is not ASCII stands as it is");

	/* every byte, at every place of words of every length */
	for (c = 0; c < 256; c++)
		for (n = 1; n <= 26; n++)
			for (at = 0; at < n; at++) {
				memset(text, 'x', (size_t)n);
				text[at] = (char)c;
				s = alone(slice_of(text, (size_t)n));
				/* where jq takes good bytes along with a cut sequence,
				 * see below */
				if (c < 0xC2 || c > 0xF4 || n - at > 3)
					wrong += !is_jq_string(&b, s);
				free((char *)s.p);
			}
	ok(wrong == 0, "every byte at every place of short strings, as jq");

	wrong = 0;
	for (c = 0x80; c <= 0x10FFFF; c += c < 0x3000 || c > 0xFF00 ? 1 : 7) {
		jv cp = jv_string_append_codepoint(jv_string("-"), (uint32_t)c);

		if (c >= 0xD800 && c < 0xE000) {
			jv_free(cp);
			continue;
		}
		s = slice_of(
			jv_string_value(cp), (size_t)jv_string_length_bytes(jv_copy(cp)));
		wrong += !is_jq_string(&b, s) || !json_is_utf8(s);
		jv_free(cp);
		if (c > 0x11000 && c < 0x10F000)
			c += 997;
	}
	ok(wrong == 0, "code points beyond ASCII, as jq");
	buf_release(&b);
}

static void
not_utf8(void)
{
	static const struct {
		const char *bytes, *want;
	} t[] = {
#define R "\xEF\xBF\xBD"
		{"\x80", R},
		{"\xC0\x80", R R},
		{"\xC1\xBF", R R},
		{"\xF5\x80", R R},
		{"\xFF\xFE", R R},
		{"\xE2\x82", R},
		{"\xE2\x82x", R "x"},
		{"\xE0\x80\x80", R},
		{"\xED\xA0\x80x", R "x"},
		{"\xED\xBF\xBF", R},
		{"\xF0\x80\x80\x80", R},
		{"\xF4\x90\x80\x80", R},
		{"\xF0\x9F\x98\x80\x80", "\xF0\x9F\x98\x80" R},
		{"\xC3\xC3\xBC", R "\xC3\xBC"},
		{"ab\xF0yz", "ab" R "yz"}, /* jq would swallow yz */
		{"\xEF\xBF\xBE\xEF\xBF\xBF", "\xEF\xBF\xBE\xEF\xBF\xBF"},
#undef R
	};
	struct buf b = {0}, want = {0};
	struct slice s;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_reset(&want);
		buf_addf(&want, "\"%s\"", t[i].want);
		s = alone(slice_str(t[i].bytes));
		ok(slice_eq(encoded(&b, s), buf_slice(&want)), "not UTF-8, case %zu",
			i + 1);
		ok(json_is_utf8(s) == (i + 1 == sizeof(t) / sizeof(t[0])), "and is told");
		free((char *)s.p);
	}
	ok(json_is_utf8(SLICE("")) &&
			json_is_utf8(SLICE("abcdefgh\xC3\xBC"
					   "abcdefgh")) &&
			!json_is_utf8(SLICE("abcdefgh\xC3"
					    "abcdefgh")) &&
			!json_is_utf8(SLICE("abcdefghabcdefgh\xC3")),
		"UTF-8 in longer texts");
	buf_release(&b);
	buf_release(&want);
}

static void
decoding(void)
{
	static const struct {
		struct slice raw, bytes, again;
	} t[] = {
#define S(literal) {(literal), sizeof(literal) - 1}
#define T(raw, bytes, again) {S(raw), S(bytes), S(again)}
		T("", "", ""),
		T("plain", "plain", "plain"),
		T("\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t",
			"\\\"\\\\/\\b\\f\\n\\r\\t"),
		T("\\u0041\\u00e9\\u20AC", "A\xC3\xA9\xE2\x82\xAC",
			"A\xC3\xA9\xE2\x82\xAC"),
		T("\\u0000\\u001F\\u007f", "\0\x1F\x7F", "\\u0000\\u001f\\u007f"),
		T("\x7F", "\x7F", "\\u007f"),
		T("\\u0008\\u000a\\u0022\\u005c\\u002f", "\b\n\"\\/", "\\b\\n\\\"\\\\/"),
		T("\\ud83d\\ude00", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"),
		T("\\uD800\\uDC00\\uDBFF\\uDFFF", "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF",
			"\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"),
#define R "\xEF\xBF\xBD"
		T("\\ud800", R, R),
		T("\\udc00", R, R),
		T("\\ud800x", R "x", R "x"),
		T("\\ud800\\n", R "\n", R "\\n"),
		T("\\ud800\\u0041", R "A", R "A"),
		T("\\ud83d\\ud83d\\ude00", R "\xF0\x9F\x98\x80", R "\xF0\x9F\x98\x80"),
		T("\\udc00\\ud800", R R, R R),
		T("\\uffff\\ufffe", "\xEF\xBF\xBF\xEF\xBF\xBE",
			"\xEF\xBF\xBF\xEF\xBF\xBE"),
		T("no escape before, one\\tlater and none in the rest of it",
			"no escape before, one\tlater and none in the rest of it",
			"no escape before, one\\tlater and none in the rest of it"),
		/* what only unvalidated input holds: nothing is read or written beyond */
		T("\\", R, R),
		T("\\x\\q\\\x01", R R R, R R R),
		T("\\u", R, R),
		T("\\u12", R "12", R "12"),
		T("\\u12G4", R "12G4", R "12G4"),
		T("\\ud800\\u", R R, R R),
		T("\\ud800\\uDC0", R R "DC0", R R "DC0"),
#undef R
#undef T
#undef S
	};
	struct buf b = {0};
	struct slice raw, bytes;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		raw = alone(t[i].raw);
		bytes = alone(t[i].bytes);
		buf_release(&b); /* so that every byte of room was asked for */
		json_unescape(&b, raw);
		ok(same(&b, t[i].bytes), "decoding, case %zu", i + 1);
		/* only a broken escape is shorter than what it stands for */
		ok(bytes.n > raw.n || json_raw_equals(raw, bytes),
			"equals its decoded form");
		ok(!bytes.n || !json_raw_equals(raw, slice_of(bytes.p, bytes.n - 1)),
			"not one byte less");
		buf_reset(&b);
		buf_add_slice(&b, t[i].bytes);
		buf_addc(&b, 'x');
		ok(!json_raw_equals(raw, buf_slice(&b)), "not one byte more");
		if (bytes.n) {
			b.p[bytes.n - 1] ^= 1;
			ok(!json_raw_equals(raw, slice_of(b.p, bytes.n)),
				"nor with another end");
		}
		buf_release(&b);
		json_add_raw_string(&b, raw);
		ok(b.n == t[i].again.n + 2 &&
			slice_eq(slice_of(b.p + 1, b.n - 2), t[i].again),
			"written in the shortest escapes");
		free((char *)raw.p);
		free((char *)bytes.p);
	}
	ok(!json_raw_equals(SLICE("\\n"), SLICE("\\n")),
		"an escape doesn't equal its own text");
	buf_release(&b);
}

/* ---- compact and canonical --------------------------------------------------------- */

static struct json_scan scan;

/* Append the form of text; false if it is no JSON. */
static bool
form(struct buf *b, struct slice text, bool canonical)
{
	struct json_doc d;
	struct failure why;

	buf_reset(b);
	if (json_doc_of(&scan, text, &d, &why) != 0)
		return false;
	if (canonical)
		json_canonical(b, &d, 0);
	else
		json_add_compact(b, &d, 0);
	return true;
}

static void
forms(void)
{
	static const struct {
		const char *text, *compact, *canonical;
	} t[] = {
		{"{}", "{}", "{}"},
		{" [ ] ", "[]", "[]"},
		{" { } ", "{}", "{}"},
		{"\t null ", "null", "null"},
		{"true", "true", "true"},
		{" false\r\n", "false", "false"},
		{"1.50", "1.50", "1.5"},
		{" -0 ", "-0", "0"},
		{"12345678901234567890", "12345678901234567890",
			"12345678901234567890"},
		{"\"a b\"", "\"a b\"", "\"a b\""},
		{"\"a\\u0020\\/b\\u0041\"", "\"a /bA\"", "\"a /bA\""},
		{"\"\x7F\\u007F\"", "\"\\u007f\\u007f\"", "\"\x7F\x7F\""},
		{"{\"\\u007f\":1}", "{\"\\u007f\":1}", "{\"\x7F\":1}"},
		{"\"\\u001F\\b\\f\\n\\r\\t\\u0000\\/\\u20ac\"",
			"\"\\u001f\\b\\f\\n\\r\\t\\u0000/\xE2\x82\xAC\"",
			"\"\\u001f\\b\\f\\n\\r\\t\\u0000/\xE2\x82\xAC\""},
		{"[1,2,3]", "[1,2,3]", "[1,2,3]"},
		{"[1 ,2, 3 ]", "[1,2,3]", "[1,2,3]"},
		{"[\n  1,\n  \"x y\"\n]", "[1,\"x y\"]", "[1,\"x y\"]"},
		{"{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
		{"{ \"b\" : 1 , \"a\" : 2 }", "{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
		{"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}", "{\"a\":3,\"b\":2}"},
		{"{\"a\":1,\"\\u0061\":{\"x\": [ 1.0 ]},\"b\":2}",
			"{\"a\":{\"x\":[1.0]},\"b\":2}", "{\"a\":{\"x\":[1]},\"b\":2}"},
		{"{\"\\u0061\":1,\"a\":2}", "{\"a\":2}", "{\"a\":2}"},
		{"{\"\\u0062\":1,\"a\":2}", "{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"},
		{"{\"\":1,\"\":2}", "{\"\":2}", "{\"\":2}"},
		{"{\"\":1,\"\\u0000\":2}", "{\"\":1,\"\\u0000\":2}",
			"{\"\":1,\"\\u0000\":2}"},
		{"{\"ab\":1,\"a\":2,\"\":3}", "{\"ab\":1,\"a\":2,\"\":3}",
			"{\"\":3,\"a\":2,\"ab\":1}"},
		{"{\"\xC3\xA9\":1,\"z\":2}", "{\"\xC3\xA9\":1,\"z\":2}",
			"{\"z\":2,\"\xC3\xA9\":1}"},
		{"[{\"a\":{\"a\":{\"a\":1}}}]", "[{\"a\":{\"a\":{\"a\":1}}}]",
			"[{\"a\":{\"a\":{\"a\":1}}}]"},
		{"[{\"a\":1},{\"a\":2}]", "[{\"a\":1},{\"a\":2}]",
			"[{\"a\":1},{\"a\":2}]"},
		{"{\"a\":{\"b\":1},\"b\":{\"a\":1}}", "{\"a\":{\"b\":1},\"b\":{\"a\":1}}",
			"{\"a\":{\"b\":1},\"b\":{\"a\":1}}"},
		{"{\"a\":{\"b\":1,\"c\":{}},\"a\":0}", "{\"a\":0}", "{\"a\":0}"},
		{"{\"name0001\":1,\"name0002\":2,\"name0001\":3}",
			"{\"name0001\":3,\"name0002\":2}",
			"{\"name0001\":3,\"name0002\":2}"},
		{"{\"a\":[{\"x\":1,\"x\":2}],\"b\": 1}", "{\"a\":[{\"x\":2}],\"b\":1}",
			"{\"a\":[{\"x\":2}],\"b\":1}"},
		{"{\"q\":\"\\n\" , \"r\":[\"\\/\"]}", "{\"q\":\"\\n\",\"r\":[\"/\"]}",
			"{\"q\":\"\\n\",\"r\":[\"/\"]}"},
		{"[1E5,100000,1e+5,0.00,-0.0e7]", "[1E5,100000,1e+5,0.00,-0.0e7]",
			"[100000,100000,100000,0,0]"},
	};
	struct buf b = {0};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ok(form(&b, slice_str(t[i].text), false) &&
				same(&b, slice_str(t[i].compact)),
			"compact, case %zu", i + 1);
		ok(form(&b, slice_str(t[i].text), true) &&
				same(&b, slice_str(t[i].canonical)),
			"canonical, case %zu", i + 1);
	}
	buf_release(&b);
}

/* A random value with white space, escapes and repeated names; numbers that jq keeps. */
static void
random_value(struct buf *b, unsigned depth)
{
	static const char *const space[] = {"", "", "", "", " ", "\t", "  ", " \n "};
	static const char *const string[] = {"a", "b", "name", "c d", "\\u0061", "\\n",
		"\\\"", "itemId", "itemIe", "\\/",
		"Gr\xC3\xBC\xC3\x9F"
		"e",
		"\\ud83d\\ude00", "\x7F", "", "long name of something",
		"long name of sonething", "\\u0062", "[{,:}]", "\\\\"};
	unsigned kind = below(depth > 5 ? 6 : 10), n, i;
	bool tight = below(3) == 0;

#define SPACE() buf_adds(b, tight ? "" : space[below(sizeof(space) / sizeof(space[0]))])
#define STRING() buf_addf(b, "\"%s\"", string[below(sizeof(string) / sizeof(string[0]))])
	switch (kind) {
	case 0:
		buf_adds(b, "null");
		break;
	case 1:
		buf_adds(b, below(2) ? "true" : "false");
		break;
	case 2:
		buf_addf(b, "%d", (int)below(2000) - 1000);
		break;
	case 3:
		buf_addf(b, "%u.25", below(1000));
		break;
	case 4:
	case 5:
		STRING();
		break;
	case 6:
	case 7:
		buf_addc(b, '[');
		SPACE();
		n = below(5);
		for (i = 0; i < n; i++) {
			random_value(b, depth + 1);
			SPACE();
			if (i + 1 < n)
				buf_addc(b, ',');
			SPACE();
		}
		buf_addc(b, ']');
		break;
	default:
		buf_addc(b, '{');
		SPACE();
		n = below(8) ? below(6) : below(90);
		for (i = 0; i < n; i++) {
			if (below(3))
				buf_addf(b, "\"n%u\"", below(120));
			else
				STRING();
			SPACE();
			buf_addc(b, ':');
			SPACE();
			random_value(b, n > 10 ? 9 : depth + 1);
			SPACE();
			if (i + 1 < n)
				buf_addc(b, ',');
			SPACE();
		}
		buf_addc(b, '}');
	}
#undef SPACE
#undef STRING
}

static void
against_jq(void)
{
	struct buf text = {0}, b = {0};
	int i, wrong = 0, wrong_order = 0, unstable = 0, compact = 0;
	jv want, sorted;

	for (i = 0; i < 20000; i++) {
		buf_reset(&text);
		random_value(&text, 0);
		want = jv_parse_sized(text.p, (int)text.n);
		sorted = jv_dump_string(jv_copy(want), JV_PRINT_SORTED);
		want = jv_dump_string(want, 0);
		if (!form(&b, buf_slice(&text), false) ||
			!same(&b, slice_str(jv_string_value(want)))) {
			if (!wrong++)
				printf("# %.*s\n# %.*s\n# %s\n", (int)text.n, text.p,
					(int)b.n, b.p, jv_string_value(want));
		}
		compact += same(&b, buf_slice(&text));
		/* the canonical form of a compact text, and of jq's sorted one, is the
		 * same */
		form(&b, buf_slice(&text), true);
		buf_reset(&text);
		buf_add_slice(&text, buf_slice(&b));
		form(&b, slice_str(jv_string_value(sorted)), true);
		wrong_order += !same(&b, buf_slice(&text));
		form(&b, buf_slice(&text), true);
		unstable += !same(&b, buf_slice(&text));
		jv_free(want);
		jv_free(sorted);
	}
	ok(wrong == 0,
		"20,000 random values are written as jq -c writes them (%d were so)",
		compact);
	ok(wrong_order == 0,
		"their canonical form does not depend on order or white space");
	ok(unstable == 0, "and is its own canonical form");
	buf_release(&text);
	buf_release(&b);
}

/* Values within a line: what is around them is not touched. */
static void
parts_of_lines(void)
{
	static const char line[] =
		"{\"a\" : {\"x\":[1, 2] } , \"b\":[{\"y\":\"z\"}], \"c\":12 ,"
		"\"d\": \"\\u0041\" }";
	static const struct {
		const char *key, *compact;
	} t[] = {
		{"a", "{\"x\":[1,2]}"},
		{"b", "[{\"y\":\"z\"}]"},
		{"c", "12"},
		{"d", "\"A\""},
	};
	struct buf b = {0};
	struct json_doc d;
	struct failure why;
	uint32_t at;
	size_t i;

	ok(json_doc_of(&scan, SLICE(line), &d, &why) == 0, "a line of several values");
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_reset(&b);
		at = json_get(&d, 0, slice_str(t[i].key));
		if (at != JSON_NONE)
			json_add_compact(&b, &d, at);
		ok(same(&b, slice_str(t[i].compact)), "member %s, alone", t[i].key);
	}
	buf_release(&b);
}

/* Objects of many members, names that look alike, nesting to the limit. */
static void
large(void)
{
	enum { MANY = 200000 };
	struct buf text = {0}, want = {0}, b = {0};
	unsigned i;

	buf_addc(&text, '{');
	buf_addc(&want, '{');
	for (i = 0; i < MANY; i++) {
		buf_addf(&text, "%s\"name of member %u\":%u", i ? "," : "", i, i);
		buf_addf(&want, "%s\"name of member %u\":%u", i ? "," : "", i,
			i < 9 ? i + 1 : i);
	}
	for (i = 0; i < 9; i++)
		buf_addf(&text, ",\"name of member %u\":%u", i, i + 1);
	buf_addc(&text, '}');
	buf_addc(&want, '}');
	ok(form(&b, buf_slice(&text), false) && same(&b, buf_slice(&want)),
		"an object of 200,000 names, nine of them repeated");
	ok(form(&b, buf_slice(&text), true) && b.n == want.n, "in canonical form too");

	buf_reset(&text);
	buf_addc(&text, '{');
	for (i = 0; i < MANY; i++)
		buf_addf(&text, "%s\"same\":%u", i ? "," : "", i);
	buf_addc(&text, '}');
	ok(form(&b, buf_slice(&text), false) && same(&b, SLICE("{\"same\":199999}")),
		"one name 200,000 times");
	ok(form(&b, buf_slice(&text), true) && same(&b, SLICE("{\"same\":199999}")),
		"in canonical form too");

	buf_reset(&text);
	for (i = 0; i < JSON_MAX_DEPTH / 2; i++)
		buf_adds(&text, "[{\"a\":");
	buf_addc(&text, '1');
	for (i = 0; i < JSON_MAX_DEPTH / 2; i++)
		buf_adds(&text, "}]");
	ok(form(&b, buf_slice(&text), false) && same(&b, buf_slice(&text)),
		"values nested to the limit");
	ok(form(&b, buf_slice(&text), true) && same(&b, buf_slice(&text)),
		"in canonical form too");

	buf_reset(&text);
	buf_reset(&want);
	buf_addc(&text, '[');
	buf_addc(&want, '[');
	for (i = 0; i < 50000; i++) {
		buf_addf(&text, "%s{\"a\": \"\\u0041\\n\\/\"}", i ? ", " : " ");
		buf_addf(&want, "%s{\"a\":\"A\\n/\"}", i ? "," : "");
	}
	buf_addc(&text, ']');
	buf_addc(&want, ']');
	ok(form(&b, buf_slice(&text), false) && same(&b, buf_slice(&want)),
		"many runs between white space and escapes");
	buf_release(&text);
	buf_release(&want);
	buf_release(&b);
}

/* Anything at all on trust: the result is any, but nothing outside is touched. */
static void
broken_on_trust(void)
{
	static const char alphabet[] = "{}[]:,\"\\ a1-\x7F\n\xC3";
	static const char good[] = "{\"a\":[1,{\"b\":\"x\\n\"}],\"c d\" : null}";
	struct buf block = {0}, b = {0};
	size_t n, i, lines = 0, whole;
	struct json_scan s = {0};
	struct json_doc d;
	struct failure why;
	int round;

	for (round = 0; round < 3000; round++) {
		buf_reset(&block);
		n = below(200);
		for (i = 0; i < n; i++) {
			if (round % 2)
				buf_addc(&block, alphabet[below(sizeof(alphabet) - 1)]);
			else
				buf_add(&block, good, below(sizeof(good)));
		}
		whole = block.n;
		buf_reserve(&block, JSON_PADDING);
		memset(block.p + block.n, '"', JSON_PADDING);
		json_scan_block(&s, block.p, whole, true);
		for (i = 0; i < s.nlines; i++) {
			if (json_line_doc(&s, i, true, &d, &why) != 0 || !d.n)
				continue;
			buf_reset(&b);
			json_add_compact(&b, &d, 0);
			json_canonical(&b, &d, 0);
			lines++;
		}
	}
	ok(lines > 1000, "broken lines on trust are written somehow (%zu of them)",
		lines);
	json_scan_release(&s);
	buf_release(&block);
	buf_release(&b);
}

int
main(void)
{
	encoding();
	not_utf8();
	decoding();
	forms();
	parts_of_lines();
	against_jq();
	large();
	broken_on_trust();
	json_scan_release(&scan);
	return done();
}
