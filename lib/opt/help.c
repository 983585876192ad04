/*
 * Help in two sizes. The short one is a screen: the tool's own options, a line each, and
 * two examples. What doesn't fit is given up in this order: second lines of options, what
 * the examples say, the last options.
 */
#include "opt/tell.h"

enum { SCREEN_LINES = 24, SCREEN_WIDTH = 80, HELP_COLUMN = 28 };

static struct opt standard_options[] = {
	{'h', "help", OPT_FLAG, NULL, NULL, "show a short help; --help tells all", NULL,
		0, 0, false, false, false, false},
	{0, "version", OPT_FLAG, NULL, NULL, "show name and version", NULL, 0, 0, false,
		false, false, false},
	{0, "generate", OPT_CHOICE, NULL, "KIND",
		"write the list of options for a man page, or "
		"the completions of a shell",
		"man|bash|zsh|fish", 0, 0, false, false, true, false},
	{0},
};

static const struct opt_group standard = {"Help", standard_options};

/* ---- tables ------------------------------------------------------------------------ */

const struct opt_group *
opt_group_at(const struct opt_command *c, size_t i)
{
	for (size_t n = 0; n < i; n++)
		if (!c->groups[n].opts)
			return NULL;
	return c->groups[i].opts ? &c->groups[i] : &standard;
}

struct opt *
opt_next(const struct opt_command *c, struct opt *o, size_t *at)
{
	const struct opt_group *g;

	if (o)
		o++;
	else {
		*at = 0;
		o = opt_group_at(c, 0)->opts;
	}
	while (!o->name) {
		g = opt_group_at(c, ++*at);
		if (!g)
			return NULL;
		o = g->opts;
	}
	return o;
}

/* Part i of s, parts being separated by one byte. */
static struct slice
part(const char *s, char separator, size_t i)
{
	const char *end;

	for (; s; s = end ? end + 1 : NULL) {
		end = strchr(s, separator);
		if (!i--)
			return slice_of(s, end ? (size_t)(end - s) : strlen(s));
	}
	return (struct slice){NULL, 0};
}

struct slice
opt_choice(const char *choices, size_t i)
{
	return part(choices, '|', i);
}

struct slice
opt_word(const char *s, size_t i)
{
	return part(s && *s ? s : NULL, ' ', i);
}

int
opt_check(const struct opt_command *c, struct failure *why)
{
	size_t at, other_at;

	for (struct opt *o = opt_next(c, NULL, &at); o; o = opt_next(c, o, &at)) {
		if (!o->help || !*o->help)
			return fail(why, EXIT_INTERNAL, "--%s has no help", o->name);
		if (o->help[strlen(o->help) - 1] == '.')
			return fail(why, EXIT_INTERNAL,
				"the help of --%s ends with a full stop", o->name);
		if ((o->kind == OPT_FLAG) != (!o->arg && !o->choices))
			return fail(why, EXIT_INTERNAL, "--%s: only a flag has no value",
				o->name);
		if ((o->kind == OPT_CHOICE) != (o->choices != NULL))
			return fail(why, EXIT_INTERNAL, "--%s: only a choice has choices",
				o->name);
		if (o->list && o->kind <= OPT_DURATION)
			return fail(why, EXIT_INTERNAL, "--%s can't be a list", o->name);
		for (struct opt *p = opt_next(c, NULL, &other_at); p != o;
			p = opt_next(c, p, &other_at)) {
			if (!strcmp(p->name, o->name))
				return fail(why, EXIT_INTERNAL, "--%s is there twice",
					o->name);
			if (o->short_name && p->short_name == o->short_name)
				return fail(why, EXIT_INTERNAL, "-%c is there twice",
					o->short_name);
		}
	}
	return 0;
}

/* ---- words ------------------------------------------------------------------------- */

bool
opt_sentence_ends(struct slice s, size_t i)
{
	return i + 2 < s.n && s.p[i] == '.' && s.p[i + 1] == ' ' && s.p[i + 2] >= 'A' &&
		s.p[i + 2] <= 'Z';
}

struct slice
opt_brief(const struct opt *o)
{
	struct slice s = slice_str(o->help);

	for (size_t i = 0; i + 1 < s.n; i++)
		if ((s.p[i] == ';' && s.p[i + 1] == ' ') || opt_sentence_ends(s, i))
			return slice_of(s.p, i);
	return s;
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Does word stand in text as a word of its own? */
static bool
has_word(const char *text, struct slice word)
{
	size_t n = strlen(text);

	for (size_t i = 0; i + word.n <= n; i++)
		if (!memcmp(text + i, word.p, word.n) &&
			(!i || !is_letter(text[i - 1])) && !is_letter(text[i + word.n]))
			return true;
	return false;
}

void
opt_add_help(struct buf *b, const struct opt *o)
{
	struct slice choice;
	size_t i, untold = 0;

	buf_adds(b, o->help);
	if (o->kind != OPT_CHOICE || !o->arg)
		return;
	for (i = 0; (choice = opt_choice(o->choices, i)).p; i++)
		untold += !has_word(o->help, choice);
	if (!untold)
		return;
	for (i = 0; (choice = opt_choice(o->choices, i)).p; i++)
		buf_addf(b, "%s%.*s", i ? ", " : " (", (int)choice.n, choice.p);
	buf_addc(b, ')');
}

void
opt_add_value(struct buf *b, const struct opt *o)
{
	const char *name = o->arg ? o->arg : o->choices;
	bool blank = strchr(name, ' ') && !strchr(name, '\'');

	buf_addf(b, blank ? "'%s'" : "%s", name);
}

void
opt_add_capital(struct buf *b, struct slice text)
{
	size_t n = 0;
	bool vowel = false;

	for (; n < text.n && is_letter(text.p[n]); n++)
		vowel = vowel || strchr("aeiouy", text.p[n] | 0x20);
	/* A word without a vowel is a name: jq, zstd. */
	if (vowel && text.p[0] >= 'a')
		buf_addc(b, (char)(text.p[0] - 0x20));
	else if (text.n)
		buf_addc(b, text.p[0]);
	if (text.n)
		buf_add(b, text.p + 1, text.n - 1);
}

/* ---- lines ------------------------------------------------------------------------- */

static size_t
characters(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += (s.p[i] & 0xC0) != 0x80;
	return n;
}

static void
indent(struct buf *b, size_t n)
{
	while (n--)
		buf_addc(b, ' ');
}

/* Append words from column on (at is where the line stands now), no line wider than
 * width, where at most lines lines are allowed: "..." then ends the last. Ends with a
 * line feed; returns the number of lines. */
static size_t
wrap(struct buf *b, struct slice text, size_t at, size_t column, size_t width,
	size_t lines)
{
	size_t used = 1;
	bool first = true;

	indent(b, column > at ? column - at : 0);
	at = column > at ? column : at;
	while (text.n) {
		const char *blank = memchr(text.p, ' ', text.n);
		struct slice word =
			slice_of(text.p, blank ? (size_t)(blank - text.p) : text.n);
		size_t wide = characters(word) + !first;
		bool last = word.n == text.n;

		if (used == lines && at + wide + (last ? 0 : 3) > width) {
			buf_adds(b, "...");
			break;
		}
		if (!first && at + wide > width) {
			buf_addc(b, '\n');
			indent(b, column);
			at = column;
			used++;
		} else if (!first) {
			buf_addc(b, ' ');
			at++;
		}
		buf_add_slice(b, word);
		at += characters(word);
		first = false;
		text = last ? slice_of(text.p, 0) :
			      slice_of(text.p + word.n + 1, text.n - word.n - 1);
	}
	buf_addc(b, '\n');
	return used;
}

/* "  -n, --limit N", without a line feed. */
static void
add_label(struct buf *b, const struct opt *o)
{
	if (o->short_name)
		buf_addf(b, "  -%c, --%s", o->short_name, o->name);
	else
		buf_addf(b, "      --%s", o->name);
	if (o->kind == OPT_FLAG)
		return;
	buf_adds(b, o->optional ? "[=" : " ");
	opt_add_value(b, o);
	if (o->optional)
		buf_addc(b, ']');
}

/* An option and its help from column on; returns the number of lines. */
static size_t
add_option(struct buf *b, const struct opt *o, struct slice help, size_t column,
	size_t width, size_t lines)
{
	size_t start = b->n, at;

	add_label(b, o);
	at = characters(slice_of(b->p + start, b->n - start));
	if (at + 2 > column && lines == 1)
		return wrap(b, help, at, at + 2, width, 1);
	if (at + 2 <= column)
		return wrap(b, help, at, column, width, lines);
	buf_addc(b, '\n');
	return 1 + wrap(b, help, 0, column, width, lines - 1);
}

/* The forms of the command line and the summary; returns the number of lines. */
static size_t
add_usage(struct buf *b, const struct opt_command *c, size_t width)
{
	struct slice form;
	struct buf line = {0};
	size_t n = 0, start;

	for (size_t i = 0; (form = part(c->synopsis, '\n', i)).p; i++) {
		start = b->n;
		buf_addf(b, "%s %s ", i ? "      " : "Usage:", c->name);
		start = b->n - start;
		n += wrap(b, form, start, start, width, SIZE_MAX);
	}
	opt_add_capital(&line, slice_str(c->summary));
	buf_addc(&line, '.');
	n += wrap(b, buf_slice(&line), 0, 0, width, SIZE_MAX);
	buf_release(&line);
	return n;
}

/* ---- the two helps ----------------------------------------------------------------- */

/* The first examples, as many as two; returns the number of lines. */
static size_t
add_examples(struct buf *b, const struct opt_command *c, bool say)
{
	size_t n = 0;

	for (size_t i = 0; i < 2 && c->examples && c->examples[i].runs; i++) {
		if (say) {
			buf_addf(b, "  # %s\n", c->examples[i].says);
			n++;
		}
		buf_addf(b, "  %s\n", c->examples[i].runs);
		n++;
	}
	if (n) {
		buf_addc(b, '\n');
		n++;
	}
	return n;
}

/* The own options in at most lines lines each, all of them in at most room. */
static size_t
add_own(struct buf *b, const struct opt_command *c, size_t lines, size_t room)
{
	size_t column = 0, n = 0, left = 0;
	struct buf label = {0};
	struct opt *o;

	for (o = c->groups[0].opts; o->name; o++) {
		buf_reset(&label);
		add_label(&label, o);
		if (!o->hidden && characters(buf_slice(&label)) + 2 > column)
			column = characters(buf_slice(&label)) + 2;
	}
	if (column > HELP_COLUMN)
		column = HELP_COLUMN;
	buf_release(&label);
	for (o = c->groups[0].opts; o->name; o++) {
		if (o->hidden)
			continue;
		if (n + 1 >= room && (left || (o[1].name && n + 2 > room))) {
			left++;
			continue;
		}
		n += add_option(b, o, opt_brief(o), column, SCREEN_WIDTH, lines);
	}
	if (left) {
		buf_addf(b, "  and %zu more\n", left);
		n++;
	}
	if (n) {
		buf_addc(b, '\n');
		n++;
	}
	return n;
}

void
opt_short_help(const struct opt_command *c, struct buf *b)
{
	struct buf own = {0}, examples = {0};
	size_t room, lines, told;

	room = SCREEN_LINES - 2 - add_usage(b, c, SCREEN_WIDTH);
	buf_addc(b, '\n');
	lines = add_own(&own, c, 3, SIZE_MAX);
	told = add_examples(&examples, c, true);
	if (lines + told > room) {
		buf_reset(&own);
		lines = add_own(&own, c, 1, SIZE_MAX);
	}
	if (lines + told > room) {
		buf_reset(&examples);
		told = add_examples(&examples, c, false);
	}
	/* The empty line before the examples is worth less than an option. */
	if (lines + told == room + 1) {
		own.n--;
		lines--;
	}
	if (lines + told > room) {
		buf_reset(&own);
		add_own(&own, c, 1, room - told - 1);
	}
	buf_add_slice(b, buf_slice(&own));
	buf_add_slice(b, buf_slice(&examples));
	buf_addf(b, "%s --help shows all options, man %s the rest.\n", c->name, c->name);
	buf_release(&own);
	buf_release(&examples);
}

void
opt_long_help(const struct opt_command *c, struct buf *b, size_t width)
{
	size_t column = width < 72 ? 8 : HELP_COLUMN;
	const struct opt_group *g;
	struct buf help = {0};

	add_usage(b, c, width);
	for (size_t i = 0; (g = opt_group_at(c, i)); i++) {
		if (!g->opts->name)
			continue;
		buf_addf(b, "\n%s:\n", g->title);
		for (const struct opt *o = g->opts; o->name; o++) {
			if (o->hidden)
				continue;
			buf_reset(&help);
			opt_add_help(&help, o);
			add_option(b, o, buf_slice(&help), column, width, SIZE_MAX);
		}
	}
	if (c->examples && c->examples[0].runs)
		buf_adds(b, "\nExamples:\n");
	for (size_t i = 0; c->examples && c->examples[i].runs; i++)
		buf_addf(b, "  # %s\n  %s\n", c->examples[i].says, c->examples[i].runs);
	buf_addf(b, "\nman %s says the rest.\n", c->name);
	buf_release(&help);
}
