/* The expressions of sk-aggregate, run. */
#include "group/rules.h"

#include "group/key.h"

/* ".orderId", the most usual key. */
static bool
is_field(const struct expr *e, struct slice *name)
{
	const char *text = expr_text(e);

	*name = expr_is_path(e) ? expr_path_name(e, 0) : (struct slice){0};
	return name->p && text[0] == '.' && strlen(text) == name->n + 1 &&
		memcmp(text + 1, name->p, name->n) == 0;
}

void
rules_init(struct rules *r, const struct plan *plan, const char *stage)
{
	struct slice name;
	int i;

	*r = (struct rules){.plan = plan, .stage = stage};
	r->work.merge = plan->merge;
	r->work.field = plan->field;
	r->work.nfields = plan->nfields;
	for (i = 0; i < PLAN_EXPRS; i++)
		if (plan->expr[i])
			r->run[i] = expr_run_new(plan->expr[i]);
	r->key_is_field = is_field(plan->expr[PLAN_KEY], &name);
	if (r->key_is_field)
		r->key_name = json_name_of(name);
}

void
rules_release(struct rules *r)
{
	int i;

	for (i = 0; i < PLAN_EXPRS; i++)
		expr_run_free(r->run[i]);
	group_work_release(&r->work);
	buf_release(&r->room);
}

void
rules_begin(struct rules *r, const struct record *record, struct failure *why)
{
	r->record = record;
	r->root = r->part = record_value(record);
	r->why = why;
}

void
rules_done(struct rules *r)
{
	int i;

	for (i = 0; i < PLAN_EXPRS; i++)
		if (r->run[i])
			expr_run_reset(r->run[i]);
}

static struct value
event_var(void *self, unsigned index)
{
	const struct rules *r = self;

	(void)index;
	return r->part;
}

static struct record_vars
scope(struct rules *r, int which)
{
	return (struct record_vars){.record = r->record, .stage = r->stage,
		.arena = expr_run_arena(r->run[which]), .more = event_var, .arg = r};
}

static ptrdiff_t
all(struct rules *r, int which, const struct value *input, const struct value **out)
{
	struct record_vars vars = scope(r, which);

	return expr_all(r->run[which], input, &(struct expr_env){record_var, &vars}, out,
		r->why);
}

int
rules_key(struct rules *r, struct slice *identity)
{
	const struct value *root = &r->root;
	ptrdiff_t n = 1;
	uint32_t t;

	if (r->key_is_field && root->kind == VALUE_TOKEN &&
		json_type_at(root->u.doc, root->t) == JSON_OBJECT) {
		t = json_get_name(root->u.doc, root->t, &r->key_name);
		r->field = t == JSON_NONE ? value_null() : value_token(root->u.doc, t);
		r->key = &r->field;
	} else {
		n = all(r, PLAN_KEY, root, &r->key);
	}
	if (n < 0)
		return -1;
	r->nkeys = (size_t)n;
	return group_key_of(r->key, r->nkeys, r->plan->null_key, &r->room, identity, r->why);
}

struct slice
rules_key_text(struct rules *r)
{
	buf_reset(&r->room);
	group_key_text(&r->room, r->key, r->nkeys);
	return buf_slice(&r->room);
}

ptrdiff_t
rules_parts(struct rules *r, const struct value **part)
{
	*part = &r->root;
	return r->run[PLAN_PART] ? all(r, PLAN_PART, &r->root, part) : 1;
}

int
rules_size(struct rules *r, uint64_t *size)
{
	const struct value *v;
	ptrdiff_t n;

	if (!r->run[PLAN_SIZE])
		return 0;
	n = all(r, PLAN_SIZE, &r->root, &v);
	if (n < 0)
		return -1;
	if (n == 0 || (n == 1 && value_type(&v[0]) == JSON_NULL))
		return 0;
	if (n > 1 || !group_whole_number(&v[0], size) || !*size)
		return fail_record(r->why, "size", "--size gives no number of parts");
	return 0;
}

int
rules_merge(struct rules *r, struct group *g, const struct value *part)
{
	const struct value *v;
	struct value whole;
	ptrdiff_t n;

	r->part = *part;
	if (r->plan->merge != MERGE_EXPR)
		return group_add(&r->work, g, part, r->why);
	if (group_value(&r->work, g, &whole, r->why) < 0)
		return -1;
	n = all(r, PLAN_MERGE, &whole, &v);
	if (n < 0)
		return -1;
	if (n != 1)
		return fail_record(r->why, "merge", "--merge gives %s", n ? "several values" :
			"nothing");
	return group_set(&r->work, g, &v[0], r->why);
}

int
rules_complete(struct rules *r, const struct group *g, const char **by)
{
	uint64_t size = r->plan->size ? r->plan->size : g->h.size;
	struct value input = r->root;
	struct record_vars vars;
	int rc = 0;

	if (r->run[PLAN_WHEN]) {
		if (!r->plan->eager && group_value(&r->work, g, &input, r->why) < 0)
			return -1;
		vars = scope(r, PLAN_WHEN);
		rc = expr_test(r->run[PLAN_WHEN], &input, &(struct expr_env){record_var, &vars},
			r->why);
		*by = "complete-when";
	}
	if (rc == 0 && r->plan->nrequired) {
		rc = group_has(&r->work, g, r->plan->required, r->plan->nrequired);
		*by = "require";
	}
	if (rc == 0 && size && g->h.count >= size) {
		rc = 1;
		*by = "size";
	}
	return rc;
}
