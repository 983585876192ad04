/* The expressions of sk-aggregate, run. */
#include "group/rules.h"

#include "group/key.h"

void
rules_init(struct rules *r, const struct plan *plan, const struct groups *groups,
	const char *stage)
{
	int i;

	*r = (struct rules){.plan = plan, .stage = stage};
	r->work.merge = plan->merge;
	r->work.field = plan->field;
	r->work.nfields = plan->nfields;
	for (i = 0; i < PLAN_EXPRS; i++)
		if (plan->expr[i])
			r->run[i] = expr_run_new(plan->expr[i]);
	glance_init(&r->glance, plan, groups);
}

void
rules_release(struct rules *r)
{
	int i;

	for (i = 0; i < PLAN_EXPRS; i++)
		expr_run_free(r->run[i]);
	glance_release(&r->glance);
	group_work_release(&r->work);
	buf_release(&r->room);
}

void
rules_begin(struct rules *r, const struct record *record, struct failure *why)
{
	r->record = record;
	r->note = glance_note(&r->glance, record, &r->noted);
	r->looked = false;
	r->why = why;
}

/* The record as a value, once that is needed. */
static const struct value *
look(struct rules *r)
{
	if (!r->looked)
		r->root = r->part = record_value(r->record);
	r->looked = true;
	return &r->root;
}

void
rules_done(struct rules *r)
{
	int i;

	if (!r->looked)
		return;
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
rules_key(struct rules *r, struct key128 *key)
{
	const struct glance *g = &r->glance;
	const struct value *root;
	struct slice identity;
	ptrdiff_t n = 1;
	uint32_t t;

	if (r->note) {
		*key = r->noted;
		return 0;
	}
	root = look(r);
	if (g->sees_keys && root->kind == VALUE_TOKEN &&
		json_type_at(root->u.doc, root->t) == JSON_OBJECT) {
		t = json_get_name(root->u.doc, root->t, &g->wants.name[0]);
		r->field = t == JSON_NONE ? value_null() : value_token(root->u.doc, t);
		r->key = &r->field;
	} else {
		n = all(r, PLAN_KEY, root, &r->key);
	}
	if (n < 0)
		return -1;
	r->nkeys = (size_t)n;
	if (group_key_of(r->key, r->nkeys, r->plan->null_key, &r->room, &identity, r->why) < 0)
		return -1;
	*key = groups_key(g->groups, identity);
	return 0;
}

struct slice
rules_key_text(struct rules *r)
{
	if (r->note)
		return glance_key(r->note, r->record->block);
	buf_reset(&r->room);
	group_key_text(&r->room, r->key, r->nkeys);
	return buf_slice(&r->room);
}

ptrdiff_t
rules_parts(struct rules *r, const struct value **part)
{
	*part = NULL;
	if (r->note && r->note->object != PICK_UNSURE)
		return r->note->object != PICK_NOTHING;
	*part = look(r);
	return r->run[PLAN_PART] ? all(r, PLAN_PART, &r->root, part) : 1;
}

int
rules_size(struct rules *r, uint64_t *size)
{
	const struct value *v;
	ptrdiff_t n;

	if (!r->run[PLAN_SIZE])
		return 0;
	n = all(r, PLAN_SIZE, look(r), &v);
	if (n < 0)
		return -1;
	if (n == 0 || (n == 1 && value_type(&v[0]) == JSON_NULL))
		return 0;
	if (n > 1 || !group_whole_number(&v[0], size) || !*size)
		return fail_record(r->why, "size", "--size gives no number of parts");
	return 0;
}

/* A part that is known at a glance and goes in as such; else it is made. */
static int
merge_glanced(struct rules *r, struct group *g)
{
	const struct value *part;
	int rc = glance_add(&r->glance, g, r->note, r->record, r->why);

	if (rc)
		return rc;
	rc = (int)all(r, PLAN_PART, look(r), &part);
	return rc <= 0 ? rc : group_add(&r->work, g, part, r->why);
}

int
rules_merge(struct rules *r, struct group *g, const struct value *part)
{
	const struct value *v;
	struct value whole;
	ptrdiff_t n;

	if (!part)
		return merge_glanced(r, g) < 0 ? -1 : 0;
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

static int
test_when(struct rules *r, const struct group *g)
{
	struct value input;
	struct record_vars vars;

	if (r->plan->eager)
		input = *look(r);
	else if (group_value(&r->work, g, &input, r->why) < 0)
		return -1;
	vars = scope(r, PLAN_WHEN);
	return expr_test(r->run[PLAN_WHEN], &input, &(struct expr_env){record_var, &vars}, r->why);
}

static bool
has_required(struct rules *r, const struct group *g)
{
	uint64_t required = r->glance.required;

	if (g->h.bits && required)
		return (g->h.truths & required) == required;
	return group_has(&r->work, g, r->plan->required, r->plan->nrequired);
}

int
rules_complete(struct rules *r, const struct group *g, const char **by)
{
	uint64_t size = r->plan->size ? r->plan->size : g->h.size;
	int rc = 0;

	if (r->run[PLAN_WHEN]) {
		rc = test_when(r, g);
		*by = "complete-when";
	}
	if (rc == 0 && r->plan->nrequired) {
		rc = has_required(r, g);
		*by = "require";
	}
	if (rc == 0 && size && g->h.count >= size) {
		rc = 1;
		*by = "size";
	}
	return rc;
}
