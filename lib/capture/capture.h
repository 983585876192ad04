/*
 * capture: a folder that holds records under their topic, partition and offset.
 *
 *	DIR/manifest.ndjson                                   what is finished
 *	DIR/@lock                                             the writer's pid; locked by it
 *	DIR/orders/0/00000000000000001234.ndjson.zst          finished; its first offset
 *	DIR/orders/0/00000000000000005678.ndjson.zst.part     open: the last one of its lane
 *
 * A lane is one partition of one topic. Its segments hold envelope lines in the order of
 * their offsets, as zstd frames with checksums. An open segment grows; it is ended, made
 * durable and renamed when it is large or old enough, and then never changes: under its
 * final name it is there whole or not at all. The manifest is replaced after that, so it may
 * lag behind the folders but never runs ahead: what it doesn't list is looked at anew. Of an
 * open segment whole frames count, and of the frame that a killed writer left unfinished
 * every whole line that comes out of it.
 *
 * The manifest is NDJSON. Its first line is {"capture":1,"numbered":[TOPIC,...]}, the topics
 * whose offsets the capture made up itself; each further one tells of a segment: file,
 * topic, partition, first, last (offsets), count (lines), repeat (lines that have the offset
 * last), min_ts, max_ts (ms, null if no line has a ts), unpacked, bytes (sizes), xxh3 (XXH3
 * with 128 bits of the file) and head (the same of its first line).
 */
#ifndef SK_CAPTURE_CAPTURE_H
#define SK_CAPTURE_CAPTURE_H

#include "base/buf.h"
#include "base/failure.h"
#include "json/json.h"
#include "time/time.h"

/* ---- names ------------------------------------------------------------------------- */

struct capture_option {
	char *name, *value; /* owned by the uri */
};

/* capture:DIR[?NAME=VALUE&...] taken apart; %HH is the byte of that number. */
struct capture_uri {
	char *dir;          /* without a slash at its end, unless it is the root */
	struct capture_option *option;
	size_t noptions;
};

bool capture_is(const char *uri);
/* EXIT_USAGE: no folder, an option without "=", a bad %. */
int capture_uri_parse(const char *uri, struct capture_uri *, struct failure *why);
void capture_uri_release(struct capture_uri *);

/* A legal name of a Kafka topic, and none of the names that the capture needs itself: the
 * only kind of name that becomes one of a folder. */
bool capture_is_topic(struct slice);

/* Append DIR/TOPIC/PARTITION, and with first >= 0 the name of that segment in it. */
void capture_path(struct buf *, const char *dir, const char *topic, int32_t partition,
	int64_t first, bool part);

/* ---- lines ------------------------------------------------------------------------- */

/* What the filing of an envelope needs of it. */
struct capture_line {
	struct slice topic;  /* p == NULL: none */
	int64_t offset;      /* -1: none */
	int64_t ts_ms;       /* TIME_NONE: none */
	int32_t partition;
	size_t head;         /* its text begins with topic, partition and offset, this many
				bytes with a comma after them; 0: they stand elsewhere */
};

/* Memory for looking at lines. */
struct capture_scratch {
	struct json_scan scan;
	struct buf topic;
};

/* The slices live until the next call. -1: no envelope (EXIT_DATA). */
int capture_line_read(struct capture_scratch *, struct slice line, struct capture_line *,
	struct failure *why);
/* Append the envelope with another topic, partition 0 and another offset; no line feed. */
int capture_line_renumber(struct capture_scratch *, struct slice line,
	const struct capture_line *, const char *topic, int64_t offset, struct buf *,
	struct failure *why);
void capture_scratch_release(struct capture_scratch *);

/* ---- what there is ----------------------------------------------------------------- */

/* Of some lines of a lane, in their order. */
struct capture_stats {
	int64_t first, last; /* offsets; only if count */
	uint64_t count;
	uint64_t repeat;     /* lines that have the offset last */
	int64_t min_ts, max_ts; /* TIME_NONE: no line has one */
	uint64_t unpacked;   /* bytes, line feeds included */
	char head[33];       /* hash of the first line */
};

void capture_stats_add(struct capture_stats *, const struct capture_line *,
	struct slice line);

struct capture_segment {
	int64_t first;
	bool part;           /* open */
	bool known;          /* stats, bytes and sum are: the manifest lists it */
	bool there;          /* there is such a file */
	struct capture_stats stats;
	uint64_t bytes;      /* of the file */
	char sum[33];
};

struct capture_lane {
	char *topic;
	int32_t partition;
	bool numbered;
	struct capture_segment *segment; /* by first offset; at most the last one is open */
	size_t n, cap;
};

struct capture {
	char *dir;
	bool listed;                /* there is a manifest */
	struct capture_lane **lane; /* by topic and partition */
	size_t n, cap;
};

/*
 * What the folder holds: the manifest, and what is there beyond it. Of the oldest segments
 * of a lane those that are gone count as removed on purpose; one that is missing between
 * others is there == false. A folder that isn't there holds nothing. -1: EXIT_CONFIG for a
 * manifest that can't be read, EXIT_IO, EXIT_NOPERM.
 */
int capture_load(const char *dir, struct capture *, struct failure *why);
void capture_release(struct capture *);

/* The lane of a topic's partition, or NULL. */
struct capture_lane *capture_find(const struct capture *, struct slice topic,
	int32_t partition);
struct capture_lane *capture_add(struct capture *, struct slice topic, int32_t partition);
struct capture_segment *capture_lane_add(struct capture_lane *, int64_t first);

/* Replace the manifest, durably. */
int capture_save(const struct capture *, struct failure *why);

/*
 * Where to go on: the first offset of a topic's partition that is not captured, -1 if the
 * capture has none of it. Where several records were made of one (sk-split), all have its
 * offset, and a killed run may have captured some of them: begin one offset before, the sink
 * drops what it has.
 */
int capture_next(const struct capture *, struct slice topic, int32_t partition,
	int64_t *next, struct failure *why);

/* ---- segments ---------------------------------------------------------------------- */

struct unpack;

struct segment_reader {
	char *path;          /* owned */
	int fd;
	bool part;
	bool tail;           /* of an open one: in the frame that has no end */
	uint64_t good;       /* of an open one: where its whole frames end */
	uint64_t size;       /* of the file when it was opened, and all that is read */
	uint64_t at;         /* bytes read */
	uint64_t max_unpacked;
	size_t max_line;
	struct buf raw;      /* as stored, from raw_at on */
	size_t raw_at;
	struct unpack *unpack;
	struct buf text;     /* unpacked; whole lines up to lines, from text_at on */
	size_t text_at, lines;
	bool ended;          /* the part that is read, of the two that an open one has */
	bool over;
};

/* max_unpacked and max_line bound what a segment and one of its lines may unpack to. */
int segment_open(struct segment_reader *, const char *path, bool part,
	uint64_t max_unpacked, size_t max_line, struct failure *why);
/* The next line without its line feed, until the next call: 1; 0 at the end; -1: EXIT_DATA
 * where the segment is damaged. What an open segment's last frame breaks off with is its
 * end. */
int segment_line(struct segment_reader *, struct slice *line, struct failure *why);
void segment_close(struct segment_reader *);

/*
 * Read a segment whole, and see that its lines belong there, into stats. tail, for an open
 * one: the lines of the frame without an end are appended to it, with line feeds, and *good
 * is where that frame begins; NULL: they count like others and stay where they are.
 */
int segment_scan(const char *path, const struct capture_lane *,
	const struct capture_segment *, struct capture_stats *, struct buf *tail,
	uint64_t *good, struct failure *why);

/* The size of a file and the hash of its bytes. */
int segment_sum(int fd, uint64_t *bytes, char sum[33], struct failure *why);

/* Fill in what isn't known of a finished segment. */
int segment_know(const char *dir, const struct capture_lane *, struct capture_segment *,
	struct failure *why);

/* fsync a folder. */
int capture_sync_folder(const char *path, struct failure *why);

#endif
