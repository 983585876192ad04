/*
 * position: what a source tells the process that commits for it, and what that leaves behind
 * in the group.
 *
 * A position is JSON text, {"group":NAME,"metadata":HEX,"offsets":[[TOPIC,PARTITION,OFFSET],
 * ...]}: the group's metadata says which member asks, and that it is one still. A note is the
 * metadata of an offset that is committed, "sk1 EPOCH RUN WATERMARK NEWEST": the newest event time
 * of that partition, in microseconds, or "-"; " done" behind it tells the last epoch of a
 * complete end. So the group itself remembers which epoch its offsets belong to, and what time
 * it was.
 */
#ifndef SK_KAFKA_POSITION_H
#define SK_KAFKA_POSITION_H

#include "base/buf.h"
#include "flow/flow.h"

struct kafka_spot {
	char *topic;
	int32_t partition;
	int64_t offset;      /* of the record that comes next */
	char *note;          /* NULL before kafka_position_note */
};

struct kafka_position {
	char *group;
	struct buf metadata; /* bytes, as librdkafka wrote them */
	struct kafka_spot *spot;
	size_t n, cap;
};

/* Take text apart; it may come from anywhere. EXIT_DATA: it is no position. {0} before; to be
 * released in any case. */
int kafka_position_read(struct kafka_position *, struct slice text, struct failure *why);
void kafka_position_release(struct kafka_position *);

/* The offset of a partition, or -1. */
int64_t kafka_position_of(const struct kafka_position *, const char *topic, int32_t partition);

/* Give each spot its note. EXIT_DATA: the clock can't be read. */
int kafka_position_note(struct kafka_position *, const struct source_commit *,
	struct failure *why);

/* Append the text of a position. */
void kafka_position_begin(struct buf *, const char *group, struct slice metadata);
void kafka_position_add(struct buf *, const char *topic, int32_t partition, int64_t offset);
void kafka_position_end(struct buf *);

/* Of the notes of all partitions one commit: the newest epoch, and all times. {0} before; add
 * passes over what is somebody else's metadata; end fills the commit and releases the notes. */
struct kafka_notes {
	uint64_t epoch;
	char run[65];
	bool done;
	int64_t watermark_us;
	struct buf newest;
};
void kafka_notes_add(struct kafka_notes *, const char *topic, int32_t partition,
	struct slice note);
void kafka_notes_end(struct kafka_notes *, struct source_commit *);

#endif
