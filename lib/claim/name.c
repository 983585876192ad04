/* Templates of names. */
#include "claim/name.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "blob/store.h"
#include "flow/flow.h"

static void
add_part(struct claim_name *n, struct name_part part)
{
	n->part = mem_grow(n->part, &n->cap, n->nparts + 1, sizeof(*n->part));
	n->part[n->nparts++] = part;
}

/* The end of the expression that begins at p: its closing brace. Braces within it, and
 * strings, are its own. NULL: there is none. */
static char *
closing(char *p)
{
	int depth = 0;

	for (; *p; p++) {
		if (*p == '"') {
			for (p++; *p && *p != '"'; p++)
				if (*p == '\\' && p[1])
					p++;
			if (!*p)
				return NULL;
		} else if (*p == '{') {
			depth++;
		} else if (*p == '}' && depth-- == 0) {
			return p;
		}
	}
	return NULL;
}

int
name_init(struct claim_name *n, const char *template, name_compiler *compile, void *arg,
	struct failure *why)
{
	char *at, *brace, *end;
	struct name_part part;

	*n = (struct claim_name){.template = mem_strdup(template)};
	for (at = n->template; (brace = strchr(at, '{')); at = end + 1) {
		if (brace > at)
			add_part(n, (struct name_part){slice_of(at, (size_t)(brace - at)), NULL});
		end = closing(brace + 1);
		if (!end)
			return fail(why, EXIT_USAGE, "'%s': a { has no }", template);
		*end = '\0';
		part = (struct name_part){.expr = compile(arg, brace + 1, why)};
		if (!part.expr)
			return -1;
		add_part(n, part);
	}
	if (*at)
		add_part(n, (struct name_part){slice_str(at), NULL});
	if (n->nparts == 0 || (n->nparts == 1 && !n->part[0].expr))
		return fail(why, EXIT_USAGE, "'%s': all blobs would have one name: "
			"order-{.orderId}.json is a template", template);
	return 0;
}

void
name_release(struct claim_name *n)
{
	free(n->template);
	free(n->part);
	*n = (struct claim_name){0};
}

void
name_run_init(struct name_run *r, const struct claim_name *n)
{
	size_t i;

	*r = (struct name_run){0};
	if (!n)
		return;
	r->run = mem_array(n->nparts, sizeof(*r->run));
	for (i = 0; i < n->nparts; i++)
		if (n->part[i].expr)
			r->run[i] = expr_run_new(n->part[i].expr);
}

void
name_run_release(struct name_run *r, const struct claim_name *n)
{
	size_t i;

	for (i = 0; n && i < n->nparts; i++)
		expr_run_free(r->run[i]);
	free(r->run);
}

static bool
is_safe(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'z') ||
			(s.p[i] >= 'A' && s.p[i] <= 'Z') || s.p[i] == '.' || s.p[i] == '_' ||
			s.p[i] == '-'))
			return false;
	return s.n > 0;
}

static int
fill_hole(const struct expr *e, struct expr_run *run, const struct value *event,
	struct record_vars *vars, struct buf *to, struct failure *why)
{
	size_t at = to->n;
	const struct value *v;
	struct expr_env env = {record_var, vars};
	struct buf shown = {0};
	ptrdiff_t n;

	vars->arena = expr_run_arena(run);
	n = expr_all(run, event, &env, &v, why);
	if (n < 0)
		return fail_within(why, "--name: ");
	if (n == 1 && value_type(v) != JSON_NULL)
		value_add_text(to, v);
	if (n == 1 && is_safe(slice_of(to->p + at, to->n - at)))
		return 0;
	if (n == 1)
		text_add_safe(&shown, slice_of(to->p + at, to->n - at), 60);
	fail_record(why, "name", "--name: %s gives %s%s", expr_text(e),
		n != 1 ? "not one value" : to->n == at ? "nothing" : buf_cstr(&shown),
		n == 1 && to->n > at ? ", which is no part of a name" : "");
	buf_release(&shown);
	return -1;
}

int
name_make(const struct claim_name *n, struct name_run *r, const struct value *event,
	struct record_vars *vars, struct buf *to, struct failure *why)
{
	struct buf shown = {0};
	size_t i, at = to->n;
	int rc = 0;

	for (i = 0; i < n->nparts && rc == 0; i++)
		if (!n->part[i].expr)
			buf_add_slice(to, n->part[i].text);
		else
			rc = fill_hole(n->part[i].expr, r->run[i], event, vars, to, why);
	for (i = 0; i < n->nparts; i++)
		if (r->run[i])
			expr_run_reset(r->run[i]);
	if (rc == 0 && !blob_is_name(slice_of(to->p + at, to->n - at))) {
		text_add_safe(&shown, slice_of(to->p + at, to->n - at), 100);
		rc = fail_record(why, "name", "--name: '%s' cannot be a name", buf_cstr(&shown));
		buf_release(&shown);
	}
	return rc;
}

/* Which beginnings of the name the parts so far could have made: one look a part and byte,
 * however many holes there are. */
bool
name_matches(const struct claim_name *n, struct slice name)
{
	bool made[BLOB_NAME_MAX + 1] = {true}, next[BLOB_NAME_MAX + 1], open;
	const struct name_part *p;
	size_t i, k;

	if (!blob_is_name(name))
		return false;
	for (i = 0; i < n->nparts; i++) {
		p = &n->part[i];
		memset(next, 0, sizeof(next));
		open = false;
		for (k = 0; k <= name.n; k++) {
			if (!p->expr) {
				if (made[k] && k + p->text.n <= name.n &&
					memcmp(name.p + k, p->text.p, p->text.n) == 0)
					next[k + p->text.n] = true;
				continue;
			}
			open = open && name.p[k - 1] != '/';
			next[k] = open;
			open = open || made[k];
		}
		memcpy(made, next, sizeof(made));
	}
	return made[name.n];
}
