/*
 * A zone is a list of transitions, each to an offset, and a rule for what comes after them.
 * Seconds within; microseconds at the border.
 */
#include "time/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define FILE_MAX ((size_t)1 << 20)
#define DAY INT64_C(86400)
#define US INT64_C(1000000)

/* When in a year the clocks change: RFC 8536's and POSIX's forms. */
struct rule_date {
	enum { DATE_WEEKDAY, DATE_JULIAN, DATE_DAY } form;
	int month, week, day;
	int64_t seconds; /* after midnight, by the clock that is then replaced */
};

struct rule {
	bool there, changes;
	int64_t standard, summer; /* offsets; standard alone unless it changes */
	struct rule_date to_summer, to_standard;
};

struct zone {
	int64_t *at;       /* transitions, ascending */
	int64_t *offset;   /* from then on */
	size_t n;
	int64_t before;    /* the offset before the first */
	struct rule rule;
};

/* ---- the footer's rule ------------------------------------------------------------- */

static bool
read_number(const char **p, int64_t most, int64_t *n)
{
	const char *from = *p;

	for (*n = 0; **p >= '0' && **p <= '9' && *n <= most; ++*p)
		*n = *n * 10 + (**p - '0');
	return *p > from && *n <= most;
}

/* [+-]hh[:mm[:ss]] */
static bool
read_hms(const char **p, int64_t *seconds)
{
	bool minus = **p == '-';
	int64_t part, unit = 3600;

	*p += **p == '-' || **p == '+';
	if (!read_number(p, 167, &part))
		return false;
	*seconds = part * unit;
	while (**p == ':' && unit > 1) {
		++*p;
		unit /= 60;
		if (!read_number(p, 59, &part))
			return false;
		*seconds += part * unit;
	}
	if (minus)
		*seconds = -*seconds;
	return true;
}

static bool
read_abbreviation(const char **p)
{
	const char *from = *p;

	if (**p == '<') {
		while (**p && **p != '>')
			++*p;
		return *(*p)++ == '>';
	}
	while ((**p >= 'A' && **p <= 'Z') || (**p >= 'a' && **p <= 'z'))
		++*p;
	return *p > from;
}

static bool
read_date(const char **p, struct rule_date *d)
{
	int64_t a, b, c;

	if (*(*p)++ != ',')
		return false;
	*d = (struct rule_date){.form = DATE_DAY, .seconds = 7200};
	if (**p == 'M') {
		++*p;
		if (!read_number(p, 12, &a) || *(*p)++ != '.' || !read_number(p, 5, &b) ||
			*(*p)++ != '.' || !read_number(p, 6, &c) || !a || !b)
			return false;
		d->form = DATE_WEEKDAY;
		d->month = (int)a;
		d->week = (int)b;
		d->day = (int)c;
	} else {
		if (**p == 'J') {
			++*p;
			d->form = DATE_JULIAN;
		}
		if (!read_number(p, 365, &a))
			return false;
		d->day = (int)a;
	}
	if (**p != '/')
		return true;
	++*p;
	return read_hms(p, &d->seconds);
}

/* "CET-1CEST,M3.5.0,M10.5.0/3": offsets are west of Greenwich there. */
static bool
read_rule(const char *p, struct rule *r)
{
	if (!*p)
		return true;
	if (!read_abbreviation(&p) || !read_hms(&p, &r->standard))
		return false;
	r->standard = -r->standard;
	r->there = true;
	if (!*p)
		return true;
	if (!read_abbreviation(&p))
		return false;
	r->changes = true;
	r->summer = r->standard + 3600;
	if (*p && *p != ',') {
		if (!read_hms(&p, &r->summer))
			return false;
		r->summer = -r->summer;
	}
	return read_date(&p, &r->to_summer) && read_date(&p, &r->to_standard) && !*p;
}

static bool
is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970-01-01 to the first of a year. */
static int64_t
year_begins(int64_t year)
{
	int64_t y = year - 1;

	return 365 * (year - 1970) + (y / 4 - y / 100 + y / 400) - 477;
}

/* Seconds since 1970-01-01T00:00 of the clock that is replaced. */
static int64_t
date_in(const struct rule_date *d, int64_t year)
{
	static const int before[13] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	static const int days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t first = year_begins(year), day, weekday;
	bool leap = is_leap(year);
	int length;

	switch (d->form) {
	case DATE_JULIAN:
		day = first + d->day - 1 + (leap && d->day >= 60);
		break;
	case DATE_DAY:
		day = first + d->day;
		break;
	default:
		first += before[d->month] + (leap && d->month > 2);
		length = days[d->month] + (leap && d->month == 2);
		weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
		day = (d->day - weekday + 7) % 7 + (d->week - 1) * 7;
		day = first + (day >= length ? day - 7 : day);
	}
	return day * DAY + d->seconds;
}

/* The stretch around t under the rule alone. */
static struct zone_stretch
by_rule(const struct rule *r, int64_t t)
{
	struct zone_stretch s = {INT64_MIN, INT64_MAX, r->standard};
	int64_t year, at[6], offset[6], x;
	int i, j, n = 0;

	if (!r->changes)
		return s;
	/* The year of t, or one beside it. */
	year = 1970 + (t >= 0 ? t : t - 31556951) / 31556952;
	for (i = -1; i <= 1; i++) {
		at[n] = date_in(&r->to_summer, year + i) - r->standard;
		offset[n++] = r->summer;
		at[n] = date_in(&r->to_standard, year + i) - r->summer;
		offset[n++] = r->standard;
	}
	for (i = 1; i < n; i++)
		for (j = i; j && at[j - 1] > at[j]; j--) {
			x = at[j], at[j] = at[j - 1], at[j - 1] = x;
			x = offset[j], offset[j] = offset[j - 1], offset[j - 1] = x;
		}
	for (i = n - 1; i > 0 && at[i] > t; i--)
		;
	s.offset_us = offset[i];
	s.start_us = at[i];
	if (i + 1 < n)
		s.end_us = at[i + 1];
	return s;
}

/* ---- the file ---------------------------------------------------------------------- */

static int64_t
big_endian(const unsigned char *p, int n)
{
	uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;
	int i;

	for (i = 0; i < n; i++)
		v = v << 8 | p[i];
	return (int64_t)v;
}

struct header {
	size_t isut, isstd, leap, times, types, chars;
	size_t bytes; /* of the data behind it */
};

static bool
read_header(const unsigned char *p, size_t n, int width, struct header *h)
{
	size_t *const count[] = {&h->isut, &h->isstd, &h->leap, &h->times, &h->types, &h->chars};
	size_t i;

	if (n < 44 || memcmp(p, "TZif", 4) != 0)
		return false;
	for (i = 0; i < 6; i++) {
		*count[i] = (size_t)(uint32_t)big_endian(p + 20 + 4 * i, 4);
		if (*count[i] > FILE_MAX)
			return false;
	}
	h->bytes = h->times * (size_t)(width + 1) + h->types * 6 + h->chars +
		h->leap * (size_t)(width + 4) + h->isstd + h->isut;
	return h->types && h->bytes <= n - 44;
}

static bool
read_transitions(struct zone *z, const unsigned char *p, const struct header *h, int width)
{
	const unsigned char *type = p + h->times * (size_t)width, *info = type + h->times;
	size_t i;

	z->n = h->times;
	z->at = mem_array(z->n + 1, sizeof(*z->at));
	z->offset = mem_array(z->n + 1, sizeof(*z->offset));
	z->before = big_endian(info, 4);
	for (i = 0; i < z->n; i++) {
		if (type[i] >= h->types)
			return false;
		z->at[i] = big_endian(p + i * (size_t)width, width);
		z->offset[i] = big_endian(info + 6 * type[i], 4);
		if (i && z->at[i] <= z->at[i - 1])
			return false;
	}
	return true;
}

static bool
read_tzif(struct zone *z, const unsigned char *p, size_t n)
{
	struct header h;
	const unsigned char *footer, *end;
	char text[128];
	size_t len;

	if (!read_header(p, n, 4, &h))
		return false;
	if (p[4] < '2')
		return read_transitions(z, p + 44, &h, 4);
	n -= 44 + h.bytes;
	p += 44 + h.bytes;
	if (!read_header(p, n, 8, &h) || !read_transitions(z, p + 44, &h, 8))
		return false;
	footer = p + 44 + h.bytes;
	n -= 44 + h.bytes;
	if (!n || *footer++ != '\n')
		return false;
	end = memchr(footer, '\n', n - 1);
	len = end ? (size_t)(end - footer) : sizeof(text);
	if (len >= sizeof(text))
		return false;
	memcpy(text, footer, len);
	text[len] = '\0';
	return read_rule(text, &z->rule);
}

/* Letters, digits and _ + - in parts between slashes: "America/Argentina/Buenos_Aires". */
static bool
is_zone_name(const char *name)
{
	const char *p = name;

	for (; *p; p++)
		if (!((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
			(*p >= '0' && *p <= '9') || strchr("_+-", *p) ||
			(*p == '/' && p > name && p[-1] != '/' && p[1])))
			return false;
	return p > name;
}

struct zone *
zone_open(const char *name, struct failure *why)
{
	const char *dir = getenv("TZDIR");
	unsigned char *bytes = mem_alloc(FILE_MAX);
	struct zone *z = mem_zalloc(sizeof(*z));
	struct buf path = {0};
	FILE *f = NULL;
	size_t n = 0;
	int err = 0;

	buf_addf(&path, "%s/%s", dir && *dir ? dir : "/usr/share/zoneinfo", name);
	if (is_zone_name(name)) {
		f = fopen(buf_cstr(&path), "rb");
		err = errno;
	}
	if (f) {
		n = fread(bytes, 1, FILE_MAX, f);
		err = errno;
		fclose(f);
	}
	if (!n) {
		fail(why, EXIT_USAGE, "there is no time zone '%.80s'%s%s", name,
			err ? ": " : "", err ? strerror(err) : "");
		fail_hint(why, "names are those of %.120s: Europe/Berlin",
			dir && *dir ? dir : "/usr/share/zoneinfo");
	} else if (!read_tzif(z, bytes, n)) {
		fail(why, EXIT_CONFIG, "%.200s is no time zone file", buf_cstr(&path));
		n = 0;
	}
	buf_release(&path);
	free(bytes);
	if (n)
		return z;
	zone_free(z);
	return NULL;
}

void
zone_free(struct zone *z)
{
	if (!z)
		return;
	free(z->at);
	free(z->offset);
	free(z);
}

/* ---- asking ------------------------------------------------------------------------ */

static struct zone_stretch
at_second(const struct zone *z, int64_t t)
{
	struct zone_stretch s = {INT64_MIN, INT64_MAX, z->before};
	size_t low = 0, high = z->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (z->at[mid] <= t)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == z->n && z->rule.there) {
		s = by_rule(&z->rule, t);
		if (z->n && s.start_us < z->at[z->n - 1])
			s.start_us = z->at[z->n - 1];
		return s;
	}
	if (low)
		s.offset_us = z->offset[low - 1];
	if (low)
		s.start_us = z->at[low - 1];
	if (low < z->n)
		s.end_us = z->at[low];
	return s;
}

static int64_t
in_us(int64_t second)
{
	return second <= INT64_MIN / US ? INT64_MIN : second >= INT64_MAX / US ? INT64_MAX :
		second * US;
}

struct zone_stretch
zone_at(const struct zone *z, int64_t us)
{
	struct zone_stretch s = at_second(z, (us >= 0 ? us : us - US + 1) / US);

	s.start_us = in_us(s.start_us);
	s.end_us = in_us(s.end_us);
	s.offset_us *= US;
	return s;
}

int64_t
zone_instant(const struct zone *z, int64_t local_us)
{
	/* No clock is further from UTC than 26 hours. */
	struct zone_stretch s = zone_at(z, local_us - 26 * 3600 * US);
	int64_t us;

	for (;; s = zone_at(z, s.end_us)) {
		us = local_us - s.offset_us;
		if (us < s.start_us)
			us = s.start_us;
		if (us < s.end_us || s.end_us == INT64_MAX)
			return us;
	}
}
