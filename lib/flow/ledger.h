/*
 * ledger: what a job has committed: DIR/commit.
 *
 * One line of JSON and its checksum, replaced as a whole by rename(2), so a run that is
 * killed leaves the old one or the new one. It says up to which epoch everything is durable:
 * where the source stood then, what event time knew, and how long each output was. All that
 * came later is void: the next run cuts outputs back to these lengths, states go back to
 * that epoch, and the source begins at that position.
 *
 * Whoever writes the last output of a pipeline holds the lock (DIR/commit.lock) and writes
 * the ledger; the process that owns the source reads it.
 */
#ifndef SK_FLOW_LEDGER_H
#define SK_FLOW_LEDGER_H

#include "base/buf.h"
#include "base/failure.h"

enum ledger_state {
	LEDGER_RUNNING, /* the job goes on from here */
	LEDGER_ENDING,  /* it came to its end; outputs may not all have their names yet */
	LEDGER_DONE,    /* and they have: outputs lists what a run since has begun to add to */
};

struct ledger_output {
	char *name;      /* the sink's URI, or its identity */
	uint64_t bytes;
};

/* {.lock = -1} is one that was not read. */
struct ledger {
	char *dir;       /* owned */
	int lock;        /* -1: not held */
	bool marked;     /* the lock's file says that there is a ledger */
	bool there;      /* there is a file; else all is as before a first run */
	enum ledger_state state;
	uint64_t epoch;
	struct buf app;
	struct buf positions, clock; /* JSON text; empty: none */
	struct ledger_output *output;
	size_t noutputs, cap_outputs;
};

/* Make DIR if need be (0700) and take the lock, waiting up to 10 seconds for a process that
 * is going. EXIT_TRY_AGAIN, and who holds it, if it does not go. */
int ledger_lock(struct ledger *, const char *dir, struct failure *why);
/* The same, without waiting, and only where DIR is. */
int ledger_try_lock(struct ledger *, const char *dir, struct failure *why);
void ledger_unlock(struct ledger *);

/* Read DIR/commit. EXIT_CONFIG: it is damaged, of a newer version, or of another app ("":
 * of any); or it is gone, which the lock's file tells. */
int ledger_load(struct ledger *, const char *dir, const char *app, struct failure *why);

/* As a line of JSON, without its checksum; and from one, for DIR/commit. */
void ledger_say(const struct ledger *, struct buf *);
int ledger_read(struct ledger *, const char *dir, struct slice line, struct failure *why);

/* Write it, durably. The lock is held. */
int ledger_store(struct ledger *, struct failure *why);
/* Begin anew: there is none. The lock is held. */
int ledger_remove(const char *dir, struct failure *why);

/* The entry of an output, or NULL. */
struct ledger_output *ledger_output(const struct ledger *, const char *name);
void ledger_put_output(struct ledger *, const char *name, uint64_t bytes);
void ledger_clear_outputs(struct ledger *);

void ledger_release(struct ledger *);

#endif
