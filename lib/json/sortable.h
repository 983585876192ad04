/* sortable: values as bytes that memcmp orders as jq orders the values. */
#ifndef SK_JSON_SORTABLE_H
#define SK_JSON_SORTABLE_H

#include "json/json.h"

/*
 * Append a form of the value at t whose byte order (slice_cmp) is jq's order of values: null,
 * false, true, numbers, strings, arrays, objects; numbers as exact decimals of any length,
 * strings by code point, arrays element by element, objects first by their sorted names,
 * then by the values. Equal values (json_canonical), and only those, have equal forms, and no
 * form begins another.
 */
void json_add_sortable(struct buf *, const struct json_doc *, uint32_t t);

/* The same of a text that is a string without escapes: true. False: it is none. */
bool json_add_sortable_plain(struct buf *, struct slice text);

#endif
