/* What tells records apart. */
#include "dedup/identity.h"

#include "dedup/additions.h"
#include "group/key.h"

/* In front of the key of a record that has one: no JSON text begins with it. */
#define WITH_KEY '\1'

void
identity_init(struct identity *id, const struct dedup_plan *plan, const char *stage)
{
	struct slice name;

	*id = (struct identity){.plan = plan, .stage = stage};
	if (!plan->key)
		return;
	id->key = expr_run_new(plan->key);
	id->is_field = expr_is_path(plan->key) && expr_path_fields(plan->key, 0, &name, 1) == 1;
	if (id->is_field) {
		id->name = json_name_of(name);
		id->finds = json_can_look_for(&id->name);
	}
}

void
identity_release(struct identity *id)
{
	expr_run_free(id->key);
	buf_release(&id->room);
}

static int
by_key(struct identity *id, const struct record *r, struct slice *out, struct failure *why)
{
	struct record_vars vars = {.record = r, .stage = id->stage,
		.arena = expr_run_arena(id->key)};
	struct value root = record_value(r), field;
	const struct value *v = &field;
	ptrdiff_t n = 1;
	uint32_t t;
	int rc;

	if (id->is_field && json_type_at(r->doc, r->root) == JSON_OBJECT) {
		t = json_get_name(r->doc, r->root, &id->name);
		field = t == JSON_NONE ? value_null() : value_token(r->doc, t);
		return group_key_of(v, 1, id->plan->null_key, &id->room, out, why);
	}
	n = expr_all(id->key, &root, &(struct expr_env){record_var, &vars}, &v, why);
	rc = n < 0 ? -1 : group_key_of(v, (size_t)n, id->plan->null_key, &id->room, out, why);
	expr_run_reset(id->key);
	return rc;
}

int
identity_of(struct identity *id, const struct record *r, struct slice *out,
	struct failure *why)
{
	struct slice key = r->meta ? r->meta->key : (struct slice){0};

	if (id->plan->key)
		return by_key(id, r, out, why);
	if (!key.p && !id->plan->canonical) {
		*out = r->bytes;
		return 0;
	}
	buf_reset(&id->room);
	if (key.p) {
		buf_addc(&id->room, WITH_KEY);
		buf_add(&id->room, &key.n, sizeof(key.n));
		buf_add_slice(&id->room, key);
	}
	if (id->plan->canonical) {
		additions_content(id->plan, &id->room, r);
	} else {
		buf_add_slice(&id->room, r->bytes);
	}
	*out = buf_slice(&id->room);
	return 0;
}

bool
identity_is_bytes(const struct identity *id)
{
	return id->plan->key ? id->is_field : !id->plan->canonical;
}

const uint32_t *
identity_look(const struct identity *id, const struct json_scan *s)
{
	/* The columns are what the scan keeps for whoever asks. */
	return id->finds && s->lazy ?
		json_members((struct json_scan *)(uintptr_t)s, &id->name) : NULL;
}

bool
identity_ask(const struct identity *id, const struct json_scan *s, const uint32_t *value,
	size_t line, struct slice *out)
{
	const struct json_line *l = s->line + line;
	const char *p, *quote;

	if (!id->plan->key) {
		*out = slice_of(s->p + l->start, l->end - l->start);
		return true;
	}
	if (!value || value[line] == JSON_MISSING || value[line] == JSON_UNTOLD)
		return false;
	p = s->p + value[line];
	if (*p != '"')
		return false;
	quote = memchr(p + 1, '"', (size_t)(s->p + l->end - p - 1));
	if (!quote)
		return false;
	*out = slice_of(p, (size_t)(quote + 1 - p));
	return true;
}
