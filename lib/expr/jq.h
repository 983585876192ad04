/*
 * jq: filters that are not native, run by libjq 1.6. The only file with jv_ in it is jq.c.
 *
 * A filter is compiled once; it belongs to one thread. Data reach it as its input only.
 * What reaches beyond the record (input, debug, halt, import ...) does not compile; env and
 * $ENV are {} unless allow_env. ~/.jq is not read.
 *
 * Numbers. libjq computes with doubles; no digit changes unsaid.
 *   A number that leaves the filter and equals, as a double, a literal of the record is
 *   written as that literal was: 1.10, 1e2 or a 20-digit id come out as they came in. Where
 *   the record writes one value in several ways (1 and 1.0), jq's way is taken.
 *   A literal fits a double if the double prints as the same value: 0.1 and 1.50 do,
 *   12345678901234567890 does not. One that does not fit may be moved, compared, sorted and
 *   grouped. The record is bad if the filter calculates with it, or makes text of it
 *   (tostring, tojson, \(...), @csv, join ...), or calculates a number that equals its
 *   double; no try or ? of the filter hides that.
 *   The record is bad if two of its literals, or one and one of the filter's, differ in value
 *   but share a double: nothing could tell them apart.
 *   The record is bad if a literal that does not fit has a whole number below 2^53 for its
 *   double (1.00000000000000000001): any count or index could equal it.
 *   tonumber and fromjson do not read a number that does not fit.
 *   The filter's own literals are the user's to calculate with.
 *   With numbers_double (--numbers=double) no record is bad for its numbers: they may change.
 *
 * Limits: 256 levels of a record, 1,024 of an output; an index that is assigned to is below
 * 2^24, a repeated string shorter than 64 MiB. A regex that could match nothing is not applied
 * globally to text that is not ASCII, where libjq 1.6 would crash.
 */
#ifndef SK_EXPR_JQ_H
#define SK_EXPR_JQ_H

#include "expr/expr.h"

struct jq_filter;

struct jq_filter *jq_filter_new(const char *text, const struct expr_options *,
	struct failure *why);
void jq_filter_free(struct jq_filter *);

/* As expr_each. Values are built in the arena, a result that is the input itself is passed
 * as the input's token (value_same). */
int jq_filter_each(struct jq_filter *, const struct value *input, const struct expr_env *,
	expr_sink *sink, void *arg, struct arena *, struct failure *why);

#endif
