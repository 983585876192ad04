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
	uint64_t x, tens;

	if (!memo->known || ((time_load8(p) ^ time_load8(memo->minute)) |
			(time_load8(p + 8) ^ time_load8(memo->minute + 8))))
		return false;
	/* Nothing is left of what has to stand there, and of a digit what it is: no more than 5
	 * of the first, and 9 of the others. */
	x = time_load8(p + 16) ^ time_load8(form);
	if ((x | ((x & ~tops) + time_load8(room))) & tops)
		return false;
	/* A byte and the next one are a number of two digits, in all places at once. */
	tens = x * 10 + (x >> 8);
	*us = memo->us + (int64_t)((tens >> 8 & 0xFF) * 1000 + (tens >> 32 & 0xFF) * 10 +
		(x >> 48)) * 1000;
	return true;
}

#endif
