/*
 * The law of asking: what is told of a line without its tokens is what the tokens tell.
 *
 * Blocks of lines are generated that are hostile in the ways that matter here: names that
 * come twice, stand escaped, stand within strings or deeper brackets, are as long as a word
 * or longer; white space in odd places; lines that are broken at any byte; lines of every
 * length, so that names, values and line ends fall on every place of a step. Each block is
 * scanned with tokens by the scalar machine, and lazily by each machine that there is,
 * judged and on trust, and then
 *
 *   the lines, their flags and the verdicts are the same, messages and columns included;
 *   tokens that are asked for afterwards are the same;
 *   a name that is found without them is the member that they tell, or there is none;
 *   a filter that answers without them answers what it does with them, and raised no error.
 *
 * Lines are asked in order, and sometimes back and forth. Each kind of question must be
 * answered often enough: a filter that never answers would obey the law too.
 *
 * SK_SEED=N draws other blocks, SK_BLOCKS=N another number of them; SK_WRITE=1 writes them to
 * stdout instead, for tests of whole programs.
 */
#include <stdlib.h>

#include "expr/expr.h"
#include "json/json.h"

#include "../unit/test.h"

#define BLOCKS 5000
#define PROGRAMS_A_BLOCK 3
#define MAX_SHOWN 10

/* ---- chance ------------------------------------------------------------------------ */

static uint64_t seed;

static uint64_t
draw(void)
{
	uint64_t z = seed += 0x9E3779B97F4A7C15u;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	return z ^ (z >> 31);
}

static unsigned
below(unsigned n)
{
	return (unsigned)(draw() % n);
}

static bool
chance(unsigned one_in)
{
	return below(one_in) == 0;
}

#define PICK(list) ((list)[below(sizeof(list) / sizeof((list)[0]))])

/* ---- lines ------------------------------------------------------------------------- */

/* As a filter names them; the second is how a line may write the same. */
static const char *const names[][2] = {
	{"a", "\\u0061"}, {"type", "t\\u0079pe"}, {"id", "\\u0069d"},
	{"sevenxy", "sevenx\\u0079"}, {"eightxyz", "eightxy\\u007a"},
	{"ninechars", "ninechar\\u0073"}, {"a_name_that_is_longer_than_a_word",
		"a_name_that_is_longer_than_a_wor\\u0064"},
	{"\xC3\xA4h", "\\u00e4h"}, {"e e", "e\\u0020e"},
	{"a_name_that_is_longer_than_a_step_of_sixty_four_bytes_and_therefore_crosses_one",
		"\\u0061_name_that_is_longer_than_a_step_of_sixty_four_bytes_and_therefore_crosses_one"},
};
#define NNAMES (sizeof(names) / sizeof(names[0]))

/* Values as both lines and filters write them; no filter compares with the last six. */
static const char *const values[] = {
	"null", "false", "true", "0", "-1", "12", "12.5", "1e3", "\"\"", "\"a\"", "\"type\"",
	"\"paid\"", "\"unpaid\"", "\"pai\"", "\"payment-processed\"", "\"eightxyz\"",
	"\"x y\"", "\"\xC3\xA4h\"", "\"12345678\"", "\"123456789\"",
	"-0", "1.50", "\"p\\u0061id\"", "\"\\\"type\\\":\"", "\"\\\\\"", "\"\\ud83d\\ude00\"",
};
#define CONSTANTS (sizeof(values) / sizeof(values[0]) - 6)

/* Of the line in hand: its names are few, so that they repeat. */
static unsigned name_from, name_span;
static bool escapes, spaced;

static const char *
name(void)
{
	return names[(name_from + below(name_span)) % NNAMES][escapes && chance(6)];
}

static void
add_space(struct buf *b)
{
	if (!spaced)
		return;
	while (chance(2))
		buf_addc(b, PICK(" \t \r "));
}

static void
add_value(struct buf *b, int depth)
{
	static const char *const odd[] = {"\":\"", "{", "}", "[", ",", " : ", "\\n", "\xE2\x82\xAC"};
	unsigned n, i, kind = below(depth ? 8 : 6);

	if (kind < 4) {
		buf_adds(b, escapes ? PICK(values) : values[below(CONSTANTS + 2)]);
	} else if (kind == 4) {
		/* A string that looks like something else. */
		buf_addc(b, '"');
		for (n = below(chance(20) ? 80 : 6); n; n--) {
			const char *s = chance(2) ? name() : PICK(odd);

			if (strchr(s, '"'))
				buf_adds(b, escapes ? "\\\":\\\"" : "::");
			else if (escapes || !strchr(s, '\\'))
				buf_adds(b, s);
		}
		buf_addc(b, '"');
	} else if (kind == 5) {
		buf_addf(b, "\"%s\"", name());
	} else {
		n = below(4);
		buf_addc(b, kind == 6 ? '[' : '{');
		for (i = 0; i < n; i++) {
			add_space(b);
			buf_adds(b, i ? "," : "");
			add_space(b);
			if (kind == 7) {
				buf_addf(b, "\"%s\"", name());
				add_space(b);
				buf_addc(b, ':');
				add_space(b);
			}
			add_value(b, depth - 1);
		}
		add_space(b);
		buf_addc(b, kind == 6 ? ']' : '}');
	}
}

static void
add_object(struct buf *b)
{
	unsigned n = below(chance(10) ? 30 : 6), i;

	buf_addc(b, '{');
	for (i = 0; i < n; i++) {
		buf_adds(b, i ? "," : "");
		add_space(b);
		buf_addf(b, "\"%s\"", name());
		add_space(b);
		buf_addc(b, ':');
		add_space(b);
		add_value(b, chance(8) ? 6 : 2);
		add_space(b);
	}
	buf_addc(b, '}');
}

/* Of the line b.p[start..b.n) a byte goes, comes or changes, or the rest is cut off. */
static void
spoil(struct buf *b, size_t start)
{
	static const char bytes[] = "\"\\{}[]:,0-.eE+tn \t\r\x01\x1f\x0c\x7f\x80\xC3\xE2\xF0\xFF";
	size_t at;
	char c = bytes[below(sizeof(bytes) - 1)];

	if (b->n == start)
		return;
	at = start + below((unsigned)(b->n - start));
	switch (below(4)) {
	case 0:
		b->p[at] = c;
		break;
	case 1:
		memmove(b->p + at, b->p + at + 1, b->n - at - 1);
		b->n--;
		break;
	case 2:
		buf_addc(b, ' ');
		memmove(b->p + at + 1, b->p + at, b->n - at - 1);
		b->p[at] = c;
		break;
	default:
		b->n = at;
	}
}

/* A line that begins as most others, and rarely has the name again. */
static void
add_alike(struct buf *b, unsigned first)
{
	size_t start = b->n;
	unsigned n = below(4);

	name_from = first + 1;
	name_span = chance(60) ? NNAMES : NNAMES - 1;
	escapes = chance(8);
	spaced = chance(20);
	buf_addf(b, "{\"%s\":", names[first][0]);
	if (chance(200))
		buf_addc(b, ' ');
	buf_adds(b, values[below(CONSTANTS + (escapes ? 6 : 2))]);
	while (n--) {
		buf_addf(b, ",\"%s\":", name());
		add_value(b, 2);
	}
	if (chance(30))
		buf_addf(b, ",\"%s\":1", names[first][1]);
	if (chance(100))
		buf_addf(b, ",\"%s\":1", names[first][0]);
	buf_addc(b, '}');
	if (chance(200))
		spoil(b, start);
	buf_adds(b, chance(100) ? "\r\n" : "\n");
}

static void
add_line(struct buf *b)
{
	size_t start = b->n;

	name_from = below(NNAMES);
	name_span = 1 + below(4);
	escapes = chance(3);
	spaced = chance(3);
	if (chance(20))
		buf_addf(b, "%*s", (int)below(130), "");
	if (chance(10))
		add_value(b, 3);
	else if (!chance(20))
		add_object(b);
	while (chance(6))
		spoil(b, start);
	buf_adds(b, chance(10) ? "\r\n" : chance(10) ? " \n" : "\n");
}

/* For so many blocks lines are alike, or they are not: what has not paid isn't tried at once. */
#define SAME_BLOCKS 40

/* A block, and what must be readable behind it, which looks like more of the same. */
static void
make_block(struct buf *b)
{
	static unsigned blocks, alike; /* 0, or 1 + the name that lines begin with */
	unsigned n = 1 + below(chance(50) ? 400 : 12);
	char behind[JSON_PADDING];
	size_t i;

	if (blocks++ % SAME_BLOCKS == 0)
		alike = chance(3) ? 1 + below(NNAMES) : 0;
	buf_reset(b);
	while (n--) {
		if (alike && !chance(200))
			add_alike(b, alike - 1);
		else
			add_line(b);
	}
	if (chance(5))
		while (b->n && b->p[b->n - 1] == '\n')
			b->n--;
	for (i = 0; i < sizeof(behind); i++)
		behind[i] = PICK("\"\\\n{}:,1");
	buf_add(b, behind, sizeof(behind));
	b->n -= sizeof(behind);
}

/* ---- filters ----------------------------------------------------------------------- */

enum form { EQ, NE, ORDER, TRUTH, STARTS, ENDS, NOT, AND, OR, SELECT, FORMS };
static const char *const form_names[FORMS] = {
	"==", "!=", "< <= > >=", "truth", "startswith", "endswith", "not", "and", "or", "select",
};
static unsigned long told[FORMS];

static void
add_member(struct buf *b)
{
	const char *s = names[(name_from + below(name_span)) % NNAMES][0];

	if (strspn(s, "abcdefghijklmnopqrstuvwxyz_") == strlen(s))
		buf_addf(b, ".%s", s);
	else
		buf_addf(b, ".[\"%s\"]", s);
}

static void
add_filter(struct buf *b, int depth, unsigned *forms)
{
	static const char *const order[] = {"<", "<=", ">", ">="};
	static const char *const constants[] = {"null", "false", "true", "0", "12", "12.5", "1000"};
	enum form f = below(depth ? OR + 1 : ENDS + 1);
	bool equal = f == EQ || f == NE;

	*forms |= 1u << f;
	switch (f) {
	case EQ:
	case NE:
	case ORDER:
		add_member(b);
		buf_addf(b, " %s %s", f == EQ ? "==" : f == NE ? "!=" : PICK(order),
			equal ? values[below(CONSTANTS)] : PICK(constants));
		break;
	case STARTS:
	case ENDS:
		buf_addc(b, '(');
		add_member(b);
		buf_addf(b, " | %s(\"%s\"))", f == STARTS ? "startswith" : "endswith",
			PICK(((const char *const[]){"", "p", "paid", "12345678", "d", "ssed"})));
		break;
	case NOT:
		buf_adds(b, chance(8) ? "(select(" : "((");
		add_filter(b, depth - 1, forms);
		buf_adds(b, ") | not)");
		break;
	case AND:
	case OR:
		buf_addc(b, '(');
		add_filter(b, depth - 1, forms);
		buf_adds(b, f == AND ? " and " : " or ");
		add_filter(b, depth - 1, forms);
		buf_addc(b, ')');
		break;
	default:
		add_member(b);
	}
}

struct filter {
	struct buf text;
	unsigned forms;
	struct expr *expr;
	struct expr_run *lazy, *whole;
};

static bool
make_filter(struct filter *f)
{
	struct failure why;
	bool select = chance(2);

	buf_reset(&f->text);
	f->forms = select ? 1u << SELECT : 0;
	name_from = below(NNAMES);
	name_span = 1 + below(3);
	buf_adds(&f->text, select ? "select(" : "");
	add_filter(&f->text, (int)below(3), &f->forms);
	buf_adds(&f->text, select ? ")" : "");
	f->expr = expr_compile(buf_cstr(&f->text), NULL, &why);
	if (!f->expr || !expr_is_native(f->expr)) {
		ok(false, "compiles natively: %s: %s", buf_cstr(&f->text), why.text);
		return false;
	}
	f->lazy = expr_run_new(f->expr);
	f->whole = expr_run_new(f->expr);
	return true;
}

static void
free_filter(struct filter *f)
{
	expr_run_free(f->lazy);
	expr_run_free(f->whole);
	expr_free(f->expr);
}

/* ---- the law ----------------------------------------------------------------------- */

static struct json_scan whole, lazy;
static const uint32_t *member[NNAMES]; /* of the lines of lazy */
static unsigned long lines, bad, found, absent, unsure, asked, answered, wrong;
static unsigned long bad_lazily;

static void
broken(const char *what, const struct json_scan *s, size_t i, bool trust, const char *filter)
{
	struct slice line = json_line_text(s, i);

	if (wrong++ < MAX_SHOWN)
		printf("# %s, %s%s: %s: line %zu: %.*s\n", what, json_scanner(),
			trust ? ", on trust" : "", filter, i, (int)line.n, line.p);
}

/* Lines and verdicts. Of what is not judged, flags tell of backslashes alone. */
static bool
same_lines(bool trust)
{
	const uint32_t flags = trust ? JSON_LINE_ESCAPE | JSON_LINE_UNENDED : ~0u;
	struct failure a = {0}, b = {0};
	struct json_doc d;
	size_t i;
	int rc;

	if (whole.nlines != lazy.nlines || whole.feeds != lazy.feeds)
		return false;
	for (i = 0; i < lazy.nlines; i++) {
		const struct json_line *l = &whole.line[i], *m = &lazy.line[i];

		if (l->start != m->start || l->end != m->end || l->number != m->number ||
			(l->flags & flags) != (m->flags & flags))
			broken("other lines", &lazy, i, trust, "");
		if (trust)
			continue;
		rc = json_line_doc(&whole, i, false, &d, &a);
		bad_lazily += rc != 0;
		if (json_line_doc(&lazy, i, false, &d, &b) != rc ||
			(rc && (strcmp(a.text, b.text) != 0 || a.column != b.column)))
			broken("another verdict", &lazy, i, trust, "");
	}
	return true;
}

static void
look_for_names(const struct json_doc *with, size_t i, bool trust)
{
	uint32_t t, value;
	size_t k;

	for (k = 0; k < NNAMES; k++) {
		t = json_get(with, 0, slice_str(names[k][0]));
		value = member[k][i];
		if (value == JSON_UNTOLD) {
			unsure++;
		} else if (value == JSON_MISSING) {
			absent++;
			if (t != JSON_NONE)
				broken("a member is missed", &lazy, i, trust, names[k][0]);
		} else {
			found++;
			if (t == JSON_NONE || value != with->pos[t])
				broken("another member", &lazy, i, trust, names[k][0]);
		}
	}
}

static void
ask(struct filter *f, struct json_doc *with, const struct json_doc *without, size_t i,
	bool trust)
{
	struct value root = value_token(with, 0);
	struct failure why;
	const int8_t *answer = expr_answers(f->lazy, &lazy);
	int rc = answer ? answer[i] : EXPR_UNSURE, is;
	unsigned k;

	asked++;
	if (rc != expr_ask(f->lazy, without))
		broken("two answers", &lazy, i, trust, buf_cstr(&f->text));
	if (rc < 0)
		return;
	is = expr_test(f->whole, &root, NULL, &why);
	expr_run_reset(f->whole);
	if (rc != is)
		broken("another answer", &lazy, i, trust, buf_cstr(&f->text));
	answered++;
	for (k = 0; k < FORMS; k++)
		told[k] += f->forms >> k & 1;
}

static void
same_tokens(const struct json_doc *with, struct json_doc *d, size_t i, bool trust)
{
	json_doc_tokens(d);
	if (d->n != with->n || memcmp(d->first, with->first, d->n + 1) != 0 ||
		memcmp(d->pos, with->pos, (d->n + 1) * sizeof(*d->pos)) != 0) {
		broken("other tokens", &lazy, i, trust, "");
		return;
	}
	for (uint32_t t = 0; t < d->n; t++)
		if (json_opens(d, t) && d->skip[t] != with->skip[t])
			broken("other brackets", &lazy, i, trust, "");
}

/* Ask about one line. What was taken on trust must be good for the law to hold; if it is not,
 * looking at it must be harmless. */
static void
one_line(struct filter *f, size_t i, bool trust)
{
	struct json_doc with, without;
	struct failure why;
	size_t k;

	lines++;
	if (json_line_doc(&whole, i, false, &with, &why) != 0) {
		bad++;
		return;
	}
	if (json_line_doc(&lazy, i, trust, &without, &why) != 0)
		return;
	look_for_names(&with, i, trust);
	for (k = 0; k < PROGRAMS_A_BLOCK; k++)
		ask(&f[k], &with, &without, i, trust);
	if (chance(3))
		same_tokens(&with, &without, i, trust);
}

static void
ask_all_lines(struct filter *f, bool trust)
{
	struct json_name name;
	size_t i;

	for (i = 0; i < NNAMES; i++) {
		name = json_name_of(slice_str(names[i][0]));
		member[i] = json_members(&lazy, &name);
	}
	for (i = 0; i < lazy.nlines; i++) {
		one_line(f, i, trust);
		if (chance(20))
			one_line(f, below((unsigned)lazy.nlines), trust);
	}
}

static void
one_block(struct buf *b)
{
	static const char *const machines[] = {"scalar", "avx2", "avx512"};
	struct filter f[PROGRAMS_A_BLOCK] = {{{0}}};
	char *p;
	size_t i, m;
	int trust;

	make_block(b);
	/* At the end of its memory, so that a sanitizer sees a look too far. */
	p = malloc(b->n + JSON_PADDING);
	memcpy(p, b->p, b->n + JSON_PADDING);
	json_use("scalar");
	json_scan_block(&whole, p, b->n, false);
	for (i = 0; i < PROGRAMS_A_BLOCK; i++)
		if (!make_filter(&f[i]))
			goto out;
	for (m = 0; m < sizeof(machines) / sizeof(machines[0]); m++) {
		if (!json_use(machines[m]))
			continue;
		for (trust = 0; trust < 2; trust++) {
			json_scan_lazily(&lazy, p, b->n, trust);
			if (!same_lines(trust)) {
				broken("other lines", &whole, 0, trust, "");
				continue;
			}
			ask_all_lines(f, trust);
		}
	}
out:
	for (i = 0; i < PROGRAMS_A_BLOCK; i++) {
		free_filter(&f[i]);
		buf_release(&f[i].text);
	}
	free(p);
}

int
main(void)
{
	const char *s = getenv("SK_SEED"), *n = getenv("SK_BLOCKS");
	unsigned long blocks = n ? strtoul(n, NULL, 10) : BLOCKS, i;
	struct buf b = {0};

	unsetenv("SK_EXPR");
	seed = s ? strtoull(s, NULL, 10) : 1;
	if (getenv("SK_WRITE")) {
		for (i = 0; i < blocks; i++) {
			make_block(&b);
			fwrite(b.p, 1, b.n, stdout);
		}
		buf_release(&b);
		return fflush(stdout) != 0;
	}
	for (i = 0; i < NNAMES; i++) {
		struct json_name name = json_name_of(slice_str(names[i][0]));

		ok(json_can_look_for(&name), "%s can be looked for", names[i][0]);
	}
	for (i = 0; i < blocks; i++)
		one_block(&b);
	ok(wrong == 0, "what is told without tokens is what they tell: %lu lines, %lu of them "
		"bad; names: %lu found, %lu absent, %lu unsure; %lu of %lu filters answered", lines,
		bad, found, absent, unsure, answered, asked);
	ok(bad > lines / 20 && bad < lines / 2 && bad_lazily, "lines are good and bad");
	ok(found > 4 * blocks && absent > unsure, "names are found, and found missing");
	ok(answered > asked / 4, "filters answer");
	for (i = 0; i < FORMS; i++)
		ok(told[i] > blocks, "%s: answered %lu times", form_names[i], told[i]);
	json_use(NULL);
	json_scan_release(&whole);
	json_scan_release(&lazy);
	buf_release(&b);
	return done();
}
