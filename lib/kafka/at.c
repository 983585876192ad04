/* Where to read from, as a user says it. */
#include "kafka/at.h"

#include <errno.h>
#include <stdlib.h>

static int
whole(const char *s, int64_t *n)
{
	char *end;

	/* Digits alone: strtoll takes signs and blanks. */
	if (!*s || s[strspn(s, "0123456789")])
		return -1;
	errno = 0;
	*n = strtoll(s, &end, 10);
	return errno ? -1 : 0;
}

static int
instant(const char *s, int64_t *ms)
{
	int64_t us;

	if (*s == '-') {
		if (time_of_duration(slice_str(s + 1), &us) < 0)
			return -1;
		us = time_now_us() - us;
	} else if (time_of_rfc3339(slice_str(s), &us) < 0)
		return -1;
	/* Times before 1970 are logical ones to a broker. */
	*ms = us > 0 ? us / 1000 : 0;
	return 0;
}

int
kafka_at_parse(const char *text, enum kafka_at *at, int64_t *n, struct failure *why)
{
	int64_t found = 0;

	if (strcmp(text, "earliest") == 0)
		*at = KAFKA_EARLIEST;
	else if (strcmp(text, "latest") == 0)
		*at = KAFKA_LATEST;
	else if (*text == '@' && instant(text + 1, &found) == 0)
		*at = KAFKA_TIME;
	else if (*text == '-' && whole(text + 1, &found) == 0)
		*at = KAFKA_TAIL;
	else if (whole(text, &found) == 0)
		*at = KAFKA_OFFSET;
	else {
		fail(why, EXIT_USAGE, "'%s' is none of earliest, latest, N, -N, @TIME", text);
		if (*text == '@' || instant(text, &found) == 0)
			fail_hint(why, "a time is @2026-01-02T03:04:05Z, or @-2h: two hours ago");
		return -1;
	}
	*n = found;
	return 0;
}
