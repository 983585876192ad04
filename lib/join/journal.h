/*
 * journal: the items of a join in the state, so that a run goes on where another was killed.
 *
 * Items live in the memory of the join; the state has a copy of each. What is new is written
 * down some time later, so that what comes and goes before that costs nothing, and many
 * together, so that the state has few values. An item whose time is over is never taken out: it
 * goes when that of all that were written with it is over.
 */
#ifndef SK_JOIN_JOURNAL_H
#define SK_JOIN_JOURNAL_H

#include "join/item.h"
#include "state/state.h"

struct journal;

/* How far a task has come. */
struct journal_mark {
	int64_t now_us;       /* what is earlier is late */
	int64_t gone_us;      /* journal_expire */
	uint64_t given_up;
};

/* NULL where there is no folder for state. shape: state_options. */
struct journal *journal_new(const char *shape, const struct op_context *);
void journal_free(struct journal *);

/* The operator's callbacks, handed on to the state. */
int journal_assign(struct journal *, uint32_t task, struct failure *why);
int journal_revoke(struct journal *, uint32_t task, struct failure *why);
int journal_rollback(struct journal *, uint64_t epoch, struct failure *why);
int journal_barrier(struct journal *, uint64_t epoch, struct failure *why);

/* Behind a rollback: what there is, in no order. *mark is as it was if there is none. id is that
 * of the item to be made. */
void journal_load(struct journal *, uint32_t task, struct journal_mark *mark,
	void (*take)(void *arg, const struct item_parts *, uint64_t id), void *arg);
/* Before a barrier. */
int journal_put_mark(struct journal *, uint32_t task, const struct journal_mark *,
	struct failure *why);

/* An item that is new. It gets an id, and may not move any more. */
int journal_add(struct journal *, uint32_t task, struct item *, struct failure *why);
/* It has found a partner. */
int journal_change(struct journal *, uint32_t task, const struct item *, struct failure *why);
/* An item is about to be freed. early: before its time is over. */
int journal_forget(struct journal *, uint32_t task, const struct item *, bool early,
	struct failure *why);
/* Items whose time and until_us are earlier are gone. */
int journal_expire(struct journal *, uint32_t task, int64_t us, struct failure *why);

uint64_t journal_memory(const struct journal *);

#endif
