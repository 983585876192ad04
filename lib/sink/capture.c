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
#include "sink/filing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"

#define ROLL_BYTES ((uint64_t)128 << 20)
#define ROLL_US (3600 * (int64_t)1000000)
#define LOOK_US 1000000  /* how often the age of all open segments is looked at */

/* ---- beginning --------------------------------------------------------------------- */

struct row *
filing_add_row(struct capture_sink *c, struct slice topic, int32_t partition)
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
		filing_io_failed(c, buf_cstr(&path), why);
		goto out;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK) {
			in_use(c, fd, why);
		} else {
			filing_io_failed(c, buf_cstr(&path), why);
			close(fd);
		}
		goto out;
	}
	c->lock = fd;
	buf_addf(&pid, "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid.p, pid.n, 0) != (ssize_t)pid.n)
		filing_io_failed(c, buf_cstr(&path), why);
	else
		rc = 0;
out:
	buf_release(&path);
	buf_release(&pid);
	return rc;
}

/* Nobody else writes, and what is there is known by name. */
int
filing_begin(struct capture_sink *c, int lock_flags, struct failure *why)
{
	size_t i;

	if (take_lock(c, lock_flags, why) < 0)
		return -1;
	if (capture_load(c->dir, &c->all, why) < 0)
		return filing_failed(c, why);
	for (i = 0; i < c->all.n; i++)
		filing_add_row(c, slice_str(c->all.lane[i]->topic), c->all.lane[i]->partition);
	c->unsaved = !c->all.listed;
	return 0;
}

int
filing_need_begun(struct capture_sink *c, struct failure *why)
{
	struct place place;
	int rc;

	if (filing_usable(c, why) < 0)
		return -1;
	if (c->lock >= 0)
		return 0;
	place_of(c->dir, &place);
	rc = filing_need_folder(c, c->dir, place.folder, why);
	place_release(&place);
	return rc < 0 ? -1 : filing_begin(c, O_CREAT, why);
}

/* ---- the sink ---------------------------------------------------------------------- */

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
				row_finish_segment(c, r, why) < 0)
				return -1;
		}
	}
	return filing_save(c, why);
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
	if (filing_need_begun(c, why) < 0)
		return -1;
	for (i = 0; i < n; i++) {
		p = v[i].iov_base;
		end = p + v[i].iov_len;
		for (; p < end; p = feed + 1, c->base.taken++) {
			feed = memchr(p, '\n', (size_t)(end - p));
			if (!feed) {
				fail(why, EXIT_INTERNAL, "a line comes in pieces");
				return filing_failed(c, why);
			}
			if (filing_take_line(c, slice_of(p, (size_t)(feed - p)), why) < 0)
				return -1;
		}
	}
	return filing_save(c, why);
}

static int
capture_flush(struct sink *s, struct failure *why)
{
	struct capture_sink *c = (struct capture_sink *)s;
	struct row *r;
	size_t i;

	if (filing_usable(c, why) < 0)
		return -1;
	for (i = 0; i < c->nrows; i++) {
		r = c->row[i];
		if (!r->pack.open)
			continue;
		if (pack_flush(&r->pack, &r->pending, why) < 0)
			return filing_failed(c, why);
		if (row_write(c, r, why) < 0)
			return -1;
	}
	return c->lock >= 0 ? look_at_ages(c, why) : 0;
}

static int
capture_sync(struct sink *s, struct failure *why)
{
	struct capture_sink *c = (struct capture_sink *)s;
	size_t i;

	if (filing_usable(c, why) < 0)
		return -1;
	for (i = 0; i < c->nrows; i++) {
		if (row_sync(c, c->row[i], why) < 0)
			return -1;
		c->row[i]->skip = c->row[i]->repeat;
	}
	return c->lock >= 0 ? look_at_ages(c, why) : 0;
}

static int
capture_prepare(struct sink *s, struct failure *why)
{
	struct capture_sink *c = (struct capture_sink *)s;

	return filing_need_begun(c, why) < 0 ? -1 : capture_sync(s, why);
}

/* All that is open is finished, what an earlier run has left too. */
static int
capture_commit(struct sink *s, struct failure *why)
{
	struct capture_sink *c = (struct capture_sink *)s;
	size_t i;

	if (filing_need_begun(c, why) < 0)
		return -1;
	for (i = 0; i < c->nrows; i++) {
		if (row_make_ready(c, c->row[i], why) < 0)
			return -1;
		if (c->row[i]->open && row_finish_segment(c, c->row[i], why) < 0)
			return -1;
	}
	return filing_save(c, why);
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
			row_sync(c, r, &ignored);
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
		rc = filing_begin(c, 0, why);
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
