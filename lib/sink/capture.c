/*
 * capture:DIR as a sink.
 *
 * Each lane, a partition of a topic, has at most one open segment, which grows by zstd
 * frames. A flush brings all lines into the file, within the frame; a sync ends the frame and
 * makes it durable, so what was synced lies in whole frames with checksums. A segment that is
 * large or old enough, and each at a complete end, gets its final name. After a kill the
 * frame without an end is made anew, from the lines that it still gives.
 *
 * What is captured is dropped when it comes again: a record at or below the last offset of
 * its lane. Several records of one offset are those made of one record (sk-split). They come
 * together, and no sync comes between them, so all that have the last offset count as one
 * replay once a sync, or a kill, lies behind them: as many as there are are dropped.
 */
#define _GNU_SOURCE /* statx */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/table.h"
#include "base/text.h"
#include "capture/capture.h"
#include "sink/out.h"

#define ROLL_BYTES ((uint64_t)128 << 20)
#define ROLL_US (3600 * (int64_t)1000000)
#define LOOK_US 1000000  /* how often the age of all open segments is looked at */
#define FRAMES_MAX 16    /* open at a time: each takes about 4 MiB */
#define FILES_MAX 256    /* descriptors */
#define DEFAULT_TOPIC "records"

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

static int
sink_failed(struct capture_sink *c, struct failure *why)
{
	c->failed = true;
	return fail_within(why, "%s: ", c->uri);
}

static int
io_failed(struct capture_sink *c, const char *path, struct failure *why)
{
	fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", path, strerror(errno));
	return sink_failed(c, why);
}

static int
usable(const struct capture_sink *c, struct failure *why)
{
	return c->failed ? fail(why, EXIT_IO, "%s: writing has failed before", c->uri) : 0;
}

static const char *
row_path(const struct capture_sink *c, const struct row *r, int64_t first, bool part,
	struct buf *path)
{
	buf_reset(path);
	capture_path(path, c->dir, r->lane->topic, r->lane->partition, first, part);
	return buf_cstr(path);
}

/* ---- writing a segment --------------------------------------------------------------------- */

static int
write_pending(struct capture_sink *c, struct row *r, struct failure *why)
{
	size_t at = 0;
	ssize_t n;

	while (at < r->pending.n) {
		n = write(r->fd, r->pending.p + at, r->pending.n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return io_failed(c, r->lane->topic, why);
		at += (size_t)n;
	}
	r->unsynced |= at > 0;
	buf_reset(&r->pending);
	return 0;
}

static int
end_frame(struct capture_sink *c, struct row *r, struct failure *why)
{
	if (r->pack.open && pack_end(&r->pack, &r->pending, why) < 0)
		return sink_failed(c, why);
	if (r->pack.ctx)
		c->frames--;
	pack_release(&r->pack);
	return write_pending(c, r, why);
}

static int
sync_row(struct capture_sink *c, struct row *r, struct failure *why)
{
	struct buf path = {0};
	int rc = 0;

	if (!r->open || r->fd < 0)
		return 0;
	if (end_frame(c, r, why) < 0)
		return -1;
	if (r->unsynced && fdatasync(r->fd) < 0)
		return io_failed(c, r->lane->topic, why);
	if (r->made && capture_sync_folder(row_path(c, r, -1, false, &path), why) < 0)
		rc = sink_failed(c, why);
	buf_release(&path);
	r->unsynced = r->made = false;
	return rc;
}

static int
close_file(struct capture_sink *c, struct row *r, struct failure *why)
{
	int fd = r->fd;

	if (fd < 0)
		return 0;
	r->fd = -1;
	c->files--;
	if (close(fd) < 0 && errno != EINTR)
		return io_failed(c, r->lane->topic, why);
	return 0;
}

/* The row that was used longest ago, of those with an open frame, or with a file. */
static struct row *
oldest(const struct capture_sink *c, bool frames)
{
	struct row *r, *best = NULL;
	size_t i;

	for (i = 0; i < c->nrows; i++) {
		r = c->row[i];
		if (frames ? !r->pack.ctx : r->fd < 0)
			continue;
		if (!best || r->used < best->used)
			best = r;
	}
	return best;
}

/* The open segment's descriptor. */
static int
need_file(struct capture_sink *c, struct row *r, struct failure *why)
{
	struct buf path = {0};
	struct row *other;
	int rc = 0;

	if (r->fd >= 0)
		return 0;
	if (c->files >= FILES_MAX) {
		other = oldest(c, false);
		if (sync_row(c, other, why) < 0 || close_file(c, other, why) < 0)
			return -1;
	}
	r->fd = open(row_path(c, r, r->lane->segment[r->lane->n - 1].first, true, &path),
		O_RDWR | O_CLOEXEC | (r->fresh ? O_CREAT | O_EXCL : 0), 0666);
	if (r->fd >= 0)
		c->files++;
	r->fresh = false;
	if (r->fd < 0 || lseek(r->fd, 0, SEEK_END) < 0)
		rc = io_failed(c, buf_cstr(&path), why);
	buf_release(&path);
	return rc;
}

static int
add_text(struct capture_sink *c, struct row *r, const void *p, size_t n, struct failure *why)
{
	struct row *other;

	if (need_file(c, r, why) < 0)
		return -1;
	if (!r->pack.ctx) {
		if (c->frames >= FRAMES_MAX) {
			other = oldest(c, true);
			if (end_frame(c, other, why) < 0)
				return -1;
		}
		c->frames++;
	}
	if (pack_add(&r->pack, &r->pending, p, n, why) < 0)
		return sink_failed(c, why);
	return r->pending.n < OUT_BYTES ? 0 : write_pending(c, r, why);
}

static int
save(struct capture_sink *c, struct failure *why)
{
	if (!c->unsaved)
		return 0;
	if (capture_save(&c->all, why) < 0)
		return sink_failed(c, why);
	c->unsaved = false;
	return 0;
}

/* mkdir, and make the new name durable. */
static int
need_folder(struct capture_sink *c, const char *path, const char *parent,
	struct failure *why)
{
	if (mkdir(path, 0777) < 0) {
		if (errno == EEXIST)
			return 0;
		fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s", path,
			strerror(errno));
		return sink_failed(c, why);
	}
	return capture_sync_folder(parent, why) < 0 ? sink_failed(c, why) : 0;
}

static int
begin_segment(struct capture_sink *c, struct row *r, int64_t first, struct failure *why)
{
	struct buf topic = {0}, path = {0};
	struct capture_segment *seg;
	int rc;

	/* A folder with segments is known by its manifest. */
	if (save(c, why) < 0)
		return -1;
	buf_addf(&topic, "%s/%s", c->dir, r->lane->topic);
	row_path(c, r, -1, false, &path);
	rc = need_folder(c, buf_cstr(&topic), c->dir, why);
	if (rc == 0)
		rc = need_folder(c, buf_cstr(&path), buf_cstr(&topic), why);
	buf_release(&topic);
	buf_release(&path);
	if (rc < 0)
		return -1;
	seg = capture_lane_add(r->lane, first);
	seg->part = seg->there = true;
	r->open = r->made = r->fresh = true;
	r->stats = (struct capture_stats){.min_ts = TIME_NONE, .max_ts = TIME_NONE};
	r->begun_us = c->now_us;
	return need_file(c, r, why);
}

/* The open segment gets its final name. The manifest follows, before the lane's next one is
 * begun: so a reader that sees that one finds this one too. */
static int
finish_segment(struct capture_sink *c, struct row *r, struct failure *why)
{
	struct capture_segment *seg = &r->lane->segment[r->lane->n - 1];
	struct buf from = {0}, to = {0};
	int rc = -1;

	row_path(c, r, seg->first, true, &from);
	row_path(c, r, seg->first, false, &to);
	if (need_file(c, r, why) < 0 || end_frame(c, r, why) < 0)
		goto out;
	if (fsync(r->fd) < 0) {
		io_failed(c, buf_cstr(&from), why);
		goto out;
	}
	if (segment_sum(r->fd, &seg->bytes, seg->sum, why) < 0) {
		sink_failed(c, why);
		goto out;
	}
	if (close_file(c, r, why) < 0)
		goto out;
	if (rename(buf_cstr(&from), buf_cstr(&to)) < 0) {
		io_failed(c, buf_cstr(&from), why);
		goto out;
	}
	seg->part = false;
	seg->known = true;
	seg->stats = r->stats;
	r->open = r->made = r->unsynced = false;
	c->unsaved = true;
	if (capture_sync_folder(row_path(c, r, -1, false, &from), why) < 0)
		sink_failed(c, why);
	else
		rc = 0;
out:
	buf_release(&from);
	buf_release(&to);
	return rc;
}

/* ---- what an earlier run has left --------------------------------------------------------------- */

/* When the file was made; a file system that doesn't know tells when it changed. */
static int64_t
birth_us(int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME | STATX_MTIME, &st) < 0)
		return time_now_us();
	if (!(st.stx_mask & STATX_BTIME))
		st.stx_btime = st.stx_mtime;
	return (int64_t)st.stx_btime.tv_sec * 1000000 + st.stx_btime.tv_nsec / 1000;
}

/* Append the first n bytes of a file to another one. */
static int
copy_bytes(int from, int to, uint64_t n)
{
	char bytes[65536];
	uint64_t at;
	ssize_t got, put, k;

	for (at = 0; at < n; at += (uint64_t)got) {
		got = pread(from, bytes, n - at < sizeof(bytes) ? (size_t)(n - at) :
			sizeof(bytes), (off_t)at);
		if (got == 0)
			errno = EIO;
		if (got <= 0)
			return -1;
		for (put = 0; put < got; put += k) {
			k = write(to, bytes + put, (size_t)(got - put));
			if (k < 0)
				return -1;
		}
	}
	return 0;
}

/* Make the segment anew from its whole frames and one of the lines behind them. It takes the
 * place of the old one when it is durable: a kill in between loses nothing. */
static int
remake_segment(struct capture_sink *c, struct row *r, const struct buf *tail, uint64_t good,
	struct failure *why)
{
	struct buf path = {0}, fresh = {0};
	int old = r->fd, fd, rc = -1;

	row_path(c, r, r->lane->segment[r->lane->n - 1].first, true, &path);
	buf_addf(&fresh, "%s.new", buf_cstr(&path));
	if (tail->n && (pack_add(&r->pack, &r->pending, tail->p, tail->n, why) < 0 ||
		pack_end(&r->pack, &r->pending, why) < 0)) {
		sink_failed(c, why);
		goto out;
	}
	pack_release(&r->pack);
	fd = open(buf_cstr(&fresh), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0) {
		io_failed(c, buf_cstr(&fresh), why);
		goto out;
	}
	r->fd = fd;
	if (copy_bytes(old, fd, good) < 0) {
		io_failed(c, buf_cstr(&fresh), why);
	} else if (write_pending(c, r, why) == 0) {
		if (fsync(fd) < 0 || rename(buf_cstr(&fresh), buf_cstr(&path)) < 0)
			io_failed(c, buf_cstr(&fresh), why);
		else
			rc = 0;
	}
	close(old);
	r->unsynced = r->made = true;
out:
	buf_release(&path);
	buf_release(&fresh);
	return rc;
}

/* The open segment goes on behind its whole lines. */
static int
mend_segment(struct capture_sink *c, struct row *r, const struct buf *tail, uint64_t good,
	struct failure *why)
{
	struct stat st;

	if (need_file(c, r, why) < 0)
		return -1;
	r->begun_us = birth_us(r->fd);
	if (fstat(r->fd, &st) < 0)
		return io_failed(c, r->lane->topic, why);
	return (uint64_t)st.st_size == good ? 0 : remake_segment(c, r, tail, good, why);
}

/* A segment that was begun, and never got a line. */
static int
drop_segment(struct capture_sink *c, struct row *r, struct failure *why)
{
	struct buf path = {0};
	int rc = 0;

	if (unlink(row_path(c, r, r->lane->segment[r->lane->n - 1].first, true, &path)) < 0)
		rc = io_failed(c, buf_cstr(&path), why);
	buf_release(&path);
	r->lane->n--;
	return rc;
}

static int
take_up_segment(struct capture_sink *c, struct row *r, struct failure *why)
{
	const struct capture_segment *seg = &r->lane->segment[r->lane->n - 1];
	struct buf path = {0}, tail = {0};
	uint64_t good;
	int rc;

	rc = segment_scan(row_path(c, r, seg->first, true, &path), r->lane, seg, &r->stats,
		&tail, &good, why);
	if (rc < 0) {
		if (why->status == EXIT_DATA)
			fail_hint(why, "a copy of the file may be mended by hand; moved away, its "
				"records are captured anew if they come again");
		sink_failed(c, why);
	} else if (!r->stats.count) {
		rc = drop_segment(c, r, why);
	} else {
		r->open = true;
		rc = mend_segment(c, r, &tail, good, why);
	}
	buf_release(&path);
	buf_release(&tail);
	return rc;
}

static void
take_stats(struct row *r, const struct capture_stats *s)
{
	if (!r->any) {
		r->first = s->first;
		memcpy(r->head, s->head, sizeof(r->head));
	}
	r->any = true;
	r->last = s->last;
	r->repeat = r->skip = s->repeat;
}

static int
make_ready(struct capture_sink *c, struct row *r, struct failure *why)
{
	struct capture_lane *lane = r->lane;
	struct capture_segment *seg;
	size_t i;

	if (r->ready)
		return 0;
	for (i = 0; i < lane->n; i++) {
		seg = &lane->segment[i];
		if (seg->part)
			break;
		c->unsaved |= !seg->known;
		if (segment_know(c->dir, lane, seg, why) < 0)
			return sink_failed(c, why);
		take_stats(r, &seg->stats);
	}
	if (i < lane->n && take_up_segment(c, r, why) < 0)
		return -1;
	if (r->open)
		take_stats(r, &r->stats);
	r->ready = true;
	return 0;
}

/* ---- beginning ------------------------------------------------------------------------------------ */

static struct row *
add_row(struct capture_sink *c, struct slice topic, int32_t partition)
{
	struct table_entry *e;
	struct row *r;
	bool made;

	buf_reset(&c->key);
	buf_add_slice(&c->key, topic);
	buf_addc(&c->key, '\0');
	buf_add(&c->key, &partition, sizeof(partition));
	e = table_put(&c->row_of, buf_slice(&c->key), &made);
	if (!made)
		return c->row[e->v.u];
	r = mem_zalloc(sizeof(*r));
	r->fd = -1;
	r->lane = capture_add(&c->all, topic, partition);
	c->row = mem_grow(c->row, &c->cap_rows, c->nrows + 1, sizeof(struct row *));
	e->v.u = c->nrows;
	c->row[c->nrows++] = r;
	return r;
}

static int
in_use(struct capture_sink *c, int fd, struct failure *why)
{
	char pid[24];
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	close(fd);
	pid[n > 0 ? n : 0] = '\0';
	pid[strcspn(pid, "\n")] = '\0';
	return fail(why, EXIT_TRY_AGAIN, "%s: process %s writes to it", c->uri,
		*pid ? pid : "that isn't known");
}

/* The lock stays with the descriptor. */
static int
take_lock(struct capture_sink *c, int flags, struct failure *why)
{
	struct buf path = {0}, pid = {0};
	int fd, rc = -1;

	buf_addf(&path, "%s/@lock", c->dir);
	fd = open(buf_cstr(&path), O_RDWR | O_CLOEXEC | flags, 0666);
	if (fd < 0) {
		io_failed(c, buf_cstr(&path), why);
		goto out;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK) {
			in_use(c, fd, why);
		} else {
			io_failed(c, buf_cstr(&path), why);
			close(fd);
		}
		goto out;
	}
	c->lock = fd;
	buf_addf(&pid, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid.p, pid.n, 0) != (ssize_t)pid.n)
		io_failed(c, buf_cstr(&path), why);
	else
		rc = 0;
out:
	buf_release(&path);
	buf_release(&pid);
	return rc;
}

/* Nobody else writes, and what is there is known by name. */
static int
begin(struct capture_sink *c, int lock_flags, struct failure *why)
{
	size_t i;

	if (take_lock(c, lock_flags, why) < 0)
		return -1;
	if (capture_load(c->dir, &c->all, why) < 0)
		return sink_failed(c, why);
	for (i = 0; i < c->all.n; i++)
		add_row(c, slice_str(c->all.lane[i]->topic), c->all.lane[i]->partition);
	c->unsaved = !c->all.listed;
	return 0;
}

static int
need_begun(struct capture_sink *c, struct failure *why)
{
	struct place place;
	int rc;

	if (usable(c, why) < 0)
		return -1;
	if (c->lock >= 0)
		return 0;
	place_of(c->dir, &place);
	rc = need_folder(c, c->dir, place.folder, why);
	place_release(&place);
	return rc < 0 ? -1 : begin(c, O_CREAT, why);
}

/* ---- lines ------------------------------------------------------------------------------------------ */

/* The record is none that can be filed, whatever the run does about it. */
static int
refuse(struct capture_sink *c, struct failure *why)
{
	c->base.refused = true;
	return fail_within(why, "%s: ", c->uri);
}

static int
refuse_topic(struct capture_sink *c, struct slice topic, struct failure *why)
{
	struct buf name = {0};

	text_add_safe(&name, topic, 100);
	fail_record(why, "topic", "'%s' is no name of a topic", buf_cstr(&name));
	fail_hint(why, "?topic=NAME files such records under NAME, with numbers for offsets");
	buf_release(&name);
	return refuse(c, why);
}

/* Offsets come with the records or are made up, but not both in one topic. */
static int
set_numbered(struct capture_sink *c, struct row *r, bool numbered, struct failure *why)
{
	if (r->lane->numbered == numbered)
		return 0;
	if (!numbered) {
		fail(why, EXIT_CONFIG, "the records of topic %s are numbered by the capture, and "
			"this one has an offset", r->lane->topic);
		return sink_failed(c, why);
	}
	if (r->any) {
		fail(why, EXIT_CONFIG, "topic %s has offsets of its own, and this record has none",
			r->lane->topic);
		fail_hint(why, "?topic=NAME files records without one under another name");
		return sink_failed(c, why);
	}
	/* It must be known before the first line of it is there. */
	r->lane->numbered = true;
	c->unsaved = true;
	return save(c, why);
}

/* The first record of the lane came again: it must be the one that was captured. */
static int
look_at_head(struct capture_sink *c, struct row *r, struct slice line, struct failure *why)
{
	char head[33];

	if (r->looked)
		return 0;
	hash_hex128(line.p, line.n, head);
	r->looked = true;
	if (memcmp(head, r->head, 32) == 0)
		return 0;
	fail(why, EXIT_CONFIG, "%s[%d]@%lld was captured with other contents", r->lane->topic,
		r->lane->partition, (long long)r->first);
	fail_hint(why, "another topic or file of that name, or another way to make it? Capture it "
		"into a folder of its own");
	return sink_failed(c, why);
}

/* Does the record have to be written? 1, 0: it is there already, -1. */
static int
is_new(struct capture_sink *c, struct row *r, const struct capture_line *l,
	struct slice line, struct failure *why)
{
	if (!r->any || l->offset > r->last)
		return 1;
	if (l->offset == r->first && r->skip && look_at_head(c, r, line, why) < 0)
		return -1;
	if (l->offset == r->last) {
		if (!r->skip)
			return 1;
		r->skip--;
		return 0;
	}
	if (l->offset < r->first) {
		fail(why, EXIT_CONFIG, "%s[%d]@%lld: the capture begins at %lld, and nothing can "
			"be put before that", r->lane->topic, r->lane->partition,
			(long long)l->offset, (long long)r->first);
		fail_hint(why, "capture it into a folder of its own");
		return sink_failed(c, why);
	}
	r->skip = r->repeat;
	return 0;
}

static int
write_line(struct capture_sink *c, struct row *r, const struct capture_line *l,
	struct slice line, struct failure *why)
{
	/* Records of one offset stay together. */
	if (r->open && l->offset > r->last && r->stats.count &&
		(r->stats.unpacked + line.n >= c->roll ||
		c->now_us - r->begun_us >= c->every_us) &&
		(finish_segment(c, r, why) < 0 || save(c, why) < 0))
		return -1;
	if (!r->open && begin_segment(c, r, l->offset, why) < 0)
		return -1;
	/* The line feed follows. */
	if (add_text(c, r, line.p, line.n + 1, why) < 0)
		return -1;
	capture_stats_add(&r->stats, l, line);
	r->repeat = r->any && l->offset == r->last ? r->repeat + 1 : 1;
	r->last = l->offset;
	r->skip = 0;
	if (!r->any) {
		r->any = true;
		r->first = l->offset;
		memcpy(r->head, r->stats.head, sizeof(r->head));
	}
	if (r->pack.frame_bytes < FRAME_BYTES)
		return 0;
	return pack_end(&r->pack, &r->pending, why) < 0 ? sink_failed(c, why) : 0;
}

static int
take_line(struct capture_sink *c, struct slice line, struct failure *why)
{
	const char *name = c->topic ? c->topic : DEFAULT_TOPIC;
	struct capture_line l;
	struct row *r = c->latest;
	bool numbered;
	int rc;

	if (capture_line_read(&c->scratch, line, &l, why) < 0)
		return refuse(c, why);
	numbered = !l.topic.p || l.offset < 0;
	if (!numbered && (!r || !slice_eq(l.topic, slice_str(r->lane->topic))) &&
		!capture_is_topic(l.topic)) {
		if (!c->topic)
			return refuse_topic(c, l.topic, why);
		numbered = true;
	}
	if (numbered) {
		l.topic = slice_str(name);
		l.partition = 0;
	}
	if (!r || r->lane->partition != l.partition ||
		!slice_eq(l.topic, slice_str(r->lane->topic)))
		r = add_row(c, l.topic, l.partition);
	c->latest = r;
	r->used = ++c->uses;
	if (make_ready(c, r, why) < 0 || set_numbered(c, r, numbered, why) < 0)
		return -1;
	if (numbered) {
		l.offset = r->any ? r->last + 1 : 0;
		buf_reset(&c->line);
		if (capture_line_renumber(&c->scratch, line, &l, name, l.offset, &c->line,
				why) < 0)
			return refuse(c, why);
		buf_addc(&c->line, '\n');
		line = slice_of(c->line.p, c->line.n - 1);
	} else {
		rc = is_new(c, r, &l, line, why);
		if (rc <= 0)
			return rc;
	}
	return write_line(c, r, &l, line, why);
}

/* ---- the sink ----------------------------------------------------------------------------------------- */

/* End the segments that are old enough; keep the manifest up to date. */
static int
look_at_ages(struct capture_sink *c, struct failure *why)
{
	int64_t now = time_now_us();
	struct row *r;
	size_t i;

	if (now - c->looked_us >= LOOK_US || now < c->looked_us) {
		c->looked_us = now;
		for (i = 0; i < c->nrows; i++) {
			r = c->row[i];
			if (r->open && now - r->begun_us >= c->every_us &&
				finish_segment(c, r, why) < 0)
				return -1;
		}
	}
	return save(c, why);
}

static int
capture_write(struct sink *s, const struct iovec *v, int n, struct failure *why)
{
	struct capture_sink *c = (struct capture_sink *)s;
	const char *p, *end, *feed;
	int i;

	c->base.refused = false;
	c->base.taken = 0;
	c->now_us = time_now_us();
	if (need_begun(c, why) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		p = v[i].iov_base;
		end = p + v[i].iov_len;
		for (; p < end; p = feed + 1, c->base.taken++) {
			feed = memchr(p, '\n', (size_t)(end - p));
			if (!feed) {
				fail(why, EXIT_INTERNAL, "a line comes in pieces");
				return sink_failed(c, why);
			}
			if (take_line(c, slice_of(p, (size_t)(feed - p)), why) < 0)
				return -1;
		}
	}
	return save(c, why);
}

static int
capture_flush(struct sink *s, struct failure *why)
{
	struct capture_sink *c = (struct capture_sink *)s;
	struct row *r;
	size_t i;

	if (usable(c, why) < 0)
		return -1;
	for (i = 0; i < c->nrows; i++) {
		r = c->row[i];
		if (!r->pack.open)
			continue;
		if (pack_flush(&r->pack, &r->pending, why) < 0)
			return sink_failed(c, why);
		if (write_pending(c, r, why) < 0)
			return -1;
	}
	return c->lock >= 0 ? look_at_ages(c, why) : 0;
}

static int
capture_sync(struct sink *s, struct failure *why)
{
	struct capture_sink *c = (struct capture_sink *)s;
	size_t i;

	if (usable(c, why) < 0)
		return -1;
	for (i = 0; i < c->nrows; i++) {
		if (sync_row(c, c->row[i], why) < 0)
			return -1;
		c->row[i]->skip = c->row[i]->repeat;
	}
	return c->lock >= 0 ? look_at_ages(c, why) : 0;
}

static int
capture_prepare(struct sink *s, struct failure *why)
{
	struct capture_sink *c = (struct capture_sink *)s;

	return need_begun(c, why) < 0 ? -1 : capture_sync(s, why);
}

/* All that is open is finished, what an earlier run has left too. */
static int
capture_commit(struct sink *s, struct failure *why)
{
	struct capture_sink *c = (struct capture_sink *)s;
	size_t i;

	if (need_begun(c, why) < 0)
		return -1;
	for (i = 0; i < c->nrows; i++) {
		if (make_ready(c, c->row[i], why) < 0)
			return -1;
		if (c->row[i]->open && finish_segment(c, c->row[i], why) < 0)
			return -1;
	}
	return save(c, why);
}

/* What was not committed goes on in the next run: its frames end here if they can. */
static void
capture_close(struct sink *s)
{
	struct capture_sink *c = (struct capture_sink *)s;
	struct failure ignored;
	struct row *r;
	size_t i;

	for (i = 0; i < c->nrows; i++) {
		r = c->row[i];
		if (!c->failed)
			sync_row(c, r, &ignored);
		if (r->fd >= 0)
			close(r->fd);
		pack_release(&r->pack);
		buf_release(&r->pending);
		free(r);
	}
	free(c->row);
	table_release(&c->row_of);
	if (c->lock >= 0)
		close(c->lock);
	capture_release(&c->all);
	capture_scratch_release(&c->scratch);
	buf_release(&c->line);
	buf_release(&c->key);
	free(c->topic);
	free(c->dir);
	free(c->uri);
	free(c);
}

static int
take_option(struct capture_sink *c, const struct capture_option *o, struct failure *why)
{
	if (strcmp(o->name, "roll") == 0) {
		if (text_size(o->value, &c->roll) < 0 || !c->roll)
			return fail(why, EXIT_USAGE, "roll=%s is no size such as 128M", o->value);
	} else if (strcmp(o->name, "every") == 0) {
		if (time_of_duration(slice_str(o->value), &c->every_us) < 0 || !c->every_us)
			return fail(why, EXIT_USAGE, "every=%s is no duration such as 1h",
				o->value);
	} else if (strcmp(o->name, "topic") == 0) {
		if (!capture_is_topic(slice_str(o->value)))
			return fail(why, EXIT_USAGE, "topic=%s is no name of a topic", o->value);
		free(c->topic);
		c->topic = mem_strdup(o->value);
	} else {
		fail(why, EXIT_USAGE, "a capture: sink has no option %s", o->name);
		fail_hint(why, "its options are roll, every and topic");
		return -1;
	}
	return 0;
}

/* What can be known of the folder before a record comes. */
static int
look_at(struct capture_sink *c, struct failure *why)
{
	struct buf lock = {0};
	struct place place;
	struct stat st;
	int rc = 0, err = 0;

	place_of(c->dir, &place);
	buf_addf(&lock, "%s/@lock", c->dir);
	if (stat(c->dir, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			err = ENOTDIR;
		else if (faccessat(AT_FDCWD, c->dir, W_OK | X_OK, AT_EACCESS) < 0)
			err = errno;
	} else if (errno != ENOENT || stat(place.folder, &st) < 0 ||
		faccessat(AT_FDCWD, place.folder, W_OK | X_OK, AT_EACCESS) < 0) {
		err = errno;
	}
	if (err)
		rc = fail(why, status_of_errno(err, EXIT_CANTCREATE), "%s: %s", c->uri,
			strerror(err));
	else if (access(buf_cstr(&lock), F_OK) == 0)
		rc = begin(c, 0, why);
	buf_release(&lock);
	place_release(&place);
	return rc;
}

struct sink *
capture_sink_open(const char *uri, struct failure *why)
{
	struct capture_sink *c = mem_zalloc(sizeof(*c));
	struct capture_uri u;
	size_t i;
	int rc;

	c->lock = -1;
	c->uri = mem_strdup(uri);
	c->roll = ROLL_BYTES;
	c->every_us = ROLL_US;
	c->base.name = c->uri;
	c->base.envelopes = true;
	c->base.write = capture_write;
	c->base.flush = capture_flush;
	c->base.sync = capture_sync;
	c->base.prepare = capture_prepare;
	c->base.commit = capture_commit;
	c->base.close = capture_close;
	rc = capture_uri_parse(uri, &u, why);
	if (rc == 0) {
		c->dir = mem_strdup(u.dir);
		for (i = 0; i < u.noptions && rc == 0; i++)
			rc = take_option(c, &u.option[i], why);
		if (rc < 0)
			fail_within(why, "%s: ", uri);
		capture_uri_release(&u);
	}
	if (rc == 0)
		rc = look_at(c, why);
	if (rc < 0) {
		capture_close(&c->base);
		return NULL;
	}
	return &c->base;
}
