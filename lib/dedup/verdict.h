/*
 * verdict: which lines of a block were seen before, told from their bytes alone.
 *
 * Where lines are compared as they are, or by one field, the key of a line is hashed without
 * tokens, maybe on another thread (notes). Then all lines of the block are looked up in order,
 * the ones to come being brought near in memory. A line that bytes don't tell (its key is no
 * plain string, or something was noticed in it) is read for its turn; one that is not good
 * has no verdict, and leaves the memory alone.
 */
#ifndef SK_DEDUP_VERDICT_H
#define SK_DEDUP_VERDICT_H

#include "dedup/identity.h"
#include "dedup/memory.h"

enum verdict { VERDICT_NEW, VERDICT_SEEN, VERDICT_NONE };

/* {0} but for what is borrowed. */
struct verdicts {
	struct identity *identity;
	struct memory *memory;
	const struct json_scan *scan; /* whose block they are of */
	uint64_t number;
	uint8_t *is;                  /* one a line */
	size_t n, cap;
	struct json_doc doc;
};

void verdicts_release(struct verdicts *);

/* Note the keys of a block. */
void verdicts_note(const struct verdicts *, const struct json_scan *, struct buf *notes);

/* Look its lines up. From the first one on that fails there is no verdict. */
void verdicts_take(struct verdicts *, struct json_scan *, const struct buf *notes);

/* Of a record whose block may be the one that was looked up. */
enum verdict verdict_of(const struct verdicts *, const struct record *);

/* The key that was noted of a plain record; what the notes tell of records behind it is
 * brought near. */
bool verdict_key(const struct verdicts *, const struct record *, struct key128 *);

#endif
