/*
 * pick: filters that put members of "." and constants into an object, which one being chosen
 * by conditions on members:
 *
 *	{id: .orderId, userId}
 *	if .type == "a" then {x} elif .done then {y: .z, last: true} else empty end
 *	select(.type == "a") | {x}
 *
 * One walk over the members of a line tells which object it makes and what is in it. All names
 * that are looked for are in one list, to which others may have added theirs.
 */
#ifndef SK_EXPR_PICK_H
#define SK_EXPR_PICK_H

#include "expr/expr.h"

#define PICK_WANTS 16

/* Members of "." that are looked for; the names are borrowed. {0} is none. */
struct pick_wants {
	struct json_name name[PICK_WANTS];
	unsigned n;
	/* One more than the number of a name that begins with this byte, and of the next one that
	 * does: */
	uint8_t first[256], next[PICK_WANTS];
};

/* The number of a name, which is added if it is new; -1: there are too many, or it can't be
 * looked for. */
int pick_want(struct pick_wants *, struct slice name);

/* The tokens of the members' values in a document that is an object, JSON_NONE where there is
 * none; false: it is none. */
bool pick_look(const struct pick_wants *, const struct json_doc *, uint32_t *at);

struct pick_member {
	struct slice name;  /* decoded */
	bool plain;         /* it needs no escapes */
	int want;           /* the member that it is; -1: a constant, */
	struct slice text;  /* as JSON */
	uint32_t name_at;   /* the number of its name among those of all objects */
};

struct pick_object {
	struct pick_member *member;
	size_t n;
};

struct pick;

/* NULL: the filter is not of that kind. It borrows from the filter. */
struct pick *pick_new(const struct expr *, struct pick_wants *);
/* The same for a condition on members, which pick_is tells. */
struct pick *pick_condition(const struct expr *, struct pick_wants *);
void pick_free(struct pick *);

size_t pick_objects(const struct pick *);
const struct pick_object *pick_object(const struct pick *, size_t i);
/* The names of the members of all objects, each once. */
size_t pick_names(const struct pick *, const struct slice **name);

/* Members by which an object is chosen, a bit each: by their texts; and those of which it matters
 * whether they are null, false, true, or anything else. Those of a pick are added. */
struct pick_tested {
	uint32_t texts, kinds;
};
void pick_add_tested(const struct pick *, struct pick_tested *);

/* The number of the object that the document makes. PICK_UNSURE: evaluation has to tell;
 * PICK_NOTHING: there is no output. */
enum { PICK_UNSURE = -1, PICK_NOTHING = -2 };
int pick_choose(const struct pick *, const struct json_doc *, const uint32_t *at);
/* Of a condition: whether it is true. */
bool pick_is(const struct pick *, const struct json_doc *, const uint32_t *at);

#endif
