/*
 * notes: what one walk over the members of a line tells of it before its turn comes: its event
 * time, its side, its key, hashed, and where the fields stand that results take of it. That needs
 * sides that are told by conditions on members, and keys that are one field; of any other line,
 * and of envelopes, nothing is noted, and it is evaluated.
 *
 * Where all that results take of a line is members, their texts stand behind the notes as its
 * item has them, so that the block, which another thread has read, is not touched again; and where
 * records may be taken together, their items stand there whole.
 *
 * Made for a block at a time (operator.note), perhaps on another thread than the one that takes
 * its records.
 */
#ifndef SK_JOIN_NOTES_H
#define SK_JOIN_NOTES_H

#include "expr/alike.h"
#include "join/item.h"
#include "join/plan.h"

#define ON(side) (1u << (side))

/* Of a line. */
struct note {
	uint64_t hash;          /* of the key */
	uint32_t key_at, key_n; /* its text in the block, as it stands in canonical form */
	uint32_t text_at;       /* among the notes: that text again, and the content; 0: not */
	uint32_t content_n;
	uint32_t behind;        /* notes of the block that stand behind this one */
	uint32_t run;           /* among the notes: the one that begins here; 0: none does */
	int64_t us;             /* event time, or TIME_NONE: it is not told */
	bool told;              /* what follows holds, and the key */
	uint8_t on;             /* ON() of its sides; of rows of a topic and of two inputs it is
	                         * not told */
	uint32_t at[];          /* tokens of the members that are wanted, or JSON_NONE */
};

/* Of a line, by ON() of its sides. */
struct note_way {
	enum join_side side;    /* whose key and texts are told, */
	bool text;              /* and whether there are texts */
};

/*
 * Lines that follow one another, of which all is told: each is on one side, with its texts, or on
 * none. None is older than the watermark that those before it make.
 */
struct note_run {
	uint32_t n, items;      /* lines, and those on a side, */
	uint32_t at, bytes;     /* whose items stand there among the notes */
	int64_t first_us, newest_us;
	int64_t least_us;       /* of the items; INT64_MAX: there is none */
};

struct notes {
	struct pick_wants wants;
	struct pick *is[2];     /* by side: the condition, or NULL */
	struct alike_store *alike;
	int key[2];             /* the wanted member that is the key, or -1: there are no notes */
	int *leaf;              /* of the outline: the wanted member that it is, or -1 */
	int *member[2];         /* by side: what the content is made of, -1: of the key, */
	size_t nmembers[2];
	bool content[2];        /* where that is told */
	struct note_way way[4]; /* where there is a key */
	bool rows;              /* all are right ones */
	bool sides;             /* they are told */
	int time;               /* the wanted member that --time is, or -1 */
	const struct join_plan *plan;
	int64_t delay_us;       /* of the watermark; with runs: */
	bool runs;              /* they are told */
	uint64_t seed;
	size_t bytes;           /* of a note, */
	size_t room;            /* and of the texts of a line that notes_add_short adds */
};

/* rows: of a table that is read from a file. time: of the stream, or NULL. */
void notes_init(struct notes *, const struct join_plan *, const struct flow_time *time, bool rows,
	uint64_t seed);
void notes_release(struct notes *);

/* Is that leaf, of this side, the member that is its key? Where its text is the key's too, the
 * content doesn't have it again, but one of 0 bytes (item_leaf). */
bool notes_is_key(const struct notes *, enum join_side, size_t leaf);

/* Make the notes of a block. */
void notes_make(const struct notes *, const struct json_scan *, struct buf *);

/* The event time of a record: true. */
bool notes_when(const struct notes *, const struct record *, int64_t *us);

/* The note of the record so many behind this one in its block, or NULL. */
const struct note *notes_of(const struct notes *, const struct record *, size_t behind);

/* The note of a line; only where there is one. */
static inline const struct note *
notes_line(const struct notes *n, const struct block *b, size_t line)
{
	return (const struct note *)(const void *)(b->notes.p + line * n->bytes);
}

/* The run that begins with this line, or NULL. */
const struct note_run *notes_run(const struct notes *, const struct block *, size_t line);

/* Its items, one behind the other; only where there are some. */
static inline const struct item *
notes_items(const struct block *b, const struct note_run *run)
{
	return (const struct item *)(const void *)(b->notes.p + run->at);
}

/* ---- internal to the notes --------------------------------------------------------- */

#define NOTES_SHORT 32 /* bytes of a text that is */
#define NOTES_FEW 4    /* members */

/* Append the texts of a line whose note stands there and has its key, whatever they are, and say
 * so in it; where records may be taken together, the item that it is all of. others: room. */
void notes_add_text(const struct notes *, enum join_side, const struct json_doc *, size_t note_at,
	struct buf *, struct buf *others);

/* Append the value at t as compact JSON: at once where it stands so. */
void notes_add_value(struct buf *, const struct json_doc *, uint32_t t);

#endif
