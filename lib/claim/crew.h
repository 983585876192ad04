/*
 * crew: hands that transfer what will be asked for soon, each with a way to the store of its
 * own.
 *
 * The operator, on the driver's thread, begins a transfer for each record that it is shown,
 * of this block or a later one, as long as there is a berth free, and takes them back in the
 * same order when their records come. So events keep their order, and at most as many payloads
 * are held as there are berths. Hands are started when the first transfer begins.
 */
#ifndef SK_CLAIM_CREW_H
#define SK_CLAIM_CREW_H

#include "claim/claim.h"

struct transfer {
	uint64_t block;          /* the number of the record's block, */
	uint32_t record;         /* and its index there */
	struct claim claim;      /* get: what is wanted. put: what it became */
	struct slice payload;    /* put: in the block */
	struct fetched fetched;  /* get */
	int rc;
	struct failure why;      /* with rc -1 */
	/* The crew's own. */
	enum { BERTH_FREE, BERTH_WAITS, BERTH_RUNS, BERTH_DONE } state;
};

struct crew;

/* n berths, and as many hands that put or get. */
struct crew *crew_new(const struct claim_options *, size_t n, bool puts);
/* Waits for what runs. */
void crew_free(struct crew *);

/* A free berth, or NULL. Fill it, then crew_begin(). */
struct transfer *crew_berth(struct crew *);
/* -1: no thread can be had. */
int crew_begin(struct crew *, struct transfer *, const struct record *, struct failure *why);

/* The transfer of a record, once it is done; NULL if none was begun. What was begun for
 * records before it is given up. */
struct transfer *crew_take(struct crew *, const struct record *);
/* Done with what crew_take gave. */
void crew_return(struct crew *, struct transfer *);
/* Give up all that was begun for a block, or for any (NULL); nothing looks at it any more. */
void crew_forget(struct crew *, const struct block *);

#endif
