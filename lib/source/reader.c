/*
 * One input, block by block.
 *
 * Two ways to the same blocks. With a usual max_record no line but a block's first can be
 * too long, since what is read on at once is shorter than that: bytes are read into the
 * block itself, and only its first line is measured. With a small one every line is
 * measured, in a buffer of the reader's.
 */
#define _GNU_SOURCE /* memrchr, F_SETPIPE_SZ */
#include "source/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/table.h"
#include "source/piece.h"
#include "source/unpack.h"
#include "source/uri.h"

#define RAW_BYTES ((size_t)128 << 10)
#define SNIFF_BYTES ((size_t)4 << 10)   /* of a file, to see what it is: a page */
#define PREFIX_BYTES ((size_t)64 << 10) /* shown of a line that is too long */
#define PIPE_BYTES (1 << 20)
#define PLENTY (64 << 10)               /* waiting in a pipe: surely a line among it */
#define MAX_STEP ((size_t)1 << 20)      /* read on at once of a long line */
#define BIG_BLOCKS 8                    /* blocks' worth of memory is given back ... */
#define SMALL_RUN 64                    /* ... after so many blocks that need less */
#define LOOK_MS 200                     /* between two looks at a file that is followed */

/* What pull returns where it is not a number of bytes. */
enum { PULL_END = 0, PULL_FAILED = -1, PULL_WAIT = -2, PULL_DRAINED = -3 };

/* ---- opening --------------------------------------------------------------------- */

/* A pipe that holds more wakes its two ends less often. */
static void
enlarge_pipe(int fd)
{
	int size = fcntl(fd, F_GETPIPE_SZ);

	if (size > 0 && size < PIPE_BYTES)
		(void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
}

static int
open_fd(struct reader *r, enum input_kind kind)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY;
	int fd = uri_fd(r->input->name, STDIN_FILENO);

	r->owned = fd != STDIN_FILENO;
	if (fd == STDIN_FILENO)
		return fd;
	if (fd > 0)
		return fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return open(r->input->name, flags | (kind == INPUT_FIFO ? O_NONBLOCK : 0));
}

int
reader_open(struct reader *r, struct input *input, enum input_kind kind,
	const struct reader_options *opt, struct failure *why)
{
	struct stat st;

	*r = (struct reader){.opt = opt, .input = input};
	r->name = strcmp(input->name, "-") == 0 ? "stdin" : input->name;
	r->strict = opt->max_record < 2 * (uint64_t)opt->block_bytes;
	r->fd = open_fd(r, kind);
	if (r->fd < 0 || fstat(r->fd, &st) < 0) {
		fail(why, status_of_errno(errno, EXIT_NOINPUT), "%s: %s", r->name,
			strerror(errno));
		reader_close(r);
		return -1;
	}
	r->from = lseek(r->fd, 0, SEEK_CUR);
	r->polled = opt->follow || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode));
	if (S_ISFIFO(st.st_mode))
		enlarge_pipe(r->fd);
	if (S_ISREG(st.st_mode))
		(void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

/* The descriptor goes where the blocks that were left to others end. */
static int
catch_up(struct reader *r)
{
	if (lseek(r->fd, r->from + (off_t)r->offset, SEEK_SET) < 0) {
		r->broken = true;
		return fail(&r->why, EXIT_IO, "%s: %s", r->name, strerror(errno));
	}
	r->behind = false;
	return 0;
}

void
reader_close(struct reader *r)
{
	if (r->behind)
		(void)catch_up(r);
	piece_close(r);
	buf_release(&r->held);
	buf_release(&r->raw);
	unpack_free(r->unpack);
	*r = (struct reader){.fd = -1};
}

/* ---- bytes ----------------------------------------------------------------------- */

/* 1: read(2) has something to say now. */
static int
await(const struct reader *r, bool wait)
{
	struct pollfd p[2] = {{r->fd, POLLIN, 0}, {-1, POLLIN, 0}};

	if (!r->opt->stage)
		p[1].fd = flow_drain_fd();
	for (;;) {
		if (!r->opt->stage && flow_draining())
			return PULL_DRAINED;
		if (poll(p, 2, wait ? -1 : 0) < 0 && errno != EINTR)
			return 1; /* and read(2) says what is wrong */
		if (p[0].revents)
			return 1;
		if (!wait)
			return PULL_WAIT;
	}
}

/* Bytes of the file that were not read yet; -1: it is shorter than what was read. */
static off_t
unread(const struct reader *r)
{
	struct stat st;
	off_t at = lseek(r->fd, 0, SEEK_CUR);

	if (at < 0 || fstat(r->fd, &st) < 0)
		return 1; /* and read(2) says what is wrong */
	return st.st_size < at ? -1 : st.st_size - at;
}

/* True if the name stands for another file by now, and that holds something. */
static bool
is_replaced(const struct reader *r)
{
	struct stat now, old;

	return stat(r->input->name, &now) == 0 && fstat(r->fd, &old) == 0 &&
		(now.st_dev != old.st_dev || now.st_ino != old.st_ino) &&
		S_ISREG(now.st_mode) && now.st_size > 0;
}

/* The same as await, for a file that is followed. */
static int
await_more(struct reader *r, bool wait)
{
	struct pollfd p = {flow_drain_fd(), POLLIN, 0};
	off_t n;

	for (;;) {
		if (flow_draining())
			return PULL_DRAINED;
		n = unread(r);
		/* What came between the two looks is read before the new file. */
		if (n == 0 && is_replaced(r))
			n = unread(r) > 0 ? 1 : -1;
		r->over = n < 0;
		if (n)
			return 1;
		if (!wait)
			return PULL_WAIT;
		(void)poll(&p, 1, LOOK_MS);
	}
}

static ptrdiff_t
fd_read(struct reader *r, char *to, size_t room, bool wait)
{
	ssize_t n;
	int rc;

	for (;;) {
		if (r->polled) {
			rc = r->opt->follow ? await_more(r, wait) : await(r, wait);
			if (rc != 1)
				return rc;
		}
		n = r->over ? 0 : read(r->fd, to, room);
		if (n == 0 && r->opt->follow && !r->over)
			continue; /* cut off since the look */
		if (n >= 0) {
			r->eof = n == 0;
			*r->opt->done_bytes += (uint64_t)n;
			return n;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			r->polled = true;
		else if (errno != EINTR)
			break;
	}
	r->broken = true;
	fail(&r->why, errno == EISDIR || errno == EBADF ? EXIT_NOINPUT : EXIT_IO,
		"%s: %s", r->name, strerror(errno));
	return PULL_FAILED;
}

/* More stored bytes, behind those that are left. */
static ptrdiff_t
more_raw(struct reader *r, size_t bytes, bool wait)
{
	ptrdiff_t n;

	if (r->raw_at) {
		memmove(r->raw.p, r->raw.p + r->raw_at, r->raw.n - r->raw_at);
		r->raw.n -= r->raw_at;
		r->raw_at = 0;
	}
	buf_reserve(&r->raw, bytes);
	n = fd_read(r, r->raw.p + r->raw.n, bytes, wait);
	if (n > 0)
		r->raw.n += (size_t)n;
	return n;
}

/* Tell plain from zstd by the first four bytes. No JSON text begins like either magic
 * number, so a plain pipe is known by its first byte and never waited for. */
static ptrdiff_t
tell_form(struct reader *r, bool wait)
{
	ptrdiff_t n;
	int magic;

	for (;;) {
		magic = r->raw.n ? unpack_magic(r->raw.p, r->raw.n) : -1;
		if (magic == 0 || (magic < 0 && r->eof)) {
			r->form = FORM_PLAIN;
			return 1;
		}
		if (magic > 0) {
			r->unpack = unpack_new(r->opt->max_unpacked, &r->why);
			r->broken = !r->unpack;
			r->form = FORM_ZSTD;
			return r->broken ? PULL_FAILED : 1;
		}
		n = more_raw(r, r->polled ? RAW_BYTES : SNIFF_BYTES, wait);
		if (n < 0)
			return n;
	}
}

static ptrdiff_t
pull_plain(struct reader *r, char *to, size_t room, bool wait)
{
	size_t n = r->raw.n - r->raw_at;

	if (!n)
		return r->eof ? PULL_END : fd_read(r, to, room, wait);
	if (n > room)
		n = room;
	memcpy(to, r->raw.p + r->raw_at, n);
	r->raw_at += n;
	if (r->raw_at == r->raw.n) {
		buf_release(&r->raw);
		r->raw_at = 0;
	}
	return (ptrdiff_t)n;
}

static ptrdiff_t
pull_zstd(struct reader *r, char *to, size_t room, bool wait)
{
	struct unpack_step s;
	ptrdiff_t n;
	int rc;

	for (;;) {
		s = (struct unpack_step){
			.in = r->raw.p + r->raw_at, .n = r->raw.n - r->raw_at,
			.out = to, .room = room, .eof = r->eof,
		};
		rc = unpack_run(r->unpack, &s, &r->why);
		r->raw_at += s.took;
		if (rc < 0) {
			fail_within(&r->why, "%s: ", r->name);
			r->broken = true;
		}
		if (s.made)
			return (ptrdiff_t)s.made;
		if (rc <= 0)
			return rc < 0 ? PULL_FAILED : PULL_END;
		n = more_raw(r, RAW_BYTES, wait);
		if (n < 0)
			return n;
	}
}

/* Some of the unpacked input: the number of bytes, or PULL_*. */
static ptrdiff_t
pull(struct reader *r, char *to, size_t room, bool wait)
{
	ptrdiff_t rc;

	if (r->broken)
		return PULL_FAILED;
	if (r->form == FORM_UNKNOWN) {
		rc = tell_form(r, wait);
		if (rc != 1)
			return rc;
	}
	return r->form == FORM_ZSTD ? pull_zstd(r, to, room, wait) :
		pull_plain(r, to, room, wait);
}

/* ---- lines ----------------------------------------------------------------------- */

static const char *
line_feed(const char *p, size_t n)
{
	return n ? memchr(p, '\n', n) : NULL;
}

static size_t
held_bytes(const struct reader *r)
{
	return r->held.n - r->at;
}

/* More bytes into held, behind those that are left. */
static ptrdiff_t
pull_held(struct reader *r, bool wait)
{
	ptrdiff_t n;

	if (r->at) {
		memmove(r->held.p, r->held.p + r->at, held_bytes(r));
		r->held.n -= r->at;
		r->at = 0;
	}
	buf_reserve(&r->held, r->opt->block_bytes);
	n = pull(r, r->held.p + r->held.n, r->opt->block_bytes, wait);
	if (n > 0)
		r->held.n += (size_t)n;
	return n;
}

/* Keep p[0..n), which holds no line feed in its first clean bytes, for the next block. */
static void
hold(struct reader *r, const char *p, size_t n, size_t clean)
{
	buf_reset(&r->held);
	r->at = 0;
	buf_add(&r->held, p, n);
	r->clean = clean;
}

/* What is left once nothing more comes: the return value of a read. */
static int
ended(struct reader *r, ptrdiff_t rc, struct block *b, struct failure *why)
{
	if (rc == PULL_FAILED) {
		*why = r->why;
		return -1;
	}
	if (rc == PULL_DRAINED) {
		r->drained = true;
		return 0;
	}
	/* The last line needs no line feed. */
	r->offset += b->n;
	return b->n != 0;
}

/* b begins with a line that is longer than max_record and has not ended yet: count it to
 * its end, keep its beginning. */
static int
pass_over(struct reader *r, struct block *b, struct failure *why)
{
	const char *feed;
	ptrdiff_t rc;

	b->too_long = b->n;
	b->n = PREFIX_BYTES < b->n ? PREFIX_BYTES : b->n;
	for (;;) {
		buf_reset(&r->held);
		r->at = r->clean = 0;
		rc = pull_held(r, true);
		if (rc == PULL_FAILED || rc == PULL_DRAINED) {
			b->too_long = 0;
			return ended(r, rc, b, why);
		}
		if (rc == PULL_END) {
			r->offset += b->too_long;
			return 1;
		}
		feed = line_feed(r->held.p, (size_t)rc);
		if (feed) {
			r->at = (size_t)(feed - r->held.p) + 1;
			b->too_long += r->at - 1;
			r->offset += b->too_long + 1;
			return 1;
		}
		b->too_long += (size_t)rc;
	}
}

/* A line of len bytes that is too long lies whole in b->p. */
static void
too_long(struct reader *r, struct block *b, size_t len)
{
	b->too_long = len;
	b->n = PREFIX_BYTES < len ? PREFIX_BYTES : len;
	r->offset += len + 1;
}

/* Cut b after its last line feed. */
static int
cut(struct reader *r, struct block *b)
{
	const char *feed;
	size_t len, n;

	if (b->n > r->opt->max_record) {
		feed = line_feed(b->p, b->n);
		len = (size_t)(feed - b->p);
		if (len > r->opt->max_record) {
			hold(r, feed + 1, b->n - len - 1, 0);
			too_long(r, b, len);
			return 1;
		}
	}
	feed = memrchr(b->p, '\n', b->n);
	n = (size_t)(feed - b->p) + 1;
	hold(r, b->p + n, b->n - n, b->n - n);
	b->n = n;
	r->offset += n;
	return 1;
}

/* Memory that one long line asked for is not kept for ever. */
static void
give_back(struct reader *r, struct block *b)
{
	size_t much = BIG_BLOCKS * r->opt->block_bytes;

	if (++r->small <= SMALL_RUN)
		return;
	if (b->cap > much)
		block_release(b);
	if (r->held.cap > much && !held_bytes(r)) {
		buf_release(&r->held);
		r->at = 0;
	}
}

static int
read_lines(struct reader *r, struct block *b, struct failure *why)
{
	size_t step, target = held_bytes(r) + r->opt->block_bytes;
	ptrdiff_t rc = 0;
	bool have;

	block_reserve(b, target);
	if (held_bytes(r))
		memcpy(b->p, r->held.p + r->at, held_bytes(r));
	b->n = held_bytes(r);
	have = line_feed(b->p + r->clean, b->n - r->clean) != NULL;
	hold(r, NULL, 0, 0);
	if (have)
		return cut(r, b);
	for (;;) {
		while (b->n < target && !(have && r->polled)) {
			rc = pull(r, b->p + b->n, target - b->n, true);
			if (rc <= 0)
				break;
			have = have || line_feed(b->p + b->n, (size_t)rc);
			b->n += (size_t)rc;
		}
		if (have)
			return cut(r, b);
		if (b->n > r->opt->max_record)
			return pass_over(r, b, why);
		if (rc <= 0)
			return ended(r, rc, b, why);
		/* One line so far. What is read on stays below max_record, so that only
		 * this line can be too long. */
		step = b->n < MAX_STEP ? b->n : MAX_STEP;
		if (step > r->opt->max_record)
			step = (size_t)r->opt->max_record;
		target = b->n + step;
		r->small = 0;
		block_reserve(b, target);
	}
}

/* Every line is measured: bytes come into held, and lines are copied from there. */
static int
read_strictly(struct reader *r, struct block *b, struct failure *why)
{
	const char *p, *feed = NULL;
	size_t n, end;
	ptrdiff_t rc;

	for (;;) {
		p = r->held.p + r->at;
		n = held_bytes(r);
		for (end = 0; end < n; end = (size_t)(feed - p) + 1) {
			feed = line_feed(p + end, n - end);
			if (!feed || (size_t)(feed - p) - end > r->opt->max_record)
				break;
		}
		if (end || (n && feed) || n > r->opt->max_record) {
			block_reserve(b, n);
			break;
		}
		rc = pull_held(r, true);
		if (rc > 0)
			continue;
		block_reserve(b, n);
		if (n && rc == PULL_END)
			memcpy(b->p, r->held.p, n);
		b->n = n;
		hold(r, NULL, 0, 0);
		return ended(r, rc, b, why);
	}
	r->clean = 0;
	if (end) {
		memcpy(b->p, p, end);
		b->n = end;
		r->at += end;
		r->offset += end;
		return 1;
	}
	memcpy(b->p, p, n);
	b->n = n;
	if (!feed)
		return pass_over(r, b, why);
	r->at += (size_t)(feed - p) + 1;
	too_long(r, b, (size_t)(feed - p));
	return 1;
}

void
reader_begin(struct reader *r, struct block *b)
{
	give_back(r, b);
	b->n = 0;
	b->too_long = 0;
	b->input = r->input;
	b->offset = r->offset;
	b->origin = NULL;
	b->meta = NULL;
}

int
reader_read(struct reader *r, struct block *b, struct failure *why)
{
	reader_begin(r, b);
	if (r->behind && catch_up(r) < 0) {
		*why = r->why;
		return -1;
	}
	return r->strict ? read_strictly(r, b, why) : read_lines(r, b, why);
}

/* ---- going on -------------------------------------------------------------------- */

struct head
reader_head(const struct block *b)
{
	uint32_t n = (uint32_t)(b->n < READER_HEAD ? b->n : READER_HEAD);

	return (struct head){hash64(b->p, n, 0), n};
}

/* What lies behind offset in the block that was read last is read again. */
static void
put_back(struct reader *r, const struct block *b, uint64_t offset)
{
	size_t over = (size_t)(r->offset - offset);
	struct buf rest = {0};

	buf_add(&rest, b->p + b->n - over, over);
	buf_add(&rest, r->held.p + r->at, held_bytes(r));
	buf_release(&r->held);
	r->held = rest;
	r->at = r->clean = 0;
	r->offset = offset;
}

/* The descriptor of a plain file goes there itself. */
static int
seek_to(struct reader *r, uint64_t offset, struct failure *why)
{
	struct stat st;

	if (fstat(r->fd, &st) < 0 || st.st_size - r->from < (off_t)offset)
		return fail(why, EXIT_CONFIG, "%s: it is shorter than what was read of it",
			r->name);
	if (lseek(r->fd, r->from + (off_t)offset, SEEK_SET) < 0)
		return fail(why, EXIT_IO, "%s: %s", r->name, strerror(errno));
	buf_reset(&r->held);
	buf_reset(&r->raw);
	r->at = r->raw_at = r->clean = 0;
	r->eof = false;
	r->offset = offset;
	return 1;
}

int
reader_skip(struct reader *r, uint64_t offset, struct head head, struct failure *why)
{
	struct block b = {0};
	int rc;

	if (!offset)
		return 1;
	rc = reader_read(r, &b, why);
	if (rc > 0 && head.n && head.n <= b.n && hash64(b.p, head.n, 0) != head.hash) {
		fail(why, EXIT_CONFIG, "%s: it does not begin as the input that was read before",
			r->name);
		rc = 0;
	} else if (rc > 0 && r->form == FORM_PLAIN && !r->polled && r->from >= 0) {
		rc = seek_to(r, offset, why);
		if (rc < 0 && why->status == EXIT_CONFIG)
			rc = 0;
	} else {
		while (rc > 0 && r->offset < offset)
			rc = reader_read(r, &b, why);
		if (rc > 0 && (r->offset - offset > b.n || b.too_long) && r->offset != offset)
			rc = 0;
		else if (rc > 0)
			put_back(r, &b, offset);
		if (rc == 0)
			fail(why, EXIT_CONFIG, "%s: it is not the input that was read before: "
				"it ends or its lines end elsewhere", r->name);
	}
	block_release(&b);
	return rc;
}

bool
reader_would_wait(struct reader *r)
{
	const char *fresh;
	ptrdiff_t n;
	int waiting;

	if (!r->polled || r->eof || r->broken)
		return false;
	if (r->form == FORM_PLAIN && r->raw_at == r->raw.n &&
		ioctl(r->fd, FIONREAD, &waiting) == 0 && waiting >= PLENTY)
		return false;
	/* A part of a line may have come: nothing can be done with it, so it is taken in,
	 * and only the rest of it ends the wait. */
	for (;;) {
		fresh = r->held.p + r->at + r->clean;
		if (held_bytes(r) > r->clean &&
			line_feed(fresh, held_bytes(r) - r->clean))
			return false;
		r->clean = held_bytes(r);
		if (r->clean > r->opt->block_bytes)
			return false;
		n = pull_held(r, false);
		if (n <= 0)
			return n == PULL_WAIT;
	}
}

bool
reader_await(struct reader *r, int64_t until_ns)
{
	struct pollfd p[2] = {{r->fd, POLLIN, 0}, {-1, POLLIN, 0}};
	int64_t left_ns;

	if (!r->opt->stage)
		p[1].fd = flow_drain_fd();
	while (reader_would_wait(r)) {
		left_ns = until_ns - time_monotonic_ns();
		if (left_ns <= 0)
			return false;
		(void)poll(p, 2, (int)(left_ns / 1000000 < INT_MAX ? left_ns / 1000000 + 1 : INT_MAX));
		if (p[1].revents)
			break; /* reader_read sees to it */
	}
	return true;
}
