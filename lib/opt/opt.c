/*
 * Parsing.
 *
 * argv is walked once, from left to right. Arguments that are options, with their values,
 * and those that are operands are collected apart, and argv is rewritten as the ones
 * followed by the others. The first mistake ends it.
 */
#include "opt/opt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "opt/tell.h"
#include "time/time.h"

#ifndef STREAMKIT_VERSION
#define STREAMKIT_VERSION "unknown"
#endif

const char streamkit_version[] = STREAMKIT_VERSION;

/* ---- messages ---------------------------------------------------------------------- */

/* All of b at once, so that lines of several processes do not mix. */
static int
print(FILE *to, struct buf *b, const char *program)
{
	int status = EXIT_OK;

	errno = 0;
	if (fwrite(b->p, 1, b->n, to) != b->n || fflush(to) != 0) {
		int err = errno;

		status = err == EPIPE ? EXIT_SIGPIPE : EXIT_IO;
		if (to == stdout)
			fprintf(stderr, "%s: standard output: %s\n", program,
				strerror(err));
	}
	buf_release(b);
	return status;
}

static int
refuse(const struct opt_command *c, const char *hint, const char *fmt, va_list ap)
{
	struct buf b = {0};

	buf_addf(&b, "%s: ", c->name);
	buf_vaddf(&b, fmt, ap);
	if (hint)
		buf_addf(&b, "\n  hint: %s\n", hint);
	else
		buf_addf(&b, "\n  hint: '%s -h' shows how it is used\n", c->name);
	print(stderr, &b, c->name);
	return EXIT_USAGE;
}

int
opt_refuse(const struct opt_command *c, const char *hint, const char *fmt, ...)
{
	va_list ap;
	int status;

	va_start(ap, fmt);
	status = refuse(c, hint, fmt, ap);
	va_end(ap);
	return status;
}

/* Text of the user's, quoted for a message; the buf owns it. */
static const char *
quoted(struct buf *b, const char *s, size_t n)
{
	buf_reset(b);
	buf_addc(b, '\'');
	text_add_safe(b, slice_of(s, n), 100);
	buf_addc(b, '\'');
	return buf_cstr(b);
}

/* ---- suggestions ------------------------------------------------------------------- */

enum { NAME_MAX_LENGTH = 40 };

/* The inserted, deleted and replaced bytes between two names, neither too long. */
static size_t
edit_distance(struct slice a, struct slice b)
{
	size_t row[NAME_MAX_LENGTH + 1], i, j;

	for (j = 0; j <= b.n; j++)
		row[j] = j;
	for (i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (j = 1; j <= b.n; j++) {
			size_t above = row[j];
			size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = above;
		}
	}
	return row[b.n];
}

/* Is candidate nearer to typed than *best? The distance counts up to 2, and at least one
 * byte has to agree. */
static bool
nearer(struct slice typed, struct slice candidate, size_t *best)
{
	size_t d;

	if (typed.n > NAME_MAX_LENGTH || candidate.n > NAME_MAX_LENGTH)
		return false;
	d = edit_distance(typed, candidate);
	if (d > 2 || d >= typed.n || d >= candidate.n || d >= *best)
		return false;
	*best = d;
	return true;
}

static const struct opt *
nearest_option(const struct opt_command *c, struct slice typed)
{
	const struct opt *found = NULL;
	size_t best = SIZE_MAX, at;

	for (struct opt *o = opt_next(c, NULL, &at); o; o = opt_next(c, o, &at))
		if (!o->hidden && nearer(typed, slice_str(o->name), &best))
			found = o;
	return found;
}

/* ---- values ------------------------------------------------------------------------ */

static int
bad_value(const struct opt_command *c, const struct opt *o, const char *value,
	const char *what)
{
	struct buf shown = {0};
	int status = opt_refuse(c, NULL, "--%s: %s is not %s", o->name,
		quoted(&shown, value, strlen(value)), what);

	buf_release(&shown);
	return status;
}

/* The bounds, written in the form in which the value is. */
static void
add_number(struct buf *b, const struct opt *o, int64_t n)
{
	static const char units[] = "kMGT";
	int unit = -1;

	if (o->kind == OPT_DURATION) {
		time_add_duration(b, n);
		return;
	}
	if (o->kind == OPT_SIZE)
		while (n && n % 1024 == 0 && unit < 3) {
			n /= 1024;
			unit++;
		}
	buf_addf(b, "%lld", (long long)n);
	if (unit >= 0)
		buf_addc(b, units[unit]);
}

static int
out_of_range(const struct opt_command *c, const struct opt *o, const char *value)
{
	struct buf b = {0};
	int status;

	text_add_safe(&b, slice_str(value), 100);
	if (o->max) {
		buf_adds(&b, " is not in ");
		add_number(&b, o, o->min);
		buf_adds(&b, "..");
		add_number(&b, o, o->max);
	} else {
		buf_adds(&b, " is less than ");
		add_number(&b, o, o->min);
	}
	status = opt_refuse(c, NULL, "--%s: %s", o->name, buf_cstr(&b));
	buf_release(&b);
	return status;
}

/* 0, or -1: no whole number, or -2: too large for one. */
static int
whole_number(const char *s, int64_t *n)
{
	char *end;
	long long v;

	if (!strchr("0123456789", s[*s == '-']) || !s[*s == '-'])
		return -1;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (*end)
		return -1;
	if (errno == ERANGE)
		return -2;
	*n = v;
	return 0;
}

static int
take_count(const struct opt_command *c, struct opt *o, const char *value)
{
	int64_t n = 0;
	int r = whole_number(value, &n);

	if (r == -1)
		return bad_value(c, o, value, "a whole number");
	if (r == -2 && (!o->max && *value != '-'))
		return opt_refuse(c, NULL, "--%s: %.40s is too large", o->name, value);
	if (r == -2 || n < o->min || (o->max && n > o->max))
		return out_of_range(c, o, value);
	*(int64_t *)o->to = n;
	return -1;
}

static int
take_size(const struct opt_command *c, struct opt *o, const char *value)
{
	uint64_t n;

	if (text_size(value, &n))
		return bad_value(c, o, value, "a size such as 4096, 512k or 64MiB");
	if (n < (uint64_t)o->min || (o->max && n > (uint64_t)o->max))
		return out_of_range(c, o, value);
	*(uint64_t *)o->to = n;
	return -1;
}

static int
take_duration(const struct opt_command *c, struct opt *o, const char *value)
{
	int64_t us;

	if (time_of_duration(slice_str(value), &us))
		return bad_value(c, o, value, "a duration such as 500ms, 10s or 1h30m");
	if (us < o->min || (o->max && us > o->max))
		return out_of_range(c, o, value);
	*(int64_t *)o->to = us;
	return -1;
}

static int
check_choice(const struct opt_command *c, const struct opt *o, const char *value)
{
	struct buf shown = {0}, all = {0}, hint = {0};
	struct slice typed = slice_str(value), choice, near = {0};
	size_t best = SIZE_MAX;
	int status;

	for (size_t i = 0; (choice = opt_choice(o->choices, i)).p; i++) {
		if (slice_eq(choice, typed))
			return -1;
		if (nearer(typed, choice, &best))
			near = choice;
	}
	for (size_t i = 0; (choice = opt_choice(o->choices, i)).p; i++) {
		if (i)
			buf_adds(&all, ", ");
		buf_add_slice(&all, choice);
	}
	if (near.p)
		buf_addf(&hint, "did you mean '%.*s'?", (int)near.n, near.p);
	status = opt_refuse(c, near.p ? buf_cstr(&hint) : NULL,
		"--%s: %s is not one of %s", o->name, quoted(&shown, value, typed.n),
		buf_cstr(&all));
	buf_release(&shown);
	buf_release(&all);
	buf_release(&hint);
	return status;
}

/* Give the option its value. -1: go on, else the status to exit with. */
static int
take(const struct opt_command *c, struct opt *o, const char *value)
{
	struct opt_list *list;
	int status;

	o->set = true;
	switch (o->kind) {
	case OPT_FLAG:
		*(bool *)o->to = true;
		return -1;
	case OPT_COUNT:
		return take_count(c, o, value);
	case OPT_SIZE:
		return take_size(c, o, value);
	case OPT_DURATION:
		return take_duration(c, o, value);
	case OPT_CHOICE:
		status = check_choice(c, o, value);
		if (status >= 0)
			return status;
		break;
	case OPT_FILE:
	case OPT_DIR:
	case OPT_SOURCE:
	case OPT_SINK:
		if (!*value)
			return opt_refuse(c, "a variable of the shell that is not set?",
				"--%s: the name is empty", o->name);
		break;
	case OPT_STRING:
	case OPT_EXPR:
		break;
	}
	if (o->list) {
		list = o->to;
		list->v = mem_grow(list->v, &list->cap, list->n + 1, sizeof(*list->v));
		list->v[list->n++] = value;
	} else {
		*(const char **)o->to = value;
	}
	return -1;
}

void
opt_list_release(struct opt_list *list)
{
	free(list->v);
	*list = (struct opt_list){0};
}

/* ---- opt's own options ------------------------------------------------------------- */

void
opt_usage(const struct opt_command *c, bool to_stderr)
{
	struct buf b = {0};

	opt_short_help(c, &b);
	print(to_stderr ? stderr : stdout, &b, c->name);
}

static size_t
terminal_width(void)
{
	const char *s = getenv("COLUMNS");
	int64_t n;

	if (!s || !isatty(STDOUT_FILENO) || whole_number(s, &n) || n > 80)
		return 80;
	return n < 40 ? 40 : (size_t)n;
}

static int
generate(const struct opt_command *c, const char *kind)
{
	static const struct {
		const char *kind;
		void (*to)(const struct opt_command *, struct buf *);
	} makers[] = {{"man", opt_generate_man}, {"bash", opt_generate_bash},
		{"zsh", opt_generate_zsh}, {"fish", opt_generate_fish}};
	struct buf b = {0};
	struct failure why;

	if (opt_check(c, &why)) {
		buf_addf(&b, "%s: %s\n", c->name, why.text);
		print(stderr, &b, c->name);
		return why.status;
	}
	for (size_t i = 0; i < sizeof(makers) / sizeof(*makers); i++)
		if (!strcmp(kind, makers[i].kind))
			makers[i].to(c, &b);
	return print(stdout, &b, c->name);
}

static int
take_own(
	const struct opt_command *c, const struct opt *o, bool by_long, const char *value)
{
	struct buf b = {0};
	int status;

	if (!strcmp(o->name, "generate")) {
		status = check_choice(c, o, value);
		return status >= 0 ? status : generate(c, value);
	}
	if (!strcmp(o->name, "version"))
		buf_addf(&b, "%s (streamkit) %s\n", c->name, streamkit_version);
	else if (by_long)
		opt_long_help(c, &b, terminal_width());
	else
		opt_short_help(c, &b);
	return print(stdout, &b, c->name);
}

/* ---- arguments --------------------------------------------------------------------- */

struct walk {
	const struct opt_command *command;
	char **argv;
	int argc, at; /* at: the argument being looked at */
};

/* The value of an option that needs one: rest of the argument, or the next, or NULL. */
static const char *
value_here_or_next(struct walk *w, const char *here)
{
	if (here)
		return here;
	return w->at + 1 < w->argc ? w->argv[++w->at] : NULL;
}

static int
missing_value(const struct opt_command *c, const struct opt *o, const char *as_given)
{
	struct buf b = {0};
	int status;

	opt_add_value(&b, o);
	status = opt_refuse(
		c, NULL, "option '%s' needs a value: %s", as_given, buf_cstr(&b));
	buf_release(&b);
	return status;
}

/* What an optional value is when it is left out: the last choice, or "". */
static const char *
value_left_out(const struct opt *o)
{
	const char *bar = o->choices ? strrchr(o->choices, '|') : NULL;

	return bar ? bar + 1 : o->choices ? o->choices : "";
}

static int
give(struct walk *w, struct opt *o, bool by_long, const char *here, const char *as_given)
{
	const char *value = here;

	if (o->kind == OPT_FLAG) {
		if (here)
			return opt_refuse(
				w->command, NULL, "option '%s' takes no value", as_given);
	} else if (o->optional) {
		if (!here)
			value = value_left_out(o);
	} else {
		value = value_here_or_next(w, here);
		if (!value)
			return missing_value(w->command, o, as_given);
	}
	if (!o->to)
		return take_own(w->command, o, by_long, value);
	return take(w->command, o, value);
}

/* The option of a long name, perhaps cut. NULL: none or several, *status is set. */
static struct opt *
find_long(const struct opt_command *c, struct slice name, int *status)
{
	struct buf typed = {0}, said = {0};
	struct opt *found = NULL;
	const struct opt *near;
	size_t at, n = 0;

	for (struct opt *o = opt_next(c, NULL, &at); o; o = opt_next(c, o, &at))
		if (slice_eq(slice_str(o->name), name))
			return o;
	for (struct opt *o = opt_next(c, NULL, &at); o; o = opt_next(c, o, &at)) {
		if (o->hidden || !name.n || !slice_starts(slice_str(o->name), name))
			continue;
		buf_addf(&said, "%s--%s", n ? ", " : "", o->name);
		found = o;
		n++;
	}
	quoted(&typed, name.p - 2, name.n + 2);
	if (n > 1) {
		*status = opt_refuse(c, NULL, "option %s is ambiguous: %s",
			buf_cstr(&typed), buf_cstr(&said));
		found = NULL;
	} else if (!n) {
		near = nearest_option(c, name);
		if (near)
			buf_addf(&said, "did you mean '--%s'?", near->name);
		*status = opt_refuse(c, near ? buf_cstr(&said) : NULL,
			"unknown option %s", buf_cstr(&typed));
	}
	buf_release(&typed);
	buf_release(&said);
	return found;
}

static int
long_option(struct walk *w, const char *arg)
{
	const char *equals = strchr(arg, '=');
	size_t n = equals ? (size_t)(equals - arg) : strlen(arg);
	char as_given[NAME_MAX_LENGTH + 3];
	struct opt *o;
	int status = EXIT_USAGE;

	o = find_long(w->command, slice_of(arg + 2, n - 2), &status);
	if (!o)
		return status;
	snprintf(as_given, sizeof(as_given), "--%s", o->name);
	return give(w, o, true, equals ? equals + 1 : NULL, as_given);
}

static struct opt *
find_short(const struct opt_command *c, char name)
{
	size_t at;

	for (struct opt *o = opt_next(c, NULL, &at); o; o = opt_next(c, o, &at))
		if (o->short_name == name)
			return o;
	return NULL;
}

static int
unknown_short(const struct opt_command *c, const char *arg, const char *p)
{
	struct buf shown = {0}, whole = {0}, hint = {0};
	size_t at;
	int status;

	for (struct opt *o = opt_next(c, NULL, &at); o; o = opt_next(c, o, &at))
		if (!o->hidden && !strcmp(o->name, arg + 1))
			buf_addf(&hint, "did you mean '--%s'?", o->name);
	if (!hint.n)
		buf_adds(&hint, "an operand that begins with '-' goes after '--'");
	buf_addc(&shown, '-');
	text_add_safe(&shown, slice_of(p, 1), 1);
	if (arg[2])
		quoted(&whole, arg, strlen(arg));
	status = opt_refuse(c, buf_cstr(&hint), "unknown option '%s'%s%s",
		buf_cstr(&shown), arg[2] ? " in " : "", arg[2] ? buf_cstr(&whole) : "");
	buf_release(&shown);
	buf_release(&whole);
	buf_release(&hint);
	return status;
}

static int
short_options(struct walk *w, const char *arg)
{
	for (const char *p = arg + 1; *p; p++) {
		struct opt *o = find_short(w->command, *p);
		char as_given[] = {'-', *p, '\0'};
		bool valued;
		int status;

		if (!o)
			return unknown_short(w->command, arg, p);
		valued = o->kind != OPT_FLAG && !o->optional;
		status = give(w, o, false, valued && p[1] ? p + 1 : NULL, as_given);
		if (status >= 0)
			return status;
		if (valued)
			break;
	}
	return -1;
}

int
opt_parse(const struct opt_command *c, int argc, char **argv, char ***operands, int *n)
{
	struct walk w = {c, argv, argc, 1};
	char **left, **right;
	int nleft = 0, nright = 0, status = -1;

	*operands = argv + argc;
	*n = 0;
	if (argc < 2)
		return -1;
	left = mem_array((size_t)argc, sizeof(*left));
	right = mem_array((size_t)argc, sizeof(*right));
	for (; w.at < argc; w.at++) {
		char *arg = argv[w.at];
		int first = w.at;

		if (arg[0] != '-' || !arg[1]) {
			right[nright++] = arg;
			continue;
		}
		if (!strcmp(arg, "--")) {
			left[nleft++] = arg;
			for (w.at++; w.at < argc; w.at++)
				right[nright++] = argv[w.at];
			break;
		}
		status = arg[1] == '-' ? long_option(&w, arg) : short_options(&w, arg);
		if (status >= 0)
			goto out;
		for (; first <= w.at; first++)
			left[nleft++] = argv[first];
	}
	memcpy(argv + 1, left, (size_t)nleft * sizeof(*left));
	memcpy(argv + 1 + nleft, right, (size_t)nright * sizeof(*right));
	*operands = argv + 1 + nleft;
	*n = nright;
out:
	free(left);
	free(right);
	return status;
}
