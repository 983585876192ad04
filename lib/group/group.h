/*
 * group: a thing that is being put together from parts, as it lies in the state.
 *
 * The whole so far is kept in a form that takes a part without being parsed: a list of fields
 * (name, text of the value) for objects, a list of elements for --merge array, and the text
 * alone for what an expression made. A group is loaded from the state's bytes, takes parts,
 * and gives the bytes to be kept. What it was before stands in the state until then, so a
 * part that turns out bad leaves no trace.
 *
 *	head | key, as JSON text | whole
 *
 * What only grows, the elements of a list and the fields that are concat, array or unique,
 * goes to pieces of its own once it is long (pieces.h), so to put a part in costs time in
 * proportion to the part; where it replaces or goes deep, to the whole.
 */
#ifndef SK_GROUP_GROUP_H
#define SK_GROUP_GROUP_H

#include "group/pieces.h"
#include "time/time.h"

#define GROUP_MAX ((size_t)256 << 20) /* bytes of one group; more makes a bad record */

enum group_merge { MERGE_SHALLOW, MERGE_DEEP, MERGE_ARRAY, MERGE_EXPR };

/* What becomes of one field, whatever the merge does with the others. */
enum field_rule {
	FIELD_SUM, FIELD_MIN, FIELD_MAX, FIELD_FIRST, FIELD_LAST, FIELD_CONCAT, FIELD_ARRAY,
	FIELD_UNIQUE, FIELD_COUNT, FIELD_LONGEST, FIELD_RETAIN,
	FIELD_MERGED, /* no rule: as the merge says */
};

struct group_field {
	struct slice name;
	enum field_rule rule;
};

/* "amount=sum"; the name is borrowed. -1: EXIT_USAGE. */
int group_field_parse(const char *text, struct group_field *, struct failure *why);

/* What an entry of the state is. */
enum entry_is {
	ENTRY_OPEN,   /* a group */
	ENTRY_CLOSED, /* the key of one that is finished: what comes for it is late */
	ENTRY_PIECE,  /* of a group */
	ENTRY_SEEN,   /* a value of a field that is unique */
};

/* How every entry begins. Of the process's own representation: a state is read where it was
 * written. */
struct entry_head {
	int64_t expires_us; /* INT64_MAX but for closed ones; state_expire's */
	uint8_t is;         /* enum entry_is */
	uint8_t kind;       /* of a group's whole: group.c's */
	uint8_t pad[2];
	uint32_t key_n;     /* of a group's key */
};

struct closed_entry {
	struct entry_head e;
	uint64_t number;    /* the order in which they were closed */
};

struct group_head {
	struct entry_head e;
	int64_t first_us;   /* event times of its parts, TIME_NONE where there is none */
	int64_t last_us;
	uint64_t count;     /* parts */
	uint64_t size;      /* parts that make it whole, 0: not known */
	uint64_t spilled;   /* bytes in pieces */
	uint64_t pieces;    /* of a list */
	uint64_t made;      /* no other group has this number: of its pieces' keys */
	uint64_t names;     /* glance.c's: of its fields; and those that are true */
	uint64_t truths;
	uint64_t bits;      /* 1: these are right */
};

struct group {
	struct group_head h;
	struct buf bytes;   /* head (made by group_keep), key, whole */
	struct pieces pieces;
};

/* The head of a group that has no part yet. */
static inline void
group_head_init(struct group_head *h, uint32_t key_n)
{
	*h = (struct group_head){.e = {.expires_us = INT64_MAX, .key_n = key_n},
		.first_us = TIME_NONE, .last_us = TIME_NONE, .bits = 1};
}

/* The head where it lies: kept bytes are aligned for it. */
static inline struct group_head *
group_head_at(struct slice kept)
{
	return (struct group_head *)(uintptr_t)kept.p;
}

/* A part of this event time, or TIME_NONE, came. */
static inline void
group_saw(struct group_head *h, int64_t us)
{
	if (us == TIME_NONE)
		return;
	if (h->first_us == TIME_NONE || us < h->first_us)
		h->first_us = us;
	if (us > h->last_us)
		h->last_us = us;
}

/* An empty group; its memory is used again. Its pieces are the caller's to place. */
void group_begin(struct group *, struct slice key_json);
void group_load(struct group *, struct slice kept);
/* The bytes to keep. Borrowed until the group changes. */
struct slice group_keep(struct group *);
void group_release(struct group *);

/* Look at kept bytes without taking a copy. */
static inline struct entry_head
entry_head_of(struct slice kept)
{
	struct entry_head e;

	memcpy(&e, kept.p, sizeof(e));
	return e;
}

static inline struct group_head
group_head_of(struct slice kept)
{
	struct group_head h;

	memcpy(&h, kept.p, sizeof(h));
	return h;
}

static inline struct slice
group_key(const struct group *g)
{
	return slice_of(g->bytes.p + sizeof(struct group_head), g->h.e.key_n);
}

/* The memory in which groups are worked on, one a thread; {0} but for what it is told. */
struct group_work {
	enum group_merge merge;
	const struct group_field *field; /* borrowed */
	size_t nfields;
	/* The room's own. */
	struct buf next, canonical;
	struct arena arena;
	struct json_scan scan, other;
	struct json_doc doc, other_doc;
};
void group_work_release(struct group_work *);

/* Put a part in, by any merge but MERGE_EXPR. -1: it cannot be merged, a bad record; the
 * group is then spoilt. Values of the work are void afterwards. */
int group_add(struct group_work *, struct group *, const struct value *part,
	struct failure *why);

/* Let value be the whole: the outcome of a MERGE_EXPR. It counts as a part. */
int group_set(struct group_work *, struct group *, const struct value *, struct failure *why);

/* The whole as a value, null at first; it lives until the next call with this work. */
int group_value(struct group_work *, const struct group *, struct value *, struct failure *why);

/* Are all these fields of the whole there, and neither null nor false? */
bool group_has(struct group_work *, const struct group *, const struct slice *name, size_t n);

/* A whole number, 0 or more and of 18 digits at most, however it was made. */
bool group_whole_number(const struct value *, uint64_t *n);

/* Append the whole as JSON. by: with a member _aggregate {key, count, by, first, last}; what is
 * no object is then written as {"value":...,"_aggregate":...}. -1: the state has lost a piece. */
int group_add_json(struct group_work *, struct buf *, const struct group *, const char *by,
	struct failure *why);

/* Append members, as WHOLE_MEMBERS has them, as fields. */
void group_add_fields(struct buf *, struct slice members);

/* ---- between the files of the room ------------------------------------------------- */

enum whole_kind {
	WHOLE_NONE, WHOLE_FIELDS, WHOLE_LIST, WHOLE_TEXT,
	WHOLE_MEMBERS, /* as JSON, a comma before each: of kept bytes alone, where nothing but picked
			  parts went in; group_load makes fields of them */
};

struct stored_field {
	struct slice name;  /* decoded */
	struct slice value; /* JSON text; with pieces, what comes behind them */
	bool plain;         /* the name needs no escapes */
	uint32_t stream;    /* with pieces: of those */
	uint32_t pieces;
};

static inline struct slice
group_whole_of(struct slice kept, uint32_t key_n)
{
	size_t at = sizeof(struct group_head) + key_n;

	return slice_of(kept.p + at, kept.n - at);
}

static inline struct slice
group_whole(const struct group *g)
{
	return group_whole_of(buf_slice(&g->bytes), g->h.e.key_n);
}

int group_check_size(const struct group *, size_t bytes, struct failure *why);

/* work->next becomes the group, one part richer; or it is too large. */
int group_take(struct group_work *, struct group *, enum whole_kind, struct failure *why);

/* Append an element of a list, and the whole of one as JSON: list.c. */
void group_add_element(struct buf *, const struct value *part);
int group_add_list(struct buf *, const struct group *, struct failure *why);

#define NAME_PLAIN UINT32_C(0x80000000)
#define IN_PIECES UINT32_C(0x40000000) /* struct field_pieces comes before the name */

struct field_sizes {
	uint32_t name_n; /* | NAME_PLAIN | IN_PIECES */
	uint32_t value_n;
};

struct field_pieces {
	uint32_t stream, pieces;
};

/* Take a field from the front. */
static inline bool
field_step(struct slice *left, struct stored_field *f)
{
	struct field_sizes sizes;
	struct field_pieces pieces = {0, 0};
	const char *p = left->p + sizeof(sizes);

	if (!left->n)
		return false;
	memcpy(&sizes, left->p, sizeof(sizes));
	if (__builtin_expect(sizes.name_n & IN_PIECES, 0)) {
		memcpy(&pieces, p, sizeof(pieces));
		p += sizeof(pieces);
	}
	f->plain = sizes.name_n & NAME_PLAIN;
	f->stream = pieces.stream;
	f->pieces = pieces.pieces;
	f->name = slice_of(p, sizes.name_n & ~(NAME_PLAIN | IN_PIECES));
	f->value = slice_of(p + f->name.n, sizes.value_n);
	p = f->value.p + f->value.n;
	*left = slice_of(p, (size_t)(left->p + left->n - p));
	return true;
}

/* Append a field up to its value; field_end after that. Returns where it begins. */
static inline size_t
field_begin(struct buf *b, const struct stored_field *f)
{
	struct field_sizes sizes = {(uint32_t)f->name.n | (f->plain ? NAME_PLAIN : 0) |
		(f->pieces ? IN_PIECES : 0), 0};
	struct field_pieces pieces = {f->stream, f->pieces};
	size_t at = b->n, head = sizeof(sizes);

	buf_reserve(b, sizeof(sizes) + sizeof(pieces) + f->name.n);
	memcpy(b->p + at, &sizes, sizeof(sizes));
	if (__builtin_expect(f->pieces, 0)) {
		memcpy(b->p + at + head, &pieces, sizeof(pieces));
		head += sizeof(pieces);
	}
	memcpy(b->p + at + head, f->name.p, f->name.n);
	b->n += head + f->name.n;
	return at;
}

/* Where the value of the field that begins at that place begins. */
static inline size_t
field_value_at(const struct buf *b, size_t begin)
{
	struct field_sizes sizes;

	memcpy(&sizes, b->p + begin, sizeof(sizes));
	return begin + sizeof(sizes) + (sizes.name_n & ~(NAME_PLAIN | IN_PIECES)) +
		(sizes.name_n & IN_PIECES ? sizeof(struct field_pieces) : 0);
}

static inline void
field_end(struct buf *b, size_t begin)
{
	struct field_sizes sizes;

	memcpy(&sizes, b->p + begin, sizeof(sizes));
	sizes.value_n = (uint32_t)(b->n - field_value_at(b, begin));
	memcpy(b->p + begin, &sizes, sizeof(sizes));
}

/* The bytes of the value of a field that is made at a place. */
static inline void
field_set_size(char *field, size_t n)
{
	uint32_t value_n = (uint32_t)n;

	memcpy(field + offsetof(struct field_sizes, value_n), &value_n, sizeof(value_n));
}

/* Append a whole field. */
static inline void
field_add(struct buf *b, struct slice name, bool plain, struct slice value)
{
	struct field_sizes sizes = {(uint32_t)name.n | (plain ? NAME_PLAIN : 0),
		(uint32_t)value.n};
	char *p;

	buf_reserve(b, sizeof(sizes) + name.n + value.n);
	p = b->p + b->n;
	memcpy(p, &sizes, sizeof(sizes));
	copy_short(p + sizeof(sizes), name.p, name.n);
	copy_short(p + sizeof(sizes) + name.n, value.p, value.n);
	b->n += sizeof(sizes) + name.n + value.n;
}

/* Append what becomes of a field that was old (value.p NULL: not there) and gets a new value:
 * 1; 0: nothing, the field stays as it is; -1: a bad record. */
int field_combine(struct group_work *, struct group *, struct buf *, enum field_rule,
	const struct stored_field *old, const struct value *new_value, struct failure *why);

/* The field that ends b is long and may go on growing: it goes to a piece. */
int field_spill(struct group_work *, struct group *, struct buf *, size_t begin,
	struct stored_field *, enum field_rule, struct failure *why);

#endif
