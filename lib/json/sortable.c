/*
 * Values as bytes in their order. A byte for the type comes first, from 1 up, so that 0 ends
 * a list before anything that could stand there instead.
 *
 *	number  sign (0 negative, 1 zero, 2 positive), exponent of the first digit, digits, 0;
 *	        all behind the sign complemented where it is negative
 *	string  its bytes, 00 as 00 FF, then 00 00
 *	array   its elements, then 0
 *	object  its sorted names as strings, then 0, then its values in that order
 *
 * An exponent is 0x80 + its number of digits, then the digits; from 18 digits on 0x92, that
 * number in eight bytes, then the digits; complemented where it is negative.
 */
#include "json/sortable.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { LIST_END = 0, FIRST_TYPE = 1 };
enum { NEGATIVE, ZERO, POSITIVE };
#define LONG_EXPONENT 18 /* digits */

struct member {
	struct slice name; /* decoded */
	uint32_t value;
	uint32_t place;    /* in the object */
};

static void
complement(struct buf *b, size_t from)
{
	for (; from < b->n; from++)
		b->p[from] = (char)~b->p[from];
}

/* digits: without leading zeros; none for 0. */
static void
add_exponent(struct buf *b, struct slice digits, bool negative)
{
	size_t from = b->n;
	int shift;

	if (digits.n < LONG_EXPONENT) {
		buf_addc(b, (char)(0x80 + digits.n));
	} else {
		buf_addc(b, (char)(0x80 + LONG_EXPONENT));
		for (shift = 56; shift >= 0; shift -= 8)
			buf_addc(b, (char)((uint64_t)digits.n >> shift));
	}
	buf_add_slice(b, digits);
	if (negative && digits.n)
		complement(b, from);
}

/* What the canonical form of a number other than 0 says, its sign taken off: 120, 12.5,
 * 0.0012 or 1.2e+21. */
struct parts {
	struct slice before, after; /* digits before the point and behind it */
	struct slice exponent;      /* digits */
	bool negative;              /* exponent */
};

static struct parts
parts_of(struct slice s)
{
	const char *e = memchr(s.p, 'e', s.n), *point;
	struct parts x = {0};

	if (e) {
		x.negative = e[1] == '-';
		x.exponent = slice_of(e + 2, s.n - (size_t)(e + 2 - s.p));
		s.n = (size_t)(e - s.p);
	}
	point = memchr(s.p, '.', s.n);
	x.before = slice_of(s.p, point ? (size_t)(point - s.p) : s.n);
	if (point)
		x.after = slice_of(point + 1, s.n - x.before.n - 1);
	return x;
}

static void
add_number(struct buf *b, struct slice s)
{
	struct buf canonical = {0};
	struct parts x;
	char room[32];
	size_t from, zeros = 0;
	bool negative;

	buf_reserve(&canonical, s.n + 64);
	json_number_canonical(&canonical, s);
	s = buf_slice(&canonical);
	negative = s.p[0] == '-';
	s.p += negative;
	s.n -= negative;
	if (slice_eq(s, SLICE("0"))) {
		buf_addc(b, ZERO);
		buf_release(&canonical);
		return;
	}
	buf_addc(b, negative ? NEGATIVE : POSITIVE);
	from = b->n;
	x = parts_of(s);
	if (!x.exponent.p && x.before.p[0] != '0') {
		snprintf(room, sizeof(room), "%zu", x.before.n - 1);
		x.exponent = slice_str(room);
	} else if (!x.exponent.p) {
		while (x.after.p[zeros] == '0')
			zeros++;
		x.after.p += zeros;
		x.after.n -= zeros;
		x.before.n = 0;
		x.negative = true;
		snprintf(room, sizeof(room), "%zu", zeros + 1);
		x.exponent = slice_str(room);
	}
	if (slice_eq(x.exponent, SLICE("0")))
		x.exponent.n = 0;
	add_exponent(b, x.exponent, x.negative);
	while (!x.after.n && x.before.p[x.before.n - 1] == '0')
		x.before.n--;
	buf_add_slice(b, x.before);
	buf_add_slice(b, x.after);
	buf_addc(b, LIST_END);
	if (negative)
		complement(b, from);
	buf_release(&canonical);
}

static void
add_string(struct buf *b, struct slice s)
{
	const char *zero;
	size_t n;

	while (s.n && (zero = memchr(s.p, 0, s.n))) {
		n = (size_t)(zero - s.p) + 1;
		buf_add(b, s.p, n);
		buf_addc(b, (char)0xFF);
		s.p += n;
		s.n -= n;
	}
	buf_add_slice(b, s);
	buf_add(b, "\0\0", 2);
}

static void
add_raw_string(struct buf *b, struct slice raw)
{
	struct buf decoded = {0};

	if (!memchr(raw.p, '\\', raw.n)) {
		add_string(b, raw);
		return;
	}
	json_unescape(&decoded, raw);
	add_string(b, buf_slice(&decoded));
	buf_release(&decoded);
}

static int
by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int c = slice_cmp(x->name, y->name);

	return c ? c : (x->place > y->place) - (x->place < y->place);
}

static void add_value(struct buf *, const struct json_doc *, uint32_t t, int depth);

static void
add_object(struct buf *b, const struct json_doc *d, uint32_t t, int depth)
{
	struct member *m = NULL;
	struct buf names = {0};
	size_t n = 0, cap = 0, i, kept = 0, at, room = 16;
	struct json_iter it;
	struct slice raw;

	for (json_enter(d, t, &it); json_step(d, &it);)
		room += 2 * json_string_raw(d, it.key).n + 16;
	buf_reserve(&names, room); /* for all: the slices stay where they are */
	for (json_enter(d, t, &it); json_step(d, &it); n++) {
		m = mem_grow(m, &cap, n + 1, sizeof(*m));
		raw = json_string_raw(d, it.key);
		at = names.n;
		json_unescape(&names, raw);
		m[n] = (struct member){slice_of(names.p + at, names.n - at), it.value,
			(uint32_t)n};
	}
	if (n)
		qsort(m, n, sizeof(*m), by_name);
	for (i = 0; i < n; i++) /* of equal names the last */
		if (i + 1 == n || !slice_eq(m[i].name, m[i + 1].name))
			m[kept++] = m[i];
	for (i = 0; i < kept; i++) {
		buf_addc(b, FIRST_TYPE + JSON_STRING);
		add_string(b, m[i].name);
	}
	buf_addc(b, LIST_END);
	for (i = 0; i < kept; i++)
		add_value(b, d, m[i].value, depth + 1);
	free(m);
	buf_release(&names);
}

static void
add_value(struct buf *b, const struct json_doc *d, uint32_t t, int depth)
{
	enum json_type type = json_type_at(d, t);
	struct json_iter it;

	if (type >= JSON_ARRAY && depth == JSON_MAX_DEPTH) { /* only on trust */
		buf_addc(b, FIRST_TYPE + JSON_STRING);
		add_string(b, json_text(d, t));
		return;
	}
	buf_addc(b, (char)(FIRST_TYPE + type));
	switch (type) {
	case JSON_NUMBER:
		add_number(b, json_text(d, t));
		return;
	case JSON_STRING:
		add_raw_string(b, json_string_raw(d, t));
		return;
	case JSON_ARRAY:
		for (json_enter(d, t, &it); json_step(d, &it);)
			add_value(b, d, it.value, depth + 1);
		buf_addc(b, LIST_END);
		return;
	case JSON_OBJECT:
		add_object(b, d, t, depth);
		return;
	default:
		return;
	}
}

void
json_add_sortable(struct buf *b, const struct json_doc *d, uint32_t t)
{
	add_value(b, d, t, 0);
}

bool
json_add_sortable_plain(struct buf *b, struct slice text)
{
	if (text.n < 2 || text.p[0] != '"' || text.p[text.n - 1] != '"' ||
		memchr(text.p, '\\', text.n))
		return false;
	buf_reserve(b, text.n + 1);
	buf_addc(b, FIRST_TYPE + JSON_STRING);
	buf_add(b, text.p + 1, text.n - 2);
	buf_add(b, "\0\0", 2);
	return true;
}
