/*
 * memory: the keys that were seen, for ever or for some time.
 *
 * Exact, it is a state of keys without values, or with the event time that the key counts
 * from; approximate, a filter. With a window of D, a record is a duplicate where one with its
 * key was let through (with --refresh: seen) not more than D before it, or after it. A record
 * that is more than D older than the watermark is late: whatever it could be a duplicate of
 * is remembered for 2 D, so all others are told exactly, in whatever order they come.
 */
#ifndef SK_DEDUP_MEMORY_H
#define SK_DEDUP_MEMORY_H

#include "dedup/plan.h"
#include "state/state.h"

struct memory;

/* value_bytes: of the state, that is STATE_VARIABLE for who keeps more than keys in it. NULL:
 * there is no memory for a filter of that size. */
struct memory *memory_new(const struct dedup_plan *, size_t value_bytes,
	const struct op_context *, struct failure *why);
void memory_free(struct memory *);

struct key128 memory_key(const struct memory *, struct slice identity);
void memory_key_all(const struct memory *, const struct slice *identity, size_t n,
	struct key128 *);
void memory_prefetch(const struct memory *, uint32_t task, struct key128);

/* us: event time; matters with a window only. */
enum memory_says { MEMORY_FAILED = -1, MEMORY_SEEN, MEMORY_NEW, MEMORY_LATE };
enum memory_says memory_take(struct memory *, uint32_t task, struct key128, int64_t us,
	struct failure *why);

/* The same of n keys in order, without a window: fresh[i] is 1 where one is new, else 0. Returns
 * how many were taken before that failed. */
size_t memory_take_all(struct memory *, uint32_t task, const struct key128 *, size_t n,
	uint8_t *fresh, struct failure *why);

bool memory_is_late(const struct memory *, uint32_t task, int64_t us);

/* The operator's callbacks. */
int memory_assign(struct memory *, uint32_t task, struct failure *why);
int memory_revoke(struct memory *, uint32_t task, struct failure *why);
int memory_rollback(struct memory *, uint64_t epoch, struct failure *why);
int memory_barrier(struct memory *, uint64_t epoch, struct failure *why);
/* Forgets what no record in time can be a duplicate of. */
int memory_watermark(struct memory *, uint32_t task, int64_t us, struct failure *why);

struct state *memory_state(struct memory *);
uint64_t memory_evicted(const struct memory *); /* keys given up for the bounds */
void memory_count_evicted(struct memory *);

#endif
