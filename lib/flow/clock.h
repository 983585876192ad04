/*
 * clock: event time, as far as records have told it.
 *
 * The watermark is the least over the inputs of (newest event time - delay), over those that
 * have given a record and may give more; while there are inputs that have not given one yet
 * it stands still, so that an input that is read later makes nothing late. It moves by
 * records alone, never by batches or by the wall clock, and never back: a replay moves it in
 * the same way.
 *
 * --idle is the exception: an input that was read to its end, and has given nothing for that
 * long, is left out until it gives a record. The decision is in the watermark, and so in the
 * state. Where all are idle time stands still, or goes on as the wall clock does
 * (--idle-advance).
 */
#ifndef SK_FLOW_CLOCK_H
#define SK_FLOW_CLOCK_H

#include "flow/flow.h"

struct clock_mark {
	char *name;          /* owned: of an input */
	int32_t partition;
	int64_t newest_us;
};

/* {.watermark_us = TIME_NONE} has seen nothing. */
struct clock {
	bool on;             /* records get their event time here */
	uint64_t reads;      /* of the source, up to the block in hand */
	int64_t watermark_us;
	struct input **input;/* that have given a time */
	size_t n, cap;
	struct clock_mark *mark; /* of a run before this one */
	size_t nmarks, cap_marks;
};

/* An input tells the time of a record. unread: inputs that have told none yet and still may, of
 * which it is no more. True if the watermark has moved. */
bool clock_tell(struct clock *, const struct flow_time *, struct input *, int64_t us,
	size_t *unread);

/* What the watermark would be, were an input to tell this time. */
int64_t clock_foresee(const struct clock *, const struct flow_time *, struct input *, int64_t us,
	size_t unread);

/* All inputs have come to their end, so none holds time back: it is the newest of all, less the
 * delay, in whatever order they were read. True if the watermark has moved. */
bool clock_end(struct clock *, const struct flow_time *);

/* With --idle: look which inputs rest, now_ns being the monotonic clock. True if the watermark
 * has moved. */
bool clock_rest(struct clock *, const struct flow_time *, int64_t now_ns, size_t unread);

/* When to look again. */
int64_t clock_look_ns(const struct flow_time *, int64_t now_ns);

/* Append what a later run needs to go on, as JSON text, and take that up. */
void clock_save(const struct clock *, struct buf *);
int clock_restore(struct clock *, struct slice json, struct failure *why);

/* The event time of a record by --time, else by what came with it, else by its arrival. -1:
 * a bad record. */
int clock_time(const struct flow_time *, struct expr_run *, struct time_memo *,
	const char *stage, const struct record *, int64_t *us, struct failure *why);

/* An input that was there before tells its time as of then, and holds the watermark back. */
void clock_enter(struct clock *, struct input *);

/* Back to nothing seen; it stays on if it was. */
void clock_reset(struct clock *);

void clock_release(struct clock *);

#endif
