/* Documents for people: the layout, the colours, and what a terminal is spared. */
#include "json/pretty.h"

#include <stdlib.h>

#include "test.h"

static struct json_scan scan;

static void
test_one(const char *text, unsigned how, const char *want)
{
	struct json_doc d;
	struct failure why = {0};
	struct buf got = {0};
	bool good = json_doc_of(&scan, slice_str(text), &d, &why) == 0;

	if (good) {
		pretty_add(&got, &d, 0, how);
		good = slice_eq(buf_slice(&got), slice_str(want));
	}
	if (!ok(good, "%s, %u", text, how))
		printf("# got %s%s\n", buf_cstr(&got), why.text);
	buf_release(&got);
}

static void
test_layout(void)
{
	test_one("1", PRETTY_INDENT, "1");
	test_one(" [ ] ", PRETTY_INDENT, "[]");
	test_one("{ }", PRETTY_INDENT, "{}");
	test_one("[[],{}]", PRETTY_INDENT, "[\n  [],\n  {}\n]");
	test_one("[{}]", PRETTY_INDENT, "[\n  {}\n]");
	test_one("{\"a\":[1, 2],\"b\" : {\"c\":null}}", PRETTY_INDENT,
		"{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {\n    \"c\": null\n  }\n}");
	test_one("{\"a\": [1,\t2],\"b\" : {\"c\":null}}", 0,
		"{\"a\":[1,2],\"b\":{\"c\":null}}");
	test_one("{\"a\":1,\"a\":2}", 0, "{\"a\":1,\"a\":2}");
	test_one("[1.10,12345678901234567890,1e400]", 0,
		"[1.10,12345678901234567890,1e400]");
}

static void
test_colors(void)
{
	test_one("[1,true]", PRETTY_COLOR, "[1,true]");
	test_one("null", PRETTY_COLOR, "\033[0;90mnull\033[0m");
	test_one("{\"a\":\"b\"}", PRETTY_COLOR,
		"{\033[34;1m\"a\"\033[0m:\033[0;32m\"b\"\033[0m}");
	test_one("[\"a\",null]", PRETTY_COLOR | PRETTY_INDENT,
		"[\n  \033[0;32m\"a\"\033[0m,\n  \033[0;90mnull\033[0m\n]");
}

static void
test_terminal(void)
{
	/* Raw and escaped, what acts on a terminal is escaped. */
	test_one("\"\\u001b[2J\\u0007\\n\"", 0, "\"\\u001b[2J\\u0007\\n\"");
	test_one("\"\x7F \xC2\x9B" "2J\"", 0, "\"\\u007f \\u009b2J\"");
	test_one("\"\\u009b \\u202e \\u2028\"", 0, "\"\\u009b \\u202e \\u2028\"");
	test_one("{\"\xE2\x80\xAE\":1}", 0, "{\"\\u202e\":1}");
	/* Other characters are shown, whichever way they were written. */
	test_one("\"\\u00e4\xC3\xA4 \\ud83d\\ude00 \\/\"", 0,
		"\"\xC3\xA4\xC3\xA4 \xF0\x9F\x98\x80 /\"");
	test_one("\"\\\\u009b\"", 0, "\"\\\\u009b\"");

	ok(pretty_is_harmless(SLICE("{\"a\":\t\"\xC3\xA4\"}")), "plain text is harmless");
	ok(pretty_is_harmless(SLICE("")), "so is nothing");
	ok(!pretty_is_harmless(SLICE("[1,\r2]")), "a carriage return is not");
	ok(!pretty_is_harmless(SLICE("\033[2J")), "an escape is not");
	ok(!pretty_is_harmless(SLICE("\"\xC2\x9B\"")), "a C1 control is not");
	ok(!pretty_is_harmless(SLICE("\"\xC2")), "half a character is not");
}

/* As deep as documents may be, and as broken as they may be on trust. */
static void
test_extremes(void)
{
	static char deep[2 * JSON_MAX_DEPTH + 1], block[256];
	static const char *const broken[] = {
		"}}}]]]", "{{{", "[\"a", "{\"a\":}", "\"\xFF\xFE\x80\"", ",:,:", "tru\033[2J",
		"[1}{2]", "\"\\", "{\"a\"",
	};
	struct json_doc d;
	struct failure why = {0};
	struct buf got = {0};
	size_t i, n;
	bool good = true;

	memset(deep, '[', JSON_MAX_DEPTH);
	memset(deep + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	test_one(deep, 0, deep);
	for (i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		n = strlen(broken[i]);
		memcpy(block, broken[i], n);
		block[n] = '\n';
		json_scan_block(&scan, block, n + 1, true);
		if (json_line_doc(&scan, 0, true, &d, &why) < 0)
			continue;
		buf_reset(&got);
		pretty_add(&got, &d, 0, PRETTY_INDENT);
		good = good && !memchr(buf_slice(&got).p, '\033', got.n) &&
			json_is_utf8(buf_slice(&got));
	}
	ok(good, "broken text on trust does a terminal no harm");
	buf_release(&got);
}

int
main(void)
{
	test_layout();
	test_colors();
	test_terminal();
	test_extremes();
	json_scan_release(&scan);
	return done();
}
