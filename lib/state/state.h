/*
 * state: what an operator remembers from record to record, and over a kill.
 *
 * A table in memory from 128-bit keys to values, and the log of its changes, cut into
 * epochs. The operator's callbacks hand on to it: assign, revoke, rollback and barrier have
 * the order and the meaning that flow.h gives them. Everything between two barriers belongs
 * to the epoch of the second; the barrier appends a mark and makes the log durable.
 *
 *	DIR/NAME/config          what shaped the state, and the hash key; written once
 *	DIR/NAME/runs            what runs without checkpoints have committed
 *	DIR/NAME/lock            held by the one owner, its pid in it
 *	DIR/NAME/TASK-SEQ.log    changes, in order, with a mark an epoch
 *	DIR/NAME/TASK-SEQ.snap   the table, from which the logs of SEQ and later go on
 *
 * Without a folder (place->state NULL) there is the table alone, and an epoch can't be gone
 * back to, except 0, where nothing was.
 *
 * Records of the log are upserts and removals with absolute values, so a snapshot may be
 * taken while the table goes on changing: it begins together with a new log, walks the table
 * a part at a time, and whatever changed after that stands in the log behind it. It counts
 * once an epoch not older than its end is known to be committed (place->committed); then
 * older logs and snapshots go. So compaction neither stops the stream nor doubles the memory.
 *
 * Every byte of every file is covered by a checksum. A log's torn tail, behind its last
 * whole mark, is cut; anything else that is damaged, of a newer version, shaped otherwise,
 * or without the epoch that is asked for, is refused with EXIT_CONFIG and a hint, never
 * taken for an empty start. A failed write or fsync is EXIT_IO, and the state takes nothing
 * more. The records of a log are those of the changelog topic and of the control record
 * "state": record.h.
 *
 * The table: keys are hashed (base/keyed.h) under a secret that is drawn when the state is
 * made and kept with it, so that no input can be written that makes keys collide or probes
 * long. It grows by a quarter, where it is (parts.h): 16 bytes of key and the value at a load
 * of 0.6 to 0.75 for values of a fixed size; for the others, of which each is an allocation, a
 * key and a pointer, at a load of 0.4 to 0.5 as long as the table is a small one.
 */
#ifndef SK_STATE_STATE_H
#define SK_STATE_STATE_H

#include "base/keyed.h"
#include "flow/flow.h"

#define STATE_VARIABLE SIZE_MAX
#define STATE_FIXED_MAX 64           /* bytes of a value of fixed size */
#define STATE_VALUE_MAX (1u << 30)   /* bytes of any value */

struct state;

struct state_options {
	const char *tool;      /* "sk-dedup" */
	/* The options that shape what is kept, as JSON text: window size, key ... A folder
	 * that another shape made is refused, both being shown. */
	const char *shape;
	size_t value_bytes;    /* of every value, 0 to STATE_FIXED_MAX, or STATE_VARIABLE */
	/* Values begin with an event time (int64_t, us, native order) by which they expire:
	 * state_expire. */
	bool expires;
	uint64_t max_memory;   /* bytes; 0: place->max_memory */
	uint64_t max_keys;     /* 0: place->max_keys, or no limit if that is 0 too */
};

/* The options and the place in ctx are borrowed. Opens nothing before the first assign. */
struct state *state_new(const struct state_options *, const struct op_context *ctx);
void state_free(struct state *);

/* ---- the operator's callbacks, handed on ------------------------------------------- */

/* Take a task: its table is empty until rollback. The first one locks the folder (waiting a
 * moment for a previous owner that is going) and checks its config. */
int state_assign(struct state *, uint32_t task, struct failure *why);
/* Let a task go, its memory too. */
int state_revoke(struct state *, uint32_t task, struct failure *why);
/* All tasks hold what they held at the mark of epoch, later logs are cut. EPOCH_NEWEST: at
 * the last mark, if that was made by a run that committed by itself (EPOCH_OWN). The mark's
 * bytes are put into place->mark, if this is the stage's state. */
int state_rollback(struct state *, uint64_t epoch, struct failure *why);
/* Mark the end of an epoch, place->mark in it, and make it durable. EPOCH_OWN: one more than
 * the last, committed by being there. Drives compaction. */
int state_barrier(struct state *, uint64_t epoch, struct failure *why);

/* ---- keys and values --------------------------------------------------------------- */

/* The key of some bytes. Before the first assign a process's own secret is used. */
struct key128 state_key(const struct state *, struct slice bytes);
/* The keys of n byte strings. */
void state_key_all(const struct state *, const struct slice *bytes, size_t n, struct key128 *);

/*
 * Values that are handed out lie in the table and are valid until the next call that changes
 * it. All calls are for a task that is assigned. What has expired is not there.
 */

/* True, and *value, if the key is there. */
bool state_get(struct state *, uint32_t task, struct key128, struct slice *value);

/* Make a key that is not there: 1; 0 where it is, with its value in *had (may be NULL); -1
 * beyond a bound (EXIT_OS, or never where the policy is to evict) or on a failed write. */
int state_add(struct state *, uint32_t task, struct key128, struct slice value,
	struct slice *had, struct failure *why);

/* The same of n keys without values, in order: made[i] is 1 or 0. Returns how many were added
 * before one failed: n, unless why says what was wrong. Faster, for a state whose keys neither
 * expire nor give way to others. */
size_t state_add_all(struct state *, uint32_t task, const struct key128 *, size_t n,
	uint8_t *made, struct failure *why);

/* Set the value of a key, there or not. value may not lie in the table. */
int state_put(struct state *, uint32_t task, struct key128, struct slice value,
	struct failure *why);

/* Set a value of the same size where it lies, as state_get found it: the new bytes. */
int state_set(struct state *, uint32_t task, struct key128, struct slice value,
	struct failure *why);

/* The value of a key, of a state of variable values, to be changed where it lies; *n bytes,
 * no more and no less. NULL: it is not there, with why->status 0, or a failed write. What is
 * changed there belongs to this epoch as long as *state_version() is what it was behind the
 * call; then it may have moved, be gone, or stand in the log already. */
char *state_edit(struct state *, uint32_t task, struct key128, size_t *n, struct failure *why);
const uint64_t *state_version(const struct state *);

int state_remove(struct state *, uint32_t task, struct key128, struct failure *why);

/* Values with a time before us are gone from now on. One record in the log; memory is given
 * back as the table is walked, a part at a time. */
int state_expire(struct state *, uint32_t task, int64_t us, struct failure *why);

/* Every key of a task, in no particular order; visit returns 0 to go on. Nothing may be
 * changed meanwhile. Returns what visit returned last. */
int state_each(struct state *, uint32_t task,
	int (*visit)(void *arg, struct key128, struct slice value), void *arg);

/* An operator that must act on keys that are given up for the bounds (--on-full evict)
 * is told before they go. */
void state_on_evict(struct state *, int (*evicted)(void *arg, uint32_t task, struct key128,
	struct slice value), void *arg);

/* A key, the same in each task, of what the operator notes for itself: no bound counts it, and it
 * is never given up. So what is given up doesn't depend on when it is there. */
void state_own(struct state *, struct key128);

/* Bring near what a call with this key will look at: worth it some dozen keys ahead. */
void state_prefetch(const struct state *, uint32_t task, struct key128);

bool state_is_kept(const struct state *);  /* it has a folder, and is there for another run */
uint64_t state_keys(const struct state *); /* what expired and is not swept yet is counted */
uint64_t state_memory(const struct state *); /* bytes: tables, values, buffers */

/* What state may take where nobody says: a quarter of what the machine, or the cgroup, has. */
uint64_t state_default_memory(void);

#endif
