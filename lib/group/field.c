/* What becomes of one field when a part brings a value for it. */
#include <stdlib.h>

#include "expr/object.h"
#include "group/group.h"

static const char *const rule_name[] = {
	[FIELD_SUM] = "sum", [FIELD_MIN] = "min", [FIELD_MAX] = "max", [FIELD_FIRST] = "first",
	[FIELD_LAST] = "last", [FIELD_CONCAT] = "concat", [FIELD_ARRAY] = "array",
	[FIELD_UNIQUE] = "unique", [FIELD_COUNT] = "count", [FIELD_LONGEST] = "longest",
	[FIELD_RETAIN] = "retain",
};

int
group_field_parse(const char *text, struct group_field *f, struct failure *why)
{
	const char *equals = strrchr(text, '=');
	size_t i;

	if (!equals || equals == text)
		return fail(why, EXIT_USAGE, "'%s' is not FIELD=RULE: amount=sum", text);
	f->name = slice_of(text, (size_t)(equals - text));
	for (i = 0; i < FIELD_MERGED; i++)
		if (strcmp(equals + 1, rule_name[i]) == 0) {
			f->rule = (enum field_rule)i;
			return 0;
		}
	return fail(why, EXIT_USAGE, "there is no rule '%s': sum min max first last concat "
		"array unique count longest retain", equals + 1);
}

static struct slice
type_name(const struct value *v)
{
	static const char *const name[] = {"null", "boolean", "boolean", "number", "string",
		"array", "object"};

	return slice_str(name[value_type(v)]);
}

static int
wrong_type(const struct value *v, enum field_rule rule, const char *wanted,
	struct failure *why)
{
	struct slice type = type_name(v);

	return fail_record(why, "type", "%s of %s: %.*s is none", rule_name[rule], wanted,
		(int)type.n, type.p);
}

/* The old value; it lives as long as the work's scan is left alone. */
static int
read_old(struct group_work *w, struct slice old, struct value *v, struct failure *why)
{
	if (json_doc_of(&w->scan, old, &w->doc, why) < 0)
		return fail_record(why, "merge", "what is there cannot be read: %s", why->text);
	*v = value_token(&w->doc, 0);
	return 0;
}

/* ---- the rules --------------------------------------------------------------------- */

static int
sum(struct group_work *w, struct buf *b, struct slice old, const struct value *v,
	struct failure *why)
{
	struct buf text = {arena_alloc(&w->arena, 64), 0, 64};
	struct slice number = value_literal(v);

	if (v->kind == VALUE_DOUBLE) {
		json_add_double(&text, v->u.number);
		number = buf_slice(&text);
	}
	if (value_type(v) != JSON_NUMBER || slice_eq(number, SLICE("null")))
		return wrong_type(v, FIELD_SUM, "numbers", why);
	if (!old.p)
		buf_add_slice(b, number);
	else if (!json_number_add(b, old, number))
		return fail_record(why, "number", "an exponent is beyond what is summed");
	return 1;
}

static int
extreme(struct group_work *w, struct buf *b, enum field_rule rule, struct slice old,
	const struct value *v, struct failure *why)
{
	struct value was;
	int c;

	if (old.p) {
		if (read_old(w, old, &was, why) < 0)
			return -1;
		c = value_cmp(v, &was, &w->arena);
		if (rule == FIELD_MIN ? c >= 0 : c <= 0)
			return 0;
	}
	value_add_json(b, v);
	return 1;
}

/* In the unit of jq's length. */
static size_t
length_of(const struct value *v, struct arena *arena)
{
	struct slice s;
	size_t n = 0, i;

	if (value_type(v) != JSON_STRING)
		return value_count(v);
	s = value_string_bytes(v, arena);
	for (i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return n;
}

static int
longest(struct group_work *w, struct buf *b, struct slice old, const struct value *v,
	struct failure *why)
{
	struct value was;

	if (value_type(v) != JSON_STRING && value_type(v) != JSON_ARRAY)
		return wrong_type(v, FIELD_LONGEST, "strings or arrays", why);
	if (old.p) {
		if (read_old(w, old, &was, why) < 0)
			return -1;
		if (length_of(v, &w->arena) <= length_of(&was, &w->arena))
			return 0;
	}
	value_add_json(b, v);
	return 1;
}

/* Strings and arrays are joined as texts: what ends one and begins the other goes. */
static int
concat(struct buf *b, const struct stored_field *f, const struct value *v, struct failure *why)
{
	enum json_type type = value_type(v);
	struct slice old = f->value;
	size_t at;

	if (type != JSON_STRING && type != JSON_ARRAY)
		return wrong_type(v, FIELD_CONCAT, "strings or arrays", why);
	if (!old.p) {
		value_add_json(b, v);
		return 1;
	}
	if ((old.p[old.n - 1] == '"') != (type == JSON_STRING))
		return fail_record(why, "type", "concat of a string and an array");
	buf_add(b, old.p, old.n - 1);
	at = b->n;
	value_add_json(b, v);
	if (type == JSON_ARRAY && (old.n > 2 || f->pieces) && b->n - at > 2)
		b->p[at] = ',';
	else {
		memmove(b->p + at, b->p + at + 1, b->n - at - 1);
		b->n--;
	}
	return 1;
}

static bool
is_among(struct group_work *w, const struct value *list, const struct value *v)
{
	struct value_iter it;

	for (value_enter(list, &it, &w->arena); value_step(&it);)
		if (value_cmp(&it.value, v, &w->arena) == 0)
			return true;
	return false;
}

static struct slice
canonical(struct group_work *w, const struct value *v)
{
	buf_reset(&w->canonical);
	value_add_canonical(&w->canonical, v);
	return buf_slice(&w->canonical);
}

static int
collect(struct group_work *w, struct group *g, struct buf *b, enum field_rule rule,
	const struct stored_field *f, const struct value *v, struct failure *why)
{
	struct slice old = f->value;
	struct value list;

	if (f->pieces && rule == FIELD_UNIQUE) {
		if (pieces_saw(&g->pieces, f->stream, canonical(w, v)))
			return 0;
	} else if (old.p && rule == FIELD_UNIQUE) {
		if (read_old(w, old, &list, why) < 0)
			return -1;
		if (is_among(w, &list, v))
			return 0;
	}
	if (old.p) {
		buf_add(b, old.p, old.n - 1);
		buf_addc(b, ',');
	} else {
		buf_addc(b, '[');
	}
	value_add_json(b, v);
	buf_addc(b, ']');
	return 1;
}

/* The number of the texts of a field: by its place among the rules. */
static uint32_t
stream_of(const struct group_work *w, struct slice name, enum field_rule rule)
{
	uint32_t i;

	for (i = 0; i < w->nfields && !slice_eq(w->field[i].name, name); i++)
		;
	return (i + 1) | (rule == FIELD_UNIQUE ? STREAM_UNIQUE : 0);
}

int
field_spill(struct group_work *w, struct group *g, struct buf *b, size_t begin,
	struct stored_field *f, enum field_rule rule, struct failure *why)
{
	size_t at = field_value_at(b, begin);
	struct slice text = slice_of(b->p + at, b->n - at);
	char end = b->p[b->n - 1];
	struct value list;
	struct value_iter it;

	if (!f->pieces) {
		f->stream = stream_of(w, f->name, rule);
		if (rule == FIELD_UNIQUE && read_old(w, text, &list, why) < 0)
			return -1;
		if (rule == FIELD_UNIQUE)
			for (value_enter(&list, &it, &w->arena); value_step(&it);)
				pieces_saw(&g->pieces, f->stream, canonical(w, &it.value));
	}
	pieces_add(&g->pieces, f->stream, f->pieces++, slice_of(text.p, text.n - 1));
	g->h.spilled += text.n - 1;
	b->n = begin;
	field_begin(b, f);
	buf_addc(b, end);
	return 1;
}

static void
count(struct buf *b, struct slice old)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < old.n; i++)
		n = n * 10 + (uint64_t)(old.p[i] - '0');
	buf_addf(b, "%llu", (unsigned long long)n + 1);
}

/* ---- deep -------------------------------------------------------------------------- */

/* As jq's x * y: members of y go into x, objects into objects. */
static void
add_deep(struct group_work *w, struct buf *b, const struct value *x, const struct value *y)
{
	struct object o = {.arena = &w->arena};
	const struct value_member *m;
	bool *taken, first = true;
	ptrdiff_t at;
	size_t n, i;

	if (value_type(x) != JSON_OBJECT || value_type(y) != JSON_OBJECT) {
		value_add_json(b, y);
		return;
	}
	m = value_members(x, &n, &w->arena);
	object_add(&o, y);
	taken = arena_alloc(&w->arena, o.n + 1);
	memset(taken, 0, o.n + 1);
	buf_addc(b, '{');
	for (i = 0; i < n; i++, first = false) {
		if (!first)
			buf_addc(b, ',');
		json_add_string(b, m[i].name);
		buf_addc(b, ':');
		at = object_find(&o, m[i].name);
		if (at >= 0) {
			taken[at] = true;
			add_deep(w, b, &m[i].value, &o.member[at].value);
		} else {
			value_add_json(b, &m[i].value);
		}
	}
	for (i = 0; i < o.n; i++) {
		if (taken[i])
			continue;
		if (!first)
			buf_addc(b, ',');
		first = false;
		json_add_string(b, o.member[i].name);
		buf_addc(b, ':');
		value_add_json(b, &o.member[i].value);
	}
	buf_addc(b, '}');
}

/* ---- all of them ------------------------------------------------------------------- */

int
field_combine(struct group_work *w, struct group *g, struct buf *b, enum field_rule rule,
	const struct stored_field *f, const struct value *v, struct failure *why)
{
	struct slice old = f->value;
	struct value was;

	switch (rule) {
	case FIELD_SUM:
	case FIELD_MIN:
	case FIELD_MAX:
	case FIELD_CONCAT:
	case FIELD_LONGEST:
	case FIELD_RETAIN:
		if (value_type(v) == JSON_NULL)
			return 0;
		break;
	default:
		break;
	}
	switch (rule) {
	case FIELD_SUM:
		return sum(w, b, old, v, why);
	case FIELD_MIN:
	case FIELD_MAX:
		return extreme(w, b, rule, old, v, why);
	case FIELD_FIRST:
		if (old.p)
			return 0;
		break;
	case FIELD_CONCAT:
		return concat(b, f, v, why);
	case FIELD_ARRAY:
	case FIELD_UNIQUE:
		return collect(w, g, b, rule, f, v, why);
	case FIELD_COUNT:
		count(b, old);
		return 1;
	case FIELD_LONGEST:
		return longest(w, b, old, v, why);
	case FIELD_LAST:
	case FIELD_RETAIN:
		break;
	case FIELD_MERGED:
		if (w->merge != MERGE_DEEP || !old.p || old.p[0] != '{' ||
			value_type(v) != JSON_OBJECT)
			break;
		if (read_old(w, old, &was, why) < 0)
			return -1;
		add_deep(w, b, &was, v);
		return 1;
	}
	value_add_json(b, v);
	return 1;
}
