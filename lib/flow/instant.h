/*
 * instant: the event time that a member of a line is, if it is a string in RFC 3339.
 */
#ifndef SK_FLOW_INSTANT_H
#define SK_FLOW_INSTANT_H

#include "json/json.h"
#include "time/near.h"

/* Of the string at token t; JSON_PADDING bytes behind the line are readable. False: it is no
 * time. */
static inline bool
instant_of_string(const struct json_doc *d, uint32_t t, struct time_memo *memo, int64_t *us)
{
	const char *p = d->base + d->pos[t] + 1;

	_Static_assert(TIME_NEAR_BYTES < JSON_PADDING, "they are readable behind any line");
	return (p[TIME_NEAR_BYTES] == '"' && time_is_near(memo, p, us)) ||
		time_of_rfc3339_near(memo, json_string_raw(d, t), us) == 0;
}

#endif
