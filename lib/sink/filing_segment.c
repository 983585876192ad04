/* Segments: one open a row, in frames of zstd; and the manifest of those that are whole. */
#include "sink/filing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FRAMES_MAX 16    /* open at a time: each takes about 4 MiB */
#define FILES_MAX 256    /* descriptors */

int
filing_failed(struct capture_sink *c, struct failure *why)
{
	c->failed = true;
	return fail_within(why, "%s: ", c->uri);
}

int
filing_io_failed(struct capture_sink *c, const char *path, struct failure *why)
{
	fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", path, strerror(errno));
	return filing_failed(c, why);
}

int
filing_usable(const struct capture_sink *c, struct failure *why)
{
	return c->failed ? fail(why, EXIT_IO, "%s: writing has failed before", c->uri) : 0;
}

const char *
row_path(const struct capture_sink *c, const struct row *r, int64_t first, bool part,
	struct buf *path)
{
	buf_reset(path);
	capture_path(path, c->dir, r->lane->topic, r->lane->partition, first, part);
	return buf_cstr(path);
}

int
row_write(struct capture_sink *c, struct row *r, struct failure *why)
{
	size_t at = 0;
	ssize_t n;

	while (at < r->pending.n) {
		n = write(r->fd, r->pending.p + at, r->pending.n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return filing_io_failed(c, r->lane->topic, why);
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
		return filing_failed(c, why);
	if (r->pack.ctx)
		c->frames--;
	pack_release(&r->pack);
	return row_write(c, r, why);
}

int
row_sync(struct capture_sink *c, struct row *r, struct failure *why)
{
	struct buf path = {0};
	int rc = 0;

	if (!r->open || r->fd < 0)
		return 0;
	if (end_frame(c, r, why) < 0)
		return -1;
	if (r->unsynced && fdatasync(r->fd) < 0)
		return filing_io_failed(c, r->lane->topic, why);
	if (r->made && capture_sync_folder(row_path(c, r, -1, false, &path), why) < 0)
		rc = filing_failed(c, why);
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
		return filing_io_failed(c, r->lane->topic, why);
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
int
row_need_file(struct capture_sink *c, struct row *r, struct failure *why)
{
	struct buf path = {0};
	struct row *other;
	int rc = 0;

	if (r->fd >= 0)
		return 0;
	if (c->files >= FILES_MAX) {
		other = oldest(c, false);
		if (row_sync(c, other, why) < 0 || close_file(c, other, why) < 0)
			return -1;
	}
	r->fd = open(row_path(c, r, r->lane->segment[r->lane->n - 1].first, true, &path),
		O_RDWR | O_CLOEXEC | (r->fresh ? O_CREAT | O_EXCL : 0), 0666);
	if (r->fd >= 0)
		c->files++;
	r->fresh = false;
	if (r->fd < 0 || lseek(r->fd, 0, SEEK_END) < 0)
		rc = filing_io_failed(c, buf_cstr(&path), why);
	buf_release(&path);
	return rc;
}

int
row_add(struct capture_sink *c, struct row *r, const void *p, size_t n, struct failure *why)
{
	struct row *other;

	if (row_need_file(c, r, why) < 0)
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
		return filing_failed(c, why);
	return r->pending.n < OUT_BYTES ? 0 : row_write(c, r, why);
}

int
filing_save(struct capture_sink *c, struct failure *why)
{
	if (!c->unsaved)
		return 0;
	if (capture_save(&c->all, why) < 0)
		return filing_failed(c, why);
	c->unsaved = false;
	return 0;
}

/* mkdir, and make the new name durable. */
int
filing_need_folder(struct capture_sink *c, const char *path, const char *parent,
	struct failure *why)
{
	if (mkdir(path, 0777) < 0) {
		if (errno == EEXIST)
			return 0;
		fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s", path,
			strerror(errno));
		return filing_failed(c, why);
	}
	return capture_sync_folder(parent, why) < 0 ? filing_failed(c, why) : 0;
}

int
row_begin_segment(struct capture_sink *c, struct row *r, int64_t first, struct failure *why)
{
	struct buf topic = {0}, path = {0};
	struct capture_segment *seg;
	int rc;

	/* A folder with segments is known by its manifest. */
	if (filing_save(c, why) < 0)
		return -1;
	buf_addf(&topic, "%s/%s", c->dir, r->lane->topic);
	row_path(c, r, -1, false, &path);
	rc = filing_need_folder(c, buf_cstr(&topic), c->dir, why);
	if (rc == 0)
		rc = filing_need_folder(c, buf_cstr(&path), buf_cstr(&topic), why);
	buf_release(&topic);
	buf_release(&path);
	if (rc < 0)
		return -1;
	seg = capture_lane_add(r->lane, first);
	seg->part = seg->there = true;
	r->open = r->made = r->fresh = true;
	r->stats = (struct capture_stats){.min_ts = TIME_NONE, .max_ts = TIME_NONE};
	r->begun_us = c->now_us;
	return row_need_file(c, r, why);
}

/* The open segment gets its final name. The manifest follows, before the lane's next one is
 * begun: so a reader that sees that one finds this one too. */
int
row_finish_segment(struct capture_sink *c, struct row *r, struct failure *why)
{
	struct capture_segment *seg = &r->lane->segment[r->lane->n - 1];
	struct buf from = {0}, to = {0};
	int rc = -1;

	row_path(c, r, seg->first, true, &from);
	row_path(c, r, seg->first, false, &to);
	if (row_need_file(c, r, why) < 0 || end_frame(c, r, why) < 0)
		goto out;
	if (fsync(r->fd) < 0) {
		filing_io_failed(c, buf_cstr(&from), why);
		goto out;
	}
	if (segment_sum(r->fd, &seg->bytes, seg->sum, why) < 0) {
		filing_failed(c, why);
		goto out;
	}
	if (close_file(c, r, why) < 0)
		goto out;
	if (rename(buf_cstr(&from), buf_cstr(&to)) < 0) {
		filing_io_failed(c, buf_cstr(&from), why);
		goto out;
	}
	seg->part = false;
	seg->known = true;
	seg->stats = r->stats;
	r->open = r->made = r->unsynced = false;
	c->unsaved = true;
	if (capture_sync_folder(row_path(c, r, -1, false, &from), why) < 0)
		filing_failed(c, why);
	else
		rc = 0;
out:
	buf_release(&from);
	buf_release(&to);
	return rc;
}
