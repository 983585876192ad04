/*
 * attempt: a pipeline run once, by bash, and watched.
 *
 * A first SIGINT or SIGTERM is passed to the first stage, which drains; a second one ends all
 * stages at once. A pipeline is in a process group of its own, unless stdin is a terminal. Where
 * a stage is gone while the first one goes on, which only its next write would tell it, the
 * first is asked to drain, and after a grace all are ended.
 */
#ifndef SK_RUN_ATTEMPT_H
#define SK_RUN_ATTEMPT_H

#include "run/script.h"

#define KILLED 128         /* a stage's status beyond it: KILLED + the signal */

struct attempt {
	int *status;       /* of each stage, as bash tells it; NULL: bash came to none */
	int bash;          /* its own */
	int asked;         /* the signal that asked it to stop; 0: none */
	bool overdue;      /* the deadline passed */
	int64_t took_ns;
};

/* The signals that are waited for are blocked from now on. Once, before the first attempt. */
void attempt_signals(void);

/* deadline_ns: of the monotonic clock; 0: none. grace_ns: from a drain that was not asked for by
 * a user to the end of all. lock: a descriptor that every stage inherits, or -1. -1: EXIT_OS. */
int attempt_run(const struct script *, int64_t deadline_ns, int64_t grace_ns, int lock,
	struct attempt *, struct failure *why);

/* Wait that long between two attempts; the signal that ended the wait, or 0. */
int attempt_pause(int64_t ns);

void attempt_release(struct attempt *);

/* Which stage is to blame, and the status of the whole: *stage is its number from 0, or n where
 * all is well. A kill counts as EXIT_TRY_AGAIN. */
int attempt_verdict(const struct attempt *, size_t n, size_t *stage);

#endif
