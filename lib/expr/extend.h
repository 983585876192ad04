/* extend: an object and members that are added to it, as text. */
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

#endif
