/* The exact sum of two numbers. */
#include "test.h"

#include <string.h>

#include "json/json.h"

static uint64_t state = 88172645463325252u;

static unsigned
below(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % n;
}

static bool
sum_is(struct slice a, struct slice b, struct slice want, bool say)
{
	struct buf got = {0};
	bool good = json_number_add(&got, a, b) && slice_eq(buf_slice(&got), want);

	if (!good || say)
		ok(good, "%.*s + %.*s = %.*s%s%.*s", (int)a.n, a.p, (int)b.n, b.p, (int)want.n,
			want.p, good ? "" : ", not ", good ? 0 : (int)got.n, got.p ? got.p : "");
	buf_release(&got);
	return good;
}

/* A number and the same one written at length, so that the long way is taken. */
static void
make(struct buf *b, int64_t *v, unsigned scale)
{
	uint64_t n;
	char text[32];
	int len;

	n = (uint64_t)below(1u << (1 + below(30))) * (1 + below(1000));
	*v = below(2) ? -(int64_t)n : (int64_t)n;
	len = snprintf(text, sizeof(text), "%0*llu", (int)scale + 1, (unsigned long long)n);
	if (*v < 0)
		buf_addc(b, '-');
	buf_add(b, text, (size_t)len - scale);
	if (scale) {
		buf_addc(b, '.');
		buf_add(b, text + len - scale, scale);
	}
}

int
main(void)
{
	static const char *const cases[][3] = {
		{"1", "2", "3"}, {"1.10", "2.2", "3.30"}, {"0.1", "0.2", "0.3"},
		{"1.5", "-1.50", "0.00"}, {"-1", "1", "0"}, {"-0", "0", "0"}, {"5", "-7", "-2"},
		{"-0.5", "0.25", "-0.25"}, {"-3", "-4", "-7"}, {"9.99", "0.01", "10.00"},
		{"12345678901234567890", "1", "12345678901234567891"},
		{"99999999999999999999", "1", "100000000000000000000"},
		{"-99999999999999999999", "99999999999999999999", "0"},
		{"9223372036854775807", "9223372036854775807", "18446744073709551614"},
		{"999999999999999999", "0.5", "999999999999999999.5"},
		{"99999999999999999.9", "0.00000000000000001", "99999999999999999.90000000000000001"},
		{"1e3", "1", "1001"}, {"1E+3", "0.5", "1000.5"}, {"1e-3", "1", "1.001"},
		{"2.5e1", "2.5e1", "50"}, {"1e20", "-1", "99999999999999999999"},
		{"-1e20", "1", "-99999999999999999999"}, {"0e999999999", "5", "5"},
		{"0e-999999999", "5", "5"}, {"1.25e-2", "0", "0.0125"},
	};
	struct buf a = {0}, b = {0}, want = {0}, far = {0};
	int64_t v, w;
	unsigned scale;
	bool good = true, lengthen;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sum_is(slice_str(cases[i][0]), slice_str(cases[i][1]), slice_str(cases[i][2]), true);
		sum_is(slice_str(cases[i][1]), slice_str(cases[i][0]), slice_str(cases[i][2]), true);
	}
	for (i = 0; i < 200000 && good; i++) {
		buf_reset(&a);
		buf_reset(&b);
		buf_reset(&want);
		scale = below(6);
		make(&a, &v, scale);
		make(&b, &w, scale);
		lengthen = below(2); /* the long way: an exponent that changes nothing */
		if (lengthen)
			buf_adds(&a, "e0");
		v += w;
		if (v < 0)
			buf_addc(&want, '-');
		buf_addf(&want, "%0*llu", (int)scale + 1,
			(unsigned long long)(v < 0 ? -v : v));
		if (scale) {
			buf_addc(&want, '.');
			memmove(want.p + want.n - scale, want.p + want.n - scale - 1, scale);
			want.p[want.n - scale - 1] = '.';
		}
		good = sum_is(buf_slice(&a), buf_slice(&b), buf_slice(&want), false);
	}
	ok(good, "200,000 sums, by the short way and by the long");
	ok(!json_number_add(&far, SLICE("1e99999999999999999999"), SLICE("1")) && !far.n,
		"an exponent beyond all measure is refused");
	ok(!json_number_add(&far, SLICE("1"), SLICE("1e-5000")) && !far.n,
		"in either of the two");
	buf_release(&a);
	buf_release(&b);
	buf_release(&want);
	buf_release(&far);
	return done();
}
