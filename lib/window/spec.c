/* Aggregate functions as the command line has them. */
#include "window/spec.h"

#include <stdlib.h>

#include "base/mem.h"

#define TOPK_MAX 1000000

struct parser {
	const char *text, *p;
	struct failure *why;
};

static int
wrong(const struct parser *s, const char *at, const char *what)
{
	return fail(s->why, EXIT_USAGE, "-a '%.120s': column %zu: %s", s->text,
		(size_t)(at - s->text) + 1, what);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '_' || c == '-' || c == '.';
}

static void
skip_space(struct parser *s)
{
	while (is_space(*s->p))
		s->p++;
}

/* ---- brackets and strings ---------------------------------------------------------- */

#define DEPTH_MAX 200

/* From an opening bracket to behind the closing one; *semicolon: the last that stands at its
 * own level, or NULL. Strings may hold brackets, and \( ) holds a filter again. */
static int
skip_brackets(struct parser *s, const char **semicolon)
{
	char open[DEPTH_MAX]; /* brackets that are open, '"' for a string */
	const char *from = s->p;
	size_t n = 0;

	*semicolon = NULL;
	for (;; s->p++) {
		if (!*s->p)
			return wrong(s, from, "this parenthesis is not closed");
		if (n && open[n - 1] == '"') {
			if (*s->p == '\\' && s->p[1] == '(') {
				open[n++] = '(';
				s->p++;
			} else if (*s->p == '\\' && s->p[1]) {
				s->p++;
			} else if (*s->p == '"') {
				n--;
			}
		} else if (*s->p == '(' || *s->p == '[' || *s->p == '{' || *s->p == '"') {
			open[n++] = *s->p;
		} else if (*s->p == ')' || *s->p == ']' || *s->p == '}') {
			if (open[n - 1] != (*s->p == ')' ? '(' : *s->p == ']' ? '[' : '{'))
				return wrong(s, s->p, "this bracket closes none");
			if (!--n) {
				s->p++;
				return 0;
			}
		} else if (*s->p == ';' && n == 1) {
			*semicolon = s->p;
		}
		if (n == DEPTH_MAX)
			return wrong(s, s->p, "brackets are nested too deep");
	}
}

static char *
copy_trimmed(const char *from, const char *to)
{
	while (from < to && is_space(*from))
		from++;
	while (to > from && is_space(to[-1]))
		to--;
	return mem_dup(from, (size_t)(to - from));
}

/* ---- its parts --------------------------------------------------------------------- */

static int
read_name(struct parser *s, struct spec *spec)
{
	const char *from;
	struct buf option = {0};

	skip_space(s);
	from = s->p;
	while (is_name(*s->p))
		s->p++;
	if (s->p == from)
		return wrong(s, from, "a name was expected, as in 'total=sum(.amount)'");
	spec->name = mem_dup(from, (size_t)(s->p - from));
	spec->fold.name = slice_str(spec->name);
	buf_addf(&option, "-a %s", spec->name);
	buf_cstr(&option);
	spec->option = option.p;
	skip_space(s);
	if (*s->p != '=')
		return wrong(s, s->p, "'=' was expected behind the name");
	s->p++;
	if (strcmp(spec->name, "start") == 0 || strcmp(spec->name, "end") == 0 ||
		strcmp(spec->name, "key") == 0 || strcmp(spec->name, "partial") == 0)
		return wrong(s, from, "results have a member of this name already");
	return 0;
}

static int
read_function(struct parser *s, struct spec *spec)
{
	const char *from;
	size_t n;
	int i;

	skip_space(s);
	from = s->p;
	while ((*s->p >= 'a' && *s->p <= 'z') || *s->p == '_')
		s->p++;
	n = (size_t)(s->p - from);
	for (i = 0; fold_func_name[i]; i++)
		if (strlen(fold_func_name[i]) == n && memcmp(fold_func_name[i], from, n) == 0)
			break;
	if (!fold_func_name[i]) {
		wrong(s, from, n ? "there is no such function" : "a function was expected");
		fail_hint(s->why, "count sum avg stddev min max first last list set distinct "
			"approx_distinct quantile topk argmin argmax");
		return -1;
	}
	spec->fold.func = (enum fold_func)i;
	return 0;
}

static int
read_parameter(struct parser *s, struct spec *spec, const char *from, const char *to)
{
	char *text = copy_trimmed(from, to), *end;
	double x = strtod(text, &end);
	bool number = end > text && !*end && strspn(text, "0123456789.e-") == strlen(text);
	int rc = 0;

	if (spec->fold.func == FOLD_QUANTILE) {
		spec->fold.quantile = x;
		if (!number || x < 0 || x > 1)
			rc = wrong(s, from, "quantile takes a number from 0 to 1");
	} else {
		spec->fold.most = number && x >= 1 && x <= TOPK_MAX ? (uint32_t)x : 0;
		if (!spec->fold.most || spec->fold.most != x)
			rc = wrong(s, from, "topk takes a number from 1 to 1000000");
	}
	free(text);
	return rc;
}

static int
needs(struct parser *s, const char *at, const struct spec *spec)
{
	switch (spec->fold.func) {
	case FOLD_QUANTILE:
		return wrong(s, at, "quantile needs a place, as in quantile(.ms; 0.99)");
	case FOLD_TOPK:
		return wrong(s, at, "topk needs a number, as in topk(.product; 10)");
	default:
		return wrong(s, at, "argmin and argmax need what is wanted, as in "
			"argmax(.price; .product)");
	}
}

static int
read_arguments(struct parser *s, struct spec *spec)
{
	const char *from, *to, *semicolon;
	bool two = spec->fold.func == FOLD_QUANTILE || spec->fold.func >= FOLD_TOPK;

	skip_space(s);
	from = s->p;
	if (*from != '(')
		return spec->fold.func == FOLD_COUNT ? 0 : two ? needs(s, from, spec) :
			wrong(s, from, "an expression in parentheses was expected");
	if (skip_brackets(s, &semicolon) < 0)
		return -1;
	to = s->p - 1;
	if (two && !semicolon)
		return needs(s, to, spec);
	spec->text[SPEC_VALUE] = copy_trimmed(from + 1, two ? semicolon : to);
	if (!*spec->text[SPEC_VALUE])
		return wrong(s, from + 1, "an expression was expected");
	if (!two)
		return 0;
	if (spec->fold.func == FOLD_QUANTILE || spec->fold.func == FOLD_TOPK)
		return read_parameter(s, spec, semicolon + 1, to);
	spec->text[SPEC_WHAT] = copy_trimmed(semicolon + 1, to);
	return *spec->text[SPEC_WHAT] ? 0 : needs(s, to, spec);
}

static int
read_where(struct parser *s, struct spec *spec)
{
	skip_space(s);
	if (!*s->p)
		return 0;
	if (strncmp(s->p, "where", 5) != 0 || is_name(s->p[5]))
		return wrong(s, s->p, "'where' or the end was expected");
	s->p += 5;
	spec->text[SPEC_WHERE] = copy_trimmed(s->p, s->p + strlen(s->p));
	return *spec->text[SPEC_WHERE] ? 0 : wrong(s, s->p, "a condition was expected");
}

int
spec_parse(const char *text, struct spec *spec, struct failure *why)
{
	struct parser s = {text, text, why};

	*spec = (struct spec){0};
	if (read_name(&s, spec) == 0 && read_function(&s, spec) == 0 &&
		read_arguments(&s, spec) == 0 && read_where(&s, spec) == 0)
		return 0;
	spec_release(spec);
	return -1;
}

void
spec_release(struct spec *spec)
{
	int i;

	for (i = 0; i < SPEC_EXPRS; i++)
		free(spec->text[i]);
	free(spec->option);
	free(spec->name);
	*spec = (struct spec){0};
}

int
specs_parse(const char *const *text, size_t n, struct spec *s, struct failure *why)
{
	size_t i, j;

	if (!n || n > SPECS_MAX) {
		fail(why, EXIT_USAGE, n ? "more than 64 functions" : "no function is given");
		if (!n)
			fail_hint(why, "-a n=count, or -a 'total=sum(.amount)'");
		return -1;
	}
	for (i = 0; i < n; i++) {
		if (spec_parse(text[i], &s[i], why) < 0)
			return -1;
		for (j = 0; j < i; j++)
			if (strcmp(s[j].name, s[i].name) == 0)
				return fail(why, EXIT_USAGE, "two functions are called '%s'",
					s[i].name);
	}
	return 0;
}
