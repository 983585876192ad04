/*
 * object: objects in the making.
 *
 * Members stand in the order in which their names came first; a name set again keeps its
 * place and takes the new value, as in jq. Few names are compared one by one, many through
 * an index. All memory is the arena's.
 */
#ifndef SK_EXPR_OBJECT_H
#define SK_EXPR_OBJECT_H

#include "expr/expr.h"

struct object {
	struct value_member *member;
	size_t n, cap;
	uint32_t *slot; /* open addressing: index of a member + 1, or 0; NULL while few */
	size_t slots;
	struct arena *arena;
};

/* Index of name, or -1. */
ptrdiff_t object_find(const struct object *, struct slice name);

/* Set a member; plain: the name needs no escapes. */
void object_set(struct object *, struct slice name, struct value value, bool plain);

/* Set all members of v, an object. */
void object_add(struct object *, const struct value *v);

static inline struct value
object_value(const struct object *o)
{
	return (struct value){.kind = VALUE_OBJECT, .u.object = {o->member, o->n}};
}

/* The members of v, an object, with distinct names; their number is *n. */
const struct value_member *value_members(const struct value *v, size_t *n, struct arena *);

/* The elements of v, an array. */
const struct value *value_items(const struct value *v, size_t *n, struct arena *);

/* A number's literal text if it has one, else absent. */
struct slice value_literal(const struct value *);

/* True for literals that no double can fail to hold: at most 15 digits, no exponent. */
bool literal_is_short(struct slice);

/* A number's double, the nearest one. */
double value_number(const struct value *);

/* Append as jq 1.6 would print it: numbers that fit as doubles do. Stops soon after limit
 * bytes. */
void value_add_jq(struct buf *, const struct value *, size_t limit, struct arena *);

/* A copy of what b holds, as a string value. */
struct value value_of_buf(const struct buf *b, struct arena *);

#endif
