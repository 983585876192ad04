/*
 * reach: a value in valid JSON text, by its path, from the bytes alone.
 *
 * The tokens of a text take several times its memory. Who wants one value of a long text, and
 * has no tokens of it, goes there by stepping over all else, about as fast as it is scanned.
 * Text that is not valid does no harm; the answer then means nothing.
 */
#ifndef SK_JSON_REACH_H
#define SK_JSON_REACH_H

#include "base/slice.h"

/* The value that begins at p, before end. */
struct slice json_value_at(const char *p, const char *end);

/*
 * The value that the names (decoded) lead to from the first value in text; of a name that
 * repeats, the last. What is not there is null in jq's eyes: JSON_REACH_NULL. JSON_REACH_BAD:
 * on the way stands what has no members.
 */
enum json_reach { JSON_REACH_FOUND, JSON_REACH_NULL, JSON_REACH_BAD };
enum json_reach json_reach(struct slice text, const struct slice *name, size_t n,
	struct slice *value);

#endif
