/*
 * What an earlier run has left. A segment that was being written may end in the middle of a
 * frame: it is made anew from the lines that the frame still gives.
 */
#define _GNU_SOURCE /* statx */
#include "sink/filing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>


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
		filing_failed(c, why);
		goto out;
	}
	pack_release(&r->pack);
	fd = open(buf_cstr(&fresh), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0) {
		filing_io_failed(c, buf_cstr(&fresh), why);
		goto out;
	}
	r->fd = fd;
	if (copy_bytes(old, fd, good) < 0) {
		filing_io_failed(c, buf_cstr(&fresh), why);
	} else if (row_write(c, r, why) == 0) {
		if (fsync(fd) < 0 || rename(buf_cstr(&fresh), buf_cstr(&path)) < 0)
			filing_io_failed(c, buf_cstr(&fresh), why);
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

	if (row_need_file(c, r, why) < 0)
		return -1;
	r->begun_us = birth_us(r->fd);
	if (fstat(r->fd, &st) < 0)
		return filing_io_failed(c, r->lane->topic, why);
	return (uint64_t)st.st_size == good ? 0 : remake_segment(c, r, tail, good, why);
}

/* A segment that was begun, and never got a line. */
static int
drop_segment(struct capture_sink *c, struct row *r, struct failure *why)
{
	struct buf path = {0};
	int rc = 0;

	if (unlink(row_path(c, r, r->lane->segment[r->lane->n - 1].first, true, &path)) < 0)
		rc = filing_io_failed(c, buf_cstr(&path), why);
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
		filing_failed(c, why);
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

int
row_make_ready(struct capture_sink *c, struct row *r, struct failure *why)
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
			return filing_failed(c, why);
		take_stats(r, &seg->stats);
	}
	if (i < lane->n && take_up_segment(c, r, why) < 0)
		return -1;
	if (r->open)
		take_stats(r, &r->stats);
	r->ready = true;
	return 0;
}
