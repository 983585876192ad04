/*
 * near: an instant as it mostly stands, "2026-01-02T09:00:07.123Z", in the minute of the one
 * before: told by three words.
 */
#ifndef SK_TIME_NEAR_H
#define SK_TIME_NEAR_H

#include <string.h>

#include "time/time.h"

#define TIME_NEAR_BYTES 24

static inline uint64_t
time_load8(const char *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* Is p[0..24) one? False: it is something else, or its minute is not known. */
static inline bool
time_is_near(const struct time_memo *memo, const char *p, int64_t *us)
{
	const uint64_t tops = UINT64_C(0x8080808080808080);
	const char form[8] = ":00.000Z", room[8] = {127, 122, 118, 127, 118, 118, 118, 127};
	unsigned char d[8];
	uint64_t x;

	if (!memo->known || ((time_load8(p) ^ time_load8(memo->minute)) |
			(time_load8(p + 8) ^ time_load8(memo->minute + 8))))
		return false;
	/* Nothing is left of what has to stand there, and of a digit what it is: no more than 5
	 * of the first, and 9 of the others. */
	x = time_load8(p + 16) ^ time_load8(form);
	if ((x | ((x & ~tops) + time_load8(room))) & tops)
		return false;
	memcpy(d, &x, sizeof(d));
	*us = memo->us + ((d[1] * 10 + d[2]) * 1000 + d[4] * 100 + d[5] * 10 + d[6]) *
		INT64_C(1000);
	return true;
}

#endif
