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

#include "expr/alike.h"
#include "group/form.h"
#include "group/groups.h"
#include "group/plan.h"


struct glance_note {
	uint64_t truths;        /* of the object's names, a bit each: those that are true */
	uint32_t at;            /* in the notes: the key's JSON text, behind it the fields */
	uint32_t key_n, part_n; /* bytes; key_n 0: nothing is told */
	int32_t object;         /* pick.h; PICK_UNSURE where --part is none or of no such kind */
};

/* The notes of a block: of each of its lines one, and the key, if that is told. */
struct glance_notes {
	const struct glance_note *note;
	const struct key128 *key;
	size_t n;
};

struct glance {
	const struct groups *groups;
	struct pick_wants wants;
	bool sees_keys;             /* the first of them is the key */
	/* Of --part, or NULL: */
	struct pick *pick;
	uint64_t *names;            /* of each object, a bit each */
	struct form *form;          /* of each object */
	uint32_t npieces;           /* of each form; 0: there are none */
	bool members;               /* parts are noted as WHOLE_MEMBERS has them */
	uint64_t required;          /* by --require, as bits; 0: it is not told by them */
	struct alike_store *alike;
};

void glance_init(struct glance *, const struct plan *, const struct groups *);
void glance_release(struct glance *);

/* Make the notes of a block. */
void glance_block(const struct glance *, const struct json_scan *, struct buf *notes);

/* The notes of a block; false: there are none, or they are void. */
bool glance_notes(const struct glance *, const struct buf *notes, struct glance_notes *);

/* What was noted of a record, and its key; or NULL. */
const struct glance_note *glance_note(const struct glance *, const struct record *,
	struct key128 *key);

/* The key's text, and the noted object as fields of a group, or as members. */
static inline struct slice
glance_key(const struct glance_note *note, const struct block *b)
{
	return slice_of(b->notes.p + note->at, note->key_n);
}

static inline struct slice
glance_part(const struct glance_note *note, const struct block *b)
{
	return slice_of(b->notes.p + note->at + note->key_n, note->part_n);
}

/* May the noted object go into a group just so? It has none of these fields. */
static inline bool
glance_fits(const struct glance *g, const struct group_head *h, const struct glance_note *note)
{
	return h->bits && !(h->names & g->names[note->object]);
}

static inline void
glance_count(const struct glance *g, struct group_head *h, const struct glance_note *note)
{
	h->names |= g->names[note->object];
	h->truths |= note->truths;
	h->count++;
}

/* Put it into a group: 1; 0: it has to be evaluated; -1: a bad record. */
int glance_add(const struct glance *, struct group *, const struct glance_note *,
	const struct record *, struct failure *why);

#endif
