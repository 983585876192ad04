/*
 * fate: what becomes of a record of sk-dedup: it passes, is a duplicate, or late, or is held
 * until it is known to be the last.
 */
#ifndef SK_DEDUP_FATE_H
#define SK_DEDUP_FATE_H

#include "dedup/additions.h"
#include "dedup/held.h"
#include "dedup/verdict.h"

/* Where what does not pass goes; -1: nowhere. */
struct outlets {
	int duplicates, late;
};

struct fates {
	const struct dedup_plan *plan;
	struct outlets to;
	struct memory *memory;
	struct identity identity;
	struct additions additions;
	struct held *held;         /* --keep last */
	struct verdicts verdicts;
	bool at_a_glance;          /* they are all that is needed */
	struct emit *emit;         /* of the call in hand */
};

/* The plan and the memory are borrowed. It does not move afterwards. */
void fates_init(struct fates *, const struct dedup_plan *, const struct outlets *,
	struct memory *, const char *stage);
void fates_release(struct fates *);

/* operator.glance and operator.record */
bool fates_glance(struct fates *, struct json_scan *, const struct buf *notes, uint8_t *to);
int fates_record(struct fates *, const struct record *, struct emit *, struct failure *why);

#endif
