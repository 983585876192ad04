/*
 * What the operators and functions of jq 1.6 do with values, and what they say when they
 * can't: the messages are jq's own.
 *
 * A number whose literal no double holds may be passed on and compared; calculating with it
 * would change it, so that makes a bad record, whatever `try` stands around.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "expr/node.h"

#define MAX_MADE (64 << 20) /* bytes of a string that a filter may make by * */

/* ---- failing ----------------------------------------------------------------------- */

int
raise_text(struct expr_run *r, const char *fmt, ...)
{
	va_list ap;

	buf_reset(&r->text);
	va_start(ap, fmt);
	buf_vaddf(&r->text, fmt, ap);
	va_end(ap);
	r->error = value_of_buf(&r->text, &r->arena);
	return R_ERROR;
}

const char *
type_name(const struct value *v)
{
	static const char *const names[] = {
		[JSON_NULL] = "null", [JSON_FALSE] = "boolean", [JSON_TRUE] = "boolean",
		[JSON_NUMBER] = "number", [JSON_STRING] = "string", [JSON_ARRAY] = "array",
		[JSON_OBJECT] = "object",
	};

	return names[value_type(v)];
}

/* The beginning of a value, as it stands in jq's messages: at most 14 bytes. What is left
 * of a character that the cut goes through is shown as U+FFFD. */
#define SHOWN 14

static void
add_shown(struct buf *b, const struct value *v, struct arena *arena)
{
	struct buf text = {0};
	size_t n;

	value_add_jq(&text, v, SHOWN, arena);
	if (text.n <= SHOWN) {
		buf_add_slice(b, buf_slice(&text));
	} else {
		for (n = SHOWN - 3; n > 0 && ((unsigned char)text.p[n] & 0xC0) == 0x80;)
			n--;
		buf_add(b, text.p, n);
		if (n < SHOWN - 3)
			buf_adds(b, "\xEF\xBF\xBD");
		buf_adds(b, "...");
	}
	buf_release(&text);
}

int
raise_about(struct expr_run *r, const struct value *v, const char *says)
{
	buf_reset(&r->text);
	buf_addf(&r->text, "%s (", type_name(v));
	add_shown(&r->text, v, &r->arena);
	buf_addf(&r->text, ") %s", says);
	r->error = value_of_buf(&r->text, &r->arena);
	return R_ERROR;
}

int
raise_not_iterable(struct expr_run *r, const struct value *v)
{
	buf_reset(&r->text);
	buf_addf(&r->text, "Cannot iterate over %s (", type_name(v));
	add_shown(&r->text, v, &r->arena);
	buf_addc(&r->text, ')');
	r->error = value_of_buf(&r->text, &r->arena);
	return R_ERROR;
}

/* v cannot be a name. */
int
raise_key(struct expr_run *r, const struct value *v)
{
	buf_reset(&r->text);
	buf_addf(&r->text, "Cannot use %s (", type_name(v));
	add_shown(&r->text, v, &r->arena);
	buf_adds(&r->text, ") as object key");
	r->error = value_of_buf(&r->text, &r->arena);
	return R_ERROR;
}

int
raise_about2(struct expr_run *r, const struct value *v, const struct value *w,
	const char *says)
{
	buf_reset(&r->text);
	buf_addf(&r->text, "%s (", type_name(v));
	add_shown(&r->text, v, &r->arena);
	buf_addf(&r->text, ") and %s (", type_name(w));
	add_shown(&r->text, w, &r->arena);
	buf_addf(&r->text, ") %s", says);
	r->error = value_of_buf(&r->text, &r->arena);
	return R_ERROR;
}

/* ---- making values ----------------------------------------------------------------- */

static struct value
boolean(bool b)
{
	return (struct value){.kind = b ? VALUE_TRUE : VALUE_FALSE};
}

static struct value
array(const struct value *item, size_t n)
{
	return (struct value){.kind = VALUE_ARRAY, .u.array = {item, n}};
}

static struct value *
new_items(struct expr_run *r, size_t n)
{
	return arena_alloc(&r->arena, n * sizeof(struct value));
}

static struct slice
bytes_of(struct expr_run *r, const struct value *v)
{
	return value_string_bytes(v, &r->arena);
}

/* Two strings, one behind the other. */
static struct value
joined(struct expr_run *r, struct slice a, struct slice b)
{
	char *p = arena_alloc(&r->arena, a.n + b.n);

	if (a.n)
		memcpy(p, a.p, a.n);
	if (b.n)
		memcpy(p + a.n, b.p, b.n);
	return value_string(slice_of(p, a.n + b.n));
}

struct value
text_of(struct expr_run *r, const struct value *v, bool json)
{
	if (!json && value_type(v) == JSON_STRING)
		return *v;
	buf_reset(&r->text);
	value_add_jq(&r->text, v, SIZE_MAX, &r->arena);
	return value_of_buf(&r->text, &r->arena);
}

/* ---- numbers ----------------------------------------------------------------------- */

int
number_of(struct expr_run *r, const struct value *v, double *d)
{
	struct slice s = value_literal(v);

	if (s.p && !literal_is_short(s) && !(v->flags & VALUE_OWN) &&
	    !r->expr->numbers_double && !json_number_fits_double(s)) {
		raise_text(r, "number %.*s%s does not fit a double: arithmetic would change it",
			s.n > 40 ? 40 : (int)s.n, s.p, s.n > 40 ? "..." : "");
		r->bad = r->unfit = true;
		return R_ERROR;
	}
	*d = value_number(v);
	return 1;
}

/* To a whole number as the machine does it that jq runs on: what is out of range is the
 * least number. */
static int64_t
to_whole(double d)
{
	return d >= -0x1p63 && d < 0x1p63 ? (int64_t)d : INT64_MIN;
}

bool
index_of_double(double d, int64_t *i)
{
	if (!(d >= INT32_MIN && d <= INT32_MAX) || d != trunc(d))
		return false;
	*i = (int64_t)d;
	return true;
}

static int
calculate(struct expr_run *r, enum op op, const struct value *a, const struct value *b,
	struct value *out)
{
	double x, y;
	int64_t i, j;

	if (number_of(r, a, &x) < 0 || number_of(r, b, &y) < 0)
		return R_ERROR;
	switch (op) {
	case OP_ADD:
		x += y;
		break;
	case OP_SUB:
		x -= y;
		break;
	case OP_MUL:
		x *= y;
		break;
	case OP_DIV:
		if (y == 0)
			return raise_about2(r, a, b,
				"cannot be divided because the divisor is zero");
		x /= y;
		break;
	default:
		i = to_whole(x);
		j = to_whole(y);
		if (j == 0)
			return raise_about2(r, a, b,
				"cannot be divided (remainder) because the divisor is zero");
		x = j == -1 ? 0 : (double)(i % j);
	}
	*out = value_double(x);
	return 1;
}

/* ---- + - * / on anything else ------------------------------------------------------ */

static struct value
concatenated(struct expr_run *r, const struct value *a, const struct value *b)
{
	size_t n, m;
	const struct value *x = value_items(a, &n, &r->arena);
	const struct value *y = value_items(b, &m, &r->arena);
	struct value *item = new_items(r, n + m);

	if (n)
		memcpy(item, x, n * sizeof(*item));
	if (m)
		memcpy(item + n, y, m * sizeof(*item));
	return array(item, n + m);
}

static struct value
merged(struct expr_run *r, const struct value *a, const struct value *b)
{
	struct object o = {.arena = &r->arena};

	object_add(&o, a);
	object_add(&o, b);
	return object_value(&o);
}

static struct value
merged_deep(struct expr_run *r, const struct value *a, const struct value *b)
{
	struct object o = {.arena = &r->arena};
	struct value_iter it;
	struct value v;
	ptrdiff_t i;

	object_add(&o, a);
	for (value_enter(b, &it, &r->arena); value_step(&it);) {
		v = it.value;
		i = object_find(&o, it.name);
		if (i >= 0 && value_type(&v) == JSON_OBJECT &&
		    value_type(&o.member[i].value) == JSON_OBJECT)
			v = merged_deep(r, &o.member[i].value, &v);
		object_set(&o, it.name, v, false);
	}
	return object_value(&o);
}

static struct value
without(struct expr_run *r, const struct value *a, const struct value *b)
{
	size_t n, m, i, j, kept = 0;
	const struct value *x = value_items(a, &n, &r->arena);
	const struct value *y = value_items(b, &m, &r->arena);
	struct value *item = new_items(r, n);

	for (i = 0; i < n; i++) {
		for (j = 0; j < m && !compare(r, OP_EQ, &x[i], &y[j]); j++)
			;
		if (j == m)
			item[kept++] = x[i];
	}
	return array(item, kept);
}

static int
repeated(struct expr_run *r, const struct value *text, const struct value *times,
	struct value *out)
{
	struct slice s = bytes_of(r, text);
	double d;
	size_t n, i;
	char *p;

	if (number_of(r, times, &d) < 0)
		return R_ERROR;
	if (!(d > 0)) {
		*out = value_null();
		return 1;
	}
	if ((double)s.n * d > MAX_MADE || d >= 0x1p31)
		return raise_text(r, "Repeat string result too long");
	n = d < 1 ? 1 : (size_t)d;
	p = arena_alloc(&r->arena, s.n * n);
	for (i = 0; s.n && i < n; i++)
		memcpy(p + i * s.n, s.p, s.n);
	*out = value_string(slice_of(p, s.n * n));
	return 1;
}

static size_t
character(const char *p, const char *end)
{
	size_t n = 1;

	while (p + n < end && ((unsigned char)p[n] & 0xC0) == 0x80)
		n++;
	return n;
}

static const char *
find(const char *p, const char *end, struct slice s)
{
	const char *q;

	for (; (size_t)(end - p) >= s.n; p = q + 1) {
		q = memchr(p, s.p[0], (size_t)(end - p) - s.n + 1);
		if (!q)
			return NULL;
		if (memcmp(q, s.p, s.n) == 0)
			return q;
	}
	return NULL;
}

static struct value
split(struct expr_run *r, struct slice s, struct slice by)
{
	const char *p = s.p, *end = s.p + s.n, *q;
	struct value *item;
	size_t n = 0;

	/* Counted first, then made. */
	if (by.n == 0) {
		for (; p < end; p += character(p, end))
			n++;
		item = new_items(r, n);
		for (n = 0, p = s.p; p < end; p += item[n++].u.text.n)
			item[n] = value_string(slice_of(p, character(p, end)));
		return array(item, n);
	}
	if (s.n == 0)
		return array(NULL, 0);
	for (n = 1; (q = find(p, end, by)); p = q + by.n)
		n++;
	item = new_items(r, n);
	for (n = 0, p = s.p; (q = find(p, end, by)); p = q + by.n)
		item[n++] = value_string(slice_of(p, (size_t)(q - p)));
	item[n++] = value_string(slice_of(p, (size_t)(end - p)));
	return array(item, n);
}

int
arith(struct expr_run *r, enum op op, const struct value *a, const struct value *b,
	struct value *out)
{
	static const char *const says[] = {
		[OP_ADD] = "cannot be added", [OP_SUB] = "cannot be subtracted",
		[OP_MUL] = "cannot be multiplied", [OP_DIV] = "cannot be divided",
		[OP_MOD] = "cannot be divided (remainder)",
	};
	enum json_type t = value_type(a), u = value_type(b);

	if (op == OP_ADD && (t == JSON_NULL || u == JSON_NULL)) {
		*out = t == JSON_NULL ? *b : *a;
		return 1;
	}
	if (t == JSON_NUMBER && u == JSON_NUMBER)
		return calculate(r, op, a, b, out);
	if (op == OP_MUL && t == JSON_STRING && u == JSON_NUMBER)
		return repeated(r, a, b, out);
	if (op == OP_MUL && t == JSON_NUMBER && u == JSON_STRING)
		return repeated(r, b, a, out);
	if (t != u)
		return raise_about2(r, a, b, says[op]);
	if (op == OP_ADD && t == JSON_STRING)
		*out = joined(r, bytes_of(r, a), bytes_of(r, b));
	else if (op == OP_ADD && t == JSON_ARRAY)
		*out = concatenated(r, a, b);
	else if (op == OP_ADD && t == JSON_OBJECT)
		*out = merged(r, a, b);
	else if (op == OP_SUB && t == JSON_ARRAY)
		*out = without(r, a, b);
	else if (op == OP_MUL && t == JSON_OBJECT)
		*out = merged_deep(r, a, b);
	else if (op == OP_DIV && t == JSON_STRING)
		*out = split(r, bytes_of(r, a), bytes_of(r, b));
	else
		return raise_about2(r, a, b, says[op]);
	return 1;
}

bool
compare(struct expr_run *r, enum op op, const struct value *a, const struct value *b)
{
	int c = value_cmp(a, b, &r->arena);

	switch (op) {
	case OP_EQ:
		return c == 0;
	case OP_NE:
		return c != 0;
	case OP_LT:
		return c < 0;
	case OP_LE:
		return c <= 0;
	case OP_GT:
		return c > 0;
	default:
		return c >= 0;
	}
}

/* ---- indexes and slices ------------------------------------------------------------ */

static size_t
characters(struct slice s)
{
	size_t n = 0, i;

	for (i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
	return n;
}

bool
slice_bounds(const struct value *from, const struct value *to, size_t n, size_t *first,
	size_t *end)
{
	double len = (double)n, a = 0, b = len;

	if (from && value_type(from) != JSON_NULL) {
		if (value_type(from) != JSON_NUMBER)
			return false;
		a = value_number(from);
	}
	if (to && value_type(to) != JSON_NULL) {
		if (value_type(to) != JSON_NUMBER)
			return false;
		b = value_number(to);
	}
	if (a < 0)
		a += len;
	if (b < 0)
		b += len;
	*first = a > len ? n : a > 0 ? (size_t)a : 0;
	*end = b > len ? n : b > 0 ? (size_t)ceil(b) : 0;
	if (*end < *first)
		*end = *first;
	return true;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Some byte of x is zero (the least such is found without fail). */
static inline uint64_t
zero_byte(uint64_t x)
{
	return (x - EACH(0x01)) & ~x & EACH(0x80);
}

/* Do the first n bytes stand for one character each, and in JSON as they are? Reads up to 8
 * bytes behind the first one that doesn't. */
static bool
is_ascii_run(const char *p, size_t n)
{
	uint64_t x, keep;

	for (; n > 0; p += 8, n -= n < 8 ? n : 8) {
		memcpy(&x, p, 8);
		if (n < 8) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
			keep = ~(UINT64_MAX >> (n * 8));
#else
			keep = (UINT64_C(1) << (n * 8)) - 1;
#endif
			x = (x & keep) | (EACH('a') & ~keep);
		}
		if ((x & EACH(0x80)) | ((x - EACH(0x20)) & ~x & EACH(0x80)) |
		    zero_byte(x ^ EACH('"')) | zero_byte(x ^ EACH(0x7F)))
			return false;
	}
	return true;
}

/* The commonest slice: from a place to a place, within the ASCII beginning of a string of a
 * document that has no escapes. */
static bool
slice_ascii(const struct value *v, const struct value *from, const struct value *to,
	struct value *out)
{
	const struct json_doc *d = v->u.doc;
	const char *p;
	double a = 0, b;
	size_t n, first;

	if (!to || to->kind != VALUE_DOUBLE || (from && from->kind != VALUE_DOUBLE) ||
	    d->flags & JSON_LINE_ESCAPE)
		return false;
	b = to->u.number;
	if (from)
		a = from->u.number;
	if (!(a >= 0 && a <= b && b < JSON_PADDING))
		return false;
	n = (size_t)b;
	first = (size_t)a;
	p = d->base + d->pos[v->t] + 1;
	if ((double)n != b || !is_ascii_run(p, n))
		return false;
	out->kind = VALUE_STRING;
	out->flags = VALUE_PLAIN;
	out->u.text = slice_of(p + first, n - first);
	return true;
}

int
slice_value(struct expr_run *r, const struct value *v, const struct value *from,
	const struct value *to, struct value *out)
{
	const struct value *item;
	const char *p, *q, *stop;
	size_t n, first, end, i;
	struct slice s;

	switch (value_type(v)) {
	case JSON_NULL:
		*out = value_null();
		return 1;
	case JSON_STRING:
		if (v->kind == VALUE_TOKEN && slice_ascii(v, from, to, out))
			return 1;
		s = bytes_of(r, v);
		if (!slice_bounds(from, to, characters(s), &first, &end))
			return raise_text(r, "Start and end indices of an string slice must be "
				"numbers");
		for (p = s.p, stop = s.p + s.n, i = 0; i < first; i++)
			p += character(p, stop);
		for (q = p; i < end; i++)
			q += character(q, stop);
		*out = value_string(slice_of(p, (size_t)(q - p)));
		return 1;
	case JSON_ARRAY:
		item = value_items(v, &n, &r->arena);
		if (!slice_bounds(from, to, n, &first, &end))
			return raise_text(r, "Start and end indices of an array slice must be "
				"numbers");
		*out = array(item + first, end - first);
		return 1;
	default:
		return raise_text(r, "Cannot index %s with object", type_name(v));
	}
}

/* Where the elements of b stand in a, one after the other. */
static struct value
indexes(struct expr_run *r, const struct value *a, const struct value *b)
{
	size_t n, m, i, j, found = 0;
	const struct value *x = value_items(a, &n, &r->arena);
	const struct value *y = value_items(b, &m, &r->arena);
	struct value *item = new_items(r, n);

	for (i = 0; m && i + m <= n; i++) {
		for (j = 0; j < m && compare(r, OP_EQ, &x[i + j], &y[j]); j++)
			;
		if (j == m)
			item[found++] = value_double((double)i);
	}
	return array(item, found);
}

/* Element number key, from the end where it is negative; null where there is none. */
static struct value
element(const struct value *v, const struct value *key)
{
	int64_t i;
	uint32_t t;

	if (!index_of_double(value_number(key), &i))
		return value_null();
	if (v->kind == VALUE_TOKEN) {
		t = json_at(v->u.doc, v->t, i);
		return t == JSON_NONE ? value_null() : value_token(v->u.doc, t);
	}
	if (i < 0)
		i += (int64_t)v->u.array.n;
	return i >= 0 && (uint64_t)i < v->u.array.n ? v->u.array.item[i] : value_null();
}

int
index_value(struct expr_run *r, const struct value *v, const struct value *key,
	struct value *out)
{
	enum json_type t = value_type(v), k = value_type(key);
	struct value from, to, found;
	bool has_from, has_to;
	struct slice name;

	if (t == JSON_OBJECT && k == JSON_STRING) {
		*out = value_get(v, bytes_of(r, key), &found) ? found : value_null();
		return 1;
	}
	if (t == JSON_ARRAY && k == JSON_NUMBER) {
		*out = element(v, key);
		return 1;
	}
	if ((t == JSON_ARRAY || t == JSON_STRING) && k == JSON_OBJECT) {
		has_from = value_get(key, SLICE("start"), &from);
		has_to = value_get(key, SLICE("end"), &to);
		/* A slice of an object without them: what is not there is no number. */
		if (!has_from || !has_to) {
			found = (struct value){.kind = VALUE_FALSE};
			return slice_value(r, v, has_from ? &from : &found,
				has_to ? &to : &found, out);
		}
		return slice_value(r, v, &from, &to, out);
	}
	if (t == JSON_ARRAY && k == JSON_ARRAY) {
		*out = indexes(r, v, key);
		return 1;
	}
	if (t == JSON_NULL && (k == JSON_STRING || k == JSON_NUMBER || k == JSON_OBJECT)) {
		*out = value_null();
		return 1;
	}
	if (k == JSON_STRING && (name = bytes_of(r, key)).n < 30)
		return raise_text(r, "Cannot index %s with string \"%.*s\"", type_name(v),
			(int)strnlen(name.p, name.n), name.p);
	return raise_text(r, "Cannot index %s with %s", type_name(v), type_name(key));
}

/* ---- order ------------------------------------------------------------------------- */

struct keyed {
	struct value key, value;
};

/* A stable merge sort: what is equal stays in order. */
static void
sort_keyed(struct keyed *v, struct keyed *spare, size_t n, struct arena *arena)
{
	size_t half = n / 2, i, j, k;

	if (n < 2)
		return;
	sort_keyed(v, spare, half, arena);
	sort_keyed(v + half, spare, n - half, arena);
	memcpy(spare, v, half * sizeof(*v));
	for (i = k = 0, j = half; i < half; k++)
		v[k] = j < n && value_cmp(&v[j].key, &spare[i].key, arena) < 0 ? v[j++] :
			spare[i++];
}

static struct keyed *
sorted(struct expr_run *r, const struct value *item, const struct value *key, size_t n)
{
	struct keyed *v = arena_alloc(&r->arena, n * sizeof(*v));
	struct keyed *spare = arena_alloc(&r->arena, (n / 2 + 1) * sizeof(*v));
	size_t i;

	for (i = 0; i < n; i++)
		v[i] = (struct keyed){key[i], item[i]};
	sort_keyed(v, spare, n, &r->arena);
	return v;
}

static struct value
sort(struct expr_run *r, const struct value *item, const struct value *key, size_t n)
{
	struct keyed *v = sorted(r, item, key, n);
	struct value *out = new_items(r, n);
	size_t i;

	for (i = 0; i < n; i++)
		out[i] = v[i].value;
	return array(out, n);
}

/* The groups of equal keys, or of each its first value only. */
static struct value
group(struct expr_run *r, const struct value *item, const struct value *key, size_t n,
	bool firsts)
{
	struct keyed *v = sorted(r, item, key, n);
	struct value *out = new_items(r, n), *in_order = new_items(r, n);
	size_t i, from, groups = 0;

	for (i = 0; i < n; i++)
		in_order[i] = v[i].value;
	for (from = 0; from < n; from = i) {
		for (i = from + 1; i < n && compare(r, OP_EQ, &v[from].key, &v[i].key); i++)
			;
		out[groups++] = firsts ? in_order[from] : array(in_order + from, i - from);
	}
	return array(out, groups);
}

/* Of several least ones the first, of several greatest ones the last. */
static struct value
extreme(struct expr_run *r, const struct value *item, const struct value *key, size_t n,
	bool least)
{
	size_t i, at = 0;

	if (!n)
		return value_null();
	for (i = 1; i < n; i++)
		if ((value_cmp(&key[i], &key[at], &r->arena) < 0) == least)
			at = i;
	return item[at];
}

int
call_by(struct expr_run *r, enum builtin f, const struct value *in, const struct value *keys,
	struct value *out)
{
	const struct value *item, *key;
	size_t n;

	if (value_type(in) != JSON_ARRAY)
		return raise_about2(r, in, keys, f == F_MIN_BY || f == F_MAX_BY ?
			"cannot be iterated over" :
			"cannot be sorted, as they are not both arrays");
	item = value_items(in, &n, &r->arena);
	key = keys->u.array.item;
	switch (f) {
	case F_SORT_BY:
		*out = sort(r, item, key, n);
		break;
	case F_GROUP_BY:
		*out = group(r, item, key, n, false);
		break;
	case F_UNIQUE_BY:
		*out = group(r, item, key, n, true);
		break;
	default:
		*out = extreme(r, item, key, n, f == F_MIN_BY);
	}
	return 1;
}

/* sort, unique, min and max are sort_by(.) and so on, but for what they say. */
static int
call_on_array(struct expr_run *r, enum builtin f, const struct value *in, struct value *out)
{
	const struct value *item;
	struct value keys, *key;
	struct value_iter it;
	size_t n, i = 0;

	if (value_type(in) != JSON_ARRAY && f == F_SORT)
		return raise_about(r, in, "cannot be sorted, as it is not an array");
	if (value_type(in) != JSON_ARRAY && f != F_UNIQUE)
		return raise_about2(r, in, in, "cannot be iterated over");
	if (value_type(in) == JSON_OBJECT) {
		n = value_count(in);
		key = new_items(r, n);
		for (value_enter(in, &it, &r->arena); value_step(&it) && i < n; i++) {
			struct value *one = new_items(r, 1);

			*one = it.value;
			key[i] = array(one, 1);
		}
		keys = array(key, i);
		return raise_about2(r, in, &keys,
			"cannot be sorted, as they are not both arrays");
	}
	item = value_items(in, &n, &r->arena);
	if (f == F_SORT)
		*out = sort(r, item, item, n);
	else if (f == F_UNIQUE)
		*out = group(r, item, item, n, true);
	else
		*out = extreme(r, item, item, n, f == F_MIN);
	return 1;
}

/* ---- text -------------------------------------------------------------------------- */

static struct value
in_case(struct expr_run *r, struct slice s, char from, char to)
{
	char *p = arena_alloc(&r->arena, s.n);
	size_t i;

	for (i = 0; i < s.n; i++)
		p[i] = s.p[i] >= from && s.p[i] <= to ? (char)(s.p[i] ^ 0x20) : s.p[i];
	return value_string(slice_of(p, s.n));
}

/* As strstr(3) sees them: up to the first NUL. */
static bool
has_string(struct slice s, struct slice part)
{
	s.n = strnlen(s.p, s.n);
	part.n = strnlen(part.p, part.n);
	return part.n == 0 || find(s.p, s.p + s.n, part);
}

static bool
contains(struct expr_run *r, const struct value *a, const struct value *b)
{
	struct value_iter it, of;
	struct value v;
	bool found;

	if (value_type(a) != value_type(b))
		return false;
	switch (value_type(a)) {
	case JSON_STRING:
		return has_string(bytes_of(r, a), bytes_of(r, b));
	case JSON_OBJECT:
		for (value_enter(b, &it, &r->arena); value_step(&it);)
			if (!value_get(a, it.name, &v) || !contains(r, &v, &it.value))
				return false;
		return true;
	case JSON_ARRAY:
		for (value_enter(b, &it, &r->arena); value_step(&it);) {
			found = false;
			for (value_enter(a, &of, &r->arena); !found && value_step(&of);)
				found = contains(r, &of.value, &it.value);
			if (!found)
				return false;
		}
		return true;
	default:
		return compare(r, OP_EQ, a, b);
	}
}

/* Growing text in the arena. */
struct text {
	char *p;
	size_t n, cap;
};

static void
add_text(struct expr_run *r, struct text *t, struct slice s)
{
	char *p;

	if (t->cap - t->n < s.n || !t->p) {
		t->cap = (t->n + s.n) * 2 + 64;
		p = arena_alloc(&r->arena, t->cap);
		if (t->n)
			memcpy(p, t->p, t->n);
		t->p = p;
	}
	if (s.n)
		memcpy(t->p + t->n, s.p, s.n);
	t->n += s.n;
}

static int
join(struct expr_run *r, const struct value *in, const struct value *by, struct value *out)
{
	struct value_iter it;
	struct text text = {0};
	struct value v, so_far;
	bool first = true;

	add_text(r, &text, SLICE(""));
	for (value_enter(in, &it, &r->arena); value_step(&it); first = false) {
		/* What is joined to nothing but itself: + of null and of anything works. */
		if (!first && value_type(by) == JSON_STRING)
			add_text(r, &text, bytes_of(r, by));
		else if (!first && value_type(by) != JSON_NULL) {
			so_far = value_string(slice_of(text.p, text.n));
			return raise_about2(r, &so_far, by, "cannot be added");
		}
		v = it.value;
		switch (value_type(&v)) {
		case JSON_NULL:
			break;
		case JSON_STRING:
			add_text(r, &text, bytes_of(r, &v));
			break;
		case JSON_ARRAY:
		case JSON_OBJECT:
			so_far = value_string(slice_of(text.p, text.n));
			return raise_about2(r, &so_far, &v, "cannot be added");
		default:
			v = text_of(r, &v, false);
			add_text(r, &text, v.u.text);
		}
	}
	*out = value_string(slice_of(text.p, text.n));
	return 1;
}

/* Like + between one and the next, but without a copy at each step. */
static int
add(struct expr_run *r, const struct value *in, struct value *out)
{
	struct value_iter it;
	struct value sum = value_null(), *item = NULL;
	struct object o = {.arena = &r->arena};
	struct text text = {0};
	enum json_type t, s;
	const struct value *more;
	size_t n = 0, cap = 0, m;

	for (value_enter(in, &it, &r->arena); value_step(&it);) {
		t = value_type(&it.value);
		s = value_type(&sum);
		if (s == JSON_STRING && t == JSON_STRING) {
			if (!text.p)
				add_text(r, &text, bytes_of(r, &sum));
			add_text(r, &text, bytes_of(r, &it.value));
			sum = value_string(slice_of(text.p, text.n));
		} else if (s == JSON_OBJECT && t == JSON_OBJECT) {
			if (!o.n)
				object_add(&o, &sum);
			object_add(&o, &it.value);
			sum = object_value(&o);
		} else if (s == JSON_ARRAY && t == JSON_ARRAY) {
			more = value_items(&it.value, &m, &r->arena);
			if (!item) {
				const struct value *old = value_items(&sum, &n, &r->arena);

				cap = (n + m) * 2 + 8;
				item = new_items(r, cap);
				if (n)
					memcpy(item, old, n * sizeof(*item));
			}
			if (cap - n < m) {
				struct value *wider = new_items(r, cap = (n + m) * 2);

				memcpy(wider, item, n * sizeof(*item));
				item = wider;
			}
			if (m)
				memcpy(item + n, more, m * sizeof(*item));
			n += m;
			sum = array(item, n);
		} else if (arith(r, OP_ADD, &sum, &it.value, &sum) < 0) {
			return R_ERROR;
		}
	}
	*out = sum;
	return 1;
}

/* ---- parsing ----------------------------------------------------------------------- */

/* A number as jq reads it, which is more than JSON allows: +1, .5, 1., 007. In JSON's form,
 * absent if it is none. */
static struct slice
number_form(struct expr_run *r, struct slice s)
{
	char *p = arena_alloc(&r->arena, s.n + 2), *q = p;
	size_t i = 0, digits = 0, from;

	if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
		if (s.p[i++] == '-')
			*q++ = '-';
	while (i + 1 < s.n && s.p[i] == '0' && s.p[i + 1] >= '0' && s.p[i + 1] <= '9')
		i++;
	for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; digits++)
		*q++ = s.p[i++];
	if (i < s.n && s.p[i] == '.') {
		if (!digits)
			*q++ = '0';
		from = i++;
		for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; digits++) {
			if (i == from + 1)
				*q++ = '.';
			*q++ = s.p[i++];
		}
	}
	if (digits && i < s.n && (s.p[i] | 0x20) == 'e') {
		*q++ = s.p[i++];
		if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
			*q++ = s.p[i++];
		from = i;
		while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
			*q++ = s.p[i++];
		if (i == from)
			digits = 0;
	}
	return digits && i == s.n ? slice_of(p, (size_t)(q - p)) : slice_of(NULL, 0);
}

static struct slice
trimmed(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\n' || s.p[0] == '\r'))
		s = slice_of(s.p + 1, s.n - 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' ||
	    s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

/* A number read from text: a double where that keeps it, else its literal. */
static struct value
number_from(struct slice s)
{
	if (literal_is_short(s) || json_number_fits_double(s))
		return value_double(json_number_double(s));
	return (struct value){.kind = VALUE_LITERAL, .u.text = s};
}

/* What a document says, as values that outlive it. */
static struct value
copied(struct expr_run *r, const struct value *v)
{
	struct value_iter it;
	struct value *item;
	struct object o = {.arena = &r->arena};
	size_t n = 0;

	switch (value_type(v)) {
	case JSON_NUMBER:
		return number_from(arena_copy(&r->arena, value_literal(v)));
	case JSON_STRING:
		return value_string(arena_copy(&r->arena, bytes_of(r, v)));
	case JSON_ARRAY:
		item = new_items(r, value_count(v));
		for (value_enter(v, &it, &r->arena); value_step(&it);)
			item[n++] = copied(r, &it.value);
		return array(item, n);
	case JSON_OBJECT:
		for (value_enter(v, &it, &r->arena); value_step(&it);)
			object_set(&o, arena_copy(&r->arena, it.name), copied(r, &it.value),
				false);
		return object_value(&o);
	case JSON_TRUE:
	case JSON_FALSE:
		return boolean(value_type(v) == JSON_TRUE);
	default:
		return value_null();
	}
}

/* jq's words for text that is not JSON; where is "" or " at ...". */
static int
not_parsed(struct expr_run *r, struct slice s, const char *says, const char *where)
{
	struct buf b = {0};
	int rc;

	buf_addf(&b, "%s%s (while parsing '", says, where);
	buf_add(&b, s.p, strnlen(s.p, s.n));
	buf_adds(&b, "')");
	rc = raise_text(r, "%s", buf_cstr(&b));
	buf_release(&b);
	return rc;
}

static bool
is_literal(struct expr_run *r, struct slice s)
{
	return slice_eq(s, SLICE("true")) || slice_eq(s, SLICE("false")) ||
		slice_eq(s, SLICE("null")) || slice_eq(s, SLICE("nan")) || number_form(r, s).p;
}

/* Text that was not accepted: most often its first word is no number, as jq would say. */
static int
not_json(struct expr_run *r, struct slice s, const char *why)
{
	size_t from = 0, end, i;
	unsigned line = 1, column = 0;
	struct slice first;
	char where[64];

	while (from < s.n && strchr(" \t\r\n", s.p[from]))
		from++;
	for (end = from; end < s.n && s.p[end] && !strchr(" \t\r\n[]{}:,\"", s.p[end]);)
		end++;
	first = slice_of(s.p + from, end - from);
	if (first.n && is_literal(r, first)) {
		for (i = end; i < s.n && strchr(" \t\r\n", s.p[i]);)
			i++;
		if (i > end && i < s.n && is_literal(r, slice_of(s.p + i, s.n - i)))
			return not_parsed(r, s, "Unexpected extra JSON values", "");
	}
	if (!first.n || is_literal(r, first))
		return not_parsed(r, s, why, "");
	for (i = 0; i < s.n && i <= end; i++) {
		column++;
		if (s.p[i] == '\n') {
			line++;
			column = 0;
		}
	}
	snprintf(where, sizeof(where), " at %sline %u, column %u", end == s.n ? "EOF at " : "",
		line, column);
	return not_parsed(r, s, strchr("tf", first.p[0]) ||
		(first.p[0] == 'n' && first.n != 3) ? "Invalid literal" :
		"Invalid numeric literal", where);
}

static int
parse_json(struct expr_run *r, struct slice s, struct value *out)
{
	struct slice t = trimmed(s), number;
	struct json_doc doc;
	struct value v;
	struct failure why;

	if (!t.n)
		return not_parsed(r, s, "Expected JSON value", "");
	if (slice_eq(t, SLICE("nan"))) {
		*out = value_double((double)NAN);
		return 1;
	}
	number = number_form(r, t);
	if (number.p) {
		*out = number_from(number);
		return 1;
	}
	if (json_doc_of(&r->scan, s, &doc, &why) < 0)
		return not_json(r, s, why.text);
	v = value_token(&doc, 0);
	*out = copied(r, &v);
	return 1;
}

static int
to_number(struct expr_run *r, const struct value *in, struct value *out)
{
	struct slice s;
	struct value v;

	switch (value_type(in)) {
	case JSON_NUMBER:
		*out = *in;
		return 1;
	case JSON_STRING:
		s = bytes_of(r, in);
		s.n = strnlen(s.p, s.n);
		if (parse_json(r, s, &v) < 0)
			return R_ERROR;
		if (value_type(&v) == JSON_NUMBER) {
			*out = v;
			return 1;
		}
		break;
	default:
		break;
	}
	return raise_about(r, in, "cannot be parsed as a number");
}

/* ---- objects and arrays ------------------------------------------------------------ */

static int
by_bytes(const void *a, const void *b)
{
	const struct value *x = a, *y = b;

	return slice_cmp(x->u.text, y->u.text);
}

static struct value
names_of(struct expr_run *r, const struct value *in, bool in_order)
{
	size_t n, i;
	const struct value_member *m;
	struct value *item;

	if (value_type(in) == JSON_ARRAY) {
		n = value_count(in);
		item = new_items(r, n);
		for (i = 0; i < n; i++)
			item[i] = value_double((double)i);
		return array(item, n);
	}
	m = value_members(in, &n, &r->arena);
	item = new_items(r, n);
	for (i = 0; i < n; i++)
		item[i] = value_string(m[i].name);
	if (in_order && n)
		qsort(item, n, sizeof(*item), by_bytes);
	return array(item, n);
}

static struct value
entries(struct expr_run *r, const struct value *in)
{
	struct value names = names_of(r, in, false), *item;
	struct value_iter it;
	size_t i = 0;

	item = new_items(r, names.u.array.n);
	for (value_enter(in, &it, &r->arena); value_step(&it); i++) {
		struct value_member *m = arena_alloc(&r->arena, 2 * sizeof(*m));

		m[0] = (struct value_member){SLICE("key"), names.u.array.item[i]};
		m[1] = (struct value_member){SLICE("value"), it.value};
		m[0].value.flags = VALUE_NAME_PLAIN;
		m[1].value.flags = it.value.flags | VALUE_NAME_PLAIN;
		item[i] = (struct value){.kind = VALUE_OBJECT, .u.object = {m, 2}};
	}
	return array(item, i);
}

static int
reverse(struct expr_run *r, const struct value *in, struct value *out)
{
	enum json_type t = value_type(in);
	const struct value *item;
	struct value *back;
	size_t n, i;

	switch (t) {
	case JSON_ARRAY:
		item = value_items(in, &n, &r->arena);
		back = new_items(r, n);
		for (i = 0; i < n; i++)
			back[i] = item[n - 1 - i];
		*out = array(back, n);
		return 1;
	case JSON_NULL:
		n = 0;
		break;
	case JSON_STRING:
		n = bytes_of(r, in).n;
		break;
	case JSON_OBJECT:
		n = value_count(in);
		break;
	case JSON_NUMBER:
		n = fabs(value_number(in)) > 0;
		break;
	default:
		return raise_about(r, in, "has no length");
	}
	if (n)
		return raise_text(r, "Cannot index %s with number", type_name(in));
	*out = array(NULL, 0);
	return 1;
}

static int
length(struct expr_run *r, const struct value *in, struct value *out)
{
	double d;

	switch (value_type(in)) {
	case JSON_NULL:
		d = 0;
		break;
	case JSON_NUMBER:
		if (number_of(r, in, &d) < 0)
			return R_ERROR;
		d = fabs(d);
		break;
	case JSON_STRING:
		d = (double)characters(bytes_of(r, in));
		break;
	case JSON_ARRAY:
	case JSON_OBJECT:
		d = (double)value_count(in);
		break;
	default:
		return raise_about(r, in, "has no length");
	}
	*out = value_double(d);
	return 1;
}

static int
has(struct expr_run *r, const struct value *in, const struct value *key, struct value *out)
{
	enum json_type t = value_type(in), k = value_type(key);
	struct value v;
	double d;

	if (t == JSON_NULL) {
		*out = boolean(false);
	} else if (t == JSON_OBJECT && k == JSON_STRING) {
		*out = boolean(value_get(in, bytes_of(r, key), &v));
	} else if (t == JSON_ARRAY && k == JSON_NUMBER) {
		d = trunc(value_number(key));
		*out = boolean(d >= 0 && d < (double)value_count(in));
	} else {
		return raise_text(r, "Cannot check whether %s has a %s key", type_name(in),
			type_name(key));
	}
	return 1;
}

/* ---- the table --------------------------------------------------------------------- */

static int
call_strings(struct expr_run *r, enum builtin f, const struct value *in,
	const struct value *arg, struct value *out)
{
	bool strings = value_type(in) == JSON_STRING && value_type(arg) == JSON_STRING;
	struct slice s, part;

	if (!strings) {
		switch (f) {
		case F_STARTSWITH:
			return raise_text(r, "startswith() requires string inputs");
		case F_ENDSWITH:
			return raise_text(r, "endswith() requires string inputs");
		case F_SPLIT:
			return raise_text(r, "split input and separator must be strings");
		default:
			*out = *in;
			return 1;
		}
	}
	s = bytes_of(r, in);
	part = bytes_of(r, arg);
	switch (f) {
	case F_STARTSWITH:
		*out = boolean(slice_starts(s, part));
		break;
	case F_ENDSWITH:
		*out = boolean(slice_ends(s, part));
		break;
	case F_SPLIT:
		*out = split(r, s, part);
		break;
	case F_LTRIMSTR:
		*out = !slice_starts(s, part) ? *in :
			value_string(slice_of(s.p + part.n, s.n - part.n));
		break;
	default:
		*out = !slice_ends(s, part) ? *in : value_string(slice_of(s.p, s.n - part.n));
	}
	return 1;
}

int
call(struct expr_run *r, enum builtin f, const struct value *in, const struct value *arg,
	struct value *out)
{
	enum json_type t = value_type(in);
	double d;

	switch (f) {
	case F_NOT:
		*out = boolean(!value_truth(in));
		return 1;
	case F_LENGTH:
		return length(r, in, out);
	case F_KEYS:
	case F_KEYS_UNSORTED:
	case F_TO_ENTRIES:
		if (t != JSON_OBJECT && t != JSON_ARRAY)
			return raise_about(r, in, "has no keys");
		*out = f == F_TO_ENTRIES ? entries(r, in) : names_of(r, in, f == F_KEYS);
		return 1;
	case F_TYPE:
		*out = value_string(slice_str(type_name(in)));
		out->flags = VALUE_PLAIN;
		return 1;
	case F_TOSTRING:
	case F_TOJSON:
		*out = text_of(r, in, f == F_TOJSON);
		return 1;
	case F_TONUMBER:
		return to_number(r, in, out);
	case F_FROMJSON:
		if (t != JSON_STRING)
			return raise_about(r, in, "only strings can be parsed");
		return parse_json(r, bytes_of(r, in), out);
	case F_DOWNCASE:
	case F_UPCASE:
		if (t != JSON_STRING)
			return raise_text(r, "explode input must be a string");
		*out = f == F_UPCASE ? in_case(r, bytes_of(r, in), 'a', 'z') :
			in_case(r, bytes_of(r, in), 'A', 'Z');
		return 1;
	case F_ADD:
	case F_JOIN:
		if (t != JSON_OBJECT && t != JSON_ARRAY)
			return raise_not_iterable(r, in);
		return f == F_ADD ? add(r, in, out) : join(r, in, arg, out);
	case F_UNIQUE:
		if (t != JSON_OBJECT && t != JSON_ARRAY)
			return raise_not_iterable(r, in);
		return call_on_array(r, f, in, out);
	case F_MIN:
	case F_MAX:
	case F_SORT:
		return call_on_array(r, f, in, out);
	case F_FLOOR:
		if (t != JSON_NUMBER)
			return raise_about(r, in, "number required");
		if (number_of(r, in, &d) < 0)
			return R_ERROR;
		*out = value_double(floor(d));
		return 1;
	case F_REVERSE:
		return reverse(r, in, out);
	case F_ERROR:
		/* An error that is null is none, in jq 1.6: nothing comes out. */
		r->error = arg ? *arg : *in;
		return value_type(&r->error) == JSON_NULL ? 0 : R_ERROR;
	case F_HAS:
		return has(r, in, arg, out);
	case F_CONTAINS:
		if (t != value_type(arg))
			return raise_about2(r, in, arg,
				"cannot have their containment checked");
		*out = boolean(contains(r, in, arg));
		return 1;
	default:
		return call_strings(r, f, in, arg, out);
	}
}
