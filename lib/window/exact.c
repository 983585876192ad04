/*
 * sum, avg, stddev: exact sums of decimals as they are written.
 *
 * A sum is a 128-bit integer and its number of decimals. What that cannot hold, and numbers
 * of more than 18 characters or with an exponent, are added digit by digit to a text beside
 * it; the sum is the sum of both. stddev keeps the sum of the squares as well. Nothing is
 * rounded before the result is written.
 */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "window/kinds.h"

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

#define DIGITS_MAX 1000

struct exact {
	uint64_t low, high; /* of the integer */
	uint64_t n;         /* values */
	uint32_t scale;
	uint32_t more;      /* there is a text too */
};

enum { SUM, SQUARES };

_Static_assert(sizeof(struct exact) == EXACT_BYTES, "EXACT_BYTES");

bool
exact_is_measurable(struct slice s)
{
	size_t i, digits = 0;
	long e = 0;

	for (i = 0; i < s.n && s.p[i] != 'e' && s.p[i] != 'E'; i++)
		digits += s.p[i] != '.' && s.p[i] != '-';
	if (digits > DIGITS_MAX)
		return false;
	for (i += i < s.n; i < s.n; i++) {
		if (s.p[i] == '+' || s.p[i] == '-')
			continue;
		e = e * 10 + (s.p[i] - '0');
		if (e > DIGITS_MAX)
			return false;
	}
	return true;
}

static struct exact *
part(const struct fold *f, const struct fold_cell *c, unsigned which)
{
	return (struct exact *)(void *)fold_fixed(f, c) + which;
}

static inline int128
load(const struct exact *x)
{
	return (int128)((uint128)x->high << 64 | x->low);
}

static inline void
store(struct exact *x, int128 v)
{
	x->low = (uint64_t)v;
	x->high = (uint64_t)((uint128)v >> 64);
}

/* ---- texts ------------------------------------------------------------------------- */

static void
add_integer(struct buf *b, int128 v, uint32_t scale)
{
	uint128 left = v < 0 ? 0 - (uint128)v : (uint128)v;
	char text[96];
	size_t at = sizeof(text);
	uint32_t n;

	for (n = 0; left || n <= scale; n++) {
		if (n && n == scale)
			text[--at] = '.';
		text[--at] = (char)('0' + (int)(left % 10));
		left /= 10;
	}
	if (v < 0)
		text[--at] = '-';
	buf_add(b, text + at, sizeof(text) - at);
}

/* The sum, in plain digits with as many decimals as the longest of its numbers. */
static void
add_total(const struct fold *f, const struct fold_cell *c, unsigned i, unsigned which,
	struct buf *b)
{
	const struct exact *x = part(f, c, which);
	struct buf own = {0};

	add_integer(&own, load(x), x->scale);
	if (!x->more)
		buf_add_slice(b, buf_slice(&own));
	else
		json_number_add(b, buf_slice(&own), fold_text(c, i, which));
	buf_release(&own);
}

/* The product of two plain decimals, exactly. */
static void
multiply(struct buf *b, struct slice x, struct slice y)
{
	bool minus = (x.n && *x.p == '-') != (y.n && *y.p == '-');
	uint32_t *sum = mem_array(x.n + y.n + 2, sizeof(*sum));
	const struct slice *s[2] = {&x, &y};
	char *digit[2];
	size_t n[2], scale[2], i, j, top;

	for (i = 0; i < 2; i++) {
		digit[i] = mem_alloc(s[i]->n + 1);
		n[i] = scale[i] = 0;
		for (j = 0; j < s[i]->n; j++) {
			if (s[i]->p[j] == '.')
				scale[i] = s[i]->n - j - 1;
			else if (s[i]->p[j] != '-')
				digit[i][n[i]++] = (char)(s[i]->p[j] - '0');
		}
	}
	for (i = 0; i < n[0]; i++)
		for (j = 0; j < n[1]; j++)
			sum[n[0] - 1 - i + n[1] - 1 - j] +=
				(uint32_t)(digit[0][i] * digit[1][j]);
	for (i = 0, top = 0; i < n[0] + n[1]; i++) {
		sum[i + 1] += sum[i] / 10;
		sum[i] %= 10;
		if (sum[i])
			top = i + 1;
	}
	if (minus && top)
		buf_addc(b, '-');
	if (top <= scale[0] + scale[1])
		top = scale[0] + scale[1] + 1;
	for (i = top; i > 0; i--) {
		buf_addc(b, (char)('0' + sum[i - 1]));
		if (i - 1 == scale[0] + scale[1] && i > 1)
			buf_addc(b, '.');
	}
	free(sum);
	free(digit[0]);
	free(digit[1]);
}

/* ---- adding ------------------------------------------------------------------------ */

/* m × 10^-scale; false, and nothing is done: it does not fit. */
static inline bool
add_short(struct exact *x, int128 m, uint32_t scale)
{
	int128 v = load(x);
	uint32_t i;

	if (__builtin_expect(scale != x->scale, 0)) {
		for (i = scale; i < x->scale; i++)
			if (__builtin_mul_overflow(m, (int128)10, &m))
				return false;
		for (i = x->scale; i < scale; i++)
			if (__builtin_mul_overflow(v, (int128)10, &v))
				return false;
	}
	if (__builtin_add_overflow(v, m, &v))
		return false;
	store(x, v);
	if (scale > x->scale)
		x->scale = scale;
	return true;
}

/* s: plain digits or what json_number_add takes. */
static int
add_text(const struct fold *f, struct fold_cell *c, unsigned i, unsigned which, struct slice s,
	struct fold_work *w, struct failure *why)
{
	struct exact *x = part(f, c, which);

	buf_reset(&w->text);
	json_number_add(&w->text, s, x->more ? fold_text(c, i, which) : SLICE("0"));
	if (fold_set_text(c, i, which, buf_slice(&w->text), w, why) < 0)
		return -1;
	part(f, c, which)->more = 1;
	return 0;
}

static int
add_integer_to(const struct fold *f, struct fold_cell *c, unsigned i, unsigned which, int128 m,
	uint32_t scale, struct fold_work *w, struct failure *why)
{
	struct exact *x = part(f, c, which);
	struct buf own = {0};
	int rc;

	if (__builtin_expect(add_short(x, m, scale), 1))
		return 0;
	/* What is there moves into the text. */
	add_integer(&own, load(x), x->scale);
	rc = add_text(f, c, i, which, buf_slice(&own), w, why);
	buf_release(&own);
	if (rc < 0)
		return -1;
	x = part(f, c, which);
	store(x, 0);
	x->scale = 0;
	add_short(x, m, scale);
	return 0;
}

static int
add_square(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_value *v,
	struct fold_work *w, struct failure *why)
{
	struct buf plain = {0}, square = {0};
	int rc;

	if (v->small)
		return add_integer_to(f, c, i, SQUARES, (int128)v->m * v->m,
			2 * (uint32_t)v->scale, w, why);
	json_number_add(&plain, v->text, SLICE("0"));
	multiply(&square, buf_slice(&plain), buf_slice(&plain));
	rc = add_text(f, c, i, SQUARES, buf_slice(&square), w, why);
	buf_release(&plain);
	buf_release(&square);
	return rc;
}

int
exact_add(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_input *in,
	struct fold_work *w, struct failure *why)
{
	const struct fold_value *v = &in->value;
	int rc;

	if (v->small)
		rc = add_integer_to(f, c, i, SUM, v->m, v->scale, w, why);
	else
		rc = add_text(f, c, i, SUM, v->text, w, why);
	if (rc < 0 || (f->func == FOLD_STDDEV && add_square(f, c, i, v, w, why) < 0))
		return -1;
	part(f, c, SUM)->n++;
	return 0;
}

int
exact_merge(const struct fold *f, struct fold_cell *c, unsigned i, const struct fold_cell *from,
	struct fold_work *w, struct failure *why)
{
	unsigned which, parts = f->func == FOLD_STDDEV ? 2 : 1;
	const struct exact *x;

	for (which = 0; which < parts; which++) {
		x = part(f, from, which);
		if (add_integer_to(f, c, i, which, load(x), x->scale, w, why) < 0)
			return -1;
		if (x->more && add_text(f, c, i, which, fold_text(from, i, which), w, why) < 0)
			return -1;
	}
	return fold_count_more(f, &part(f, c, SUM)->n, part(f, from, SUM)->n, why);
}

/* ---- results ----------------------------------------------------------------------- */

/* The double nearest to the quotient of a plain decimal and n, times a power of 10, by long
 * division. */
static double
divide(struct slice s, uint64_t n, long power)
{
	bool minus = s.n && *s.p == '-', point = false;
	struct buf digits = {0};
	long scale = 0;
	size_t i = minus, got = 0;
	uint128 rest = 0;
	unsigned d;
	double result;

	if (minus)
		buf_addc(&digits, '-');
	buf_addc(&digits, '0');
	for (; i < s.n || (rest && got < 40); i++) {
		if (i < s.n && s.p[i] == '.') {
			point = true;
			continue;
		}
		rest = rest * 10 + (unsigned)(i < s.n ? s.p[i] - '0' : 0);
		d = (unsigned)(rest / n);
		rest %= n;
		got += got || d;
		if (got < 40)
			buf_addc(&digits, (char)('0' + d));
		else
			scale--;
		scale += point || i >= s.n;
	}
	/* What is left tells on which side of the digits the quotient is. */
	if (rest) {
		buf_addc(&digits, '1');
		scale++;
	}
	/* "0ddd" is no JSON number, but this reader takes it. */
	buf_addf(&digits, "e%ld", power - scale);
	for (i = minus; i + 1 < digits.n && digits.p[i] == '0' && digits.p[i + 1] != 'e'; i++)
		;
	if (minus)
		digits.p[--i] = '-';
	result = json_number_double(slice_of(digits.p + i, digits.n - i));
	buf_release(&digits);
	return result;
}

/* The power of 10 of the first digit of a plain decimal. */
static long
magnitude(struct slice s)
{
	long power = -1;
	size_t i;

	for (i = 0; i < s.n && s.p[i] != '.'; i++)
		power++;
	for (i = 0; i < s.n && (s.p[i] == '0' || s.p[i] == '.'); i++)
		power -= s.p[i] == '0';
	return power;
}

/* sqrt(s / (n (n-1))). The square of a double that is large or small is none. */
static double
root_of(struct slice s, uint64_t n)
{
	double d = divide(s, n, 0) / (double)(n - 1);
	struct buf b = {0};
	long half;

	if (s.n && *s.p == '-')
		return 0; /* of no values: a partial result was made up */
	if (d > 1e-290 && d < 1e290)
		return sqrt(d);
	half = magnitude(s) / 2;
	d = sqrt(divide(s, n, -2 * half) / (double)(n - 1));
	buf_addf(&b, "%.30fe%ld", d, half);
	d = json_number_double(buf_slice(&b));
	buf_release(&b);
	return d;
}

/* Of a sample: sqrt((n ΣX² - (ΣX)²) / (n (n-1))), exact but for the last steps. */
static double
deviation(const struct fold *f, const struct fold_cell *c, unsigned i)
{
	uint64_t n = part(f, c, SUM)->n;
	struct buf sum = {0}, squares = {0}, a = {0}, b = {0}, count = {0}, top = {0};
	double d;

	add_total(f, c, i, SUM, &sum);
	add_total(f, c, i, SQUARES, &squares);
	buf_addf(&count, "%llu", (unsigned long long)n);
	multiply(&a, buf_slice(&count), buf_slice(&squares));
	buf_addc(&b, '-');
	multiply(&b, buf_slice(&sum), buf_slice(&sum));
	json_number_add(&top, buf_slice(&a), buf_slice(&b));
	d = root_of(buf_slice(&top), n);
	buf_release(&sum);
	buf_release(&squares);
	buf_release(&a);
	buf_release(&b);
	buf_release(&count);
	buf_release(&top);
	return d;
}

void
exact_render(const struct fold *f, const struct fold_cell *c, unsigned i, struct fold_work *w,
	struct buf *b)
{
	uint64_t n = part(f, c, SUM)->n;
	struct buf sum = {0};

	(void)w;
	if (n < (f->func == FOLD_STDDEV ? 2 : 1)) {
		buf_adds(b, "null");
	} else if (f->func == FOLD_SUM) {
		add_total(f, c, i, SUM, b);
	} else if (f->func == FOLD_AVG) {
		add_total(f, c, i, SUM, &sum);
		json_add_double(b, divide(buf_slice(&sum), n, 0));
		buf_release(&sum);
	} else {
		json_add_double(b, deviation(f, c, i));
	}
}

/* {"n":3,"sum":0.3,"squares":0.05} */
void
exact_save(const struct fold *f, const struct fold_cell *c, unsigned i, struct fold_work *w,
	struct buf *b)
{
	(void)w;
	buf_addf(b, "{\"n\":%llu,\"sum\":", (unsigned long long)part(f, c, SUM)->n);
	add_total(f, c, i, SUM, b);
	if (f->func == FOLD_STDDEV) {
		buf_adds(b, ",\"squares\":");
		add_total(f, c, i, SQUARES, b);
	}
	buf_addc(b, '}');
}

static int
take_part(const struct fold *f, struct fold_cell *c, unsigned i, unsigned which,
	const struct json_doc *d, uint32_t t, struct fold_work *w, struct failure *why)
{
	struct fold_value v;

	if (t == JSON_NONE || json_type_at(d, t) != JSON_NUMBER)
		return fold_no_partial(f, why);
	v = fold_value_of(json_text(d, t));
	if (v.small)
		return add_integer_to(f, c, i, which, v.m, v.scale, w, why);
	if (v.text.n > 8 * DIGITS_MAX || memchr(v.text.p, 'e', v.text.n) ||
		memchr(v.text.p, 'E', v.text.n))
		return fold_no_partial(f, why);
	return add_text(f, c, i, which, v.text, w, why);
}

int
exact_take(const struct fold *f, struct fold_cell *c, unsigned i, const struct json_doc *d,
	uint32_t t, struct fold_work *w, struct failure *why)
{
	uint64_t n;

	if (!fold_read_whole(d, json_get(d, t, SLICE("n")), &n) ||
		take_part(f, c, i, SUM, d, json_get(d, t, SLICE("sum")), w, why) < 0)
		return fold_no_partial(f, why);
	if (f->func == FOLD_STDDEV && take_part(f, c, i, SQUARES, d,
			json_get(d, t, SLICE("squares")), w, why) < 0)
		return fold_no_partial(f, why);
	return fold_count_more(f, &part(f, c, SUM)->n, n, why);
}
