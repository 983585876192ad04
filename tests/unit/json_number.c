/* Numbers: exact order, canonical form, doubles read as strtod and written as jq 1.6
 * does. */
#include "test.h"

#include <float.h>
#include <jv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json/json.h"
#include "json/pow10.h"

static uint64_t state = 88172645463325252u;

static uint64_t
draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * UINT64_C(0x2545F4914F6CDD1D);
}

static unsigned
below(unsigned n)
{
	return (unsigned)(draw() >> 33) % n;
}

static double
of_bits(uint64_t bits)
{
	double d;

	memcpy(&d, &bits, 8);
	return d;
}

static bool
same_double(double a, double b)
{
	return memcmp(&a, &b, 8) == 0;
}

/* ---- order and canonical form ------------------------------------------------------ */

/* From small to large; those on one line are equal, the first is the canonical form. */
static const char *const ladder[][6] = {
	{"-1e+100000000000000000000000", "-10e99999999999999999999999"},
	{"-9e+99999999999999999999999"},
	{"-1.7976931348623157e+309"},
	{"-1.2345678901234567891e+21", "-1234567890123456789100"},
	{"-12345678901234567891", "-1.2345678901234567891e19",
		"-12345678901234567891.000"},
	{"-12345678901234567890", "-1.234567890123456789e+19"},
	{"-100000000000000000", "-1e+17", "-1E17", "-0.1e18"},
	{"-99999999999999999", "-99999999999999999.0"},
	{"-2", "-2.0", "-0.2e1", "-200e-2"},
	{"-1.9999999999999999999999999999999",
		"-1.9999999999999999999999999999999e+0"},
	{"-1.5", "-1.5e+0", "-15e-1"},
	{"-1", "-1.000000000000000000000000000000"},
	{"-0.1", "-1e-1"},
	{"-1e-999999999999999999999999"},
	{"-1e-1000000000000000000000000", "-0.1e-999999999999999999999999"},
	{"0", "-0", "0.0", "-0.000e99999999999999999999999999", "0e-5", "0E+1"},
	{"1e-1000000000000000000", "0.1e-999999999999999999"},
	{"1e-999999999999999999", "10e-1000000000000000000", "0.01e-999999999999999997"},
	{"2e-999999999999999999"},
	{"5e-324", "0.5e-323"},
	{"1.5e-7", "0.00000015"},
	{"0.000001", "1e-6", "0.0000010", "10E-7"},
	{"0.00000125", "1.25e-6"},
	{"0.1", "1e-1", "1E-1", "0.10", "100e-3", "0.001e2"},
	{"0.101", "1.01e-1"},
	{"1", "1.0", "1e0", "10e-1", "0.1e1", "1.00E+000000000000000000000000"},
	{"1.0000000000000000000000000000000000000001",
		"1.0000000000000000000000000000000000000001e+0"},
	{"2"},
	{"10", "1e1", "1E+1", "1.0e1", "100e-1"},
	{"12", "12.0", "1.2e1"},
	{"12.5", "1.25e+1", "1250e-2"},
	{"9007199254740992"},
	{"9007199254740993", "9007199254740993.0"},
	{"99999999999999999", "9.9999999999999999e16"},
	{"100000000000000000", "1e+17", "1e17", "0.00001e22"},
	{"100000000000000001", "1.00000000000000001e+17"},
	{"12345678901234567891", "1.2345678901234567891e+19"},
	{"12345678901234567892", "1.2345678901234567892e+19"},
	{"100000000000000000000", "1e20"},
	{"100000000000000000000.5", "1000000000000000000005e-1"},
	{"999999999999999999999", "9.99999999999999999999e20"},
	{"1e+21", "1000000000000000000000", "100e19"},
	{"1.5e+21", "1500000000000000000000.0"},
	{"1.7976931348623157e+308"},
	{"1e+1000"},
	{"1e+999999999999999999", "0.1e1000000000000000000", "10e999999999999999998"},
	{"1e+1000000000000000000", "10e999999999999999999", "1000e999999999999999997"},
	{"1.5e+1000000000000000000"},
	{"2e+1000000000000000000"},
	{"1e+999999999999999999999"},
	{"1e+1000000000000000000000", "10e999999999999999999999",
		"0.001e1000000000000000000003"},
	{"1e+1000000000000000000001", "10e1000000000000000000000"},
	{"9e+1000000000000000000001"},
	{"1e+9999999999999999999999"},
};
#define RUNGS (sizeof(ladder) / sizeof(ladder[0]))

static void
order(void)
{
	struct buf b = {0};
	size_t i, j, k, l, wrong = 0, total = 0;
	int want, got;

	for (i = 0; i < RUNGS; i++)
		for (k = 0; k < 6 && ladder[i][k]; k++) {
			buf_reset(&b);
			json_number_canonical(&b, slice_str(ladder[i][k]));
			ok(strcmp(buf_cstr(&b), ladder[i][0]) == 0, "%s is %s",
				ladder[i][k], ladder[i][0]);
			for (j = 0; j < RUNGS; j++)
				for (l = 0; l < 6 && ladder[j][l]; l++) {
					want = (i > j) - (i < j);
					got = json_number_cmp(slice_str(ladder[i][k]),
						slice_str(ladder[j][l]));
					total++;
					if ((got > 0) - (got < 0) == want)
						continue;
					if (!wrong++)
						printf("# %s, %s: %d\n", ladder[i][k],
							ladder[j][l], got);
				}
		}
	ok(wrong == 0, "%zu pairs compare as exact decimals", total);
	buf_release(&b);
}

/* One value, written in many ways: digits, a point somewhere, zeros, an exponent. */
static void
spell(struct buf *b, bool negative, const char *digits, int exp)
{
	int n = (int)strlen(digits), zeros = (int)below(4),
	    point = (int)below((unsigned)n), i;
	int before = (int)below(3) == 0 ? (int)below(30) + 1 : 0;

	buf_reset(b);
	if (negative)
		buf_addc(b, '-');
	if (before) { /* 0.000digits */
		buf_adds(b, "0.");
		for (i = 1; i < before; i++)
			buf_addc(b, '0');
		buf_add(b, digits, (size_t)n);
		exp += before;
	} else {
		buf_add(b, digits, (size_t)point + 1);
		if (point + 1 < n || zeros)
			buf_addc(b, '.');
		buf_add(b, digits + point + 1, (size_t)(n - point - 1));
		exp -= point;
	}
	if (before || zeros || point + 1 < n)
		for (i = 0; i < zeros; i++)
			buf_addc(b, '0');
	buf_addf(b, below(2) ? "e%d" : "E%+04d", exp);
}

static void
spellings(void)
{
	struct buf a = {0}, b = {0}, x = {0}, y = {0};
	int round, n, i, exp, unequal = 0, apart = 0, order_wrong = 0, c;
	char digits[64];
	bool negative;

	for (round = 0; round < 50000; round++) {
		n = 1 + (int)below(40);
		for (i = 0; i < n; i++)
			digits[i] = (char)('0' + below(10));
		digits[0] = (char)('1' + below(9));
		digits[n] = '\0';
		exp = (int)below(60) - 30;
		negative = below(2);
		spell(&a, negative, digits, exp);
		spell(&b, negative, digits, exp);
		buf_reset(&x);
		buf_reset(&y);
		json_number_canonical(&x, buf_slice(&a));
		json_number_canonical(&y, buf_slice(&b));
		unequal += json_number_cmp(buf_slice(&a), buf_slice(&b)) != 0 ||
			!slice_eq(buf_slice(&x), buf_slice(&y)) ||
			json_number_cmp(buf_slice(&a), buf_slice(&y)) != 0;
		/* one digit less: nearer to 0 */
		i = (int)below((unsigned)n);
		if (digits[i] == '0' || (i == 0 && digits[i] == '1'))
			continue;
		digits[i]--;
		spell(&b, negative, digits, exp);
		buf_reset(&y);
		json_number_canonical(&y, buf_slice(&b));
		apart += slice_eq(buf_slice(&x), buf_slice(&y));
		c = json_number_cmp(buf_slice(&a), buf_slice(&b));
		order_wrong += negative ? c >= 0 : c <= 0;
		c = json_number_cmp(buf_slice(&b), buf_slice(&a));
		order_wrong += negative ? c <= 0 : c >= 0;
	}
	ok(unequal == 0,
		"two spellings of a number are equal and have one canonical form");
	ok(apart == 0, "another digit makes another canonical form");
	ok(order_wrong == 0, "and another place in the order");
	buf_release(&a);
	buf_release(&b);
	buf_release(&x);
	buf_release(&y);
}

static void
long_texts(void)
{
	enum { N = 1000000 };
	struct buf a = {0}, b = {0}, x = {0};
	int i;

	buf_adds(&a, "0.");
	buf_adds(&b, "1");
	for (i = 0; i < N; i++) {
		buf_addc(&a, i == N - 1 ? '7' : '0');
		buf_addc(&b, '0');
	}
	json_number_canonical(&x, buf_slice(&a));
	ok(slice_eq(buf_slice(&x), SLICE("7e-1000000")),
		"a million digits after the point");
	buf_reset(&x);
	json_number_canonical(&x, buf_slice(&b));
	ok(slice_eq(buf_slice(&x), SLICE("1e+1000000")), "a million digits before it");
	ok(json_number_cmp(buf_slice(&a), buf_slice(&b)) < 0 &&
		json_number_cmp(buf_slice(&b), buf_slice(&a)) > 0, "their order");
	ok(same_double(json_number_double(buf_slice(&a)), 0) &&
		isinf(json_number_double(buf_slice(&b))), "their doubles");
	b.p[b.n - 1] = '1';
	buf_reset(&x);
	json_number_canonical(&x, buf_slice(&b));
	ok(x.n == N + 1 + 1 + strlen("e+1000000") && x.p[1] == '.' && x.p[N + 1] == '1',
		"a million significant digits are kept");
	buf_adds(&b, "e-1000000");
	ok(same_double(json_number_double(buf_slice(&b)), 1), "and read as a double");
	buf_reset(&b);
	buf_adds(&b, "1e");
	for (i = 0; i < N; i++)
		buf_addc(&b, '9');
	buf_reset(&x);
	buf_adds(&x, "10e");
	for (i = 0; i < N; i++)
		buf_addc(&x, '9');
	ok(json_number_cmp(buf_slice(&b), buf_slice(&x)) < 0 &&
		isinf(json_number_double(buf_slice(&b))), "a million digits of exponent");
	buf_release(&a);
	buf_release(&b);
	buf_release(&x);
}

/* ---- doubles ----------------------------------------------------------------------- */

/* table[q] is 10^q in 128 bits, checked by long arithmetic in base 2^32. */
static bool
power_is_right(int q)
{
	enum { WORDS = 64 };
	uint32_t w[WORDS] = {0}; /* low to high */
	uint64_t carry, high, low;
	int i, k, bits;
	bool rest = false;

	/* 5^q, or 2^2016 / 5^-q; the power of two in 10^q only moves the point */
	w[q < 0 ? WORDS - 1 : 0] = 1;
	for (k = 0; k < q; k++)
		for (i = 0, carry = 0; i < WORDS; i++) {
			carry += (uint64_t)w[i] * 5;
			w[i] = (uint32_t)carry;
			carry >>= 32;
		}
	for (k = 0; k < -q; k++) {
		for (i = WORDS - 1, carry = 0; i >= 0; i--) {
			carry = carry << 32 | w[i];
			w[i] = (uint32_t)(carry / 5);
			carry %= 5;
		}
		rest |= carry != 0;
	}
	for (i = WORDS - 1; !w[i]; i--)
		;
	bits = 32 * i + 32 - __builtin_clz(w[i]);
	for (high = low = 0, k = 1; k <= 128; k++) {
		high = high << 1 | low >> 63;
		low <<= 1;
		i = bits - k;
		if (i >= 0)
			low |= w[i / 32] >> (i % 32) & 1;
	}
	if (q < 0 && q >= -27)
		high += ++low == 0;
	return high == pow10_table[q - POW10_MIN][0] &&
	       low == pow10_table[q - POW10_MIN][1];
}

static void
powers(void)
{
	int q, wrong = 0;

	for (q = POW10_MIN; q <= POW10_MAX; q++)
		wrong += !power_is_right(q);
	ok(wrong == 0, "the table of powers of ten");
}

static void
written(void)
{
	static const struct {
		double d;
		const char *text;
	} t[] = {
		{0.0, "0"},
		{-0.0, "-0"},
		{3.0, "3"},
		{-1.5, "-1.5"},
		{0.1, "0.1"},
		{19.99 * 3, "59.97"},
		{0.1 + 0.2, "0.30000000000000004"},
		{123456789012.0, "123456789012"},
		{1e15, "1000000000000000"},
		{9007199254740991.0, "9007199254740991"},
		{9007199254740992.0, "9007199254740992"},
		{1e16, "1e+16"},
		{1e17, "1e+17"},
		{1e18, "1e+18"},
		{1.5e17, "1.5e+17"},
		{123456789012345678.0, "123456789012345680"},
		{12345678901234567890.0, "12345678901234567000"},
		{1e22, "1e+22"},
		{1e100, "1e+100"},
		{0.001, "0.001"},
		{0.0001, "0.0001"},
		{1e-5, "1e-05"},
		{1.234e-5, "1.234e-05"},
		{1e-7, "1e-07"},
		{1e-300, "1e-300"},
		{5e-324, "5e-324"},
		{DBL_MIN, "2.2250738585072014e-308"},
		{DBL_MAX, "1.7976931348623157e+308"},
		{HUGE_VAL, "1.7976931348623157e+308"},
		{-HUGE_VAL, "-1.7976931348623157e+308"},
	};
	struct buf b = {0};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_release(&b);
		json_add_double(&b, t[i].d);
		ok(strcmp(buf_cstr(&b), t[i].text) == 0, "%.17g is written %s", t[i].d,
			t[i].text);
	}
	buf_reset(&b);
	json_add_double(&b, nan(""));
	ok(strcmp(buf_cstr(&b), "null") == 0, "not a number is null");
	buf_release(&b);
}

static int wrong_text, wrong_back, wrong_fit;

/* As jq writes it; read back as it was; and known to lose nothing. */
static void
one(double d)
{
	struct buf b = {0};
	jv text;

	if (!isfinite(d))
		return;
	json_add_double(&b, d);
	text = jv_dump_string(jv_number(d), 0);
	if (strcmp(buf_cstr(&b), jv_string_value(text)) != 0 && !wrong_text++)
		printf("# %s, jq %s\n", buf_cstr(&b), jv_string_value(text));
	jv_free(text);
	wrong_back += !same_double(json_number_double(buf_slice(&b)), d);
	wrong_fit += !json_number_fits_double(buf_slice(&b));
	buf_release(&b);
}

static void
as_jq(void)
{
	int i, k;

	for (i = 0; i < 2048; i++)
		for (k = -2; k <= 2; k++) {
			one(of_bits(((uint64_t)i << 52) + (uint64_t)(int64_t)k));
			one(-of_bits(((uint64_t)i << 52) + (uint64_t)(int64_t)k));
		}
	for (i = 0; i < 20000; i++) {
		one(of_bits(draw()));
		one(of_bits((draw() & ((UINT64_C(1) << 52) - 1)) >>
			    below(52))); /* subnormal */
		one((double)(int64_t)draw());
		one((double)(draw() >> below(64)));
		one((double)below(1000000000) / 100);
		one((double)below(100000) * 0.01 * (double)below(7));
		one(ldexp((double)below(100000), (int)below(80)));
		one((double)below(1000) * pow(10, (double)below(40) - 20));
	}
	ok(wrong_text == 0, "180,000 doubles are written as jq writes them");
	ok(wrong_back == 0, "and are read back");
	ok(wrong_fit == 0, "and lose nothing by it");
}

static int wrong_read;

static void
read_one(const char *text)
{
	char *end;

	if (same_double(json_number_double(slice_str(text)), strtod(text, &end)) || *end)
		return;
	if (!wrong_read++)
		printf("# %s: %.17g\n", text, json_number_double(slice_str(text)));
}

static void
reads(void)
{
	static const char *const hard[] = {
		"0",
		"-0",
		"0.0",
		"-0.0e5",
		"1e22",
		"1e23",
		"9007199254740993",
		"9007199254740992.9999999999",
		"9007199254740993.0000000001",
		"0.1e-307",
		"2.2250738585072011e-308",
		"2.2250738585072012e-308",
		"2.2250738585072014e-308",
		"4.9406564584124654e-324",
		"2.4703282292062327e-324",
		"2.4703282292062328e-324",
		"1.7976931348623157e308",
		"1.7976931348623158e308",
		"1.7976931348623159e308",
		"1.797693134862315807e308",
		"1e308",
		"1e309",
		"-1e309",
		"1e-400",
		"1e99999999999999999999",
		"1e-99999999999999999999",
		"18446744073709551615",
		"18446744073709551616",
		"9999999999999999999",
		"99999999999999999999",
		"0.000000000000000000000000000000000000000000000000000000000000000000001",
		"6929495644600919.5",
		"3.7455744005952583e15",
		"2.2250738585072011e-0308",
		"7.2057594037927933e16",
		"1.00000000000000011102230246251565404236316680908203125",
		"1.00000000000000011102230246251565404236316680908203124",
		"1.00000000000000011102230246251565404236316680908203126",
		"179769313486231580793728971405303415079934132710037826936173778980444968"
		"292764750"
		"946649017977587207096330286416692887910946555547851940402630657488671505"
		"8206819e150",
	};
	unsigned long long a, b, c;
	char text[1200];
	uint64_t bits;
	double d, e;
	size_t i;

	for (i = 0; i < sizeof(hard) / sizeof(hard[0]); i++)
		read_one(hard[i]);
	ok(wrong_read == 0, "hard cases of reading");
	for (i = 0; i < 20000; i++) {
		a = draw() >> below(64);
		b = draw() >> below(64);
		c = draw() >> below(64);
		snprintf(text, sizeof(text), "%llue%d", a, (int)below(700) - 360);
		read_one(text);
		snprintf(text, sizeof(text), "%llu.%llu", a, b);
		read_one(text);
		snprintf(text, sizeof(text), "-%llu.%llu%llue-%d", a, b, c,
			(int)below(340));
		read_one(text);
		/* between two doubles, and a little above */
		bits = draw() & (i & 1 ? UINT64_C(0x001FFFFFFFFFFFFF)
				       : UINT64_C(0x7FEFFFFFFFFFFFFF));
		d = of_bits(bits);
		e = of_bits(bits + 1);
		if (!isfinite(e) || (i & 7) > 1)
			continue;
		snprintf(text, sizeof(text), "%.1100Le",
			((long double)d + (long double)e) / 2);
		read_one(text);
		strchr(text, 'e')[-1] = '1';
		read_one(text);
	}
	ok(wrong_read == 0, "85,000 texts are read as strtod reads them");
	ok(isinf(json_number_double(SLICE("1e400"))) &&
			json_number_double(SLICE("-1e400")) < 0,
		"what is too large is infinite");
}

static void
fits(void)
{
	static const struct {
		const char *text;
		bool fits;
	} t[] = {
		{"0", true},
		{"-0", true},
		{"0.0e999999999999999999999", true},
		{"1.10", true},
		{"19.99", true},
		{"1e5", true},
		{"123456789012345", true},
		{"9007199254740991", true},
		{"9007199254740992", true},
		{"9007199254740993", false},
		{"9007199254740994", true},
		{"12345678901234567890", false},
		{"12345678901234567000", true},
		{"0.30000000000000004", true},
		{"0.30000000000000005", false},
		{"0.300000000000000040", true},
		{"0.1000000000000000055511151231257827", false},
		{"1e308", true},
		{"1.7976931348623157e308", true},
		{"1e309", false},
		{"-1e1000", false},
		{"1.797693134862316e308", false},
		{"5e-324", true},
		{"4.9e-324", false},
		{"1e-400", false},
		{"2.2250738585072014e-308", true},
		{"1e-310", true},
		{"1.5e-323", true},
		{"1e99999999999999999999", false},
		{"1e-99999999999999999999", false},
		{"100000000000000000000000", true},
		{"100000000000000000000001", false},
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		ok(json_number_fits_double(slice_str(t[i].text)) == t[i].fits,
			"%s %s a double", t[i].text, t[i].fits ? "fits" : "does not fit");
}

int
main(void)
{
	order();
	spellings();
	long_texts();
	powers();
	written();
	as_jq();
	reads();
	fits();
	return done();
}
