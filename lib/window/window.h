/*
 * window: which windows of event time there are, and which of them an instant belongs to.
 *
 * A window is [start,end). Those of a fixed grid (tumbling, hopping, cumulate) are put
 * together from panes: the pieces that no edge of a window cuts. A record goes into its one
 * pane; a window is the sum of its panes. A pane's windows, in the order of their ends, have
 * starts in that order too, and no two end together: where a zone has left out a day, and two
 * would, there is only the longer one.
 *
 *	tumbling 5m       |-----|-----|           a pane is a window
 *	hopping 10m/5m    |-----------|           two panes a window, two windows a pane
 *	                        |-----------|
 *	cumulate 15m/5m   |-----|                 windows of one start that grow
 *	                  |-----------|
 *	                  |-----------------|
 *
 * The grid begins at 1970-01-01T00:00:00Z, moved by the offset; with a zone at midnight of
 * that day there, and it is a grid of days, each as long as it is there.
 *
 * The others follow the records of a key: a session lasts until gap after its last one; a
 * sliding window ends with a record, and holds it and what came in the time before it, both
 * ends included; a count window holds so many, in the order of their times.
 *
 * A window is closed once the watermark has reached its end plus lateness.
 */
#ifndef SK_WINDOW_WINDOW_H
#define SK_WINDOW_WINDOW_H

#include "time/zone.h"

enum window_kind {
	WINDOW_TUMBLING, WINDOW_HOPPING, WINDOW_CUMULATE, WINDOW_SESSION, WINDOW_SLIDING,
	WINDOW_COUNT, WINDOW_KINDS
};

/* What the command line says; NULL and 0: not given. */
struct window_options {
	const char *text[WINDOW_KINDS]; /* "10m/1m" */
	const char *zone;
	int64_t offset_us, lateness_us;
};

struct window_shape {
	enum window_kind kind;
	int64_t size_us;      /* of the longest; the gap of a session */
	int64_t step_us;      /* between two windows; tumbling: size */
	int64_t offset_us;
	int64_t lateness_us;
	uint64_t count;
	struct zone *zone;    /* owned; NULL: UTC */
};

struct span {
	int64_t start_us, end_us;
};

/* Names of the kinds, as options have them: "tumbling" ... */
extern const char *const window_kind_name[WINDOW_KINDS];

/* Check and read. -1: EXIT_USAGE. */
int window_read(struct window_shape *, const struct window_options *, struct failure *why);
void window_release(struct window_shape *);

/* ---- of a grid --------------------------------------------------------------------- */

static inline bool
window_is_grid(const struct window_shape *w)
{
	return w->kind <= WINDOW_CUMULATE;
}

/* The pane of an instant. */
struct span window_pane(const struct window_shape *, int64_t us);

/* Of the windows that hold a pane, the first that ends after us: true. False: there is none,
 * as between hops that are further apart than they are long. */
bool window_of(const struct window_shape *, const struct span *pane, int64_t us,
	struct span *window);

/* Is this a window of the shape? */
bool window_is(const struct window_shape *, const struct span *);

#endif
