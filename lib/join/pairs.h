/*
 * pairs: records of two sides that find each other within a bound of event time, or that find
 * the row of a table at their own event time.
 *
 * Every record waits for its turn, which comes when the watermark has passed it: so turns are
 * taken in the order of item_cmp, whatever the order of arrival. In its turn a record meets
 * those of the other side with its key whose time is not over yet, in their order, and is kept
 * for as long as one to come may find it. A left one that goes without having met any is
 * unmatched at that instant, behind the results of that instant. Results so come in the order
 * of the event time at which they are certain.
 *
 * A record that the watermark has passed and whose time is not over yet takes its turn at once,
 * at the watermark. One whose time is over is late. A table is as it was at one time only: for
 * it whatever the watermark has passed is late.
 *
 * A row (plan WITH_ROWS) takes the place of the row of its key, or removes it; a left record
 * meets the row that is there in its turn, or waits for one to come.
 *
 * Memory: the records between the watermark and the newest, and those whose time is not over:
 * 80 bytes and the texts of each (item.h), 24 for its turn, 24 for its key (48, 16 and nothing for
 * its turn where only pairs count, and no state outlives the run: shelf.h). Beyond
 * max_memory what waits for its turn goes to disk, sorted, if there is no state that outlives
 * the run; else, and for the rest, it is an error, or the oldest are given up.
 */
#ifndef SK_JOIN_PAIRS_H
#define SK_JOIN_PAIRS_H

#include "join/notes.h"
#include "join/result.h"

struct pairs;

/* Plan and context are borrowed. */
struct pairs *pairs_new(const struct join_plan *, const struct op_context *,
	struct result *);
void pairs_free(struct pairs *);

/* The operator's callbacks. */
int pairs_assign(struct pairs *, uint32_t task, struct failure *why);
int pairs_revoke(struct pairs *, uint32_t task, struct failure *why);
int pairs_rollback(struct pairs *, uint64_t epoch, struct failure *why);
int pairs_barrier(struct pairs *, uint64_t epoch, struct failure *why);

/* Whether a record comes too late. */
bool pairs_is_late(const struct pairs *, uint32_t task, const struct item_parts *);
/* A record that is not late, to wait for its turn or to take it. */
int pairs_add(struct pairs *, uint32_t task, const struct item_parts *, struct emit *,
	struct failure *why);

/* All records of a run (notes.h), which begins with that line: 1; 0: they are to go one by one;
 * -1. Their turns come with the next pairs_watermark. */
int pairs_add_run(struct pairs *, uint32_t task, const struct notes *, const struct block *,
	size_t line, struct failure *why);

/* Do turns follow soon on arrival? Then */
bool pairs_looks_ahead(const struct pairs *, uint32_t task);
/* a record with a key of that hash will come soon: bring near what it will look at, first the
 * slot, and, some time later, the items in it. */
void pairs_ahead(const struct pairs *, uint32_t task, uint64_t hash, bool items);

/* No record older than us will follow. */
int pairs_watermark(struct pairs *, uint32_t task, int64_t us, struct emit *,
	struct failure *why);
/* No record will follow at all: all take their turns, and who has met none is unmatched. */
int pairs_end(struct pairs *, struct emit *, struct failure *why);

uint64_t pairs_given_up(const struct pairs *); /* for the bounds */

#endif
