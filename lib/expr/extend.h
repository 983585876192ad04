/* extend: an object and members that are added to it, as text; which ones, by their paths. */
#ifndef SK_EXPR_EXTEND_H
#define SK_EXPR_EXTEND_H

#include "expr/expr.h"

/*
 * Append the object with more[0..n) after its own members. Where it has a member of such a
 * name itself: with overwrite that one gives way, else nothing is appended, *clash is the
 * name, and false is returned. The arena serves for decoded names.
 */
bool value_add_extended(struct buf *, const struct value *object,
	const struct value_member *more, size_t n, bool overwrite, struct arena *,
	struct slice *clash);

/* Is the filter 1 to max bare paths joined by commas, each ending in a field, no two in the
 * same? Such a filter names members to copy or to leave out. -1: EXIT_USAGE. */
int expr_check_names(const struct expr *, size_t max, struct failure *why);

#endif
