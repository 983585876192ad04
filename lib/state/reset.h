/* reset: a state begins anew. Without yes, what would go is told and nothing is changed; with
 * it, rows tell what went. */
#ifndef SK_STATE_RESET_H
#define SK_STATE_RESET_H

#include "state/show.h"

/* Keep the job that a ledger is of from running. EXIT_TRY_AGAIN: it does. */
int reset_lock(struct ledger *, const char *dir, bool yes, struct failure *why);
/* A stage, which is locked until that is done. */
int reset_stage(struct grid *, const char *dir, const char *name, bool yes,
	struct failure *why);
/* The ledger, locked before, whole or damaged. */
int reset_ledger(struct grid *, const char *dir, bool yes, struct failure *why);

#endif
