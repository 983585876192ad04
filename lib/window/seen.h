/*
 * seen: what one walk over the members of a line tells before its turn comes: the event time,
 * and the members that some expression is, as values. Made for a block at a time
 * (operator.note), by any thread. Of lines that may not be valid, of envelopes, and of members
 * that are no scalars nothing is told, and they are looked at in their turn.
 */
#ifndef SK_WINDOW_SEEN_H
#define SK_WINDOW_SEEN_H

#include "expr/pick.h"
#include "flow/flow.h"
#include "window/cells.h"

/* A member. */
struct seen_value {
	uint32_t at, n;           /* its text in the block */
	int64_t m;                /* a small number, as in fold_value */
	uint8_t type, scale;
	bool told;                /* what follows holds */
	bool there;               /* it is, and not null; else that is all */
	bool small;
	bool plain;               /* and equal values have this text */
};

/* Of a line. */
struct seen {
	int64_t us;               /* TIME_NONE: it is not told */
	bool told;                /* the values are */
	uint32_t assigned;        /* with the owner: cell_keys; 0: that is not told */
	uint32_t run;             /* in the notes: the one that begins here (runs.h); 0: none */
	struct key128 owner;      /* of the key, which is plain */
	struct seen_value value[];
};

struct seen_plan {
	struct pick_wants wants;  /* the members, as far as they fit, and the time: */
	int time;                 /* which of them that is; -1: none */
	enum time_unit unit;
	int key;                  /* which of the values that is; -1: none */
	const struct cell_keys *keys;
	int *want;                /* of each value: which of them it is, or -1 */
	size_t nvalues;
	size_t bytes;             /* of a struct seen */
};

/* time: how records get theirs, or NULL. Values are added, and then it is ready; key is one of
 * them, or -1. */
void seen_init(struct seen_plan *, const struct flow_time *time);
void seen_add(struct seen_plan *, struct slice name);
void seen_ready(struct seen_plan *, int key, const struct cell_keys *);
void seen_release(struct seen_plan *);

void seen_make(const struct seen_plan *, const struct json_scan *, struct buf *notes);

/* Of a line of a block of which something was noted. */
static inline const struct seen *
seen_line(const struct seen_plan *p, const struct block *b, size_t line)
{
	return (const struct seen *)(const void *)(b->notes.p + line * p->bytes);
}

/* Of a record; NULL: nothing was noted. */
static inline const struct seen *
seen_of(const struct seen_plan *p, const struct record *r)
{
	return r->meta || r->index * p->bytes >= r->block->notes.n ? NULL :
		seen_line(p, r->block, r->index);
}

/* A value that is there, of a line of that block. */
static inline struct fold_value
seen_value_of(const struct seen_value *v, const struct block *b)
{
	return (struct fold_value){.text = slice_of(b->p + v->at, v->n),
		.type = (enum json_type)v->type, .small = v->small, .scale = v->scale, .m = v->m};
}

/* Is a value as all equal ones stand: a string without escapes, a short whole number? */
static inline bool
seen_is_plain(const struct fold_value *v, bool escapes)
{
	if (v->type == JSON_STRING)
		return !escapes || !memchr(v->text.p, '\\', v->text.n);
	return v->small && !v->scale && v->m;
}

#endif
