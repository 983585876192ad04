/*
 * spill: items on disk, sorted, where memory does not hold them: what a join of two files
 * has read of the first one when it comes to the second.
 *
 * A run is a file without a name in the folder, so that none stays behind whatever happens;
 * its items stand in their order, and come back one by one. Many runs are merged into one.
 */
#ifndef SK_JOIN_SPILL_H
#define SK_JOIN_SPILL_H

#include "base/failure.h"
#include "join/item.h"

struct spill;

/* The folder is borrowed. Nothing is made before the first run. */
struct spill *spill_new(const char *folder, struct pool *);
void spill_free(struct spill *);

/* Write items that are in their order as one more run; they are freed. EXIT_IO,
 * EXIT_CANTCREATE: the disk is full, or the folder can't be written; some were freed. */
int spill_write(struct spill *, struct item **, size_t n, struct failure *why);

/* The item that comes first of all that is on disk, or NULL; not the caller's. */
const struct item *spill_first(const struct spill *);
/* Take it; now it is the caller's. */
int spill_take(struct spill *, struct item **, struct failure *why);

uint64_t spill_left(const struct spill *); /* items on disk */

#endif
