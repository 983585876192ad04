/* Fields, by their text. */
#include "claim/beside.h"

#include <stdlib.h>

#include "base/mem.h"
#include "json/reach.h"

void
beside_init(struct beside *k, const struct expr *e)
{
	struct beside_field *f;
	size_t i;

	*k = (struct beside){.expr = e, .n = e ? expr_paths(e) : 0};
	if (!e)
		return;
	k->run = expr_run_new(e);
	k->field = mem_array(k->n, sizeof(*k->field));
	for (i = 0; i < k->n; i++) {
		f = &k->field[i];
		f->n = expr_path_fields(e, i, f->name, BESIDE_DEPTH);
		if (!f->n)
			break;
		f->can = json_finder_init(&f->finder, f->name[0]);
	}
	if (i == k->n)
		return;
	free(k->field);
	k->field = NULL;
}

void
beside_release(struct beside *k)
{
	expr_run_free(k->run);
	free(k->field);
	json_scan_release(&k->scan);
}

static void
add_name(const struct beside *k, size_t i, struct buf *b)
{
	json_add_string(b, expr_path_name(k->expr, i));
	buf_addc(b, ':');
}

/* A value as jq writes it. */
static bool
add_compact(struct beside *k, struct slice text, struct buf *b)
{
	struct failure ignored;
	struct json_doc d;

	if (text.p[0] != '{' && text.p[0] != '[' && !memchr(text.p, '\\', text.n)) {
		buf_add_slice(b, text);
		return true;
	}
	if (json_doc_of(&k->scan, text, &d, &ignored) < 0)
		return false;
	json_add_compact(b, &d, 0);
	return true;
}

/* False: it takes the tokens to tell. */
static bool
add_found(struct beside *k, const struct record *r, struct buf *b)
{
	const char *at, *end = r->bytes.p + r->bytes.n;
	struct beside_field *f;
	struct slice text, line;
	enum json_reach rc;
	size_t i;

	for (i = 0; i < k->n; i++) {
		f = &k->field[i];
		switch (f->can ? json_find(&f->finder, r->doc, &at) : JSON_UNSURE) {
		case JSON_FOUND:
			line = slice_of(at, (size_t)(end - at));
			rc = json_reach(line, f->name + 1, f->n - 1, &text);
			break;
		case JSON_ABSENT:
			rc = JSON_REACH_NULL;
			break;
		default:
			rc = json_reach(r->bytes, f->name, f->n, &text);
		}
		if (rc == JSON_REACH_BAD)
			return false;
		add_name(k, i, b);
		if (rc == JSON_REACH_NULL)
			buf_adds(b, "null");
		else if (!add_compact(k, text, b))
			return false;
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

	if (!k->expr || r->bytes.p[strspn(r->bytes.p, " \t\r\n")] != '{')
		return 0;
	if (k->field && !r->doc->pos && add_found(k, r, b))
		return 0;
	b->n = n;
	return add_evaluated(k, r, stage, b, why);
}
