/*
 * ahead: threads that read and scan blocks before their turn comes, for an operator that
 * takes its records on one thread because it remembers.
 *
 * Blocks are taken in the order in which they were read, and with each what the source said of
 * itself when it was read last, so nothing depends on how far ahead the threads are. Who takes
 * them and finds none does the same with the next one, where a read never waits.
 */
#ifndef SK_FLOW_AHEAD_H
#define SK_FLOW_AHEAD_H

#include "flow/run.h"

struct ahead;

/* May this run have one? */
bool ahead_is_fit(const struct flow *);

/* From now on the source is the threads': flow.ahead_threads of them, or one where note() is
 * for one at a time. NULL: none can be started. */
struct ahead *ahead_start(struct worker *);

/* The next block into w, scanned: 1, 0 at the end, or -1. At wake_ns (0: never) an empty one
 * if there is none yet. */
int ahead_take(struct ahead *, struct worker *w, int64_t wake_ns);

/* True if the next block is not there yet. */
bool ahead_waits(struct ahead *);

/* End the threads, wherever they wait. */
void ahead_stop(struct ahead *);

#endif
