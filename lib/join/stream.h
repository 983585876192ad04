/*
 * stream: what becomes of a record of the stream. With a table that is a file it is looked up there
 * at once; else it is on a side, or on both, and waits for its turn (pairs.h).
 */
#ifndef SK_JOIN_STREAM_H
#define SK_JOIN_STREAM_H

#include "flow/emit.h"
#include "join/pairs.h"
#include "join/rows.h"
#include "join/sides.h"

/* Made and released by the command. */
struct stream {
	const struct join_plan *plan;
	struct sides *sides;
	struct result *result;
	struct pairs *pairs;      /* NULL with a table that is a file: */
	const struct rows *table;
	int late_outlet;          /* or -1 */
};

/* operator.record. */
int stream_take(struct stream *, const struct record *, struct emit *, struct failure *why);

/* At the end: what was given up, or could not be made. -1: there was some, EXIT_SOME_BAD. */
int stream_account(const struct stream *, struct failure *why);

#endif
