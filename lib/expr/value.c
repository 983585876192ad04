/*
 * Values: tokens of a document are looked at where they lie; what was made lives in an
 * arena. Every function here takes both.
 */
#include "expr/object.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/table.h"

#define FEW 12

enum json_type
value_type(const struct value *v)
{
	static const uint8_t made[] = {
		[VALUE_NULL] = JSON_NULL, [VALUE_FALSE] = JSON_FALSE, [VALUE_TRUE] = JSON_TRUE,
		[VALUE_DOUBLE] = JSON_NUMBER, [VALUE_LITERAL] = JSON_NUMBER,
		[VALUE_STRING] = JSON_STRING, [VALUE_ARRAY] = JSON_ARRAY,
		[VALUE_OBJECT] = JSON_OBJECT,
	};

	return v->kind == VALUE_TOKEN ? json_type_at(v->u.doc, v->t) :
		(enum json_type)made[v->kind];
}

bool
value_truth(const struct value *v)
{
	if (v->kind == VALUE_TOKEN) {
		char c = v->u.doc->first[v->t];

		return c != 'n' && c != 'f';
	}
	return v->kind != VALUE_NULL && v->kind != VALUE_FALSE;
}

bool
value_same(const struct value *a, const struct value *b)
{
	return a->kind == VALUE_TOKEN && b->kind == VALUE_TOKEN && a->t == b->t &&
		a->u.doc == b->u.doc;
}

/* ---- numbers ----------------------------------------------------------------------- */

struct slice
value_literal(const struct value *v)
{
	if (v->kind == VALUE_LITERAL)
		return v->u.text;
	if (v->kind == VALUE_TOKEN)
		return json_text(v->u.doc, v->t);
	return (struct slice){NULL, 0};
}

bool
literal_is_short(struct slice s)
{
	size_t i;

	if (s.n > 15)
		return false;
	for (i = 0; i < s.n; i++)
		if ((s.p[i] | 0x20) == 'e')
			return false;
	return true;
}

double
value_number(const struct value *v)
{
	struct slice s;
	int64_t n = 0;
	size_t i, from;

	if (v->kind == VALUE_DOUBLE)
		return v->u.number;
	s = value_literal(v);
	from = s.n && s.p[0] == '-';
	for (i = from; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		if (i < 16)
			n = n * 10 + (s.p[i] - '0');
	if (i < s.n || i > 15)
		return json_number_double(s);
	return from ? -(double)n : (double)n;
}

/* A literal is the decimal it says, a double the decimal that it prints. Where both are
 * known to survive a double, doubles tell the same. */
static int
cmp_numbers(const struct value *a, const struct value *b, struct arena *arena)
{
	struct slice x = value_literal(a), y = value_literal(b);
	struct buf text;
	double d, e;

	if (x.p && y.p && !(literal_is_short(x) && literal_is_short(y)))
		return json_number_cmp(x, y);
	d = value_number(a);
	e = value_number(b);
	if (isnan(d))
		return -1; /* as null, it is less than any number */
	if (isnan(e))
		return 1;
	if ((!x.p || json_number_fits_double(x)) && (!y.p || json_number_fits_double(y)))
		return d < e ? -1 : d > e;
	text = (struct buf){arena_alloc(arena, 64), 0, 64};
	json_add_double(&text, x.p ? e : d);
	return x.p ? json_number_cmp(x, buf_slice(&text)) :
		json_number_cmp(buf_slice(&text), y);
}

/* ---- strings ----------------------------------------------------------------------- */

static struct slice
raw_string(const struct json_doc *d, uint32_t t, struct arena *arena)
{
	struct slice raw = json_string_raw(d, t);
	struct buf b;

	if (!(d->flags & JSON_LINE_ESCAPE) || !memchr(raw.p, '\\', raw.n))
		return raw;
	/* No escape, broken ones included, is more than half as long as what it means. */
	b = (struct buf){arena_alloc(arena, raw.n * 2 + 16), 0, raw.n * 2 + 16};
	json_unescape(&b, raw);
	return buf_slice(&b);
}

struct slice
value_string_bytes(const struct value *v, struct arena *arena)
{
	if (v->kind == VALUE_STRING)
		return v->u.text;
	if (v->kind == VALUE_TOKEN && v->u.doc->first[v->t] == '"')
		return raw_string(v->u.doc, v->t, arena);
	return (struct slice){NULL, 0};
}

struct value
value_of_buf(const struct buf *b, struct arena *arena)
{
	return value_string(arena_copy(arena, buf_slice(b)));
}

/* ---- objects in the making --------------------------------------------------------- */

ptrdiff_t
object_find(const struct object *o, struct slice name)
{
	size_t i;

	if (!o->slot) {
		for (i = 0; i < o->n; i++)
			if (slice_eq(o->member[i].name, name))
				return (ptrdiff_t)i;
		return -1;
	}
	for (i = hash64(name.p, name.n, hash_process_seed()) & (o->slots - 1); o->slot[i];
	     i = (i + 1) & (o->slots - 1))
		if (slice_eq(o->member[o->slot[i] - 1].name, name))
			return (ptrdiff_t)o->slot[i] - 1;
	return -1;
}

static void
enter_slot(struct object *o, size_t member)
{
	struct slice name = o->member[member].name;
	size_t i = hash64(name.p, name.n, hash_process_seed()) & (o->slots - 1);

	while (o->slot[i])
		i = (i + 1) & (o->slots - 1);
	o->slot[i] = (uint32_t)member + 1;
}

static void
grow(struct object *o)
{
	size_t cap = o->cap ? o->cap * 2 : 8, i;
	struct value_member *m = arena_alloc(o->arena, cap * sizeof(*m));

	if (o->n)
		memcpy(m, o->member, o->n * sizeof(*m));
	o->member = m;
	o->cap = cap;
	if (cap <= FEW)
		return;
	o->slots = cap * 2;
	o->slot = arena_alloc(o->arena, o->slots * sizeof(*o->slot));
	memset(o->slot, 0, o->slots * sizeof(*o->slot));
	for (i = 0; i < o->n; i++)
		enter_slot(o, i);
}

void
object_set(struct object *o, struct slice name, struct value value, bool plain)
{
	ptrdiff_t i = object_find(o, name);

	value.flags &= VALUE_PLAIN | VALUE_OWN;
	if (plain)
		value.flags |= VALUE_NAME_PLAIN;
	if (i >= 0) {
		o->member[i].value = value;
		return;
	}
	if (o->n == o->cap)
		grow(o);
	o->member[o->n++] = (struct value_member){name, value};
	if (o->slot)
		enter_slot(o, o->n - 1);
}

void
object_add(struct object *o, const struct value *v)
{
	struct json_iter it;
	size_t i;

	if (v->kind != VALUE_TOKEN) {
		for (i = 0; i < v->u.object.n; i++) {
			const struct value_member *m = &v->u.object.member[i];

			object_set(o, m->name, m->value, m->value.flags & VALUE_NAME_PLAIN);
		}
		return;
	}
	for (json_enter(v->u.doc, v->t, &it); json_step(v->u.doc, &it);)
		object_set(o, raw_string(v->u.doc, it.key, o->arena),
			value_token(v->u.doc, it.value), false);
}

const struct value_member *
value_members(const struct value *v, size_t *n, struct arena *arena)
{
	struct object o = {.arena = arena};

	if (v->kind == VALUE_OBJECT) {
		*n = v->u.object.n;
		return v->u.object.member;
	}
	object_add(&o, v);
	*n = o.n;
	return o.member;
}

const struct value *
value_items(const struct value *v, size_t *n, struct arena *arena)
{
	struct json_iter it;
	struct value *item;
	size_t i = 0;

	if (v->kind == VALUE_ARRAY) {
		*n = v->u.array.n;
		return v->u.array.item;
	}
	*n = json_count(v->u.doc, v->t);
	item = arena_alloc(arena, *n * sizeof(*item));
	for (json_enter(v->u.doc, v->t, &it); i < *n && json_step(v->u.doc, &it);)
		item[i++] = value_token(v->u.doc, it.value);
	*n = i;
	return item;
}

/* ---- walking ----------------------------------------------------------------------- */

void
value_enter(const struct value *v, struct value_iter *it, struct arena *arena)
{
	it->doc = NULL;
	it->item = NULL;
	it->member = NULL;
	it->name = (struct slice){NULL, 0};
	it->i = it->n = 0;
	switch (value_type(v)) {
	case JSON_OBJECT:
		it->member = value_members(v, &it->n, arena);
		break;
	case JSON_ARRAY:
		if (v->kind == VALUE_TOKEN) {
			it->doc = v->u.doc;
			json_enter(it->doc, v->t, &it->at);
			break;
		}
		it->item = v->u.array.item;
		it->n = v->u.array.n;
		break;
	default:
		break;
	}
}

bool
value_step(struct value_iter *it)
{
	if (it->doc) {
		if (!json_step(it->doc, &it->at))
			return false;
		it->value = value_token(it->doc, it->at.value);
		return true;
	}
	if (it->i >= it->n)
		return false;
	if (it->member) {
		it->value = it->member[it->i].value;
		it->name = it->member[it->i].name;
	} else {
		it->value = it->item[it->i];
	}
	it->i++;
	return true;
}

size_t
value_count(const struct value *v)
{
	switch (v->kind) {
	case VALUE_TOKEN:
		return json_count(v->u.doc, v->t);
	case VALUE_ARRAY:
		return v->u.array.n;
	case VALUE_OBJECT:
		return v->u.object.n;
	default:
		return 0;
	}
}

bool
value_get(const struct value *v, struct slice name, struct value *out)
{
	uint32_t t;
	size_t i;

	if (v->kind == VALUE_TOKEN) {
		t = json_get(v->u.doc, v->t, name);
		if (t == JSON_NONE)
			return false;
		*out = value_token(v->u.doc, t);
		return true;
	}
	if (v->kind != VALUE_OBJECT)
		return false;
	for (i = 0; i < v->u.object.n; i++)
		if (slice_eq(v->u.object.member[i].name, name)) {
			*out = v->u.object.member[i].value;
			return true;
		}
	return false;
}

/* ---- order ------------------------------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	const struct value_member *x = a, *y = b;

	return slice_cmp(x->name, y->name);
}

static const struct value_member *
sorted_members(const struct value *v, size_t *n, struct arena *arena)
{
	const struct value_member *m = value_members(v, n, arena);
	struct value_member *copy = arena_alloc(arena, *n * sizeof(*copy));

	if (*n) {
		memcpy(copy, m, *n * sizeof(*copy));
		qsort(copy, *n, sizeof(*copy), by_name);
	}
	return copy;
}

/* The sorted names are compared as arrays are, then the values in that order. */
static int
cmp_objects(const struct value *a, const struct value *b, struct arena *arena)
{
	size_t n, m, i;
	const struct value_member *x = sorted_members(a, &n, arena);
	const struct value_member *y = sorted_members(b, &m, arena);
	int c;

	for (i = 0; i < n && i < m; i++)
		if ((c = slice_cmp(x[i].name, y[i].name)))
			return c;
	if (n != m)
		return n < m ? -1 : 1;
	for (i = 0; i < n; i++)
		if ((c = value_cmp(&x[i].value, &y[i].value, arena)))
			return c;
	return 0;
}

static int
cmp_arrays(const struct value *a, const struct value *b, struct arena *arena)
{
	struct value_iter x, y;
	bool more, other;
	int c;

	value_enter(a, &x, arena);
	value_enter(b, &y, arena);
	for (;;) {
		more = value_step(&x);
		other = value_step(&y);
		if (!more || !other)
			return more - other;
		if ((c = value_cmp(&x.value, &y.value, arena)))
			return c;
	}
}

int
value_cmp(const struct value *a, const struct value *b, struct arena *arena)
{
	enum json_type t = value_type(a), u = value_type(b);

	if (t != u)
		return t < u ? -1 : 1;
	switch (t) {
	case JSON_NUMBER:
		return cmp_numbers(a, b, arena);
	case JSON_STRING:
		return slice_cmp(value_string_bytes(a, arena), value_string_bytes(b, arena));
	case JSON_ARRAY:
		return cmp_arrays(a, b, arena);
	case JSON_OBJECT:
		return cmp_objects(a, b, arena);
	default:
		return 0;
	}
}

/* ---- text -------------------------------------------------------------------------- */

static inline void
add_quoted(struct buf *b, struct slice s, bool plain)
{
	char *p;

	if (!plain) {
		json_add_string(b, s);
		return;
	}
	buf_reserve(b, s.n + 2);
	p = b->p + b->n;
	*p++ = '"';
	memcpy(p, s.p, s.n);
	p[s.n] = '"';
	b->n += s.n + 2;
}

void
value_add_json(struct buf *b, const struct value *v)
{
	size_t i;

	switch (v->kind) {
	case VALUE_TOKEN:
		json_add_compact(b, v->u.doc, v->t);
		return;
	case VALUE_NULL:
		buf_add(b, "null", 4);
		return;
	case VALUE_FALSE:
		buf_add(b, "false", 5);
		return;
	case VALUE_TRUE:
		buf_add(b, "true", 4);
		return;
	case VALUE_DOUBLE:
		json_add_double(b, v->u.number);
		return;
	case VALUE_LITERAL:
		buf_add_slice(b, v->u.text);
		return;
	case VALUE_STRING:
		add_quoted(b, v->u.text, v->flags & VALUE_PLAIN);
		return;
	case VALUE_ARRAY:
		buf_addc(b, '[');
		for (i = 0; i < v->u.array.n; i++) {
			if (i)
				buf_addc(b, ',');
			value_add_json(b, &v->u.array.item[i]);
		}
		buf_addc(b, ']');
		return;
	case VALUE_OBJECT:
		buf_addc(b, '{');
		for (i = 0; i < v->u.object.n; i++) {
			const struct value_member *m = &v->u.object.member[i];

			if (i)
				buf_addc(b, ',');
			add_quoted(b, m->name, m->value.flags & VALUE_NAME_PLAIN);
			buf_addc(b, ':');
			value_add_json(b, &m->value);
		}
		buf_addc(b, '}');
		return;
	}
}

void
value_add_text(struct buf *b, const struct value *v)
{
	if (v->kind == VALUE_STRING)
		buf_add_slice(b, v->u.text);
	else if (v->kind == VALUE_TOKEN && v->u.doc->first[v->t] == '"')
		json_unescape(b, json_string_raw(v->u.doc, v->t));
	else
		value_add_json(b, v);
}

void
value_add_canonical(struct buf *b, const struct value *v)
{
	struct value_member *m;
	struct buf text = {0};
	size_t i, n;

	switch (v->kind) {
	case VALUE_TOKEN:
		json_canonical(b, v->u.doc, v->t);
		return;
	case VALUE_LITERAL:
		json_number_canonical(b, v->u.text);
		return;
	case VALUE_DOUBLE:
		json_add_double(&text, v->u.number);
		if (isnan(v->u.number))
			buf_add_slice(b, buf_slice(&text));
		else
			json_number_canonical(b, buf_slice(&text));
		buf_release(&text);
		return;
	case VALUE_STRING:
		json_add_canonical_string(b, v->u.text);
		return;
	case VALUE_ARRAY:
		buf_addc(b, '[');
		for (i = 0; i < v->u.array.n; i++) {
			if (i)
				buf_addc(b, ',');
			value_add_canonical(b, &v->u.array.item[i]);
		}
		buf_addc(b, ']');
		return;
	case VALUE_OBJECT:
		n = v->u.object.n;
		m = mem_array(n, sizeof(*m));
		if (n) {
			memcpy(m, v->u.object.member, n * sizeof(*m));
			qsort(m, n, sizeof(*m), by_name);
		}
		buf_addc(b, '{');
		for (i = 0; i < n; i++) {
			if (i)
				buf_addc(b, ',');
			json_add_canonical_string(b, m[i].name);
			buf_addc(b, ':');
			value_add_canonical(b, &m[i].value);
		}
		buf_addc(b, '}');
		free(m);
		return;
	default:
		value_add_json(b, v);
	}
}

void
value_add_jq(struct buf *b, const struct value *v, size_t limit, struct arena *arena)
{
	struct value_iter it;
	struct slice s;
	enum json_type type = value_type(v);
	bool first = true;

	if (b->n > limit)
		return;
	switch (type) {
	case JSON_NUMBER:
		s = value_literal(v);
		if (s.p && !literal_is_short(s) && !json_number_fits_double(s))
			buf_add_slice(b, s);
		else
			json_add_double(b, value_number(v));
		return;
	case JSON_STRING:
		json_add_string(b, value_string_bytes(v, arena));
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		buf_addc(b, type == JSON_ARRAY ? '[' : '{');
		for (value_enter(v, &it, arena); b->n <= limit && value_step(&it);) {
			if (!first)
				buf_addc(b, ',');
			first = false;
			if (type == JSON_OBJECT) {
				json_add_string(b, it.name);
				buf_addc(b, ':');
			}
			value_add_jq(b, &it.value, limit, arena);
		}
		buf_addc(b, type == JSON_ARRAY ? ']' : '}');
		return;
	default:
		value_add_json(b, v);
	}
}
