/*
 * zone: local time, by the system's tzdata.
 *
 * Reads one TZif file (RFC 8536) of /usr/share/zoneinfo, or of $TZDIR, and the rule in its
 * footer for the years after its last transition. No environment, no libc time zone, no
 * lock: several zones may be open at once, and threads may share one.
 */
#ifndef SK_TIME_ZONE_H
#define SK_TIME_ZONE_H

#include "time/time.h"

struct zone;

/* "Europe/Berlin". NULL: EXIT_USAGE where there is no such zone, EXIT_CONFIG where its file
 * makes no sense. */
struct zone *zone_open(const char *name, struct failure *why);
void zone_free(struct zone *);

/* The stretch of time around an instant, [start,end), in which clocks there are ahead of UTC
 * by offset. INT64_MIN and INT64_MAX where it has no beginning or no end. */
struct zone_stretch {
	int64_t start_us, end_us;
	int64_t offset_us;
};
struct zone_stretch zone_at(const struct zone *, int64_t us);

/* The first instant at which clocks there show local_us (microseconds since 1970-01-01T00:00
 * of that clock) or later: of a time that is skipped the end of the gap, of one that comes
 * twice the first. */
int64_t zone_instant(const struct zone *, int64_t local_us);

#endif
