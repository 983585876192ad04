/* A part goes into its group. */
#include "expr/object.h"
#include "group/group.h"

#define FEW 8 /* members that are looked for one by one */

int
group_check_size(const struct group *g, size_t bytes, struct failure *why)
{
	if (bytes + g->h.spilled <= GROUP_MAX)
		return 0;
	return fail_record(why, "too-large", "the whole would be larger than %zu MiB",
		GROUP_MAX >> 20);
}

int
group_take(struct group_work *w, struct group *g, enum whole_kind kind, struct failure *why)
{
	struct buf was = g->bytes;

	if (group_check_size(g, w->next.n, why) < 0)
		return -1;
	g->bytes = w->next;
	w->next = was;
	g->h.e.kind = (uint8_t)kind;
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

/* How long a field may be before it goes to a piece; those that are unique are searched. */
static size_t
most(enum field_rule rule)
{
	switch (rule) {
	case FIELD_CONCAT:
	case FIELD_ARRAY:
		return PIECE_BYTES;
	case FIELD_UNIQUE:
		return PIECE_BYTES / 8;
	default:
		return SIZE_MAX;
	}
}

/* The field's new form; what becomes of nothing is that there is no field, or the old one. */
static int
put_field(struct group_work *w, struct group *g, struct buf *b, struct stored_field f,
	const struct value *v, struct failure *why)
{
	struct stored_field old = f;
	enum field_rule rule = w->nfields ? rule_of(w, f.name) : FIELD_MERGED;
	size_t at = field_begin(b, &f);
	int rc = 1;

	if (!w->nfields && !old.value.p)
		value_add_json(b, v);
	else
		rc = field_combine(w, g, b, rule, &old, v, why);
	if (rc > 0 && old.value.p && b->n - field_value_at(b, at) > most(rule))
		rc = field_spill(w, g, b, at, &f, rule, why);
	if (rc < 0)
		return fail_within(why, "field '%.*s': ", f.name.n > 100 ? 100 : (int)f.name.n,
			f.name.p);
	if (rc == 0 && !old.value.p) {
		b->n = at;
		return 0;
	}
	if (rc == 0)
		buf_add_slice(b, old.value);
	field_end(b, at);
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

static struct stored_field
new_field(const struct value_member *m)
{
	return (struct stored_field){.name = m->name,
		.plain = m->value.flags & VALUE_NAME_PLAIN};
}

/* All of the part's fields are new: they go behind the others. */
static int
append_fields(struct group_work *w, struct group *g, const struct value_member *m, size_t n,
	struct failure *why)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (put_field(w, g, &g->bytes, new_field(&m[i]), &m[i].value, why) < 0)
			return -1;
	if (group_check_size(g, g->bytes.n, why) < 0)
		return -1;
	g->h.e.kind = WHOLE_FIELDS;
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
	buf_add(&w->next, g->bytes.p, sizeof(g->h) + g->h.e.key_n);
	while (field_step(&left, &f)) {
		at = object_find(&o, f.name);
		if (at < 0) {
			i = field_begin(&w->next, &f);
			buf_add_slice(&w->next, f.value);
			field_end(&w->next, i);
			continue;
		}
		taken[at] = true;
		if (put_field(w, g, &w->next, f, &o.member[at].value, why) < 0)
			return -1;
	}
	for (i = 0; i < o.n; i++)
		if (!taken[i] && put_field(w, g, &w->next, new_field(&o.member[i]),
				&o.member[i].value, why) < 0)
			return -1;
	return group_take(w, g, WHOLE_FIELDS, why);
}

static int
add_to_list(struct group *g, const struct value *part, struct failure *why)
{
	struct slice whole;

	group_add_element(&g->bytes, part);
	g->h.e.kind = WHOLE_LIST;
	g->h.count++;
	if (group_check_size(g, g->bytes.n, why) < 0)
		return -1;
	whole = group_whole(g);
	if (whole.n > PIECE_BYTES) {
		pieces_add(&g->pieces, 0, (uint32_t)g->h.pieces++, whole);
		g->h.spilled += whole.n;
		g->bytes.n -= whole.n;
	}
	return 0;
}

int
group_add(struct group_work *w, struct group *g, const struct value *part,
	struct failure *why)
{
	int rc;

	g->h.bits = 0;
	if (w->merge == MERGE_ARRAY)
		return add_to_list(g, part, why);
	if (value_type(part) == JSON_OBJECT)
		rc = merge_fields(w, g, part, why);
	else
		rc = fail_record(why, "not-object", "a part is no object: --merge array "
			"takes any value");
	if (w->arena.chunks)
		arena_reset(&w->arena);
	return rc;
}
