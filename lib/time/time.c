/*
 * Instants and durations, in whole microseconds: no double, no time zone data, no libc
 * calendar. Days are counted by the rule of Hinnant, "chrono-compatible low-level date
 * algorithms": a year that begins in March ends with its leap day.
 */
#include "time/near.h"

#include <time.h>

#define US_SECOND INT64_C(1000000)
#define US_MINUTE (60 * US_SECOND)
#define US_HOUR (60 * US_MINUTE)
#define US_DAY (24 * US_HOUR)

/* Days from 1970-01-01 to a day of the Gregorian calendar, extended to year 0. */
static int64_t
days_of_date(int64_t year, int64_t month, int64_t day)
{
	int64_t era, year_of_era, day_of_year;

	year -= month <= 2;
	era = (year >= 0 ? year : year - 399) / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
		day_of_year - 719468;
}

static void
date_of_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	int64_t era, day_of_era, year_of_era, day_of_year, m;

	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	day_of_era = days - era * 146097;
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
		day_of_era / 146096) / 365;
	day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	m = (5 * day_of_year + 2) / 153;
	*day = (unsigned)(day_of_year - (153 * m + 2) / 5 + 1);
	*month = (unsigned)(m < 10 ? m + 3 : m - 9);
	*year = (unsigned)(year_of_era + era * 400 + (*month <= 2));
}

static bool
is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* n digits as a number, or something negative. */
static int
digits(const char *p, int n)
{
	int v = 0, i;

	for (i = 0; i < n; i++) {
		if (!is_digit(p[i]))
			return -1;
		v = v * 10 + (p[i] - '0');
	}
	return v;
}

static int
days_in_month(int year, int month)
{
	static const char days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return days[month];
}

int
time_of_rfc3339(struct slice s, int64_t *us)
{
	const char *p = s.p, *end = s.p + s.n;
	int year, month, day, hour, minute, second, zone_hour, zone_minute;
	int64_t t, fraction = 0, scale = US_SECOND;

	if (s.n < 20 || p[4] != '-' || p[7] != '-' || p[13] != ':' || p[16] != ':' ||
		(p[10] != 'T' && p[10] != 't' && p[10] != ' '))
		return -1;
	year = digits(p, 4);
	month = digits(p + 5, 2);
	day = digits(p + 8, 2);
	hour = digits(p + 11, 2);
	minute = digits(p + 14, 2);
	second = digits(p + 17, 2);
	if (year < 0 || month < 1 || month > 12 || day < 1 ||
		day > days_in_month(year, month) || hour < 0 || hour > 23 || minute < 0 ||
		minute > 59 || second < 0 || second > 60)
		return -1;
	p += 19;
	if (*p == '.') {
		if (++p == end || !is_digit(*p))
			return -1;
		for (; p < end && is_digit(*p); p++) {
			scale /= 10;
			fraction += scale * (*p - '0');
		}
	}
	if (second == 60) {
		second = 59;
		fraction = US_SECOND - 1;
	}
	t = days_of_date(year, month, day) * US_DAY + hour * US_HOUR +
		minute * US_MINUTE + second * US_SECOND + fraction;
	if (p == end)
		return -1;
	if (*p == 'Z' || *p == 'z') {
		p++;
	} else {
		if (end - p < 6 || (*p != '+' && *p != '-') || p[3] != ':')
			return -1;
		zone_hour = digits(p + 1, 2);
		zone_minute = digits(p + 4, 2);
		if (zone_hour < 0 || zone_hour > 23 || zone_minute < 0 ||
			zone_minute > 59)
			return -1;
		t += (zone_hour * US_HOUR + zone_minute * US_MINUTE) *
			(*p == '-' ? 1 : -1);
		p += 6;
	}
	if (p != end || t < TIME_US_MIN || t > TIME_US_MAX)
		return -1;
	*us = t;
	return 0;
}

/* ":07Z", ":07.5Z" ... to the instant less the minute; false: something else. */
static bool
seconds_of(const char *p, const char *end, int64_t *us)
{
	int64_t scale = US_SECOND, part;
	int second;

	if (*p != ':' || (second = digits(p + 1, 2)) < 0 || second > 59)
		return false;
	part = second * US_SECOND;
	p += 3;
	if (*p == '.' && is_digit(p[1]))
		for (p++; p < end && is_digit(*p); p++) {
			scale /= 10;
			part += scale * (*p - '0');
		}
	*us = part;
	return *p == 'Z' && p + 1 == end;
}

int
time_of_rfc3339_near(struct time_memo *memo, struct slice s, int64_t *us)
{
	int64_t part;

	if (s.n == TIME_NEAR_BYTES && time_is_near(memo, s.p, us))
		return 0;
	if (s.n >= 20 && memo->known && memcmp(s.p, memo->minute, sizeof(memo->minute)) == 0 &&
		seconds_of(s.p + 16, s.p + s.n, &part)) {
		*us = memo->us + part;
		return 0;
	}
	if (time_of_rfc3339(s, us) < 0)
		return -1;
	if (seconds_of(s.p + 16, s.p + s.n, &part)) {
		memcpy(memo->minute, s.p, sizeof(memo->minute));
		memo->us = *us - part;
		memo->known = true;
	}
	return 0;
}

/*
 * The number is 0.FIRST... × 10^point, FIRST its first digit that isn't 0. Digits before
 * the microsecond's place make the instant; those after it only tell whether there is a
 * rest, which counts towards the past, as the fraction of an RFC 3339 time does.
 */
int
time_of_epoch(struct slice s, enum time_unit unit, int64_t *us)
{
	const char *p = s.p, *end = s.p + s.n, *first = NULL;
	int64_t exp = 0, point = 0, v = 0, places, bound;
	bool negative, down = false, seen_point = false, rest = false;

	negative = p < end && *p == '-';
	p += negative;
	if (p == end || !is_digit(*p))
		return -1;
	for (; p < end && (is_digit(*p) || (*p == '.' && !seen_point)); p++) {
		if (*p == '.') {
			seen_point = true;
			if (++p == end || !is_digit(*p))
				return -1;
		}
		if (!first && *p != '0')
			first = p;
		if (first && !seen_point)
			point++;
		else if (!first && seen_point)
			point--;
	}
	if (p < end) {
		if ((*p | 0x20) != 'e' || ++p == end)
			return -1;
		if (*p == '-' || *p == '+')
			down = *p++ == '-';
		if (p == end)
			return -1;
		for (; p < end && is_digit(*p); p++)
			if (exp < INT64_MAX / 16)
				exp = exp * 10 + (*p - '0');
		if (p != end)
			return -1;
	}
	if (!first) {
		*us = 0;
		return 0;
	}
	point += down ? -exp : exp;
	if (unit == TIME_UNIT_AUTO && point <= 11)
		unit = TIME_UNIT_S;
	else if (unit == TIME_UNIT_AUTO)
		unit = point <= 14 ? TIME_UNIT_MS : TIME_UNIT_US;
	places = point + (unit == TIME_UNIT_S ? 6 : unit == TIME_UNIT_MS ? 3 : 0);
	if (places > 18)
		return -1;
	for (p = first; p < end && (is_digit(*p) || *p == '.'); p++) {
		if (*p == '.')
			continue;
		if (places > 0)
			v = v * 10 + (*p - '0');
		else
			rest |= *p != '0';
		places--;
	}
	for (; places > 0; places--)
		v *= 10;
	if (negative)
		v = -v - rest;
	bound = negative ? TIME_US_MIN : TIME_US_MAX;
	if (negative ? v < bound : v > bound)
		return -1;
	*us = v;
	return 0;
}

static inline char *
write_digits(char *out, unsigned v, int n)
{
	int i;

	for (i = n - 1; i >= 0; i--, v /= 10)
		out[i] = (char)('0' + v % 10);
	return out + n;
}

/* "07Z", "07.500Z" ...: from the second on. */
static char *
write_seconds(char *p, unsigned second, unsigned fraction)
{
	p = write_digits(p, second, 2);
	if (fraction) {
		*p++ = '.';
		if (fraction % 1000)
			p = write_digits(p, fraction, 6);
		else
			p = write_digits(p, fraction / 1000, 3);
	}
	*p++ = 'Z';
	return p;
}

void
time_add_rfc3339(struct buf *b, int64_t us)
{
	unsigned year, month, day, fraction, seconds;
	int64_t days;
	char *p;

	if (us < TIME_US_MIN)
		us = TIME_US_MIN;
	if (us > TIME_US_MAX)
		us = TIME_US_MAX;
	days = us / US_DAY - (us % US_DAY < 0);
	us -= days * US_DAY;
	seconds = (unsigned)(us / US_SECOND);
	fraction = (unsigned)(us % US_SECOND);
	date_of_days(days, &year, &month, &day);
	buf_reserve(b, 32);
	p = b->p + b->n;
	p = write_digits(p, year, 4);
	*p++ = '-';
	p = write_digits(p, month, 2);
	*p++ = '-';
	p = write_digits(p, day, 2);
	*p++ = 'T';
	p = write_digits(p, seconds / 3600, 2);
	*p++ = ':';
	p = write_digits(p, seconds / 60 % 60, 2);
	*p++ = ':';
	p = write_seconds(p, seconds % 60, fraction);
	b->n = (size_t)(p - b->p);
}

void
time_add_rfc3339_near(struct time_memo *memo, struct buf *b, int64_t us)
{
	size_t at = b->n;
	unsigned part;
	char *p;

	if (memo->known && us >= memo->us && us - memo->us < US_MINUTE) {
		part = (unsigned)(us - memo->us);
		buf_reserve(b, 32);
		p = b->p + b->n;
		memcpy(p, memo->minute, sizeof(memo->minute));
		p += sizeof(memo->minute);
		*p++ = ':';
		p = write_seconds(p, part / 1000000, part % 1000000);
		b->n = (size_t)(p - b->p);
		return;
	}
	time_add_rfc3339(b, us);
	if (us < TIME_US_MIN || us > TIME_US_MAX)
		return;
	memcpy(memo->minute, b->p + at, sizeof(memo->minute));
	memo->us = us - (us % US_MINUTE + US_MINUTE) % US_MINUTE;
	memo->known = true;
}

static const struct {
	const char *name;
	int64_t us;
} units[] = {
	{"d", US_DAY}, {"h", US_HOUR}, {"m", US_MINUTE}, {"s", US_SECOND}, {"ms", 1000},
	{"us", 1},
};
#define UNITS (sizeof(units) / sizeof(units[0]))

int
time_of_duration(struct slice s, int64_t *us)
{
	const char *p = s.p, *end = s.p + s.n, *name;
	struct slice unit;
	size_t i, next = 0;
	int64_t v, sum = 0;

	if (s.n == 1 && *p == '0') {
		*us = 0;
		return 0;
	}
	if (!s.n)
		return -1;
	while (p < end) {
		if (!is_digit(*p))
			return -1;
		for (v = 0; p < end && is_digit(*p); p++)
			if (__builtin_mul_overflow(v, 10, &v) ||
				__builtin_add_overflow(v, *p - '0', &v))
				return -1;
		for (name = p; p < end && !is_digit(*p); p++)
			;
		unit = slice_of(name, (size_t)(p - name));
		for (i = next; i < UNITS && !slice_eq(unit, slice_str(units[i].name));
			i++)
			;
		if (i == UNITS || __builtin_mul_overflow(v, units[i].us, &v) ||
			__builtin_add_overflow(sum, v, &sum))
			return -1;
		next = i + 1;
	}
	*us = sum;
	return 0;
}

void
time_add_duration(struct buf *b, int64_t us)
{
	uint64_t left = us < 0 ? 0 - (uint64_t)us : (uint64_t)us, unit;
	size_t i;

	if (us < 0)
		buf_addc(b, '-');
	if (!us)
		buf_addc(b, '0');
	for (i = 0; i < UNITS; i++) {
		unit = (uint64_t)units[i].us;
		if (left >= unit)
			buf_addf(b, "%llu%s", (unsigned long long)(left / unit),
				units[i].name);
		left %= unit;
	}
}

int64_t
time_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * US_SECOND + now.tv_nsec / 1000;
}

int64_t
time_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
