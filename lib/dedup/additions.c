/* Ids and marks. */
#include "dedup/additions.h"

#include <stdlib.h>

#include "base/mem.h"
#include "expr/extend.h"

void
additions_init(struct additions *a, const struct dedup_plan *plan, const char *stage)
{
	*a = (struct additions){.plan = plan, .stage = stage};
	if (plan->adds)
		a->sha = sha_new();
	if (plan->assign)
		a->assign = expr_run_new(plan->assign);
}

void
additions_release(struct additions *a)
{
	sha_free(a->sha);
	expr_run_free(a->assign);
	arena_release(&a->arena);
	buf_release(&a->content);
	free(a->header);
}

/* ---- the id ------------------------------------------------------------------------ */

void
additions_content(const struct dedup_plan *plan, struct buf *b, const struct record *r)
{
	record_value(r); /* the tokens are there */
	json_canonical_without(b, r->doc, r->root, plan->omit);
}

static void
make_id(struct additions *a, const struct record *r)
{
	buf_reset(&a->content);
	additions_content(a->plan, &a->content, r);
	sha_of(a->sha, buf_slice(&a->content), a->id);
}

static struct slice
id_of(const struct additions *a)
{
	return slice_of(a->id, SHA_HEX - 1);
}

static struct value
id_var(void *self, unsigned index)
{
	(void)index;
	return value_string(id_of(self));
}

/* The record with the id at a place within it. */
static int
assign(struct additions *a, const struct record *r, const struct value **out,
	struct failure *why)
{
	struct record_vars vars = {.record = r, .stage = a->stage,
		.arena = expr_run_arena(a->assign), .more = id_var, .arg = a};
	struct value root = record_value(r);
	ptrdiff_t n = expr_all(a->assign, &root, &(struct expr_env){record_var, &vars}, out,
		why);

	if (n == 1)
		return 0;
	if (n < 0)
		return fail_within(why, "--tag: ");
	return fail_record(why, "tag", "--tag finds no place for the id");
}

int
additions_fit(struct additions *a, const struct record *r, struct failure *why)
{
	const struct value *out;
	struct value root;
	int rc;

	if (a->plan->key_by_id && r->meta && r->meta->tombstone)
		return fail_record(why, "tombstone", "the record is a tombstone: there is nothing "
			"to make an id of");
	if (!a->plan->tag)
		return 0;
	root = record_value(r);
	if (value_type(&root) != JSON_OBJECT)
		return fail_record(why, "not-object", "the record is no object: it has no place "
			"for an id");
	if (!a->assign)
		return 0;
	rc = assign(a, r, &out, why);
	expr_run_reset(a->assign);
	return rc;
}

/* ---- writing ----------------------------------------------------------------------- */

static void
add_value(struct additions *a, struct buf *b, const struct value *v, bool duplicate)
{
	struct value_member more[2];
	struct slice clash;
	size_t n = 0;

	if (a->plan->tag_field.p)
		more[n++] = (struct value_member){a->plan->tag_field, value_string(id_of(a))};
	if (duplicate)
		more[n++] = (struct value_member){SLICE(ADDITIONS_MARK), {.kind = VALUE_TRUE}};
	if (n == 0) {
		value_add_json(b, v);
	} else if (value_type(v) == JSON_OBJECT) {
		value_add_extended(b, v, more, n, true, &a->arena, &clash);
	} else {
		buf_adds(b, "{\"value\":");
		value_add_json(b, v);
		buf_adds(b, ",\"" ADDITIONS_MARK "\":true}");
	}
	arena_reset(&a->arena);
}

/* What is known of the record, with the id as its key and in its headers. */
static struct meta
meta_by_id(struct additions *a, const struct record *r)
{
	const struct input *in = record_input(r);
	struct meta m = {.partition = in->partition, .offset = (int64_t)r->offset,
		.ts_ms = TIME_NONE, .time_us = TIME_NONE};
	size_t i, n = 0, had = r->meta ? r->meta->nheaders : 0;

	if (r->meta)
		m = *r->meta;
	else if (strcmp(in->name, "-") != 0)
		m.topic = slice_str(in->name);
	a->header = mem_grow(a->header, &a->cap_headers, had + 1, sizeof(*a->header));
	for (i = 0; i < had; i++)
		if (!slice_eq(r->meta->header[i].name, SLICE(ADDITIONS_HEADER)))
			a->header[n++] = r->meta->header[i];
	a->header[n++] = (struct header){SLICE(ADDITIONS_HEADER), id_of(a)};
	m.header = a->header;
	m.nheaders = n;
	m.key = id_of(a);
	m.prefix = (struct slice){0};
	return m;
}

int
additions_write(struct additions *a, struct emit *e, const struct record *r, bool duplicate,
	struct failure *why)
{
	struct record other = *r;
	struct value root = record_value(r);
	const struct value *v = &root;
	struct meta m;

	if (a->sha)
		make_id(a, r);
	if (a->plan->key_by_id) {
		m = meta_by_id(a, r);
		other.meta = &m;
		r = &other;
	}
	if (!a->plan->tag && !duplicate) {
		emit_same(e, 0, r);
		return 0;
	}
	if (a->assign && assign(a, r, &v, why) < 0)
		return -1;
	add_value(a, emit_begin(e, 0, r), v, duplicate);
	emit_end(e);
	if (a->assign)
		expr_run_reset(a->assign);
	return 0;
}
