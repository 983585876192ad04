/* key: what the outputs of -k make: the identity of a group, and its key as people read it. */
#ifndef SK_GROUP_KEY_H
#define SK_GROUP_KEY_H

#include "expr/expr.h"

/*
 * One output is the key, several are one key together, an array. identity: the form that equal
 * keys share, in room or in the output itself. Nothing, and a null, makes a bad record unless
 * null_key.
 */
int group_key_of(const struct value *output, size_t n, bool null_key, struct buf *room,
	struct slice *identity, struct failure *why);

/* The key as compact JSON, appended. */
void group_key_text(struct buf *, const struct value *output, size_t n);

#endif
