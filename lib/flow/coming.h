/*
 * coming: records are shown to the operator before their turn (operator.coming): those of the
 * block in hand, and behind it those of blocks that a thread has read ahead.
 *
 * Blocks that were read ahead are not indexed before they are in hand, for that would take
 * several times their memory: their lines are found, and a line that the operator asks for is
 * taken on trust.
 */
#ifndef SK_FLOW_COMING_H
#define SK_FLOW_COMING_H

#include "flow/run.h"

struct coming;

/* May blocks be read ahead from this source, to be shown? */
bool coming_is_fit(const struct operator *, const struct flow_options *,
	const struct source *);

/* For the only worker of a run whose operator has coming(). blocks: that may be read ahead;
 * from now on the source is the thread's. With 0, or if no thread can be had, only the block in
 * hand is shown. */
struct coming *coming_start(struct worker *, size_t blocks);
/* End the thread, wherever it waits; nothing that was shown may be looked at any more. */
void coming_stop(struct coming *);

/* Are blocks read ahead? Then: the next one into w: 1, 0 at the end, or -1. At wake_ns (0: never)
 * an empty one if there is none yet. */
bool coming_reads(const struct coming *);
int coming_take(struct coming *, struct worker *w, int64_t wake_ns);
/* True if the next block is not there yet. */
bool coming_waits(struct coming *);

/* Show what is to come from record i of the block in hand on. */
void coming_show(struct coming *, size_t i);
/* The block in hand ends. */
void coming_block_ends(struct coming *);

#endif
