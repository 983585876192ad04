/*
 * windows: all windows that are open, in the state; with what is made again from it after a
 * recovery: which panes there are, and what is due when.
 */
#ifndef SK_WINDOW_WINDOWS_H
#define SK_WINDOW_WINDOWS_H

#include "flow/emit.h"
#include "state/state.h"
#include "window/reading.h"
#include "window/runs.h"
#include "window/window.h"

struct windows_plan {
	struct window_shape shape;
	struct reading_plan reading;
	const struct fold *fold;  /* of reading.spec, one behind the other */
	size_t nfolds, fixed;
	bool update;              /* results are written as they change, not at the end */
	int64_t every_us;         /* and that so often; 0: with each record */
	bool partial;             /* what is written can be merged */
	bool from_partials;       /* what comes is merged */
	bool in_ms;               /* start and end as epochs */
};

/* Do the options go together? -1: EXIT_USAGE. */
int windows_check(const struct windows_plan *, struct failure *why);

/* Append what must be as it was where a state is taken up again, as JSON text. functions: the
 * nfolds texts of the command line. */
void windows_add_shape(struct buf *, const struct windows_plan *, const struct window_options *,
	const char *key, const char *const *functions);

struct windows;

struct windows *windows_new(const struct windows_plan *, const struct state_options *,
	const struct op_context *);
/* What keys of keys are made with. */
const struct cell_keys *windows_keys(const struct windows *);
void windows_free(struct windows *);

/* The operator's callbacks, handed on. */
int windows_assign(struct windows *, uint32_t task, struct failure *why);
int windows_revoke(struct windows *, uint32_t task, struct failure *why);
int windows_rollback(struct windows *, uint64_t epoch, struct failure *why);
int windows_barrier(struct windows *, uint64_t epoch, struct failure *why);

enum windows_became {
	WINDOWS_FAILED = -1,
	WINDOWS_HELD,             /* it is in a window */
	WINDOWS_LATE,             /* all its windows are closed */
	WINDOWS_NONE,             /* there is no window at its time */
};

/* A record goes into its windows; results that change are written. */
enum windows_became windows_add(struct windows *, uint32_t task, const struct reading *,
	struct emit *, struct failure *why);

/* Records may be folded before their turn: true. The plan is to be released. */
bool windows_runs(const struct windows *, const struct reading *, struct runs_plan *);

/* All records of the run that begins with that line go into their windows, watermark_us being what
 * it is behind them: 1; 0: they are to go one by one; -1. */
int windows_take_run(struct windows *, uint32_t task, const struct runs_plan *,
	const struct block *, size_t line, int64_t watermark_us, struct failure *why);

/* A partial result does. A record that is none is a bad record. */
enum windows_became windows_take(struct windows *, uint32_t task, const struct record *,
	struct emit *, struct failure *why);

/* Windows that are closed then are written, in the order of their end, start and key. */
int windows_watermark(struct windows *, uint32_t task, int64_t us, struct emit *,
	struct failure *why);

/* All windows close. */
int windows_end(struct windows *, struct emit *, struct failure *why);

/* How many were given up for the bounds of the state. */
uint64_t windows_evicted(const struct windows *);

#endif
