/* Files of blocks: written, read, and checked byte by byte. */
#define _GNU_SOURCE /* sync_file_range */
#include "state/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/table.h"

#define ORDER 0x01020304u
#define KICK (8u << 20)
#define MOST (UINT32_MAX / 2) /* bytes of a body */

_Static_assert(sizeof(struct file_head) == FILE_HEAD, "the head of a file has no holes");
_Static_assert(sizeof(struct block_head) == BLOCK_HEAD, "the head of a block has no holes");

static const char magic[8] = "sk-state";

static int
io_failure(const char *path, struct failure *why)
{
	return fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", path, strerror(errno));
}

static int
write_all(struct file *f, const char *p, size_t n, struct failure *why)
{
	ssize_t k;

	while (n) {
		k = write(f->fd, p, n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return io_failure(f->path, why);
		p += k;
		n -= (size_t)k;
		f->at += (size_t)k;
	}
	return 0;
}

/* 1; 0: the file ends before; -1. */
static int
read_all(const struct file *f, uint64_t at, char *p, size_t n, struct failure *why)
{
	ssize_t k;

	while (n) {
		k = pread(f->fd, p, n, (off_t)at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return io_failure(f->path, why);
		if (k == 0)
			return 0;
		p += k;
		n -= (size_t)k;
		at += (size_t)k;
	}
	return 1;
}

int
file_sync_folder(const char *path, struct failure *why)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_dup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	rc = fd < 0 || fsync(fd) < 0 ? io_failure(folder, why) : 0;
	if (fd >= 0)
		close(fd);
	free(folder);
	return rc;
}

int
file_damaged(const struct file *f, uint64_t at, struct failure *why)
{
	fail(why, EXIT_CONFIG, "%s: damaged at byte %llu", f->path, (unsigned long long)at);
	fail_hint(why, "sk-state check tells what is whole; put the folder back from a copy, or "
		"begin anew with sk-state reset");
	return -1;
}

/* ---- a file ------------------------------------------------------------------------ */

static char *
temp_name(const char *path)
{
	struct buf b = {0};

	buf_adds(&b, path);
	buf_adds(&b, ".tmp");
	buf_cstr(&b);
	return b.p;
}

int
file_create(struct file *f, const char *path, enum file_kind kind, uint32_t task,
	uint64_t seq, uint64_t after, uint64_t state, struct failure *why)
{
	char *temp = temp_name(path);
	int rc = 0;

	memset(f, 0, sizeof(*f));
	memcpy(f->head.magic, magic, 8);
	f->head.order = ORDER;
	f->head.version = FILE_VERSION;
	f->head.kind = kind;
	f->head.task = task;
	f->head.seq = seq;
	f->head.after = after;
	f->head.state = state;
	f->head.sum = hash64(&f->head, FILE_HEAD - 8, 0);
	f->path = mem_strdup(path);
	f->fd = open(temp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (f->fd < 0)
		rc = fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s", temp,
			strerror(errno));
	else
		rc = write_all(f, (const char *)&f->head, FILE_HEAD, why);
	if (rc < 0)
		file_close(f);
	free(temp);
	return rc;
}

int
file_settle(struct file *f, struct failure *why)
{
	char *temp = temp_name(f->path);
	int rc = 0;

	if (fsync(f->fd) < 0 || rename(temp, f->path) < 0)
		rc = io_failure(f->path, why);
	if (rc == 0)
		rc = file_sync_folder(f->path, why);
	f->kicked = f->at;
	free(temp);
	return rc;
}

static int
check_head(const struct file *f, enum file_kind kind, uint32_t task, uint64_t seq,
	uint64_t state, struct failure *why)
{
	const struct file_head *h = &f->head;

	if (memcmp(h->magic, magic, 8) == 0 && h->version > FILE_VERSION &&
		h->version < 1000) {
		fail(why, EXIT_CONFIG, "%s: version %u, and this program knows %u", f->path,
			(unsigned)h->version, FILE_VERSION);
		fail_hint(why, "a newer streamkit wrote it, or it is damaged");
		return -1;
	}
	if (memcmp(h->magic, magic, 8) == 0 && h->order == __builtin_bswap32(ORDER))
		return fail(why, EXIT_CONFIG, "%s: written by a machine of another byte order",
			f->path);
	if (memcmp(h->magic, magic, 8) != 0 || h->order != ORDER || h->version != FILE_VERSION ||
		h->sum != hash64(h, FILE_HEAD - 8, 0))
		return file_damaged(f, 0, why);
	if (h->state != state || h->kind != kind || h->task != task || h->seq != seq)
		return fail(why, EXIT_CONFIG, "%s: belongs to another state, or has another "
			"file's name", f->path);
	return 0;
}

int
file_open(struct file *f, const char *path, enum file_kind kind, uint32_t task,
	uint64_t seq, uint64_t state, bool writing, struct failure *why)
{
	struct stat st;
	int rc;

	memset(f, 0, sizeof(*f));
	f->path = mem_strdup(path);
	f->fd = open(path, (writing ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st) < 0) {
		rc = fail(why, status_of_errno(errno, EXIT_CONFIG), "%s: %s", path,
			strerror(errno));
		goto out;
	}
	f->size = (uint64_t)st.st_size;
	rc = read_all(f, 0, (char *)&f->head, FILE_HEAD, why);
	if (rc == 0)
		rc = file_damaged(f, f->size, why);
	else if (rc > 0)
		rc = check_head(f, kind, task, seq, state, why);
	f->at = FILE_HEAD;
out:
	if (rc < 0)
		file_close(f);
	return rc;
}

void
file_close(struct file *f)
{
	if (f->path && f->fd >= 0)
		close(f->fd);
	free(f->path);
	memset(f, 0, sizeof(*f));
	f->fd = -1;
}

/* ---- blocks ------------------------------------------------------------------------ */

static uint64_t
seed_at(const struct file *f, uint64_t at)
{
	return f->head.sum ^ at * UINT64_C(0x9E3779B97F4A7C15);
}

int
file_append(struct file *f, enum block_kind kind, char *p, size_t n, struct failure *why)
{
	size_t padded = (n + 7) / 8 * 8;
	struct block_head b = {(uint32_t)n, kind, 0, 0};

	if (n > MOST)
		return fail(why, EXIT_INTERNAL, "%s: a block of %zu bytes", f->path, n);
	memset(p + n, 0, padded - n);
	b.body = hash64(p, padded, f->head.sum);
	b.head = hash64(&b, BLOCK_HEAD - 8, seed_at(f, f->at));
	memcpy(p - BLOCK_HEAD, &b, BLOCK_HEAD);
	return write_all(f, p - BLOCK_HEAD, BLOCK_HEAD + padded, why);
}

int
file_sync(struct file *f, struct failure *why)
{
	if (fdatasync(f->fd) < 0)
		return io_failure(f->path, why);
	f->kicked = f->at;
	return 0;
}

void
file_kick(struct file *f)
{
	if (f->at - f->kicked < KICK)
		return;
	/* A failure of the disk shows at the sync. */
	sync_file_range(f->fd, (off_t)f->kicked, (off_t)(f->at - f->kicked),
		SYNC_FILE_RANGE_WRITE);
	f->kicked = f->at;
}

int
file_block(const struct file *f, uint64_t at, struct block_head *b, struct failure *why)
{
	int rc = read_all(f, at, (char *)b, BLOCK_HEAD, why);

	if (rc <= 0)
		return rc;
	return b->head == hash64(b, BLOCK_HEAD - 8, seed_at(f, at)) && b->n <= MOST &&
		file_behind(at, b) <= f->size;
}

int
file_body(const struct file *f, uint64_t at, const struct block_head *b, struct buf *body,
	struct failure *why)
{
	size_t padded = ((size_t)b->n + 7) / 8 * 8;
	int rc;

	buf_reset(body);
	buf_reserve(body, padded + 8);
	rc = read_all(f, at + BLOCK_HEAD, body->p, padded, why);
	if (rc <= 0)
		return rc;
	body->n = b->n;
	return b->body == hash64(body->p, padded, f->head.sum);
}
