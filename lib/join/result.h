/*
 * result: what a join writes: of a left record and the right one that it found, or of one
 * that found none.
 */
#ifndef SK_JOIN_RESULT_H
#define SK_JOIN_RESULT_H

#include "flow/emit.h"
#include "join/sides.h"

struct result;

/* The plan is borrowed. */
struct result *result_new(const struct join_plan *, const char *stage);
void result_free(struct result *);

/*
 * Of two records that were kept, at the event time us; right is NULL where there is none. What
 * goes wrong is a failure of this result alone: by --on-error it ends the run (-1), is counted,
 * or is a dead letter that holds both.
 */
int result_of_items(struct result *, struct emit *, const struct item *left,
	const struct item *right, int64_t us, struct failure *why);

/* The items that were handed in so far may have changed or gone. */
void result_forget(struct result *);

/* Of a record in hand, which the sides have too, and the content of a row, or none (p == NULL).
 * -1: a bad record. */
int result_of_record(struct result *, struct emit *, const struct record *, struct sides *,
	struct slice row, struct failure *why);

/* A left record that found nothing, for the dead letters. */
int result_dead(struct result *, struct emit *, const struct item *left, struct failure *why);

/* Results that could not be made and were passed over; the first failure. */
uint64_t result_skipped(const struct result *, const char **first);

#endif
