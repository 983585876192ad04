/*
 * Segments, read.
 *
 * A finished one is whole, or it is damaged. Of an open one the frames that are whole count
 * like a finished one; behind them a writer that was killed has left a frame without an end,
 * of which the lines that still come out are taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/table.h"
#include "capture/capture.h"
#include "sink/pack.h"
#include "source/unpack.h"

#define RAW_BYTES ((size_t)64 << 10)
#define TEXT_BYTES ((size_t)256 << 10)

static int
io_failed(const struct segment_reader *r, struct failure *why)
{
	return fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", r->path, strerror(errno));
}

static int
open_failed(const struct segment_reader *r, struct failure *why)
{
	return fail(why, status_of_errno(errno, EXIT_NOINPUT), "%s: %s", r->path,
		strerror(errno));
}

/* An open segment may get its final name at any time. */
static int
open_either(struct segment_reader *r, struct failure *why)
{
	size_t n = strlen(r->path) - (sizeof(".part") - 1);

	r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
	if (r->fd >= 0)
		return 0;
	if (errno != ENOENT || !r->part)
		return open_failed(r, why);
	r->part = false;
	r->path[n] = '\0';
	r->fd = open(r->path, O_RDONLY | O_CLOEXEC);
	return r->fd >= 0 ? 0 : open_failed(r, why);
}

int
segment_open(struct segment_reader *r, const char *path, bool part, uint64_t max_unpacked,
	size_t max_line, struct failure *why)
{
	struct failure where;
	struct stat st;

	*r = (struct segment_reader){.path = mem_strdup(path), .fd = -1, .part = part,
		.max_unpacked = max_unpacked, .max_line = max_line};
	if (open_either(r, why) < 0)
		goto fail;
	if (fstat(r->fd, &st) < 0) {
		io_failed(r, why);
		goto fail;
	}
	r->good = r->size = (uint64_t)st.st_size;
	if (r->part && pack_check(r->fd, r->size, &r->good, &where) < 0 &&
		where.status != EXIT_DATA) {
		*why = where;
		fail_within(why, "%s: ", r->path);
		goto fail;
	}
	r->unpack = unpack_new(r->max_unpacked, why);
	if (!r->unpack)
		goto fail;
	return 0;
fail:
	segment_close(r);
	return -1;
}

void
segment_close(struct segment_reader *r)
{
	if (r->path && r->fd >= 0)
		close(r->fd);
	unpack_free(r->unpack);
	buf_release(&r->raw);
	buf_release(&r->text);
	free(r->path);
	*r = (struct segment_reader){.fd = -1};
}

/* The end of what can be read: of the tail of an open segment, or of the file. */
static int
end_part(struct segment_reader *r, struct failure *why)
{
	if (r->part && !r->tail && r->good < r->size) {
		r->tail = true;
		r->ended = false;
		unpack_free(r->unpack);
		r->unpack = unpack_new(r->max_unpacked, why);
		return r->unpack ? 0 : -1;
	}
	r->over = true;
	if (r->lines < r->text.n && !r->tail)
		return fail(why, EXIT_DATA, "%s: damaged: it ends within a line", r->path);
	return 0;
}

static int
damaged(struct segment_reader *r, struct failure *why)
{
	if (r->tail && why->status == EXIT_DATA) {
		r->over = true;
		return 0;
	}
	fail_within(why, "%s: damaged: ", r->path);
	return -1;
}

static int
read_raw(struct segment_reader *r, struct failure *why)
{
	uint64_t end = r->part && !r->tail ? r->good : r->size;
	size_t want = end - r->at < RAW_BYTES ? (size_t)(end - r->at) : RAW_BYTES;
	ssize_t n;

	if (r->raw_at < r->raw.n || !want)
		return 0;
	buf_reset(&r->raw);
	r->raw_at = 0;
	buf_reserve(&r->raw, want);
	do
		n = pread(r->fd, r->raw.p, want, (off_t)r->at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return io_failed(r, why);
	if (n == 0)
		r->size = r->good = r->at; /* it was cut while it was read */
	r->raw.n = (size_t)n;
	r->at += (uint64_t)n;
	return 0;
}

/* More text, or the end. */
static int
fill(struct segment_reader *r, struct failure *why)
{
	uint64_t end = r->part && !r->tail ? r->good : r->size;
	struct unpack_step step;
	size_t before = r->text.n, k;
	int rc;

	/* Only now: the lines that came before it are of another part. */
	if (r->ended)
		return end_part(r, why);
	if (read_raw(r, why) < 0)
		return -1;
	buf_reserve(&r->text, TEXT_BYTES);
	step = (struct unpack_step){
		.in = r->raw.p ? r->raw.p + r->raw_at : "", .n = r->raw.n - r->raw_at,
		.out = r->text.p + r->text.n, .room = r->text.cap - r->text.n,
		.eof = r->at >= end,
	};
	rc = unpack_run(r->unpack, &step, why);
	r->raw_at += step.took;
	r->text.n += step.made;
	for (k = r->text.n; k > before && r->text.p[k - 1] != '\n'; k--)
		;
	if (k > before)
		r->lines = k;
	if (r->text.n - r->lines > r->max_line)
		return fail(why, EXIT_DATA, "%s: damaged: it holds a line of more than %zu bytes",
			r->path, r->max_line);
	if (rc < 0)
		return damaged(r, why);
	r->ended = rc == 0;
	return 0;
}

int
segment_line(struct segment_reader *r, struct slice *line, struct failure *why)
{
	const char *from, *feed;

	while (r->text_at >= r->lines) {
		if (r->over)
			return 0;
		if (r->text_at) {
			r->text.n -= r->text_at;
			memmove(r->text.p, r->text.p + r->text_at, r->text.n);
			r->lines = r->text_at = 0;
		}
		if (fill(r, why) < 0)
			return -1;
	}
	from = r->text.p + r->text_at;
	feed = memchr(from, '\n', r->lines - r->text_at);
	*line = slice_of(from, (size_t)(feed - from));
	r->text_at += line->n + 1;
	return 1;
}

/* ---- looking at one whole ---------------------------------------------------------- */

static int
check_line(const struct segment_reader *r, const struct capture_lane *lane,
	const struct capture_segment *seg, const struct capture_stats *s,
	const struct capture_line *l, struct failure *why)
{
	if (!l->topic.p || !slice_eq(l->topic, slice_str(lane->topic)) ||
		l->partition != lane->partition)
		return fail(why, EXIT_DATA, "%s: damaged: line %llu belongs elsewhere", r->path,
			(unsigned long long)s->count + 1);
	if (l->offset < (s->count ? s->last : seg->first) ||
		(!s->count && l->offset != seg->first))
		return fail(why, EXIT_DATA, "%s: damaged: line %llu has offset %lld", r->path,
			(unsigned long long)s->count + 1, (long long)l->offset);
	return 0;
}

static int
scan_lines(struct segment_reader *r, const struct capture_lane *lane,
	const struct capture_segment *seg, struct capture_stats *s, struct buf *tail,
	struct failure *why)
{
	struct capture_scratch scratch = {0};
	struct capture_line l;
	struct slice line;
	int rc;

	while ((rc = segment_line(r, &line, why)) > 0) {
		rc = capture_line_read(&scratch, line, &l, why);
		if (rc < 0)
			fail_within(why, "%s: damaged: line %llu: ", r->path,
				(unsigned long long)s->count + 1);
		else
			rc = check_line(r, lane, seg, s, &l, why);
		/* What a crash of the machine left behind the last whole frame may be anything.
		 * */
		if (rc < 0 && r->tail) {
			rc = 0;
			break;
		}
		if (rc < 0)
			break;
		capture_stats_add(s, &l, line);
		if (r->tail && tail) {
			buf_add_slice(tail, line);
			buf_addc(tail, '\n');
		}
	}
	capture_scratch_release(&scratch);
	return rc;
}

int
segment_scan(const char *path, const struct capture_lane *lane,
	const struct capture_segment *seg, struct capture_stats *stats, struct buf *tail,
	uint64_t *good, struct failure *why)
{
	struct segment_reader r;
	int rc;

	*stats = (struct capture_stats){.min_ts = TIME_NONE, .max_ts = TIME_NONE};
	if (segment_open(&r, path, seg->part, UINT64_MAX / 2, JSON_MAX_BLOCK, why) < 0)
		return -1;
	rc = scan_lines(&r, lane, seg, stats, tail, why);
	if (rc == 0 && !stats->count && !seg->part)
		rc = fail(why, EXIT_DATA, "%s: damaged: it holds no line", path);
	if (good)
		*good = r.good;
	segment_close(&r);
	return rc;
}

int
segment_sum(int fd, uint64_t *bytes, char sum[33], struct failure *why)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return fail(why, EXIT_IO, "%s", strerror(errno));
	*bytes = (uint64_t)st.st_size;
	if (!st.st_size) {
		hash_hex128("", 0, sum);
		return 0;
	}
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return fail(why, EXIT_IO, "%s", strerror(errno));
	hash_hex128(p, (size_t)st.st_size, sum);
	munmap(p, (size_t)st.st_size);
	return 0;
}

int
segment_know(const char *dir, const struct capture_lane *lane, struct capture_segment *seg,
	struct failure *why)
{
	struct buf path = {0};
	int rc, fd;

	if (seg->known)
		return 0;
	capture_path(&path, dir, lane->topic, lane->partition, seg->first, false);
	rc = segment_scan(buf_cstr(&path), lane, seg, &seg->stats, NULL, NULL, why);
	if (rc == 0) {
		fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			rc = fail(why, status_of_errno(errno, EXIT_IO), "%s", strerror(errno));
		else
			rc = segment_sum(fd, &seg->bytes, seg->sum, why);
		if (fd >= 0)
			close(fd);
		if (rc < 0)
			fail_within(why, "%s: ", buf_cstr(&path));
	}
	seg->known = rc == 0;
	buf_release(&path);
	return rc;
}

int
capture_next(const struct capture *c, struct slice topic, int32_t partition, int64_t *next,
	struct failure *why)
{
	const struct capture_lane *lane = capture_find(c, topic, partition);
	const struct capture_segment *seg;
	struct capture_stats stats;
	struct buf path = {0};
	size_t i;
	int rc = 0;

	*next = -1;
	/* An open segment may hold no line yet: then the one before it tells. */
	for (i = lane ? lane->n : 0; i && *next < 0 && rc == 0; i--) {
		seg = &lane->segment[i - 1];
		stats = seg->stats;
		if (!seg->known) {
			buf_reset(&path);
			capture_path(&path, c->dir, lane->topic, lane->partition, seg->first,
				seg->part);
			rc = segment_scan(buf_cstr(&path), lane, seg, &stats, NULL, NULL, why);
		}
		if (rc == 0 && stats.count)
			*next = stats.last + 1;
	}
	buf_release(&path);
	return rc;
}
