/*
 * groups: all groups that are open, and the keys of those that were closed, in the state; with
 * what is made again from them after a recovery: the queue of their deadlines, the order of
 * the closed ones, and which group is the open one of a sorted input.
 */
#ifndef SK_GROUP_GROUPS_H
#define SK_GROUP_GROUPS_H

#include "group/group.h"
#include "state/spot.h"

struct groups_options {
	int64_t timeout_us;  /* after the newest part, 0: none */
	int64_t max_age_us;  /* after the oldest part, 0: none */
	uint64_t closed;     /* keys remembered after their end, */
	int64_t closed_us;   /* or how long in event time; 0: none */
	bool sorted;         /* parts of one key stand together: one group is open */
};

struct groups;

struct groups *groups_new(const struct groups_options *, const struct state_options *,
	const struct op_context *);
void groups_free(struct groups *);

/* The operator's callbacks, handed on to the state. */
int groups_assign(struct groups *, uint32_t task, struct failure *why);
int groups_revoke(struct groups *, uint32_t task, struct failure *why);
int groups_rollback(struct groups *, uint64_t epoch, struct failure *why);
int groups_barrier(struct groups *, uint64_t epoch, struct failure *why);

/* The key under which the group with this canonical form of a key lies; the same of n. */
struct key128 groups_key(const struct groups *, struct slice canonical);
void groups_key_all(const struct groups *, const struct slice *canonical, size_t n,
	struct key128 *);

/* How often a task was assigned: keys that were hashed before the last time are void. */
uint64_t groups_assigned(const struct groups *);

/* Where they lie: for what needs no more than spot.h knows. */
struct state *groups_state(const struct groups *);

enum group_is { GROUP_IS_NEW, GROUP_IS_OPEN, GROUP_IS_CLOSED };

/* *kept: the bytes of an open one, until anything changes. */
enum group_is groups_find(struct groups *, uint32_t task, struct key128, struct slice *kept);

/* Load a group that was found, or begin the one of a new key. */
void groups_load(struct groups *, uint32_t task, struct key128, struct slice kept,
	struct group *);
void groups_begin(struct groups *, uint32_t task, struct key128, struct slice key_json,
	struct group *);

/* Sorted: is another group than this the open one? Its key and bytes then. */
bool groups_other(struct groups *, uint32_t task, struct key128, struct key128 *other,
	struct slice *kept);

/* Keep an open group as it is now. was: the one it was before, NULL if it is new. */
int groups_keep(struct groups *, uint32_t task, struct key128, struct group *,
	const struct group_head *was, struct failure *why);

/* A group is finished, in event time us. was: how it lies in the state, NULL if it does not. */
int groups_close(struct groups *, uint32_t task, struct key128, const struct group_head *was,
	int64_t us, struct failure *why);

/* What a group has beside it in the state goes: where a record ends it and begins it again. */
int groups_drop_pieces(struct groups *, uint32_t task, struct key128,
	const struct group_head *was, struct failure *why);

/*
 * Of a group whose part needs nothing of it but its head (quick.h), where its spot is: it is made
 * with n bytes, to be filled in at once, its head first, in which `made` is set; or it is
 * finished and not remembered. They know nothing of timers and of which group is the open one.
 */
char *groups_make(struct groups *, struct state_spot *, struct key128, size_t n,
	struct failure *why);
int groups_finished(struct groups *, struct state_spot *, struct failure *why);

struct due {
	struct key128 key;
	struct slice kept;   /* until anything changes */
	int64_t us;          /* the deadline */
	const char *by;      /* "max-age" or "timeout" */
};

/* The next group whose deadline is before us, in the order of (deadline, key). The caller
 * closes it. */
bool groups_due(struct groups *, uint32_t task, int64_t us, struct due *);

/* The end of time: after this call groups_due with INT64_MAX gives all that are open, those
 * without a deadline in the order of their keys. */
void groups_all_due(struct groups *);

/* Time has moved on to us: closed keys are forgotten. */
int groups_watermark(struct groups *, uint32_t task, int64_t us, struct failure *why);

uint64_t groups_open(struct groups *);
uint64_t groups_evicted(const struct groups *); /* open ones given up for the bounds */
size_t groups_ntasks(const struct groups *);
uint32_t groups_task(const struct groups *, size_t i); /* ascending */

#endif
