/* plan: what a pipeline will do and what it guarantees, told before it runs. It reads words, and
 * expands nothing: what stands in a variable it can't know, and says so. */
#ifndef SK_RUN_PLAN_H
#define SK_RUN_PLAN_H

#include "base/buf.h"
#include "run/script.h"

/* app and state may be NULL. Appends lines. */
void plan_explain(const struct script *, const char *app, const char *state, struct buf *);

#endif
