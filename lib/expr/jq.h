/*
 * jq: filters that are not native, run by libjq 1.6. The only file with jv_ in it is jq.c.
 *
 * A filter is compiled once; it belongs to one thread. The variables of the options are
 * bound by wrapping the program; data reach it as its input only. Numbers keep their text
 * as streamkit-expr.7 says: an output number whose double equals that of one literal of
 * the input gets that literal's text back; where literals of different value share the
 * double, or arithmetic used a number that a double cannot hold, the record is bad.
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
