/*
 * Verdicts: of the tables, at every place in a step of 64 bytes, by every scanner; and of
 * the fast walk against the careful check, on what a realistic line becomes when bytes of
 * it change.
 */
#include <stdlib.h>

#include "json/scan.h"
#include "json_cases.h"
#include "test.h"

static const char *const scanners[] = {"scalar", "avx2", "avx512"};
#define NSCANNERS (sizeof(scanners) / sizeof(scanners[0]))

/* What a failing case looks like in the output. */
static const char *
shown(struct slice s)
{
	static char text[200];
	size_t i, n = 0;

	for (i = 0; i < s.n && n < sizeof(text) - 8; i++) {
		unsigned char c = (unsigned char)s.p[i];

		n += (size_t)snprintf(text + n, sizeof(text) - n,
			c > 0x20 && c < 0x7F && c != '#' ? "%c" : "<%02x>", c);
	}
	text[n] = '\0';
	return text;
}

static bool
is_blank(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!strchr(" \t\r", s.p[i]) || !s.p[i])
			return false;
	return true;
}

static bool
verdict_of_text(struct json_scan *scan, struct slice s)
{
	struct json_doc d;
	struct failure why = {0};

	if (json_doc_of(scan, s, &d, &why) == 0)
		return true;
	return !(why.status == EXIT_DATA && why.text[0] && why.column >= 1 &&
		why.column <= s.n + 1);
}

static bool
same_skip(const struct json_doc *d, const uint32_t *other)
{
	uint32_t t;

	for (t = 0; t < d->n; t++)
		if (json_opens(d, t) && d->skip[t] != other[t])
			return false;
	return true;
}

/*
 * The case alone in its line between two good ones, after `shift` bytes of padding; with a
 * line feed or, last, without. Right: the verdict is as expected, and the neighbours live.
 */
static bool
right_in_line(struct json_scan *scan, struct slice s, bool good, size_t shift, bool blanks,
	bool last)
{
	char block[1024];
	struct json_doc d;
	struct failure why = {0};
	size_t n = 0, i = 0, before = 0;
	uint32_t skip[512];

	if (blanks) {
		memset(block, ' ', shift);
		n = shift;
	} else if (shift >= 3) {
		memset(block, 'x', shift);
		block[0] = '"';
		block[shift - 2] = '"';
		block[shift - 1] = '\n';
		n = shift;
		before = 1;
	}
	memcpy(block + n, s.p, s.n);
	n += s.n;
	if (!last) {
		memcpy(block + n, "\n{\"ok\":[1]}\n", 12);
		n += 12;
	}
	/* What stands behind a block must not matter. */
	memset(block + n, shift % 3 == 0 ? ',' : shift % 3 == 1 ? '"' : '1', JSON_PADDING);
	json_scan_block(scan, block, n, false);
	if (scan->nlines != before + 1 + !last || scan->feeds != before + 2u * !last)
		return false;
	if (before && json_line_doc(scan, i++, false, &d, &why) != 0)
		return false;
	if ((json_line_doc(scan, i, false, &d, &why) == 0) != good)
		return false;
	if (!good && (why.status != EXIT_DATA || !why.text[0] || why.column < 1 ||
		      why.column > scan->line[i].end - scan->line[i].start + 1))
		return false;
	if (good) {
		struct slice line = json_line_text(scan, i);

		if (json_check(line.p, line.n, skip, &why) != 0 || !same_skip(&d, skip))
			return false;
	}
	return last || (json_line_doc(scan, i + 1, false, &d, &why) == 0 && d.n == 7);
}

static void
test_table(const struct slice *table, size_t n, bool good)
{
	struct json_scan scan = {0};
	struct failure why;
	size_t i, k, shift;

	for (i = 0; i < n; i++) {
		struct slice s = table[i];
		bool right = true;

		right = (json_check(s.p, s.n, NULL, &why) == 0) == good;
		for (k = 0; k < NSCANNERS; k++) {
			if (!json_use(scanners[k]))
				continue;
			right = right && verdict_of_text(&scan, s) == good;
			for (shift = 0; shift <= 130 && right && !is_blank(s); shift++)
				right = right_in_line(&scan, s, good, shift, true, false) &&
					right_in_line(&scan, s, good, shift, false, false) &&
					right_in_line(&scan, s, good, shift, shift & 1, true);
		}
		ok(right, "%s: %s", good ? "accepted" : "refused", shown(s));
	}
	json_use(NULL);
	json_scan_release(&scan);
}

/* ---- messages -------------------------------------------------------------------------- */

static const struct {
	const char *text, *says;
	uint32_t column;
} messages[] = {
	{"{\"a\":1 \"b\":2}", "expected ',' or '}' in object, found '\"'", 8},
	{"{\"a\":1", "the line ends where ',' or '}' in object is expected", 7},
	{"[1 2]", "expected ',' or ']' in array, found '2'", 4},
	{"[1,]", "expected a value after ',', found ']'", 4},
	{"{\"a\":1,}", "expected a name after ',', found '}'", 8},
	{"{\"a\"}", "expected ':' after a name, found '}'", 5},
	{"{\"a\":}", "expected a value after ':', found '}'", 6},
	{"{1:2}", "expected a name or '}', found '1'", 2},
	{"", "the line ends where a value is expected", 1},
	{"[\"abc", "a string isn't closed before the end of the line", 2},
	{"[\"a\xFF\"]", "not UTF-8", 4},
	{"[\"a\x01\"]", "control byte 0x01 in a string", 4},
	{"[\"a\\x\"]", "an escape that JSON doesn't have", 4},
	{"[\"a\\u12\"]", "\\u without four hexadecimal digits", 4},
	{"[01]", "number with a leading zero", 2},
	{"[1.]", "expected a digit after '.'", 4},
	{"[-]", "expected a digit after '-'", 3},
	{"[1e]", "expected a digit in the exponent", 4},
	{"[12x]", "expected the end of a number or literal, found 'x'", 4},
	{"[NaN]", "expected a value or ']', found NaN, which is no JSON number", 2},
	{"{\"a\":1}{\"b\":2}", "a second value in the line", 8},
	{"1 2", "a second value in the line", 3},
	{"{} x", "expected the end of the line, found 'x'", 4},
	{"\xEF\xBB\xBF{}", "expected a value, found a byte order mark, which JSON doesn't have", 1},
	{"{'a':1}", "expected a name or '}', found a string in single quotes", 2},
	{"[\x01]", "expected a value or ']', found byte 0x01", 2},
};

static void
test_messages(void)
{
	struct json_scan scan = {0};
	struct json_doc d;
	size_t i;

	for (i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct failure why = {0};

		json_doc_of(&scan, slice_str(messages[i].text), &d, &why);
		if (!ok(strcmp(why.text, messages[i].says) == 0 &&
				why.column == messages[i].column && why.status == EXIT_DATA,
			"says: %s", messages[i].says))
			printf("# %u: %s\n", why.column, why.text);
	}
	json_scan_release(&scan);
}

/* ---- depth ----------------------------------------------------------------------------- */

static bool
nested(size_t depth, bool objects, struct failure *why)
{
	static char text[32 * 1024];
	struct json_scan scan = {0};
	struct json_doc d;
	size_t n = 0, i;
	bool good;

	for (i = 0; i < depth; i++) {
		memcpy(text + n, objects ? "{\"a\":" : "[", objects ? 5 : 1);
		n += objects ? 5 : 1;
	}
	text[n++] = '1';
	for (i = 0; i < depth; i++)
		text[n++] = objects ? '}' : ']';
	text[n++] = '\n';
	json_scan_block(&scan, text, n, false);
	good = json_line_doc(&scan, 0, false, &d, why) == 0;
	if (good)
		good = json_after(&d, 0) == d.n && json_text(&d, 0).n == n - 1;
	json_scan_release(&scan);
	return good;
}

static void
test_depth(void)
{
	struct failure why = {0};

	ok(nested(JSON_MAX_DEPTH, false, &why), "1024 arrays deep is accepted");
	ok(nested(JSON_MAX_DEPTH, true, &why), "1024 objects deep is accepted");
	ok(!nested(JSON_MAX_DEPTH + 1, true, &why) &&
		strcmp(why.text, "deeper than 1024 levels") == 0, "1025 objects deep is refused");
	ok(!nested(JSON_MAX_DEPTH + 1, false, &why) && why.column == JSON_MAX_DEPTH + 1 &&
		strcmp(why.text, "deeper than 1024 levels") == 0,
		"1025 arrays deep is refused, with the column");
	ok(!nested(9999, false, &why), "9999 arrays deep is refused");
}

/* ---- the two verdicts on mutations ----------------------------------------------------- */

static uint64_t random_state = 88172645463325252u;

static uint32_t
draw(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 20) % below);
}

static const char *const seeds[] = {
	"{\"type\":\"order-created\",\"orderId\":\"o-000123\",\"userId\":\"u-42\",\"items\":[{\""
	"itemId\":\"i-1\",\"product\":\"Lamp\",\"category\":\"home\",\"quantity\":2,\"price\":19.99"
	"},{\"itemId\":\"i-2\",\"product\":\"T\xC3\xBCr\",\"category\":\"home\",\"quantity\":1,\"pri"
	"ce\":-5e3}],\"amount\":59.97,\"ts\":\"2026-01-02T03:04:05.678Z\"}",
	"{\"type\":\"payment-processed\",\"ok\":true,\"no\":false,\"nil\":null,\"note\":\"a \\\"q\\\""
	" \\u00e4 \\\\ \xE2\x82\xAC \xF0\x9F\x98\x80\",\"a\":[[],{},[1,[2.5,{}]]]}",
	"[0,-0,0.5,1e5,1E-5,123456789012345678,\"\",\"x\",{\"a\":{\"b\":[true,false,null]}}]",
	" { \"a\" : 1 , \"b\" : [ 1 , 2 ] , \"c\" : { } } ",
};

/* Bytes that matter. */
static const char alphabet[] = "{}[]:,\"\\0123456789-+.eEtrufalsn \t\r\nax/u\x01\x0C\x1A"
	"\x7F\x80\xBF\xC2\xC3\xE2\x82\xED\xA0\xF0\x9F\xF4\xFF";

static size_t
mutated(char *to)
{
	size_t n, k, edits = draw(4);

	n = strlen(seeds[draw(sizeof(seeds) / sizeof(seeds[0]))]);
	for (k = 0; strlen(seeds[k]) != n; k++)
		;
	memcpy(to, seeds[k], n);
	for (k = 0; k <= edits; k++) {
		size_t at = draw((uint32_t)n), len = 1 + draw(3);
		char c = alphabet[draw(sizeof(alphabet) - 1)];

		switch (draw(4)) {
		case 0: /* replace */
			to[at] = c;
			break;
		case 1: /* insert */
			memmove(to + at + 1, to + at, n - at);
			to[at] = c;
			n++;
			break;
		case 2: /* take out */
			len = len < n - at ? len : n - at;
			if (len < n) {
				memmove(to + at, to + at + len, n - at - len);
				n -= len;
			}
			break;
		default: /* change places */
			if (at + 1 < n) {
				c = to[at];
				to[at] = to[at + 1];
				to[at + 1] = c;
			}
		}
	}
	return n;
}

static void
test_mutations(void)
{
	struct json_scan scan = {0};
	size_t round, k, i, wrong = 0, good = 0, bad = 0;
	char block[4096];

	for (round = 0; round < 60000; round++) {
		size_t n = draw(70), lines = 1 + draw(3);

		memset(block, ' ', n);
		for (i = 0; i < lines; i++) {
			n += mutated(block + n);
			block[n++] = '\n';
		}
		n -= draw(2);
		memset(block + n, '1', JSON_PADDING);
		for (k = 0; k < NSCANNERS; k++) {
			if (!json_use(scanners[k]))
				continue;
			json_scan_block(&scan, block, n, false);
			for (i = 0; i < scan.nlines; i++) {
				struct slice line = json_line_text(&scan, i);
				const struct json_line *l = scan.line + i;
				struct failure why;
				uint32_t skip[1024];
				struct json_doc d;
				bool careful = json_check(line.p, line.n, skip, &why) == 0;
				bool fast = json_is_good(&scan, l);

				if (l->flags & JSON_LINE_UNENDED && careful)
					fast = true; /* it may say no */
				if (json_line_doc(&scan, i, false, &d, &why) == 0)
					wrong += !careful || !same_skip(&d, skip);
				else
					wrong += careful;
				wrong += fast != careful;
				careful ? good++ : bad++;
			}
		}
	}
	ok(wrong == 0 && good > 1000 && bad > 1000,
		"the fast and the careful verdict agree on %zu valid and %zu broken lines", good,
		bad);
	json_use(NULL);
	json_scan_release(&scan);
}

int
main(void)
{
	test_table(json_accepted, JSON_NACCEPTED, true);
	test_table(json_refused, JSON_NREFUSED, false);
	test_messages();
	test_depth();
	test_mutations();
	return done();
}
