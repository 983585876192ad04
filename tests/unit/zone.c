/* Local time against the C library's, over all zones that differ in kind. */
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "test.h"
#include "time/zone.h"

#define US INT64_C(1000000)
#define HOUR (3600 * US)

static const char *const zones[] = {"UTC", "Europe/Berlin", "Europe/Dublin", "America/New_York",
	"America/Sao_Paulo", "America/St_Johns", "Asia/Kolkata", "Asia/Tehran", "Asia/Beirut",
	"Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kwajalein", "Africa/Casablanca",
	"America/Havana", "America/Nuuk", "Antarctica/Troll", "Asia/Gaza", "Etc/GMT+12",
	"Asia/Manila", "Africa/Monrovia"};

static long
libc_offset(int64_t t)
{
	time_t at = (time_t)t;
	struct tm tm;

	localtime_r(&at, &tm);
	return tm.tm_gmtoff;
}

/* Every some hours from 1850 to 2200, and the seconds around each change. */
static void
against_libc(const char *name)
{
	struct failure why;
	struct zone *z = zone_open(name, &why);
	int64_t t, bad = 0, at = 0, n = 0;
	struct zone_stretch s;

	if (!ok(z != NULL, "%s opens", name))
		return;
	setenv("TZ", name, 1);
	tzset();
	for (t = -3786912000; t < 7258118400; t += 7 * 3600 + 123) {
		s = zone_at(z, t * US);
		n++;
		if (s.offset_us != libc_offset(t) * US || s.start_us > t * US ||
			s.end_us <= t * US) {
			bad++;
			at = t;
		}
		if (s.end_us != INT64_MAX && s.end_us / US - t < 7 * 3600 + 123 &&
			(zone_at(z, s.end_us).offset_us != libc_offset(s.end_us / US) * US ||
			zone_at(z, s.end_us - 1).offset_us !=
				libc_offset(s.end_us / US - 1) * US ||
			zone_at(z, s.end_us).start_us != s.end_us)) {
			bad++;
			at = s.end_us / US;
		}
	}
	ok(!bad, "%s is what localtime says, %lld times (%lld not, the last at %lld)", name,
		(long long)n, (long long)bad, (long long)at);
	zone_free(z);
}

static int64_t
at(const char *text)
{
	int64_t us = 0;

	ok(time_of_rfc3339(slice_str(text), &us) == 0, "%s is a time", text);
	return us;
}

static void
instants(void)
{
	struct failure why;
	struct zone *z = zone_open("Europe/Berlin", &why);

	ok(zone_instant(z, at("2026-03-29T00:00:00Z")) == at("2026-03-28T23:00:00Z"),
		"midnight before the clocks go forward");
	ok(zone_instant(z, at("2026-03-30T00:00:00Z")) == at("2026-03-29T22:00:00Z"),
		"and the one after it, 23 hours later");
	ok(zone_instant(z, at("2026-03-29T02:30:00Z")) == at("2026-03-29T01:00:00Z"),
		"a time that is skipped is the end of the gap");
	ok(zone_instant(z, at("2026-10-25T02:30:00Z")) == at("2026-10-25T00:30:00Z"),
		"a time that comes twice is the first");
	ok(zone_instant(z, at("2098-07-01T00:00:00Z")) == at("2098-06-30T22:00:00Z"),
		"summer in 2098, by the rule");
	zone_free(z);
	z = zone_open("Pacific/Apia", &why);
	ok(zone_instant(z, at("2011-12-30T00:00:00Z")) == zone_instant(z, at("2011-12-31T00:00:00Z")),
		"a day that is skipped has no length");
	zone_free(z);
	z = zone_open("America/Sao_Paulo", &why);
	ok(zone_instant(z, at("2018-11-04T00:00:00Z")) == at("2018-11-04T03:00:00Z"),
		"a day that begins at one o'clock");
	zone_free(z);
}

static void
refused(void)
{
	static const char *const no[] = {"", "Europe/Nowhere", "../etc/passwd", "/etc/localtime",
		"Europe", "Europe//Berlin", "tzdata.zi"};
	struct failure why;
	struct zone *z;
	size_t i;

	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		z = zone_open(no[i], &why);
		ok(!z && (why.status == EXIT_USAGE || why.status == EXIT_CONFIG),
			"'%s' is no zone: %s", no[i], why.text);
		zone_free(z);
	}
}

int
main(void)
{
	size_t i;

	for (i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		against_libc(zones[i]);
	instants();
	refused();
	return done();
}
