/* Rows as a table and as NDJSON. */
#include "grid/grid.h"

#include "test.h"

static bool
is(struct buf *b, const char *want)
{
	bool same = strcmp(buf_cstr(b), want) == 0;

	if (!same)
		printf("# got:\n%s# want:\n%s", buf_cstr(b), want);
	buf_release(b);
	return same;
}

static void
words(struct grid *g, const char *s)
{
	struct buf text = {0}, json = {0};

	buf_adds(&text, s);
	buf_adds(&json, "{}");
	grid_cell(g, text, json);
}

int
main(void)
{
	static const struct grid_column columns[] = {{"NAME", "name"}, {NULL, "secret"},
		{"N", "n", true}, {"SHOWN", NULL}, {"WORDS", "words"}, {0}};
	static const struct grid_column numbers[] = {{"A", "a", true}, {"B", "b", true}, {0}};
	struct grid g = grid_of(columns);
	struct buf b = {0};

	grid_add_table(&g, &b);
	ok(is(&b, "NAME  N  SHOWN  WORDS\n"), "a table without rows has its titles");
	grid_add_json(&g, &b);
	ok(is(&b, ""), "JSON without rows is nothing");

	grid_text(&g, "a\x1b");
	grid_bool(&g, true);
	grid_number(&g, true, 12345);
	grid_text(&g, "x");
	words(&g, "");
	grid_text(&g, NULL);
	grid_bool(&g, false);
	grid_number(&g, false, 7);
	grid_text(&g, "\xc3\xa9");
	words(&g, "one two");
	grid_add_table(&g, &b);
	ok(is(&b, "NAME       N  SHOWN  WORDS\n"
		  "a\\x1B  12345  x\n"
		  "-          -  \xc3\xa9      one two\n"),
		"columns are aligned by what is seen, numbers to the right, no blanks at the end");
	grid_add_json(&g, &b);
	ok(is(&b, "{\"name\":\"a\\u001b\",\"secret\":true,\"n\":12345,\"words\":{}}\n"
		  "{\"name\":null,\"secret\":false,\"n\":null,\"words\":{}}\n"),
		"JSON has the columns with a key, what is not known is null");
	grid_release(&g);

	g = grid_of(columns);
	grid_text(&g, "t");
	grid_bool(&g, true);
	grid_number(&g, true, 1);
	grid_text(&g, "x");
	words(&g, "retention.ms=604800000 cleanup.policy=compact,delete "
		  "segment.bytes=1073741824 a=b");
	grid_add_table(&g, &b);
	ok(is(&b, "NAME  N  SHOWN  WORDS\n"
		  "t     1  x      retention.ms=604800000 cleanup.policy=compact,delete\n"
		  "                segment.bytes=1073741824 a=b\n"),
		"words that have no room within 80 columns go on below");
	grid_release(&g);

	g = grid_of(numbers);
	grid_number(&g, true, 5);
	grid_number(&g, true, -10);
	words(&g, "sum");
	grid_number(&g, true, -10);
	g.total = true;
	grid_add_table(&g, &b);
	ok(is(&b, "  A    B\n  5  -10\nsum  -10\n"), "a sum is a row of the table");
	grid_add_json(&g, &b);
	ok(is(&b, "{\"a\":5,\"b\":-10}\n"), "and not of JSON");
	grid_release(&g);
	return done();
}
