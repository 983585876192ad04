/* Fields, by their text. */
#include "claim/beside.h"

#include <stdlib.h>

#include "base/mem.h"

/* Are all paths .NAME, as the text of the filter has it? */
static bool
are_members(const struct expr *e)
{
	const char *at = expr_text(e);
	struct slice name;
	size_t i;

	for (i = 0; i < expr_paths(e); i++) {
		name = expr_path_name(e, i);
		at += strspn(at, " \t\n");
		if (i && *at++ != ',')
			return false;
		at += strspn(at, " \t\n");
		if (*at++ != '.' || strncmp(at, name.p, name.n) != 0)
			return false;
		at += name.n;
	}
	return at[strspn(at, " \t\n")] == '\0';
}

void
beside_init(struct beside *k, const struct expr *e)
{
	bool can = e && are_members(e);
	size_t i;

	*k = (struct beside){.expr = e, .n = e ? expr_paths(e) : 0};
	if (!e)
		return;
	k->run = expr_run_new(e);
	k->finder = mem_array(k->n, sizeof(*k->finder));
	for (i = 0; i < k->n && can; i++)
		can = json_finder_init(&k->finder[i], expr_path_name(e, i));
	if (can)
		return;
	free(k->finder);
	k->finder = NULL;
}

void
beside_release(struct beside *k)
{
	expr_run_free(k->run);
	free(k->finder);
}

/* The text of a scalar that begins at p, in a valid line that ends at end; absent if that is
 * not all the truth of it. */
static struct slice
scalar(const char *p, const char *end)
{
	const char *quote;
	size_t n = 0;

	if (*p == '"') {
		quote = memchr(p + 1, '"', (size_t)(end - p - 1));
		if (!quote || memchr(p, '\\', (size_t)(quote - p)))
			return (struct slice){0};
		return slice_of(p, (size_t)(quote - p) + 1);
	}
	if (*p == '{' || *p == '[')
		return (struct slice){0};
	while (p + n < end && !strchr(",}] \t\r", p[n]))
		n++;
	return slice_of(p, n);
}

static void
add_name(const struct beside *k, size_t i, struct buf *b)
{
	json_add_string(b, expr_path_name(k->expr, i));
	buf_addc(b, ':');
}

/* False: it takes the tokens to tell. */
static bool
add_found(struct beside *k, const struct json_doc *d, struct buf *b)
{
	const struct json_line *l = d->scan->line + d->line;
	struct slice text;
	const char *value;
	size_t i;

	for (i = 0; i < k->n; i++) {
		text = SLICE("null");
		switch (json_find(&k->finder[i], d, &value)) {
		case JSON_FOUND:
			text = scalar(value, d->base + l->end);
			break;
		case JSON_ABSENT:
			break;
		case JSON_UNSURE:
			return false;
		}
		if (!text.p)
			return false;
		add_name(k, i, b);
		buf_add_slice(b, text);
		buf_addc(b, ',');
	}
	return true;
}

static int
add_evaluated(struct beside *k, const struct record *r, const char *stage, struct buf *b,
	struct failure *why)
{
	struct value root = record_value(r);
	struct record_vars vars = {.record = r, .stage = stage,
		.arena = expr_run_arena(k->run)};
	struct expr_env env = {record_var, &vars};
	const struct value *v;
	ptrdiff_t n, i;

	if (value_type(&root) != JSON_OBJECT)
		return 0;
	n = expr_all(k->run, &root, &env, &v, why);
	for (i = 0; i < n; i++) {
		add_name(k, (size_t)i, b);
		value_add_json(b, &v[i]);
		buf_addc(b, ',');
	}
	expr_run_reset(k->run);
	return n < 0 ? fail_within(why, "--keep: ") : 0;
}

int
beside_add(struct beside *k, const struct record *r, const char *stage, struct buf *b,
	struct failure *why)
{
	size_t n = b->n;

	if (!k->expr)
		return 0;
	if (k->finder && !r->doc->pos && r->line.p[0] == '{' && add_found(k, r->doc, b))
		return 0;
	b->n = n;
	return add_evaluated(k, r, stage, b, why);
}
