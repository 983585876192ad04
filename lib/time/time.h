/*
 * Instants and durations. An instant is microseconds since 1970-01-01T00:00:00Z, leap
 * seconds not counted; years 0000 to 9999. TIME_NONE is no instant.
 */
#ifndef SK_TIME_TIME_H
#define SK_TIME_TIME_H

#include "base/buf.h"
#include "base/failure.h"

#define TIME_NONE INT64_MIN
#define TIME_US_MIN (-62167219200000000LL) /* 0000-01-01T00:00:00Z */
#define TIME_US_MAX 253402300799999999LL   /* 9999-12-31T23:59:59.999999Z */

enum time_unit { TIME_UNIT_AUTO, TIME_UNIT_S, TIME_UNIT_MS, TIME_UNIT_US };

/* RFC 3339: "2026-01-02T03:04:05.678901+02:00", "T" and "Z" in either case, a blank for T
 * allowed. Digits beyond microseconds are cut; second 60 counts as 59.999999. -1 if s is
 * not one, or is outside of the years 0000 to 9999 in UTC. */
int time_of_rfc3339(struct slice s, int64_t *us);

/* The same, faster where times are mostly in the minute of the one before. {0} knows none. */
struct time_memo {
	char minute[16];     /* "2026-01-02T09:00" */
	int64_t us;
	bool known;
};
int time_of_rfc3339_near(struct time_memo *, struct slice s, int64_t *us);

/* A JSON number's text as an epoch: seconds, milliseconds or microseconds. AUTO tells
 * them apart by size (below 10^11 seconds, below 10^14 milliseconds); fractions count,
 * and what is finer than a microsecond is cut towards the past. Exact: no double is
 * involved. -1: out of range, or no number. */
int time_of_epoch(struct slice number, enum time_unit, int64_t *us);

/* Append RFC 3339 in UTC: no fraction if there is none, else 3 or 6 digits. What is out
 * of range is written as the nearest instant that is not. */
void time_add_rfc3339(struct buf *, int64_t us);
/* The same, faster where it is mostly in the minute of the one before, read or written. */
void time_add_rfc3339_near(struct time_memo *, struct buf *, int64_t us);

/* "500ms", "10s", "5m", "1h30m", "7d", "250us", "0": the units d h m s ms us, each at
 * most once and from large to small, whole numbers. -1: not a duration, or beyond 292,000
 * years. */
int time_of_duration(struct slice s, int64_t *us);

/* Append a duration in the same form: 5400000000 is "1h30m"; a minus sign before a
 * negative one, which time_of_duration doesn't read. */
void time_add_duration(struct buf *, int64_t us);

int64_t time_now_us(void);       /* wall clock */
int64_t time_monotonic_ns(void); /* for measuring */

#endif
