/*
 * sides: what a join takes of a record: on which side it stands, its key, how long it is good
 * for, and of its value what the results need.
 *
 * What is needed is the content: the value whole, compact, or, where --emit is an outline,
 * what its paths give: the texts of the leaves of this side, and then for each where it ends
 * (uint32_t). plan.whole adds the whole value as one more leaf of the left side.
 */
#ifndef SK_JOIN_SIDES_H
#define SK_JOIN_SIDES_H

#include "join/item.h"
#include "join/plan.h"

struct sides;
struct notes;

/* The plan is borrowed, and so is how the stream gets its time, where that is to be told. rows:
 * what comes is not the stream but the rows of plan->table. */
struct sides *sides_new(const struct join_plan *, const char *stage, const struct flow_time *time,
	bool rows);
void sides_free(struct sides *);

/* operator.note: look at a block ahead of its records. */
void sides_note(const struct sides *, const struct json_scan *, struct buf *notes);
/* operator.when: the event time of a record, if it is noted: true. */
bool sides_when(const struct sides *, const struct record *, int64_t *us);
/* What is noted. */
const struct notes *sides_notes(const struct sides *);
/* The hash of the key of the record so many behind this one, if it is noted: true. */
bool sides_ahead(const struct sides *, const struct record *, size_t behind, uint64_t *hash);

/* The record in hand, until sides_done. */
void sides_begin(struct sides *, const struct record *);
void sides_done(struct sides *);

/* The record as a value; it is looked at only where that is asked for. */
const struct value *sides_value(struct sides *);
/* Append what a leaf of the outline, one of its side, gives of it. */
int sides_add_leaf(struct sides *, unsigned leaf, struct buf *, struct failure *why);

/* On which sides it stands: neither, one or both. -1: a bad record. */
int sides_of(struct sides *, bool on[2], struct failure *why);

/* The hash and the canonical form of its key, and of a message its key. Borrowed until the
 * next call. -1: a bad record. */
int sides_key(struct sides *, enum join_side, struct item_parts *, struct failure *why);

/* All there is to know of it, but whether it has found a partner. */
int sides_item(struct sides *, enum join_side, struct item_parts *, struct failure *why);

/* The content alone, of a record with that key. */
int sides_content(struct sides *, enum join_side, struct slice key, struct slice *content,
	struct failure *why);

/* The leaves of an outline that are of this side, the left one's . included. */
size_t sides_leaves(const struct join_plan *, enum join_side, unsigned *leaf);

#endif
