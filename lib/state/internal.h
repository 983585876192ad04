/*
 * What the files of this room share: a state, its tasks, and the verbs by which one file
 * calls another.
 *
 *	state.c     keys and values
 *	batch.c     keys that come together
 *	value.c     values of no fixed size, and their memory
 *	spot.c      the same, where they lie
 *	bounds.c    memory and number of keys, and what gives way
 *	life.c      assign, revoke, rollback, barrier
 *	folder.c    the folder of a state: lock, what files there are
 *	config.c    its config, and what runs by themselves have committed
 *	file.c      files of checksummed blocks
 *	log.c       changes and marks, written
 *	snapshot.c  the table, written while it changes; compaction
 *	ways.c      which logs and snapshots lead to an epoch
 *	replay.c    their blocks, gone over in order
 *	hand.c      the records of these, taken into the table
 *	recover.c   the table as it was then, and what is void behind it
 */
#ifndef SK_STATE_INTERNAL_H
#define SK_STATE_INTERNAL_H

#include "state/file.h"
#include "state/folder.h"
#include "state/parts.h"
#include "state/record.h"
#include "state/spot.h"

/* The end of an epoch, as it stands in a log. */
struct mark {
	uint64_t epoch;
	uint64_t committed;   /* newest epoch that was known to be */
	uint64_t keys;        /* of the task */
	bool own;             /* committed by being there */
	const uint32_t *task; /* all tasks of the state */
	size_t ntasks;
	struct slice app;
	struct slice bytes;   /* the driver's */
};

struct log {
	struct file file;     /* fd -1: none is open */
	uint64_t since;       /* bytes of the logs before this one that recovery would read */
	char *p;              /* records of the next block, from p[BLOCK_HEAD] on */
	size_t n, cap;        /* in p; both 0: nothing can be written */
	size_t room;          /* what p has room for */
	struct key128 *dirty; /* keys whose values are written at the barrier */
	size_t ndirty, cap_dirty;
};

enum snapshot_phase { SNAPSHOT_NONE, SNAPSHOT_WALKING, SNAPSHOT_WAITING };

struct snapshot {
	enum snapshot_phase phase;
	struct file file;
	unsigned part;        /* next to be written */
	uint64_t end;         /* WAITING: counts when this epoch is committed */
	struct buf out;
};

struct task {
	uint32_t id;
	struct log log;
	struct snapshot snapshot;
	struct parts parts;
	int64_t horizon;      /* values of an earlier time are not there */
	bool horizon_moved;   /* in this epoch */
	uint64_t stamp;       /* of the key made next */
	bool stamped;         /* a file told the number of one */
	uint64_t credit;      /* slots that may be looked at for what expired */
	unsigned hand;        /* part that is swept next */
};

/*
 * Memory of values that are gone, for those that come next, by the number of its 16 bytes. A few
 * are enough where they come and go. One thread's: a recovery by two goes without.
 */
#define SPARES_OF 64    /* larger ones are not kept */
struct spares {
	struct held *first[SPARES_OF]; /* the next one is in its bytes */
	unsigned n;
};

struct state {
	struct state_options opt;
	const struct flow_place *place;
	size_t entry;         /* bytes of a slot */
	bool variable, evict;
	struct task **task;   /* by id */
	size_t ntasks, cap_tasks;
	struct task *last;    /* looked up last */
	struct keyed secret;
	uint64_t max_memory, max_keys; /* 0: no bound */
	uint64_t keys;        /* of all tasks, those included that expired and still lie there */
	uint64_t tables, values, buffers; /* bytes */
	struct spares spares;
	uint64_t version;     /* state_version() */
	uint64_t rest;        /* keys given up before all parts are swept again for a bound */

	/* With a folder. */
	bool durable, looking; /* looking: nothing is changed */
	struct folder folder;
	uint64_t made;        /* the checksum of its config */
	uint64_t epoch;       /* of the last mark */
	uint64_t runs;        /* newest that a run by itself has committed */
	/* Bytes: of records in a block of the log, about; of logs that are never worth a
	 * snapshot; of a snapshot, that a barrier writes; of a file that one thread reads. Less
	 * in tests. */
	size_t block;
	uint64_t least, piece, alone;
	struct failure failed;/* status not 0: what ended it */

	struct key128 own;    /* of the operator itself, state_own() */
	bool has_own;

	/* The oldest keys, the next one to go last. */
	struct elder *elder;
	size_t nelders, cap_elders;
	int (*evicted)(void *, uint32_t, struct key128, struct slice);
	void *evicted_arg;
};

/* ---- state.c ----------------------------------------------------------------------- */

struct task *state_task(const struct state *, uint32_t id); /* NULL: not assigned */
void state_drop(struct state *, struct task *, char *slot);
/* A slot for a key that is not there, with a value for which there is room for so many bytes
 * more; value.p NULL: it is the caller's to fill in. */
char *state_take(struct state *, struct task *, struct key128, char *slot, struct slice value,
	size_t room, struct failure *why);
/* Forget all that a task holds. */
void state_empty(struct state *, struct task *);
/* Take what expired out of a part. */
void state_sweep(struct state *, struct task *, unsigned part);

static inline int64_t
value_time(struct slice value)
{
	int64_t us = INT64_MAX;

	if (value.n >= sizeof(us))
		memcpy(&us, value.p, sizeof(us));
	return us;
}

static inline struct slice
state_value(const struct state *s, const char *slot)
{
	const struct held *h;

	if (!s->variable)
		return slice_of(slot + sizeof(struct key128), s->opt.value_bytes);
	h = held_of(slot);
	return slice_of(h->p, h->n);
}

static inline bool
state_gone(const struct state *s, const struct task *t, const char *slot)
{
	return s->opt.expires && value_time(state_value(s, slot)) < t->horizon;
}

static inline uint64_t *
slot_stamp(const struct state *s, const char *slot)
{
	return (uint64_t *)(uintptr_t)(slot + s->entry - sizeof(uint64_t));
}

/* ---- value.c ----------------------------------------------------------------------- */

/* Give a slot a value, or free it: bytes that values take more. fresh: it has had none, and
 * gets room for so many bytes more. One that grows gets room to grow on. */
int64_t value_put(const struct state *, char *slot, struct slice value, bool fresh,
	size_t room);
int64_t value_drop(const struct state *, char *slot);
/* Give a value room for cap bytes or a few more. */
int64_t value_grow(char *slot, size_t cap);
/* The same, where memory is kept for the next one. */
int64_t value_new(struct state *, char *slot, struct slice value, size_t room);
int64_t value_forget(struct state *, char *slot);
void spares_release(struct spares *);

/* What the heap takes for a value with its head. */
static inline uint64_t
held_bytes(uint64_t cap)
{
	return (sizeof(struct held) + cap + 8 + 15) & ~UINT64_C(15);
}

/* What so many keys ask of the table where keys give way, however it happens to have grown. */
static inline uint64_t
asked_bytes(const struct state *s, uint64_t keys)
{
	return (keys + s->ntasks * PARTS * 16) * s->entry * 7 / 4;
}

/* Would so many bytes more be too many? */
static inline bool
state_is_over(const struct state *s, uint64_t bytes)
{
	uint64_t tables = s->evict ? asked_bytes(s, s->keys + 1) : s->tables;

	return (s->variable || s->evict) &&
		tables + s->values + s->buffers + bytes > s->max_memory;
}

/* ---- bounds.c ---------------------------------------------------------------------- */

/* Make the part of key fit for one more, and room for so many bytes and keys. */
int state_room(struct state *, struct task *, struct key128, uint64_t bytes,
	unsigned keys, struct failure *why);
void state_elders_release(struct state *);

/* ---- log.c ------------------------------------------------------------------------- */

/* Put a block of its own into the log, for want of room or at a barrier. */
int log_room(struct state *, struct task *, size_t need, struct failure *why);
int log_dirty(struct state *, struct task *, struct key128, struct failure *why);
int log_record(struct state *, struct task *, const struct change *, struct failure *why);
/* All changes of the epoch are in the file. */
int log_flush(struct state *, struct task *, struct failure *why);
/* Append the mark of an epoch. */
int log_mark(struct state *, struct task *, const struct mark *, struct failure *why);
/* Begin a log behind an epoch: with its mark again, if there is one. */
int log_begin(struct state *, struct task *, uint64_t seq, uint64_t after,
	const struct mark *, struct failure *why);
/* Write to the log of a task from now on, or no more. */
void log_start(struct state *, struct task *);
void log_stop(struct state *, struct task *);
int mark_read(struct slice body, struct mark *, struct buf *tasks);
/* What went wrong: the state takes nothing more. Returns -1. */
int state_fail(struct state *, struct failure *why);

/* The value of a slot has changed. */
static inline int
log_put(struct state *s, struct task *t, char *slot, struct failure *why)
{
	struct change c = {RECORD_PUT, slot_key(slot)};
	struct held *h;

	if (!s->durable)
		return 0;
	if (s->variable) {
		memcpy(&h, slot + sizeof(c.key), sizeof(h));
		return h->dirty && !s->failed.status ? 0
						     : log_dirty(s, t, c.key, why);
	}
	c.value = state_value(s, slot);
	if (s->evict) {
		c.op = RECORD_STAMPED;
		c.stamp = *slot_stamp(s, slot);
	}
	if (__builtin_expect(t->log.cap - t->log.n < RECORD_HEAD + c.value.n, 0) &&
		log_room(s, t, RECORD_HEAD + c.value.n, why) < 0)
		return -1;
	t->log.n = (size_t)(record_write(t->log.p + t->log.n, &c) - t->log.p);
	return 0;
}

static inline int
log_remove(struct state *s, struct task *t, struct key128 key, struct failure *why)
{
	struct change c = {RECORD_REMOVE, key};

	return s->durable ? log_record(s, t, &c, why) : 0;
}

/* ---- snapshot.c -------------------------------------------------------------------- */

struct snapshot_end {
	uint64_t epoch, keys;
	int64_t horizon;
	uint64_t stamp;
};

/* In front of the records of a BLOCK_PART. */
struct part_head {
	uint32_t part, zero;
};

/* Behind the mark of an epoch: begin, go on, end, and forget what is older, as it is time. */
int snapshot_barrier(struct state *, struct task *, const struct mark *, struct failure *why);
/* Write so many bytes of the table, if there is something to write. */
int snapshot_step(struct state *, struct task *, uint64_t bytes, struct failure *why);
void snapshot_stop(struct task *);

/* ---- replay.c ---------------------------------------------------------------------- */

/* Take the blocks of a kind in, up to a place; BLOCK_CHANGES: marks are passed over. No bound
 * is looked at, for what is there has to be taken. Blocks that are damaged are EXIT_CONFIG. */
int replay(struct state *, struct task *, struct file *, enum block_kind, uint64_t until,
	struct failure *why);

/* ---- ways.c ------------------------------------------------------------------------ */

#define EPOCH_LAST (UINT64_MAX - 2) /* whatever mark comes last, to be looked at */

/* How a task comes to an epoch. */
struct way {
	struct task *t;
	const struct folder_file *file; /* of this task */
	size_t nfiles, nlogs;           /* logs come first */
	bool snapshot;                  /* it begins with one */
	uint64_t snapshot_seq;
	struct snapshot_end end;
	bool found;
	uint64_t seq, at;               /* the log of the mark, and where it ends there */
	uint64_t epoch;
	bool own, base;                 /* base: no mark, the beginning of a log */
	uint64_t last;                  /* epoch of the last mark of all */
	bool own_too;                   /* which epoch was not said by a ledger */
	bool later_own;                 /* there is a later mark of a run by itself */
	uint64_t committed;             /* newest that a mark knows to be */
	uint64_t keys;
	struct buf body, tasks;         /* of the mark */
	struct mark mark;
};

struct ways {
	struct way *way;               /* of all tasks, by id */
	size_t n;
	struct folder_file *list;
	uint64_t epoch;                 /* that they come to */
};

int ways_find(struct state *, uint64_t epoch, struct ways *, struct failure *why);
void ways_release(struct ways *);
/* Open one, and read its end. */
int snapshot_open(struct state *, const struct way *, uint64_t seq, struct file *,
	struct snapshot_end *, struct failure *why);

/* ---- recover.c --------------------------------------------------------------------- */

/* All tasks hold what they held at an epoch; unless the state is only looked at, what comes
 * later is cut. */
int recover(struct state *, uint64_t epoch, struct failure *why);

#endif
