/*
 * route: what sk-route's user says, and the names that data give.
 *
 *	route_split(slice_str(".n > 1 => big.ndjson"), &expr, &sink);
 *	route_read("rules.txt", "--rules", take, arg, why);
 *
 *	struct route_names names = {allow, nallow, "orders-{}"};
 *	if (route_name(&names, &name, &scratch, &value))  name holds "eu": "orders-eu" is allowed
 */
#ifndef SK_ROUTE_ROUTE_H
#define SK_ROUTE_ROUTE_H

#include "base/buf.h"
#include "base/failure.h"
#include "expr/expr.h"

/* Both halves of 'EXPR => SINK', without the white space around them. The last arrow counts,
 * since an expression may hold one in a string. -1: it is no rule. */
int route_split(struct slice text, struct slice *expr, struct slice *sink);

/* Take the rules of a file, one a line; empty lines and those that begin with # are none. what
 * names the option, for messages. EXIT_NOINPUT, EXIT_IO, or take's failure with the line. */
int route_read(const char *path, const char *what,
	int (*take)(void *arg, const char *what, struct slice rule, struct failure *why),
	void *arg, struct failure *why);

/* Which names may fill the {} of a template. */
struct route_names {
	const char **allow;      /* globs; they are about topics as a whole, else about names */
	size_t n;                /* 0: any name */
	const char *topic;       /* with its {}; NULL: the template is no topic */
};

/* Write the name that a value stands for. False if it is none, or not allowed; name tells what
 * it was all the same. A name is one path component: no slash, no dots alone, no NUL. */
bool route_name(const struct route_names *, struct buf *name, struct buf *scratch,
	const struct value *);

#endif
