/*
 * glance: what one walk over a record's members tells before its turn comes: the key, where
 * that is one field, and the object that --part makes, where that is picked from its fields
 * (expr/pick.h). A record of which it can't be told is evaluated.
 *
 * The notes of a block are made by glance_block, perhaps on another thread than the one that
 * takes its records.
 */
#ifndef SK_GROUP_GLANCE_H
#define SK_GROUP_GLANCE_H

#include "expr/pick.h"
#include "group/groups.h"
#include "group/plan.h"

struct glance_note {
	struct key128 key;
	uint32_t key_at, key_n; /* the key's JSON text in the block; key_n 0: nothing is told */
	int32_t object;         /* pick.h; PICK_UNSURE where --part is none or of no such kind */
	uint32_t at[];          /* tokens of what is wanted */
};

struct glance {
	const struct groups *groups;
	struct pick_wants wants;
	bool sees_keys;             /* the first of them is the key */
	size_t note_bytes;
	/* Of --part, or NULL: */
	struct pick *pick;
	uint64_t *names;            /* of each object, a bit each */
	uint64_t required;          /* by --require, as bits; 0: it is not told by them */
};

void glance_init(struct glance *, const struct plan *, const struct groups *);
void glance_release(struct glance *);

/* Make the notes of a block. */
void glance_block(const struct glance *, const struct json_scan *, struct buf *notes);

/* What was noted of a record, or NULL. What the records behind it will look at in the state is
 * brought near. */
const struct glance_note *glance_note(const struct glance *, const struct record *);
struct slice glance_key_text(const struct glance_note *, const struct record *);

/* Put the noted object into a group: 1; 0: it has to be evaluated; -1: a bad record. */
int glance_add(const struct glance *, struct group *, const struct glance_note *,
	const struct record *, struct failure *why);

#endif
