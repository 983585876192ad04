/* Instants and durations: RFC 3339, epochs, "1h30m". */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "time/time.h"

#define NO TIME_NONE

static void
rfc3339(void)
{
	static const struct {
		const char *text;
		int64_t us;
	} t[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1970-01-01t00:00:00z", 0},
		{"1970-01-01 00:00:00Z", 0},
		{"1969-12-31T23:59:59.999999Z", -1},
		{"1970-01-01T00:00:00.1Z", 100000},
		{"1970-01-01T00:00:00.12Z", 120000},
		{"1970-01-01T00:00:00.123Z", 123000},
		{"1970-01-01T00:00:00.1234Z", 123400},
		{"1970-01-01T00:00:00.12345Z", 123450},
		{"1970-01-01T00:00:00.123456Z", 123456},
		{"1970-01-01T00:00:00.1234567Z", 123456},
		{"1970-01-01T00:00:00.12345678Z", 123456},
		{"1970-01-01T00:00:00.123456789Z", 123456},
		{"1970-01-01T00:00:00.1234567899Z", 123456},
		{"1970-01-01T00:00:00.12345678999Z", 123456},
		{"1970-01-01T00:00:00.999999999999Z", 999999},
		{"1970-01-01T00:00:00.000000999Z", 0},
		{"2026-01-02T03:04:05.678901+02:00", 1767315845678901},
		{"2026-01-02T01:04:05.678901Z", 1767315845678901},
		{"2026-01-01T21:34:05.678901-03:30", 1767315845678901},
		{"2026-01-02T01:04:05.678901-00:00", 1767315845678901},
		{"2000-02-29T12:00:00Z", 951825600000000},
		{"2024-02-29T00:00:00Z", 1709164800000000},
		{"2016-12-31T23:59:60Z", 1483228799999999},
		{"2016-12-31T23:59:60.5Z", 1483228799999999},
		{"2017-01-01T00:59:60+01:00", 1483228799999999},
		{"0000-01-01T00:00:00Z", TIME_US_MIN},
		{"0000-02-29T00:00:00Z", TIME_US_MIN + 59 * INT64_C(86400000000)},
		{"9999-12-31T23:59:59.999999Z", TIME_US_MAX},
		{"9999-12-31T23:59:59.9999999Z", TIME_US_MAX},
		{"9999-12-31T23:59:60Z", TIME_US_MAX},
		{"0000-01-01T00:00:00+00:01", NO},
		{"9999-12-31T23:59:59-00:01", NO},
		{"0000-01-01T00:00:00-00:01", TIME_US_MIN + 60000000},
		{"1970-01-01T00:00:00+23:59", -86340000000},
		{"1970-01-01T00:00:00+24:00", NO},
		{"1970-01-01T00:00:00+01:60", NO},
		{"1970-01-01T00:00:00+0100", NO},
		{"1970-01-01T00:00:00+01", NO},
		{"1970-01-01T00:00:00+1:00", NO},
		{"1970-01-01T00:00:00", NO},
		{"1970-01-01T00:00:00.", NO},
		{"1970-01-01T00:00:00.Z", NO},
		{"1970-01-01T00:00:00,5Z", NO},
		{"1970-01-01T00:00:00.5", NO},
		{"1970-01-01T00:00:00.5x", NO},
		{"1970-01-01T00:00:00ZZ", NO},
		{"1970-01-01T00:00:00Z ", NO},
		{" 1970-01-01T00:00:00Z", NO},
		{"1970-01-01T00:00:0Z", NO},
		{"1970-01-01T00:00Z", NO},
		{"1970-01-01", NO},
		{"1970-01-01T24:00:00Z", NO},
		{"1970-01-01T23:60:00Z", NO},
		{"1970-01-01T23:59:61Z", NO},
		{"1970-00-01T00:00:00Z", NO},
		{"1970-13-01T00:00:00Z", NO},
		{"1970-01-00T00:00:00Z", NO},
		{"1970-01-32T00:00:00Z", NO},
		{"2026-02-29T00:00:00Z", NO},
		{"2026-02-30T00:00:00Z", NO},
		{"2024-02-30T00:00:00Z", NO},
		{"2026-04-31T00:00:00Z", NO},
		{"1900-02-29T00:00:00Z", NO},
		{"2100-02-29T00:00:00Z", NO},
		{"2000-02-30T00:00:00Z", NO},
		{"1970-01-01_00:00:00Z", NO},
		{"1970/01/01T00:00:00Z", NO},
		{"1970-01-01T00.00.00Z", NO},
		{"+970-01-01T00:00:00Z", NO},
		{"19700-01-01T00:00:00Z", NO},
		{"-1970-01-01T00:00:00Z", NO},
		{"1970-01-01T-1:00:00Z", NO},
		{"1970-01-01T 1:00:00Z", NO},
		{"197\xD9\xA0-01-01T00:00:00Z", NO},
		{"", NO},
	};
	int64_t us;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		us = NO;
		ok((time_of_rfc3339(slice_str(t[i].text), &us) == 0) == (t[i].us != NO) &&
			us == t[i].us, "'%s' is %lld", t[i].text, (long long)t[i].us);
	}
}

/* Each prefix of a time, alone in memory, is refused and not read beyond. */
static void
prefixes(void)
{
	static const char text[] = "2026-01-02T03:04:05.678901+02:00";
	size_t n, refused = 0;
	int64_t us;
	char *p;

	for (n = 0; n < sizeof(text) - 1; n++) {
		p = malloc(n ? n : 1);
		if (!p)
			abort();
		memcpy(p, text, n);
		refused += time_of_rfc3339(slice_of(p, n), &us) != 0;
		free(p);
	}
	ok(refused == sizeof(text) - 1, "no prefix of a time is a time");
}

static bool
is_leap(int y)
{
	return y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
}

/* Every day of years 0000 to 9999, counted one by one, there and back. */
static void
every_day(void)
{
	static const int days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t us = TIME_US_MIN, got;
	struct buf b = {0};
	long wrong = 0, total = 0;
	char text[40];
	int y, m, d;

	for (y = 0; y <= 9999; y++)
		for (m = 1; m <= 12; m++)
			for (d = 1; d <= days[m] + (m == 2 && is_leap(y)); d++) {
				sprintf(text, "%04d-%02d-%02dT00:00:00Z", y, m, d);
				buf_reset(&b);
				time_add_rfc3339(&b, us);
				if (time_of_rfc3339(slice_str(text), &got) != 0 ||
					got != us || strcmp(buf_cstr(&b), text) != 0)
					wrong++;
				us += INT64_C(86400000000);
				total++;
			}
	ok(wrong == 0 && us == TIME_US_MAX + 1 && total == 3652425,
		"every day of years 0000 to 9999, read and written");
	buf_release(&b);
}

static void
written(void)
{
	static const struct {
		int64_t us;
		const char *text;
	} t[] = {
		{0, "1970-01-01T00:00:00Z"},
		{-1, "1969-12-31T23:59:59.999999Z"},
		{1000, "1970-01-01T00:00:00.001Z"},
		{1001, "1970-01-01T00:00:00.001001Z"},
		{100000, "1970-01-01T00:00:00.100Z"},
		{1, "1970-01-01T00:00:00.000001Z"},
		{1767315845678000, "2026-01-02T01:04:05.678Z"},
		{TIME_US_MIN, "0000-01-01T00:00:00Z"},
		{TIME_US_MAX, "9999-12-31T23:59:59.999999Z"},
		{TIME_NONE, "0000-01-01T00:00:00Z"},
		{INT64_MAX, "9999-12-31T23:59:59.999999Z"},
	};
	struct buf b = {0};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		buf_reset(&b);
		time_add_rfc3339(&b, t[i].us);
		ok(strcmp(buf_cstr(&b), t[i].text) == 0, "%lld is written %s",
			(long long)t[i].us, t[i].text);
	}
	buf_release(&b);
}

static void
epochs(void)
{
	static const struct {
		const char *text;
		enum time_unit unit;
		int64_t us;
	} t[] = {
		{"0", TIME_UNIT_AUTO, 0},
		{"-0", TIME_UNIT_AUTO, 0},
		{"0e999999999999999999999999", TIME_UNIT_S, 0},
		{"0.000", TIME_UNIT_AUTO, 0},
		{"1767315845", TIME_UNIT_AUTO, 1767315845000000},
		{"1767315845678", TIME_UNIT_AUTO, 1767315845678000},
		{"1767315845678901", TIME_UNIT_AUTO, 1767315845678901},
		{"1767315845.678901", TIME_UNIT_AUTO, 1767315845678901},
		{"1767315845.6789019", TIME_UNIT_AUTO, 1767315845678901},
		{"1767315845678.901", TIME_UNIT_AUTO, 1767315845678901},
		{"1767315845678901.999", TIME_UNIT_AUTO, 1767315845678901},
		{"1.767315845678901e9", TIME_UNIT_AUTO, 1767315845678901},
		{"1.767315845678901E+12", TIME_UNIT_AUTO, 1767315845678901},
		{"1767315845678901e-6", TIME_UNIT_AUTO, 1767315845678901},
		{"0.1767315845678901e10", TIME_UNIT_S, 1767315845678901},
		{"0.0001767315845678901e13", TIME_UNIT_S, 1767315845678901},
		{"176731584567890100000e-11", TIME_UNIT_S, 1767315845678901},
		{"99999999999", TIME_UNIT_AUTO, 99999999999000000},
		{"99999999999.999999", TIME_UNIT_AUTO, 99999999999999999},
		{"100000000000", TIME_UNIT_AUTO, 100000000000000},
		{"99999999999999", TIME_UNIT_AUTO, 99999999999999000},
		{"100000000000000", TIME_UNIT_AUTO, 100000000000000},
		{"-99999999999", TIME_UNIT_AUTO, NO},
		{"-1767315845", TIME_UNIT_AUTO, -1767315845000000},
		{"-0.0000001", TIME_UNIT_S, -1},
		{"-1.0000001", TIME_UNIT_S, -1000001},
		{"-1.0000010", TIME_UNIT_S, -1000001},
		{"0.0000009", TIME_UNIT_S, 0},
		{"1e-400", TIME_UNIT_S, 0},
		{"-1e-99999999999999999999999", TIME_UNIT_S, -1},
		{"1e99999999999999999999999", TIME_UNIT_US, NO},
		{"1e17", TIME_UNIT_US, 100000000000000000},
		{"1e18", TIME_UNIT_US, NO},
		{"1e3", TIME_UNIT_MS, 1000000},
		{"12345678901234567890", TIME_UNIT_US, NO},
		{"253402300799.999999", TIME_UNIT_S, TIME_US_MAX},
		{"253402300799.9999999", TIME_UNIT_S, TIME_US_MAX},
		{"253402300800", TIME_UNIT_S, NO},
		{"253402300799999", TIME_UNIT_MS, 253402300799999000},
		{"253402300799999999", TIME_UNIT_US, TIME_US_MAX},
		{"253402300800000000", TIME_UNIT_US, NO},
		{"-62167219200", TIME_UNIT_S, TIME_US_MIN},
		{"-62167219200.0000001", TIME_UNIT_S, NO},
		{"-62167219201", TIME_UNIT_S, NO},
		{"5", TIME_UNIT_MS, 5000},
		{"5", TIME_UNIT_US, 5},
		{"", TIME_UNIT_S, NO},
		{"-", TIME_UNIT_S, NO},
		{"x", TIME_UNIT_S, NO},
		{"1.", TIME_UNIT_S, NO},
		{"1.e3", TIME_UNIT_S, NO},
		{"1e", TIME_UNIT_S, NO},
		{"1e+", TIME_UNIT_S, NO},
		{"1e5x", TIME_UNIT_S, NO},
		{"1 ", TIME_UNIT_S, NO},
		{"1.2.3", TIME_UNIT_S, NO},
		{"\"1\"", TIME_UNIT_S, NO},
	};
	int64_t us;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		us = NO;
		ok((time_of_epoch(slice_str(t[i].text), t[i].unit, &us) == 0) ==
			(t[i].us != NO) && us == t[i].us, "epoch %s, unit %d, is %lld",
			t[i].text, t[i].unit, (long long)t[i].us);
	}
}

static void
durations(void)
{
	static const struct {
		const char *text;
		int64_t us;
		const char *again;
	} t[] = {
		{"0", 0, "0"},
		{"0s", 0, "0"},
		{"250us", 250, "250us"},
		{"500ms", 500000, "500ms"},
		{"10s", 10000000, "10s"},
		{"5m", 300000000, "5m"},
		{"1h30m", 5400000000, "1h30m"},
		{"90m", 5400000000, "1h30m"},
		{"7d", 604800000000, "7d"},
		{"1d2h3m4s5ms6us", 93784005006, "1d2h3m4s5ms6us"},
		{"1500ms", 1500000, "1s500ms"},
		{"1m1ms", 60001000, "1m1ms"},
		{"007s", 7000000, "7s"},
		{"106751991d", 9223372022400000000, "106751991d"},
		{"9223372036854775807us", INT64_MAX, "106751991d4h54s775ms807us"},
		{"106751991d4h54s775ms807us", INT64_MAX, "106751991d4h54s775ms807us"},
		{"106751991d4h54s775ms808us", NO, NULL},
		{"9223372036854775808us", NO, NULL},
		{"9223372036854775807ms", NO, NULL},
		{"106751992d", NO, NULL},
		{"99999999999999999999999999s", NO, NULL},
		{"", NO, NULL},
		{"1", NO, NULL},
		{"00", NO, NULL},
		{"-5s", NO, NULL},
		{"+5s", NO, NULL},
		{"1.5h", NO, NULL},
		{"5 s", NO, NULL},
		{" 5s", NO, NULL},
		{"5s ", NO, NULL},
		{"s", NO, NULL},
		{"5S", NO, NULL},
		{"5M", NO, NULL},
		{"1w", NO, NULL},
		{"5sec", NO, NULL},
		{"1s1s", NO, NULL},
		{"1s1m", NO, NULL},
		{"30m1h", NO, NULL},
		{"1ms1s", NO, NULL},
		{"1us1ms", NO, NULL},
		{"1h30", NO, NULL},
		{"5msms", NO, NULL},
		{"1e3s", NO, NULL},
	};
	struct buf b = {0};
	int64_t us;
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		us = NO;
		ok((time_of_duration(slice_str(t[i].text), &us) == 0) ==
					(t[i].us != NO) &&
				us == t[i].us,
			"duration '%s' is %lld us", t[i].text, (long long)t[i].us);
		if (t[i].us == NO)
			continue;
		buf_reset(&b);
		time_add_duration(&b, t[i].us);
		ok(strcmp(buf_cstr(&b), t[i].again) == 0, "and is written %s",
			t[i].again);
	}
	buf_reset(&b);
	time_add_duration(&b, -5400000000);
	buf_addc(&b, ' ');
	time_add_duration(&b, INT64_MIN);
	ok(strcmp(buf_cstr(&b), "-1h30m -106751991d4h54s775ms808us") == 0,
		"negative durations are written with a minus sign");
	buf_release(&b);
}

/* Times of one minute and another, good and bad: the memo changes nothing. */
static void
near(void)
{
	static const char *const minute[] = {"2026-01-02T09:00", "2026-01-02T09:01", "2026-02-29T00:00",
		"2024-02-29T23:59", "0000-01-01T00:00", "9999-12-31T23:59", "2026-01-02t09:00"};
	static const char *const rest[] = {":00Z", ":59.5Z", ":60Z", ":61Z", ":07.123456Z",
		":07.1234567890123456789Z", ":7Z", ":07", ":07.Z", ":07z", ":07+01:00", ":07.5-23:59", "Z",
		":07Z ", ":0xZ", ":07.123Z", ":59.999Z", ":60.123Z", ":77.123Z", ":07.12:Z", ":07.1/3Z",
		":07,123Z", ";07.123Z", ":0:.123Z", ":07.\xb1" "23Z", ":07.123z", ":07.1234", "T07.123Z"};
	struct time_memo memo = {.known = false};
	struct buf a = {0}, b = {0};
	char text[64];
	size_t i, j, round, bad = 0, wrong = 0;

	for (round = 0; round < 3; round++)
		for (i = 0; i < sizeof(minute) / sizeof(*minute); i++)
			for (j = 0; j < 2 * sizeof(rest) / sizeof(*rest); j++) {
				int64_t want = 0, got = 0;
				int rc;

				snprintf(text, sizeof(text), "%s%s", minute[round == 2 ? j % 7 : i],
					rest[j % (sizeof(rest) / sizeof(*rest))]);
				rc = time_of_rfc3339(slice_str(text), &want);
				bad += time_of_rfc3339_near(&memo, slice_str(text), &got) != rc ||
					got != want;
			}
	/* Known or not, written as it is alone. */
	for (i = 0; i < 20000; i++) {
		int64_t us = (int64_t)(i % 3 ? i * 123457 : i * i * 4611686018 % 253402300800000000) -
			(i % 4 ? 90000000 : TIME_US_MAX / 5);

		buf_reset(&a);
		buf_reset(&b);
		time_add_rfc3339(&a, us);
		time_add_rfc3339_near(&memo, &b, us);
		wrong += !slice_eq(buf_slice(&a), buf_slice(&b));
	}
	buf_release(&a);
	buf_release(&b);
	ok(!wrong, "and written (%zu not)", wrong);
	ok(!bad, "times near each other are read as they are alone (%zu not)", bad);
}

int
main(void)
{
	near();
	int64_t before = time_now_us(), tick = time_monotonic_ns();

	rfc3339();
	prefixes();
	every_day();
	written();
	epochs();
	durations();
	ok(time_now_us() >= before && before > 1700000000000000, "the wall clock goes");
	ok(time_monotonic_ns() > tick, "the monotonic clock goes");
	return done();
}
