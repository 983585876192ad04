/* check: is a state whole, and what would a run make of it? */
#ifndef SK_STATE_CHECK_H
#define SK_STATE_CHECK_H

#include "state/show.h"

/* Rows for all files of a stage, and one for the stage. -1: a run would refuse it, and why. */
int check_stage(struct grid *, struct look *, const struct ledger *, struct failure *why);
/* Rows for the ledger and the outputs that it knows the length of. */
void check_ledger(struct grid *, const struct ledger *);

#endif
