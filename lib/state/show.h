/* show: what sk-state has seen, as rows. */
#ifndef SK_STATE_SHOW_H
#define SK_STATE_SHOW_H

#include "grid/grid.h"
#include "state/look.h"

/* How far stages are: a row for the ledger, if there is one, and one for each task. */
struct grid show_stages(void);
void show_ledger(struct grid *, const struct ledger *);
void show_stage(struct grid *, const struct look *, const struct ledger *);
/* A stage that can't be read. */
void show_broken(struct grid *, const char *name);

/* Files, and what was found out about each, or about the stage. bytes -1: no file. */
struct grid show_files(void);
void show_file(struct grid *, const char *path, int64_t bytes, bool good, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

#endif
