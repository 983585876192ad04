/* stages: the stages of a folder of states, by name, and its ledger. */
#ifndef SK_STATE_STAGES_H
#define SK_STATE_STAGES_H

#include "flow/ledger.h"

struct stages {
	char **name;
	size_t n;
	struct ledger ledger; /* there: of all of them */
};

/* All, or the one of that name. A ledger that can't be read is as one that is not there, and
 * broken says why; else its status is 0. EXIT_NOINPUT: there is nothing. To be released
 * whatever it returns. */
int stages_find(struct stages *, const char *dir, const char *name, struct failure *broken,
	struct failure *why);
void stages_release(struct stages *);

#endif
