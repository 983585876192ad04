/* Sorted runs of items, written and merged. */
#define _GNU_SOURCE /* O_TMPFILE */
#include "join/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/heap.h"
#include "base/mem.h"

#define PIECE ((size_t)256 << 10) /* that is written or read at once */
#define MOST_RUNS 64

/* An item as it stands on disk, then its bytes. */
struct stored {
	int64_t us, until_us;
	uint64_t hash;
	uint32_t key_n, kafka_n, content_n;
	uint8_t side, rank, removes, unused;
};

struct run {
	int fd;
	char *p;             /* read and not taken: p[at..n) */
	size_t at, n, cap;
	off_t offset;        /* behind them in the file */
	uint64_t left;       /* items that are not taken, but for the first */
	struct item *first;
};

struct spill {
	const char *folder;
	struct pool *pool;
	struct heap runs;    /* by their first items */
	uint64_t left;
};

static bool
run_before(void *arg, const void *a, const void *b)
{
	(void)arg;
	return item_cmp(((const struct run *)a)->first, ((const struct run *)b)->first) < 0;
}

struct spill *
spill_new(const char *folder, struct pool *pool)
{
	struct spill *s = mem_zalloc(sizeof(*s));

	s->folder = folder;
	s->pool = pool;
	s->runs.before = run_before;
	return s;
}

static void
run_free(struct spill *s, struct run *r)
{
	if (r->fd >= 0)
		close(r->fd);
	if (r->first)
		item_free(s->pool, r->first);
	free(r->p);
	free(r);
}

void
spill_free(struct spill *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->runs.n; i++)
		run_free(s, s->runs.v[i]);
	heap_release(&s->runs);
	free(s);
}

/* ---- writing ----------------------------------------------------------------------- */

static int
io_failed(const struct spill *s, const char *what, int status, struct failure *why)
{
	fail(why, status_of_errno(errno, status), "%s: cannot %s what memory does not hold: %s",
		s->folder, what, strerror(errno));
	fail_hint(why, "TMPDIR names another folder; --max-memory holds more");
	return -1;
}

static int
open_nameless(const struct spill *s, struct failure *why)
{
	char path[4096];
	int fd = open(s->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return fd >= 0 ? fd : io_failed(s, "keep", EXIT_CANTCREATE, why);
	if (strlen(s->folder) + sizeof("/sk-join.XXXXXX") > sizeof(path)) {
		errno = ENAMETOOLONG;
		return io_failed(s, "keep", EXIT_CANTCREATE, why);
	}
	strcpy(path, s->folder);
	strcat(path, "/sk-join.XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return io_failed(s, "keep", EXIT_CANTCREATE, why);
	unlink(path);
	return fd;
}

static int
write_out(const struct spill *s, int fd, struct buf *b, struct failure *why)
{
	size_t at;
	ssize_t n;

	for (at = 0; at < b->n; at += (size_t)n) {
		n = write(fd, b->p + at, b->n - at);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return io_failed(s, "keep", EXIT_IO, why);
	}
	buf_reset(b);
	return 0;
}

static int
put(const struct spill *s, int fd, struct buf *b, const struct item *i, struct failure *why)
{
	struct stored head = {.us = i->us, .until_us = i->until_us, .hash = i->hash,
		.key_n = i->key_n, .kafka_n = i->kafka_n, .content_n = i->content_n,
		.side = i->side, .rank = i->rank, .removes = i->removes};

	buf_add(b, &head, sizeof(head));
	buf_add(b, i->p, item_bytes(i) - sizeof(*i));
	return b->n < PIECE ? 0 : write_out(s, fd, b, why);
}

/* ---- reading ----------------------------------------------------------------------- */

/* Have n bytes at r->at. */
static int
need(const struct spill *s, struct run *r, size_t n, struct failure *why)
{
	ssize_t got;

	if (r->n - r->at >= n)
		return 0;
	if (r->n)
		memmove(r->p, r->p + r->at, r->n - r->at);
	r->n -= r->at;
	r->at = 0;
	if (r->cap < n || r->cap < PIECE) {
		r->cap = n > PIECE ? n : PIECE;
		r->p = mem_realloc(r->p, r->cap);
	}
	while (r->n < n) {
		got = pread(r->fd, r->p + r->n, r->cap - r->n, r->offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		if (got <= 0)
			return io_failed(s, "read back", EXIT_IO, why);
		r->n += (size_t)got;
		r->offset += got;
	}
	return 0;
}

/* The next item of the run, into first. */
static int
step(struct spill *s, struct run *r, struct failure *why)
{
	struct stored head;
	struct item_parts of;
	size_t bytes;
	char *p;

	r->first = NULL;
	if (!r->left)
		return 0;
	if (need(s, r, sizeof(head), why) < 0)
		return -1;
	memcpy(&head, r->p + r->at, sizeof(head));
	bytes = (size_t)head.key_n + head.content_n +
		(head.kafka_n == ITEM_NO_KAFKA_KEY ? 0 : head.kafka_n);
	if (need(s, r, sizeof(head) + bytes, why) < 0)
		return -1;
	p = r->p + r->at + sizeof(head);
	of = (struct item_parts){.us = head.us, .until_us = head.until_us,
		.hash = head.hash, .side = head.side, .rank = head.rank, .removes = head.removes};
	of.key = slice_of(p, head.key_n);
	p += head.key_n;
	if (head.kafka_n != ITEM_NO_KAFKA_KEY) {
		of.kafka_key = slice_of(p, head.kafka_n);
		p += head.kafka_n;
	}
	of.content = slice_of(p, head.content_n);
	r->first = item_new(s->pool, &of);
	r->at += sizeof(head) + bytes;
	r->left--;
	return 0;
}

/* Make a run of what was written to fd, n items. */
static int
begin_run(struct spill *s, int fd, uint64_t n, struct failure *why)
{
	struct run *r = mem_zalloc(sizeof(*r));

	r->fd = fd;
	r->left = n;
	if (step(s, r, why) < 0) {
		run_free(s, r);
		return -1;
	}
	heap_add(&s->runs, r);
	return 0;
}

/* ---- all runs ---------------------------------------------------------------------- */

const struct item *
spill_first(const struct spill *s)
{
	return s->runs.n ? ((const struct run *)s->runs.v[0])->first : NULL;
}

uint64_t
spill_left(const struct spill *s)
{
	return s->left;
}

int
spill_take(struct spill *s, struct item **item, struct failure *why)
{
	struct run *r = s->runs.v[0];
	struct item *first = r->first;

	if (step(s, r, why) < 0) {
		r->first = first;
		return -1;
	}
	if (r->first) {
		heap_sift(&s->runs);
	} else {
		heap_take(&s->runs);
		run_free(s, r);
	}
	s->left--;
	*item = first;
	return 0;
}

/* All runs become one. */
static int
merge(struct spill *s, struct failure *why)
{
	int fd = open_nameless(s, why), rc = 0;
	uint64_t n = s->left, left = n;
	struct buf out = {0};
	struct item *item;

	if (fd < 0)
		return -1;
	while (rc == 0 && left-- > 0) {
		rc = spill_take(s, &item, why);
		if (rc < 0)
			break;
		rc = put(s, fd, &out, item, why);
		item_free(s->pool, item);
	}
	if (rc == 0)
		rc = write_out(s, fd, &out, why);
	buf_release(&out);
	if (rc < 0) {
		close(fd);
		return -1;
	}
	s->left = n;
	return begin_run(s, fd, n, why);
}

int
spill_write(struct spill *s, struct item **item, size_t n, struct failure *why)
{
	struct buf out = {0};
	int fd, rc = 0;
	size_t i;

	if (s->runs.n >= MOST_RUNS && merge(s, why) < 0)
		return -1;
	fd = open_nameless(s, why);
	if (fd < 0)
		return -1;
	for (i = 0; i < n; i++) {
		if (rc == 0)
			rc = put(s, fd, &out, item[i], why);
		item_free(s->pool, item[i]);
	}
	if (rc == 0)
		rc = write_out(s, fd, &out, why);
	buf_release(&out);
	if (rc < 0) {
		close(fd);
		return -1;
	}
	s->left += n;
	return begin_run(s, fd, n, why);
}
