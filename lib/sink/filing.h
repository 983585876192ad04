/*
 * filing: what the files of the sink capture:DIR share; nobody else includes it. capture.c is the
 * sink, filing_lines.c tells which lines are new and where they go, filing_segment.c writes
 * segments, filing_mend.c takes up what an earlier run has left. Each function that may fail
 * returns -1 with why, and the sink refuses every further call.
 */
#ifndef SK_SINK_FILING_H
#define SK_SINK_FILING_H

#include "base/table.h"
#include "capture/capture.h"
#include "sink/out.h"

struct row {
	struct capture_lane *lane;
	bool ready;            /* what is there is known; any .. skip tell of it */
	bool any;              /* the lane has records */
	int64_t first, last;   /* offsets */
	uint64_t repeat;       /* records that have the offset last */
	uint64_t skip;         /* of those that come again, still to be dropped */
	char head[33];         /* hash of the first line */
	bool looked;           /* the first line came again, and was the same */

	bool open;             /* the lane's last segment is open; the rest tells of it */
	struct capture_stats stats;
	int fd;                /* -1: it was closed for others' sake */
	struct pack pack;
	struct buf pending;
	bool fresh;            /* it has no file yet */
	bool unsynced;
	bool made;             /* its name isn't durable yet */
	int64_t begun_us;
	uint64_t used;
};

struct capture_sink {
	struct sink base;      /* first */
	char *uri, *dir;
	char *topic;           /* of records without a place; NULL: the default */
	uint64_t roll;
	int64_t every_us;
	int lock;              /* -1: not begun */
	struct capture all;
	struct row **row;
	size_t nrows, cap_rows;
	struct table row_of;   /* topic, NUL and partition -> number */
	struct row *latest;    /* that a line went to */
	uint64_t uses;
	size_t frames, files;  /* that are open */
	int64_t now_us;        /* when the last write began */
	int64_t looked_us;
	bool unsaved;          /* the manifest is behind */
	bool failed;
	struct capture_scratch scratch;
	struct buf line, key;
};

/* It has failed: says of which sink; of a call on a file: why by errno. */
int filing_failed(struct capture_sink *, struct failure *why);
int filing_io_failed(struct capture_sink *, const char *path, struct failure *why);
/* -1: it has failed before. */
int filing_usable(const struct capture_sink *, struct failure *why);

/* ---- beginning --------------------------------------------------------------------- */

/* Nobody else writes, and what is there is known by name. lock_flags: of flock. */
int filing_begin(struct capture_sink *, int lock_flags, struct failure *why);
int filing_need_begun(struct capture_sink *, struct failure *why);
struct row *filing_add_row(struct capture_sink *, struct slice topic, int32_t partition);
/* mkdir, and make the new name durable. */
int filing_need_folder(struct capture_sink *, const char *path, const char *parent,
	struct failure *why);
/* Know what is there of a row; its open segment goes on. */
int row_make_ready(struct capture_sink *, struct row *, struct failure *why);

/* ---- lines ------------------------------------------------------------------------- */

/* One line, without its newline: file it, or drop it if it is there already. */
int filing_take_line(struct capture_sink *, struct slice line, struct failure *why);

/* ---- segments ---------------------------------------------------------------------- */

/* The name of the segment that begins at first; part: while it is open. In path. */
const char *row_path(const struct capture_sink *, const struct row *, int64_t first, bool part,
	struct buf *path);
int row_begin_segment(struct capture_sink *, struct row *, int64_t first, struct failure *why);
/* Its file is open for writing; that of another row may be closed for it. */
int row_need_file(struct capture_sink *, struct row *, struct failure *why);
/* Add to the frame; write what is pending of it; end it and make all durable. */
int row_add(struct capture_sink *, struct row *, const void *p, size_t n, struct failure *why);
int row_write(struct capture_sink *, struct row *, struct failure *why);
int row_sync(struct capture_sink *, struct row *, struct failure *why);
/* The open segment gets its final name. The manifest follows. */
int row_finish_segment(struct capture_sink *, struct row *, struct failure *why);
/* Write the manifest. */
int filing_save(struct capture_sink *, struct failure *why);

#endif
