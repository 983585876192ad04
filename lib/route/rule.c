/* Rules as lines of text. */
#include "route/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice
trimmed(struct slice s)
{
	while (s.n && is_space(s.p[0]))
		s = slice_of(s.p + 1, s.n - 1);
	while (s.n && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

int
route_split(struct slice text, struct slice *expr, struct slice *sink)
{
	size_t i;

	for (i = text.n < 4 ? 0 : text.n - 3; i > 0; i--)
		if (memcmp(text.p + i, "=>", 2) == 0 && is_space(text.p[i - 1]))
			break;
	if (!i)
		return -1;
	*expr = trimmed(slice_of(text.p, i));
	*sink = trimmed(slice_of(text.p + i + 2, text.n - i - 2));
	return expr->n && sink->n ? 0 : -1;
}

int
route_read(const char *path, const char *what,
	int (*take)(void *arg, const char *what, struct slice rule, struct failure *why),
	void *arg, struct failure *why)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0, number = 0;
	struct slice rule;
	ssize_t n;
	int rc = 0;

	if (!f)
		return fail(why, EXIT_NOINPUT, "%s %s: cannot open it", what, path);
	while (rc == 0 && (n = getline(&line, &cap, f)) >= 0) {
		number++;
		rule = trimmed(slice_of(line, (size_t)n));
		if (!rule.n || rule.p[0] == '#')
			continue;
		rc = take(arg, what, rule, why);
		if (rc < 0)
			fail_within(why, "%s:%zu: ", path, number);
	}
	if (rc == 0 && ferror(f))
		rc = fail(why, EXIT_IO, "%s %s: cannot read it", what, path);
	free(line);
	fclose(f);
	return rc;
}
