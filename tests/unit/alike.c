/* lib/expr: what is found in a line that is like another is what a walk finds in it. */
#include <stdlib.h>

#include "expr/alike.h"
#include "test.h"

#define LINES 20000

static const char filter[] =
	"if .type == \"order-created\" and .live then {id, a: .long_member_name}"
	" elif .type == \"payment-processed-by-hand\" then {p, id} elif .type == \"x\" then {}"
	" elif .typed then {typed: .id} elif (.q | not) and .i != false then {q}"
	" elif .live == null then empty else {id: .q} end";

static uint64_t seed = 7;

static unsigned
draw(unsigned below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(seed >> 33) % below;
}

static void
add_one(struct buf *b, const char *const *of, unsigned n)
{
	buf_adds(b, of[draw(n)]);
}
#define ADD(b, of) add_one(b, of, sizeof(of) / sizeof(of[0]))

/* Few names, values and orders, so that lines are alike by chance, and nearly so. */
static void
add_line(struct buf *b)
{
	static const char *const name[] = {"type", "id", "p", "q", "live", "typed", "i",
		"long_member_name", "long_member_names", "long_member_namf", "nested", "id"};
	static const char *const value[] = {"\"order-created\"", "\"payment-processed-by-hand\"",
		"\"payment-processed-by-hanD\"", "\"x\"", "\"\"", "true", "false", "null", "17",
		"-1.5e3", "{}", "[]", "{\"type\":\"x\"}", "[1,2]", "[{\"id\":[]},{}]",
		"\"order-createe\"", "\"a text that is too long for all of it to be compared\"",
		"{\"a\":{\"b\":1},\"c\":[{}]}", "\"a\\u0041\"", "{\"id\":1,\"p\":2,\"q\":3}"};
	static const char *const space[] = {"", "", "", "", "", "", "", "", " ", "\t "};
	unsigned n = draw(8) ? draw(5) : draw(24), i;

	buf_addc(b, '{');
	for (i = 0; i < n; i++) {
		buf_adds(b, i ? ",\"" : "\"");
		ADD(b, name);
		buf_adds(b, "\":");
		ADD(b, space);
		ADD(b, value);
		ADD(b, space);
	}
	buf_adds(b, draw(60) ? "}\n" : "]\n");
}

struct seen {
	size_t found, wrong, learnt, good;
};

static void
look(struct alike *a, const struct pick *p, const struct json_scan *s, struct seen *seen)
{
	uint32_t at[PICK_WANTS];
	const struct likeness *like;
	size_t i;

	alike_begin(a);
	for (i = 0; i < s->nlines; i++) {
		const struct json_line *l = s->line + i;
		struct json_doc d = {s->p, s->pos + l->tok, s->skip + l->tok, s->first + l->tok,
			l->ntok, l->flags};

		if (l->flags || !pick_look(a->wants, &d, at))
			continue;
		seen->good++;
		like = alike_find(a, &d);
		if (!like) {
			alike_learn(a, &d, at, pick_choose(p, &d, at));
			continue;
		}
		seen->found++;
		seen->wrong += like->chosen != pick_choose(p, &d, at) ||
			memcmp(like->at, at, a->wants->n * sizeof(*at)) != 0;
	}
}

int
main(void)
{
	struct pick_wants wants = {.n = 0};
	struct failure why;
	struct expr *x = expr_compile(filter, &(struct expr_options){.vars = NULL}, &why);
	struct pick *p = x ? pick_new(x, &wants) : NULL;
	struct seen seen = {0}, again = {0};
	struct pick_tested tested = {0, 0};
	struct json_scan scan = {0};
	struct alike a;
	struct buf b = {0};
	size_t i;
	int k;

	if (!ok(p != NULL, "a filter of the kind"))
		return done();
	for (i = 0; i < LINES; i++)
		add_line(&b);
	buf_reserve(&b, JSON_PADDING);
	json_scan_block(&scan, b.p, b.n, false);
	pick_add_tested(p, &tested);
	alike_init(&a, &wants, tested);
	look(&a, p, &scan, &seen);
	ok(seen.found > 500 && seen.good - seen.found > 500,
		"of lines of all kinds some are alike (%zu of %zu)", seen.found, seen.good);
	ok(!seen.wrong, "and are what they seem (%zu are not)", seen.wrong);
	look(&a, p, &scan, &again);
	ok(a.rest > 0, "where few are, no more are remembered for a while");

	buf_reset(&b);
	for (i = 0; i < LINES; i++)
		buf_addf(&b, "{\"type\":\"order-created\",\"id\":\"%u\",\"live\":true,"
			"\"items\":[%s]}\n", draw(1000), draw(2) ? "{\"id\":2}" : "");
	buf_reserve(&b, JSON_PADDING);
	json_scan_block(&scan, b.p, b.n, false);
	for (k = 0; k < 40; k++) {
		again = (struct seen){0};
		look(&a, p, &scan, &again);
	}
	ok(again.found == LINES && !again.wrong, "and then lines of two kinds all are (%zu of %d)",
		again.found, LINES);

	alike_release(&a);
	json_scan_release(&scan);
	buf_release(&b);
	pick_free(p);
	expr_free(x);
	return done();
}
