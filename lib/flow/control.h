/*
 * control: the records that a checkpointed stream carries between its data.
 *
 * One line each, in a fixed form so that it is told from data by its first bytes:
 *
 *	{"$sk":"KIND","run":"RUN",...}
 *
 * RUN is 16 to 64 characters of [0-9A-Za-z-]. streamkit.7 lists kinds and members.
 */
#ifndef SK_FLOW_CONTROL_H
#define SK_FLOW_CONTROL_H

#include "base/buf.h"
#include "base/failure.h"
#include "json/json.h"

enum control_kind {
	CONTROL_START,
	CONTROL_WATERMARK,
	CONTROL_BARRIER,
	CONTROL_TO,
	CONTROL_STATE,
	CONTROL_FAIL,
	CONTROL_END,
};

struct control {
	enum control_kind kind;
	uint64_t epoch;        /* start: last committed; barrier: the one that ends here */
	uint64_t committed;    /* barrier: newest epoch that the source saw committed */
	uint64_t lines;        /* barrier: control lines since the last barrier or start */
	uint64_t stage;        /* start: stages so far; fail: which one died */
	bool envelope, timed;  /* start: format; records carry event time */
	bool plainly;          /* start: no epochs; all that is passed on is start, end and fail */
	bool ledger;           /* start: the owner goes by a ledger, which the last one keeps */
	struct slice app;      /* start */
	struct slice group;    /* start: the consumer group that keeps the source's place, text of
				  a string; p NULL: none does */
	struct slice of;       /* start: run of the stream that committed the epoch, text of a
				  string; p NULL: of any */
	int64_t every_us;      /* start: about how long an epoch takes; 0: not said */
	bool done;             /* start: the job came to its end at that epoch */
	struct slice tasks;    /* start: text of an array of partitions; p NULL: [0] */
	struct slice sinks;    /* start: text of an array of sinks; p NULL: [] */
	uint32_t task;         /* watermark */
	int64_t us;            /* watermark */
	uint64_t sink;         /* to: index into sinks */
	struct slice value;    /* to: the record's text */
	int status;            /* fail */
	struct slice message;  /* fail: JSON text of a string */
	bool complete;         /* end */
	bool unchanged;        /* end: nothing new since the job was done before */
	bool last_epoch;       /* end: epoch and lines are given, as in a barrier */
	struct slice positions, clock; /* barrier, end: JSON text; p NULL: none */
};

/* True if line begins as a control line of this run does (run.p NULL: of any run). */
bool control_is(struct slice line, struct slice run);

/* The run id of a line for which control_is holds. */
struct slice control_run(struct slice line);

/* Read a control line. -1: it is not one that this version knows, why says how. Slices point
 * into line. state is not looked into. */
int control_parse(struct slice line, struct json_scan *scratch, struct control *,
	struct failure *why);

/* The same for most watermarks, in a moment; false: it may be one all the same. For a run of its
 * own, with task 0. */
bool control_is_watermark(struct slice line, struct slice run, int64_t *us);

/* Append a start that is line with one stage more and the given sinks added to its list;
 * changed: with the control's format and timed. */
void control_add_start(struct buf *, struct slice line, const struct control *, bool changed,
	const struct slice *sinks, size_t nsinks);
/* Append the start that a stream begins with. */
void control_add_first(struct buf *, struct slice run, const struct control *,
	const struct slice *sinks, size_t nsinks);
/* The other lines, line feed included. */
/* barrier, or an end with an epoch: passed on with another count of lines; or made. */
void control_add_barrier(struct buf *, struct slice line, const struct control *,
	uint64_t lines);
void control_add_epoch(struct buf *, struct slice run, const struct control *);
void control_add_watermark(struct buf *, struct slice run, int64_t us);
void control_add_to(struct buf *, struct slice run, uint64_t sink, struct slice value);
void control_add_fail(struct buf *, struct slice run, uint64_t stage, int status,
	const char *message);
void control_add_end(struct buf *, struct slice run, bool complete);
/* The end of a job that was done before, and found nothing new. */
void control_add_unchanged(struct buf *, struct slice run);

#endif
