/* A part goes into its group. */
#include "expr/object.h"
#include "group/group.h"

#define FEW 8 /* members that are looked for one by one */

int
group_take(struct group_work *w, struct group *g, enum whole_kind kind, struct failure *why)
{
	struct buf was = g->bytes;

	if (w->next.n > GROUP_MAX)
		return fail_record(why, "too-large", "the whole would be larger than %zu MiB",
			GROUP_MAX >> 20);
	g->bytes = w->next;
	w->next = was;
	g->h.kind = (uint8_t)kind;
	g->h.count++;
	return 0;
}

static enum field_rule
rule_of(const struct group_work *w, struct slice name)
{
	size_t i;

	for (i = 0; i < w->nfields; i++)
		if (slice_eq(w->field[i].name, name))
			return w->field[i].rule;
	return FIELD_MERGED;
}

/* The field's new form; what becomes of nothing is that there is no field, or the old one. */
static int
put_field(struct group_work *w, struct buf *b, struct slice name, bool plain, struct slice old,
	const struct value *v, struct failure *why)
{
	size_t at = field_begin(b, name, plain);
	int rc = 1;

	if (!w->nfields && !old.p)
		value_add_json(b, v);
	else
		rc = field_combine(w, b, rule_of(w, name), old, v, why);

	if (rc < 0)
		return fail_within(why, "field '%.*s': ", name.n > 100 ? 100 : (int)name.n,
			name.p);
	if (rc > 0)
		field_end(b, at);
	else if (!old.p)
		b->n = at;
	else {
		buf_add_slice(b, old);
		field_end(b, at);
	}
	return 0;
}

static bool
has_any(struct slice fields, const struct value_member *m, size_t n)
{
	struct stored_field f;
	size_t i;

	while (field_step(&fields, &f))
		for (i = 0; i < n; i++)
			if (slice_eq(m[i].name, f.name))
				return true;
	return false;
}

/* All of the part's fields are new: they go behind the others. */
static int
append_fields(struct group_work *w, struct group *g, const struct value_member *m, size_t n,
	struct failure *why)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (put_field(w, &g->bytes, m[i].name, m[i].value.flags & VALUE_NAME_PLAIN,
				(struct slice){0}, &m[i].value, why) < 0)
			return -1;
	if (g->bytes.n > GROUP_MAX)
		return fail_record(why, "too-large", "the whole would be larger than %zu MiB",
			GROUP_MAX >> 20);
	g->h.kind = WHOLE_FIELDS;
	g->h.count++;
	return 0;
}

static int
merge_fields(struct group_work *w, struct group *g, const struct value *part,
	struct failure *why)
{
	struct object o = {.arena = &w->arena};
	const struct value_member *m;
	struct slice left = group_whole(g);
	struct stored_field f;
	bool *taken;
	ptrdiff_t at;
	size_t n, i;

	m = value_members(part, &n, &w->arena);
	if (n <= FEW && !has_any(left, m, n))
		return append_fields(w, g, m, n, why);
	object_add(&o, part);
	taken = arena_alloc(&w->arena, o.n + 1);
	memset(taken, 0, o.n + 1);
	buf_reset(&w->next);
	buf_add(&w->next, g->bytes.p, sizeof(g->h) + g->h.key_n);
	while (field_step(&left, &f)) {
		at = object_find(&o, f.name);
		if (at < 0) {
			i = field_begin(&w->next, f.name, f.plain);
			buf_add_slice(&w->next, f.value);
			field_end(&w->next, i);
			continue;
		}
		taken[at] = true;
		if (put_field(w, &w->next, f.name, f.plain, f.value, &o.member[at].value,
				why) < 0)
			return -1;
	}
	for (i = 0; i < o.n; i++)
		if (!taken[i] && put_field(w, &w->next, o.member[i].name,
				o.member[i].value.flags & VALUE_NAME_PLAIN, (struct slice){0},
				&o.member[i].value, why) < 0)
			return -1;
	return group_take(w, g, WHOLE_FIELDS, why);
}

int
group_add(struct group_work *w, struct group *g, const struct value *part,
	struct failure *why)
{
	int rc;

	if (w->merge == MERGE_ARRAY) {
		group_add_element(&g->bytes, part);
		g->h.kind = WHOLE_LIST;
		g->h.count++;
		rc = 0;
		if (g->bytes.n > GROUP_MAX)
			rc = fail_record(why, "too-large", "the whole would be larger than "
				"%zu MiB", GROUP_MAX >> 20);
	} else if (value_type(part) != JSON_OBJECT) {
		rc = fail_record(why, "not-object", "a part is no object: --merge array "
			"takes any value");
	} else {
		rc = merge_fields(w, g, part, why);
	}
	if (w->arena.chunks)
		arena_reset(&w->arena);
	return rc;
}
