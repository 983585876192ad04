/*
 * The exact sum of two decimals, digit by digit. Numbers of 17 digits at most, which all but
 * all are, are added as integers of one scale.
 */
#include "json/json.h"

#include <stdlib.h>

#include "base/mem.h"

#define PAD_MAX 4096 /* zeros that an exponent may ask for */

/* digit[0..n) × 10^-scale */
struct decimal {
	bool negative;
	char *digit; /* values 0 to 9 */
	size_t n;
	int64_t scale;
};

static bool
is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* ---- short ones -------------------------------------------------------------------- */

static bool
read_short(struct slice s, int64_t *v, unsigned *scale)
{
	size_t i = s.n && s.p[0] == '-', point = s.n;

	if (s.n > 18)
		return false;
	for (*v = 0; i < s.n; i++) {
		if (is_digit(s.p[i]))
			*v = *v * 10 + (s.p[i] - '0');
		else if (s.p[i] == '.')
			point = i + 1;
		else
			return false;
	}
	if (s.p[0] == '-')
		*v = -*v;
	*scale = (unsigned)(s.n - point);
	return true;
}

static bool
widen(int64_t *v, unsigned by)
{
	for (; by; by--)
		if (__builtin_mul_overflow(*v, 10, v))
			return false;
	return true;
}

static void
write_short(struct buf *b, int64_t v, unsigned scale)
{
	uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	char text[48];
	size_t at = sizeof(text);
	unsigned n;

	for (n = 0; left || n <= scale; n++) {
		if (n && n == scale)
			text[--at] = '.';
		text[--at] = (char)('0' + left % 10);
		left /= 10;
	}
	if (v < 0)
		text[--at] = '-';
	buf_add(b, text + at, sizeof(text) - at);
}

/* ---- any --------------------------------------------------------------------------- */

/* False: an exponent that no sum is worth. digit is owned by the caller. */
static bool
read_any(struct slice s, struct decimal *x)
{
	const char *p = s.p, *end = s.p + s.n;
	int64_t e = 0;
	bool point = false, minus = false, zero = true;

	*x = (struct decimal){.negative = s.n && *p == '-', .digit = mem_alloc(s.n + 1)};
	for (p += x->negative; p < end; p++) {
		if (is_digit(*p)) {
			x->digit[x->n++] = (char)(*p - '0');
			x->scale += point;
			zero &= *p == '0';
		} else if (*p == '.') {
			point = true;
		} else {
			break;
		}
	}
	if (p < end)
		p++; /* e */
	if (p < end && (*p == '-' || *p == '+'))
		minus = *p++ == '-';
	for (; p < end && e <= PAD_MAX; p++)
		e = e * 10 + (*p - '0');
	if (zero) {
		x->n = 0;
		e = e > PAD_MAX ? 0 : e;
	}
	if (e > PAD_MAX)
		return false;
	x->scale += minus ? e : -e;
	if (zero && x->scale > PAD_MAX)
		x->scale = 0;
	return true;
}

/* The digit of 10^at, at counted in the scale of the sum. */
static inline int
digit_at(const struct decimal *x, int64_t scale, size_t at)
{
	int64_t i = (int64_t)x->n - 1 - ((int64_t)at - (scale - x->scale));

	return i >= 0 && i < (int64_t)x->n ? x->digit[i] : 0;
}

/* Digits of x in that scale. */
static size_t
digits_in(const struct decimal *x, int64_t scale)
{
	return x->n ? x->n + (size_t)(scale - x->scale) : 0;
}

static void
add_any(struct buf *b, const struct decimal *x, const struct decimal *y)
{
	int64_t scale = x->scale > y->scale ? x->scale : y->scale;
	const struct decimal *more = x, *less = y;
	bool subtract = x->negative != y->negative;
	size_t n, i, top;
	int d, carry = 0;
	char *sum;

	scale = scale < 0 ? 0 : scale;
	n = digits_in(x, scale) > digits_in(y, scale) ? digits_in(x, scale) :
		digits_in(y, scale);
	n = (n > (size_t)scale ? n : (size_t)scale + 1) + 1;
	if (subtract) {
		for (i = n; i > 0; i--) {
			d = digit_at(x, scale, i - 1) - digit_at(y, scale, i - 1);
			if (d)
				break;
		}
		if (i && d < 0) {
			more = y;
			less = x;
		}
	}
	sum = mem_alloc(n);
	for (i = 0, top = 0; i < n; i++) {
		d = digit_at(more, scale, i) + carry +
			(subtract ? -digit_at(less, scale, i) : digit_at(less, scale, i));
		carry = d < 0 ? -1 : d / 10;
		sum[i] = (char)(d < 0 ? d + 10 : d % 10);
		if (sum[i])
			top = i + 1;
	}
	if (more->negative && top)
		buf_addc(b, '-');
	if (top <= (size_t)scale)
		top = (size_t)scale + 1;
	for (i = top; i > 0; i--) {
		buf_addc(b, (char)('0' + sum[i - 1]));
		if (i - 1 == (size_t)scale && scale)
			buf_addc(b, '.');
	}
	free(sum);
}

bool
json_number_add(struct buf *b, struct slice s, struct slice t)
{
	struct decimal x, y = {0};
	unsigned i, j;
	int64_t v, w;
	bool good;

	if (read_short(s, &v, &i) && read_short(t, &w, &j) &&
		widen(i < j ? &v : &w, i < j ? j - i : i - j) &&
		!__builtin_add_overflow(v, w, &v)) {
		write_short(b, v, i < j ? j : i);
		return true;
	}
	good = read_any(s, &x) && read_any(t, &y);
	if (good)
		add_any(b, &x, &y);
	free(x.digit);
	free(y.digit);
	return good;
}
