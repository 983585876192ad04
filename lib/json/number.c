/*
 * Numbers: exact decimals of any length, and doubles.
 *
 * As a decimal a number is its significant digits, where they stand in the text, and the
 * power of ten of the first one. Nothing is rounded: texts of any length and exponents of
 * any number of digits are compared exactly, in time linear in the text. An exponent
 * beyond 18 digits is kept as text too.
 *
 * Reading follows Clinger (PLDI 1990) where powers of ten are exact, and else Lemire,
 * "Number Parsing at a Gigabyte per Second", Software: Practice and Experience 51 (2021);
 * strtod(3) decides what is too close to call. Writing is Giulietti's "The Schubfach way
 * to render doubles" (2021), laid out as the dtoa of jq 1.6 does it.
 */
#include "json/json.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "json/pow10.h"

__extension__ typedef unsigned __int128 uint128;

struct decimal {
	bool negative;
	bool zero;
	const char *first, *last; /* significant digits; a point may stand between */
	size_t digits;            /* how many those are */
	int64_t shift;            /* power of ten of the first one before the exponent */
	int64_t exp;              /* and after it; meaningless if huge is not empty */
	bool huge_negative;
	struct slice huge;        /* an exponent of more than 18 digits */
};

static inline bool
is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static void
decimal_of(struct slice s, struct decimal *x)
{
	const char *p = s.p, *end = s.p + s.n, *point = NULL;
	int64_t e = 0;

	*x = (struct decimal){0};
	if (p < end && *p == '-') {
		x->negative = true;
		p++;
	}
	for (; p < end; p++) {
		if (is_digit(*p)) {
			if (*p == '0')
				continue;
			if (!x->first)
				x->first = p;
			x->last = p;
		} else if (*p == '.' && !point) {
			point = p;
		} else {
			break;
		}
	}
	if (!x->first) {
		x->zero = true;
		return;
	}
	if (!point)
		point = p;
	x->digits = (size_t)(x->last - x->first) + 1;
	if (x->first < point) {
		x->shift = point - x->first - 1;
		x->digits -= point < x->last;
	} else {
		x->shift = point - x->first;
	}
	if (p < end) {
		p++; /* e */
		if (p < end && (*p == '-' || *p == '+'))
			x->huge_negative = *p++ == '-';
		while (p < end && *p == '0')
			p++;
		if (end - p > 18) {
			x->huge = slice_of(p, (size_t)(end - p));
			return;
		}
		for (; p < end && is_digit(*p); p++)
			e = e * 10 + (*p - '0');
		if (x->huge_negative)
			e = -e;
	}
	x->exp = e + x->shift;
}

/* The significant digits from the i-th on, up to n of them, to out. */
static void
copy_digits(const struct decimal *x, char *out, size_t n)
{
	const char *p;

	for (p = x->first; n; p++) {
		if (*p == '.')
			continue;
		*out++ = *p;
		n--;
	}
}

static void
add_uint(struct buf *b, uint64_t v)
{
	char text[20];
	size_t i = sizeof(text);

	do
		text[--i] = (char)('0' + v % 10);
	while (v /= 10);
	buf_add(b, text + i, sizeof(text) - i);
}

/* Append the exponent, a sign before it. */
static void
add_exponent(struct buf *b, const struct decimal *x)
{
	int64_t carry, digit;
	size_t start, i;

	if (!x->huge.n) {
		buf_addc(b, x->exp < 0 ? '-' : '+');
		add_uint(b, x->exp < 0 ? 0 - (uint64_t)x->exp : (uint64_t)x->exp);
		return;
	}
	buf_addc(b, x->huge_negative ? '-' : '+');
	start = b->n;
	buf_addc(b, '0');
	buf_add_slice(b, x->huge);
	carry = x->huge_negative ? -x->shift : x->shift;
	for (i = b->n; carry && i > start;) {
		digit = b->p[--i] - '0' + carry % 10;
		carry /= 10;
		if (digit < 0) {
			digit += 10;
			carry--;
		} else if (digit > 9) {
			digit -= 10;
			carry++;
		}
		b->p[i] = (char)('0' + digit);
	}
	for (i = start; i + 1 < b->n && b->p[i] == '0'; i++)
		;
	memmove(b->p + start, b->p + i, b->n - i);
	b->n -= i - start;
}

/* Exponents where at least one has more digits than fit an integer. */
static int
cmp_huge(const struct decimal *a, const struct decimal *b)
{
	struct buf x = {0}, y = {0};
	int c;

	add_exponent(&x, a);
	add_exponent(&y, b);
	if (x.p[0] != y.p[0])
		c = x.p[0] == '-' ? -1 : 1;
	else if (x.n != y.n)
		c = (x.n < y.n) == (x.p[0] == '-') ? 1 : -1;
	else
		c = x.p[0] == '-' ? memcmp(y.p, x.p, x.n) : memcmp(x.p, y.p, x.n);
	buf_release(&x);
	buf_release(&y);
	return c;
}

static int
cmp_digits(const struct decimal *a, const struct decimal *b)
{
	const char *p = a->first, *q = b->first;
	size_t n = a->digits < b->digits ? a->digits : b->digits;

	for (; n; n--, p++, q++) {
		p += *p == '.';
		q += *q == '.';
		if (*p != *q)
			return *p < *q ? -1 : 1;
	}
	return (a->digits > b->digits) - (a->digits < b->digits);
}

/* The value of an integer in plain digits, of at most 18. */
static inline bool
small_integer(struct slice s, int64_t *v)
{
	bool negative = s.n && s.p[0] == '-';
	size_t i;

	*v = 0;
	if (s.n > 18)
		return false;
	for (i = negative; i < s.n; i++) {
		if (!is_digit(s.p[i]))
			return false;
		*v = *v * 10 + (s.p[i] - '0');
	}
	if (negative)
		*v = -*v;
	return true;
}

int
json_number_cmp(struct slice a, struct slice b)
{
	struct decimal x, y;
	int64_t i, j;
	int sx, sy, c;

	if (small_integer(a, &i) && small_integer(b, &j))
		return (i > j) - (i < j);
	if (slice_eq(a, b))
		return 0;
	decimal_of(a, &x);
	decimal_of(b, &y);
	sx = x.zero ? 0 : x.negative ? -1 : 1;
	sy = y.zero ? 0 : y.negative ? -1 : 1;
	if (sx != sy || !sx)
		return (sx > sy) - (sx < sy);
	if (x.huge.n || y.huge.n)
		c = cmp_huge(&x, &y);
	else
		c = (x.exp > y.exp) - (x.exp < y.exp);
	if (!c)
		c = cmp_digits(&x, &y);
	return sx < 0 ? -c : c;
}

/* Digits in a row, the point after the first at of them; with at < 1, zeros before them. */
static void
add_plain(struct buf *b, const struct decimal *x, int64_t at)
{
	size_t whole = at < 1 ? 0 : (size_t)at, zeros;
	char *p;

	buf_reserve(b, x->digits + 32);
	if (at < 1) {
		zeros = (size_t)-at;
		memcpy(b->p + b->n, "0.000000", 2 + zeros);
		b->n += 2 + zeros;
	}
	p = b->p + b->n;
	copy_digits(x, p, x->digits);
	b->n += x->digits;
	if (x->digits < whole) {
		memset(p + x->digits, '0', whole - x->digits);
		b->n += whole - x->digits;
	} else if (whole && x->digits > whole) {
		memmove(p + whole + 1, p + whole, x->digits - whole);
		p[whole] = '.';
		b->n++;
	}
}

/* Laid out as ECMAScript does it (Number::toString), and so RFC 8785. */
void
json_number_canonical(struct buf *b, struct slice s)
{
	struct decimal x;
	int64_t v;

	if (s.n < 18 && small_integer(s, &v)) {
		if (v)
			buf_add_slice(b, s);
		else
			buf_addc(b, '0');
		return;
	}
	decimal_of(s, &x);
	if (x.zero) {
		buf_addc(b, '0');
		return;
	}
	if (x.negative)
		buf_addc(b, '-');
	if (!x.huge.n && x.exp >= -6 && x.exp <= 20) {
		add_plain(b, &x, x.exp + 1);
		return;
	}
	buf_reserve(b, x.digits + 20);
	copy_digits(&x, b->p + b->n + 1, x.digits);
	b->p[b->n] = b->p[b->n + 1];
	b->p[b->n + 1] = '.';
	b->n += x.digits > 1 ? x.digits + 1 : 1;
	buf_addc(b, 'e');
	add_exponent(b, &x);
}

/* ---- reading doubles --------------------------------------------------------------- */

static inline double
double_of_bits(uint64_t bits)
{
	double d;

	memcpy(&d, &bits, 8);
	return d;
}

static inline uint64_t
bits_of_double(double d)
{
	uint64_t bits;

	memcpy(&bits, &d, 8);
	return bits;
}

/* w × 10^q, w and the power exact in a double: one rounding. */
static inline bool
read_exact(uint64_t w, int64_t q, double *d)
{
	static const double ten[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
		1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
		1e22};

	if (FLT_EVAL_METHOD != 0 || w > (UINT64_C(1) << 53) || q < -22 || q > 22)
		return false;
	*d = q < 0 ? (double)w / ten[-q] : (double)w * ten[q];
	return true;
}

/* The double nearest to w × 10^q, for any w and q; false where 128 bits cannot tell. */
static bool
read_lemire(uint64_t w, int64_t q, double *d)
{
	const uint64_t *power;
	uint64_t high, low, mantissa;
	uint128 product;
	int lz, top;
	int64_t exp;

	if (!w || q < POW10_MIN) {
		*d = 0;
		return true;
	}
	if (q > 308) {
		*d = HUGE_VAL;
		return true;
	}
	lz = __builtin_clzll(w);
	w <<= lz;
	power = pow10_table[q - POW10_MIN];
	product = (uint128)w * power[0];
	if (((uint64_t)(product >> 64) & 0x1FF) == 0x1FF)
		product += (uint64_t)((uint128)w * power[1] >> 64);
	high = (uint64_t)(product >> 64);
	low = (uint64_t)product;
	if (low == UINT64_MAX && (q < -27 || q > 55))
		return false;
	top = (int)(high >> 63);
	mantissa = high >> (top + 9);
	/* floor(log2(10^q)) is q × 217706 >> 16 in this range */
	exp = ((217706 * q) >> 16) + 63 + top - lz + 1023;
	if (exp <= 0) {
		if (exp <= -63) {
			*d = 0;
			return true;
		}
		mantissa >>= 1 - exp;
		mantissa += mantissa & 1;
		mantissa >>= 1;
		/* rounded up to a normal number, the bit that says so is in place */
		*d = double_of_bits(mantissa);
		return true;
	}
	/* exactly between two doubles: to the even one */
	if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 &&
		mantissa << (top + 9) == high)
		mantissa &= ~UINT64_C(1);
	mantissa += mantissa & 1;
	mantissa >>= 1;
	if (mantissa >= UINT64_C(1) << 53) {
		mantissa >>= 1;
		exp++;
	}
	if (exp >= 0x7FF)
		*d = HUGE_VAL;
	else
		*d = double_of_bits(
			(mantissa & ~(UINT64_C(1) << 52)) | (uint64_t)exp << 52);
	return true;
}

/* By strtod, from digits and an exponent without a point, so that no locale matters. 768
 * digits and one that stands for all others decide every case. */
static double
read_slowly(const struct decimal *x, int64_t exp)
{
	enum { ENOUGH = 768 };
	char text[ENOUGH + 32];
	size_t n = x->digits < ENOUGH ? x->digits : ENOUGH, i;
	int64_t e = exp - (int64_t)n + 1;
	char digits[20];

	copy_digits(x, text, n);
	if (n < x->digits) {
		text[n++] = '1';
		e--;
	}
	text[n++] = 'e';
	if (e < 0) {
		text[n++] = '-';
		e = -e;
	}
	if (e > 99999)
		e = 99999;
	i = 0;
	do
		digits[i++] = (char)('0' + e % 10);
	while (e /= 10);
	while (i)
		text[n++] = digits[--i];
	text[n] = '\0';
	return strtod(text, NULL);
}

/* Texts with more than 19 digits or a long exponent. */
static double
read_any(struct slice s)
{
	struct decimal x;
	char digits[19];
	uint64_t w = 0;
	int64_t exp, q;
	double d, above;
	size_t n, i;

	decimal_of(s, &x);
	if (x.zero)
		return x.negative ? -0.0 : 0.0;
	exp = x.exp;
	if (x.huge.n)
		exp = x.huge_negative ? INT64_MIN / 4 : INT64_MAX / 4;
	n = x.digits < 19 ? x.digits : 19;
	copy_digits(&x, digits, n);
	for (i = 0; i < n; i++)
		w = w * 10 + (uint64_t)(digits[i] - '0');
	q = exp - (int64_t)n + 1;
	if (!read_lemire(w, q, &d) ||
		(x.digits > n && (!read_lemire(w + 1, q, &above) || above != d)))
		d = read_slowly(&x, exp);
	return x.negative ? -d : d;
}

double
json_number_double(struct slice s)
{
	const char *p = s.p, *end = s.p + s.n, *from, *point;
	bool negative, down = false;
	int64_t e = 0, q = 0;
	uint64_t w = 0;
	size_t digits;
	double d;

	negative = p < end && *p == '-';
	p += negative;
	for (from = p; p < end && is_digit(*p); p++)
		w = w * 10 + (uint64_t)(*p - '0');
	digits = (size_t)(p - from);
	if (p < end && *p == '.') {
		for (point = ++p; p < end && is_digit(*p); p++)
			w = w * 10 + (uint64_t)(*p - '0');
		q = point - p;
		digits += (size_t)(p - point);
	}
	if (digits > 19)
		return read_any(s);
	if (p < end) {
		p++;
		if (p < end && (*p == '-' || *p == '+'))
			down = *p++ == '-';
		if (end - p > 9)
			return read_any(s);
		for (; p < end && is_digit(*p); p++)
			e = e * 10 + (*p - '0');
		q += down ? -e : e;
	}
	if (!read_exact(w, q, &d) && !read_lemire(w, q, &d))
		return read_any(s);
	return negative ? -d : d;
}

/* ---- writing doubles --------------------------------------------------------------- */

/* The high 64 bits of g × c, the lowest one set if anything is lost. */
static inline uint64_t
round_to_odd(const uint64_t g[2], uint64_t c)
{
	uint128 low = (uint128)g[1] * c, high = (uint128)g[0] * c + (uint64_t)(low >> 64);

	return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* The shortest decimal that reads back as the positive double of these bits, and of those
 * the nearest to it: *digits × 10^*exp. */
static void
shortest(uint64_t bits, uint64_t *digits, int *exp)
{
	uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1), biased = bits >> 52;
	uint64_t c, lower, upper, at, s, tens, g[2];
	const uint64_t *power;
	bool narrow, up, down, odd;
	int q, k, h;

	if (biased) {
		c = fraction | UINT64_C(1) << 52;
		q = (int)biased - 1075;
	} else {
		c = fraction;
		q = -1074;
	}
	odd = c & 1;
	narrow = fraction == 0 && biased > 1; /* the neighbour below is nearer */
	/* floor(log10(2^q)), or of 3/4 2^q; then floor(log2(10^-k)) */
	k = (q * 1262611 - (narrow ? 524031 : 0)) >> 22;
	h = q + ((-k * 1741647) >> 19) + 1;
	power = pow10_table[-k - POW10_MIN];
	g[0] = power[0];
	g[1] = power[1];
	if (-k < -27 || -k > 55) { /* the table's rounding is down, this one's is up */
		g[1]++;
		g[0] += g[1] == 0;
	}
	lower = round_to_odd(g, (4 * c - 2 + narrow) << h) + odd;
	at = round_to_odd(g, 4 * c << h);
	upper = round_to_odd(g, (4 * c + 2) << h) - odd;
	s = at / 4;
	if (s >= 10) {
		tens = s / 10;
		down = lower <= 40 * tens;
		up = 40 * tens + 40 <= upper;
		if (up != down) {
			*digits = tens + up;
			*exp = k + 1;
			return;
		}
	}
	down = lower <= 4 * s;
	up = 4 * s + 4 <= upper;
	if (up == down)
		up = at > 4 * s + 2 || (at == 4 * s + 2 && (s & 1));
	*digits = s + up;
	*exp = k;
}

void
json_add_double(struct buf *b, double d)
{
	uint64_t bits = bits_of_double(d), digits;
	char text[20], *p = text + sizeof(text), *out;
	int exp, n, point, e;

	buf_reserve(b, 40);
	out = b->p + b->n;
	if (d != d) {
		memcpy(out, "null", 4);
		b->n += 4;
		return;
	}
	if (bits >> 63)
		*out++ = '-';
	bits &= INT64_MAX;
	if (bits == 0) {
		*out++ = '0';
		b->n = (size_t)(out - b->p);
		return;
	}
	if (bits >> 52 == 0x7FF)
		bits = bits_of_double(DBL_MAX);
	d = double_of_bits(bits);
	if (d < 9007199254740992.0 && d == (double)(uint64_t)d) {
		for (digits = (uint64_t)d; digits; digits /= 10)
			*--p = (char)('0' + digits % 10);
		memcpy(out, p, (size_t)(text + sizeof(text) - p));
		out += text + sizeof(text) - p;
		b->n = (size_t)(out - b->p);
		return;
	}
	shortest(bits, &digits, &exp);
	for (; digits % 10 == 0; digits /= 10)
		exp++;
	for (; digits; digits /= 10)
		*--p = (char)('0' + digits % 10);
	n = (int)(text + sizeof(text) - p);
	point = n + exp; /* where the point stands, counted from the first digit */
	if (point <= -4 || point > n + 15) {
		*out++ = *p;
		if (n > 1) {
			*out++ = '.';
			memcpy(out, p + 1, (size_t)n - 1);
			out += n - 1;
		}
		e = point - 1;
		*out++ = 'e';
		*out++ = e < 0 ? '-' : '+';
		e = e < 0 ? -e : e;
		if (e >= 100)
			*out++ = (char)('0' + e / 100);
		*out++ = (char)('0' + e / 10 % 10);
		*out++ = (char)('0' + e % 10);
	} else if (point <= 0) {
		memcpy(out, "0.", 2);
		out += 2;
		for (; point < 0; point++)
			*out++ = '0';
		memcpy(out, p, (size_t)n);
		out += n;
	} else if (point < n) {
		memcpy(out, p, (size_t)point);
		out[point] = '.';
		memcpy(out + point + 1, p + point, (size_t)(n - point));
		out += n + 1;
	} else {
		memcpy(out, p, (size_t)n);
		for (out += n; point > n; point--)
			*out++ = '0';
	}
	b->n = (size_t)(out - b->p);
}

bool
json_number_fits_double(struct slice s)
{
	struct decimal x;
	struct buf b = {0};
	char room[48];
	bool fits;
	double d;

	decimal_of(s, &x);
	if (x.zero)
		return true;
	/* 15 digits survive the way through any normal double */
	if (!x.huge.n && x.digits <= DBL_DIG && x.exp > -307 && x.exp < 308)
		return true;
	if (x.digits > 17)
		return false;
	d = json_number_double(s);
	if (isinf(d))
		return false;
	b.p = room; /* json_add_double asks for 40 bytes: nothing is allocated */
	b.cap = sizeof(room);
	json_add_double(&b, d);
	fits = json_number_cmp(s, buf_slice(&b)) == 0;
	return fits;
}
