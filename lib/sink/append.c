/*
 * A file that grows by whole lines, or by whole frames.
 *
 * O_APPEND puts each write(2) behind all others, so writers that share a file do not mix
 * as long as each write holds whole lines. A write that the disk cut short is taken back
 * to its last whole line, unless another writer has added behind it already.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "sink/out.h"

#define LOOKS 100 /* at the end of a file that another one writes */

struct append {
	struct out out;
	struct place place;
	bool looked;      /* at how the file ends */
	bool created;     /* and not yet made durable in its folder */
	bool unsynced;    /* written to since */
};

/* Bytes up to the last line feed among the first n. */
static size_t
whole_lines(const struct iovec *v, int n, size_t limit)
{
	size_t at = 0, end = 0, len, k;
	const char *p;
	int i;

	for (i = 0; i < n && at < limit; i++, at += len) {
		p = v[i].iov_base;
		len = v[i].iov_len;
		for (k = len < limit - at ? len : limit - at; k; k--) {
			if (p[k - 1] == '\n') {
				end = at + k;
				break;
			}
		}
	}
	return end;
}

static void
append_mend(struct out *o, const struct iovec *v, int n, size_t wrote)
{
	off_t end = lseek(o->fd, 0, SEEK_CUR);
	size_t keep = o->packed ? 0 : whole_lines(v, n, wrote);
	struct stat st;

	if (wrote == keep || end < (off_t)wrote)
		return;
	if (fstat(o->fd, &st) < 0 || st.st_size != end)
		return;
	if (ftruncate(o->fd, end - (off_t)(wrote - keep)) < 0) {
		/* The failure that led here is told; the torn line is a bad line later.
		 * */
	}
}

/* 1: the first size bytes end with a line, or are whole frames; 0: they don't, and why
 * says how; -1. */
static int
ends_well(struct append *a, off_t size, uint64_t *good, struct failure *why)
{
	char last = '\n';

	if (a->out.packed) {
		if (pack_check(a->out.fd, (uint64_t)size, good, why) == 0)
			return 1;
		return why->status == EXIT_DATA ? 0 : -1;
	}
	if (size && pread(a->out.fd, &last, 1, size - 1) < 0)
		return fail(why, EXIT_IO, "%s", strerror(errno));
	return last == '\n';
}

/* As ends_well. While another writer writes, a file seems to end anywhere: only one that
 * stays as it is for a moment is torn. */
static int
settle(struct append *a, uint64_t *good, struct failure *why)
{
	static const struct timespec moment = {0, 10000000};
	off_t before = -1;
	struct stat st;
	int rc = 0, tries;

	for (tries = 0; tries < LOOKS; tries++) {
		if (fstat(a->out.fd, &st) < 0)
			return fail(why, EXIT_IO, "%s", strerror(errno));
		if (st.st_size == before)
			return rc;
		before = st.st_size;
		rc = ends_well(a, before, good, why);
		if (rc)
			return rc;
		nanosleep(&moment, NULL);
	}
	return rc;
}

/* A file that ends within a line, or holds no whole frames, isn't added to as it is. */
static int
look_at_end(struct append *a, struct failure *why)
{
	uint64_t good = 0;
	int rc;

	a->looked = true;
	if ((fcntl(a->out.fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
		return 0;
	rc = settle(a, &good, why);
	if (rc == 0 && !a->out.packed)
		buf_addc(&a->out.pending, '\n');
	if (rc == 1 || (rc == 0 && !a->out.packed))
		return 0;
	a->out.failed = true;
	fail_within(why, "%s: ", a->out.name);
	if (rc == 0 && good)
		fail_hint(why, "zstd -dc shows what is left of it; truncate -s %llu "
			"cuts it off", (unsigned long long)good);
	return -1;
}

static int
append_begin(struct append *a, struct failure *why)
{
	static const int modes[] = {O_RDWR, O_WRONLY};
	int flags = O_APPEND | O_CLOEXEC | O_NOCTTY, i;

	if (a->out.fd >= 0)
		return 0;
	if (out_usable(&a->out, why) < 0)
		return -1;
	/* A file that may be written but not read is added to without a look at its end.
	 * */
	for (i = 0; i < 2; i++) {
		a->out.fd = open(a->place.path, modes[i] | flags);
		if (a->out.fd < 0 && errno == ENOENT) {
			a->out.fd = open(a->place.path, modes[i] | flags | O_CREAT, 0666);
			a->created |= a->out.fd >= 0;
		}
		if (a->out.fd >= 0 || errno != EACCES)
			break;
	}
	if (a->out.fd < 0)
		return fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s",
			a->out.name, strerror(errno));
	a->out.base.open = true;
	return a->looked ? 0 : look_at_end(a, why);
}

static int
append_write(struct sink *s, const struct iovec *v, int n, struct failure *why)
{
	struct append *a = (struct append *)s;

	if (append_begin(a, why) < 0)
		return -1;
	a->unsynced = true;
	return out_put(&a->out, v, n, why);
}

static int
append_flush(struct sink *s, struct failure *why)
{
	struct append *a = (struct append *)s;

	return a->out.fd < 0 ? out_usable(&a->out, why) : out_flush(&a->out, true, why);
}

static int
append_sync(struct sink *s, struct failure *why)
{
	struct append *a = (struct append *)s;

	/* What was written before it was parked is synced too. */
	if ((a->unsynced && append_begin(a, why) < 0) || append_flush(s, why) < 0)
		return -1;
	if (a->out.fd >= 0 && fdatasync(a->out.fd) < 0 && errno != EINVAL)
		return out_failed(&a->out, errno, why);
	if (a->created && place_sync(&a->place) < 0)
		return out_failed(&a->out, errno, why);
	a->created = a->unsynced = false;
	return 0;
}

static int
append_length(struct sink *s, uint64_t *bytes, struct failure *why)
{
	struct append *a = (struct append *)s;
	struct stat st;

	if ((a->out.fd >= 0 ? fstat(a->out.fd, &st) : stat(a->place.path, &st)) < 0)
		return out_failed(&a->out, errno, why);
	*bytes = (uint64_t)st.st_size;
	return 0;
}

/* Cut back to what was committed, before the first look at how the file ends. */
static int
append_resume(struct sink *s, uint64_t length, struct failure *why)
{
	struct append *a = (struct append *)s;
	struct stat st;

	if (length != RESUME_AS_IS && length != RESUME_EMPTY) {
		if (stat(a->place.path, &st) < 0)
			st.st_size = 0;
		if ((uint64_t)st.st_size < length)
			return resume_refused(&a->out, (uint64_t)st.st_size, length, why);
		if ((uint64_t)st.st_size > length &&
			truncate(a->place.path, (off_t)length) < 0)
			return out_failed(&a->out, errno, why);
	}
	return append_begin(a, why);
}

static int
append_park(struct sink *s, struct failure *why)
{
	struct append *a = (struct append *)s;

	return out_close(&a->out, why);
}

static int
append_commit(struct sink *s, struct failure *why)
{
	return append_park(s, why);
}

static void
append_close(struct sink *s)
{
	struct append *a = (struct append *)s;

	place_release(&a->place);
	out_release(&a->out);
	free(a);
}

static int
look_at(const struct append *a, struct failure *why)
{
	const char *path = a->place.path;
	struct stat st;
	int rc = stat(path, &st);

	if (rc == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		rc = -1;
	} else if (rc == 0) {
		rc = faccessat(AT_FDCWD, path, W_OK, AT_EACCESS);
	} else if (errno == ENOENT && *a->place.base) {
		path = a->place.folder;
		rc = stat(path, &st);
		if (rc == 0)
			rc = faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS);
	}
	if (rc < 0)
		return fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s",
			a->out.name, strerror(errno));
	return 0;
}

struct sink *
append_open(const char *uri, const char *path, struct failure *why)
{
	struct append *a = mem_zalloc(sizeof(*a));

	out_init(&a->out, uri);
	place_of(path, &a->place);
	a->out.packed = a->out.frames = slice_ends(slice_str(path), SLICE(".zst"));
	a->out.mend = append_mend;
	a->out.base.write = append_write;
	a->out.base.flush = append_flush;
	a->out.base.sync = append_sync;
	a->out.base.prepare = append_sync;
	a->out.base.resume = append_resume;
	a->out.base.length = append_length;
	a->out.base.commit = append_commit;
	a->out.base.park = append_park;
	a->out.base.close = append_close;
	if (look_at(a, why) < 0) {
		append_close(&a->out.base);
		return NULL;
	}
	return &a->out.base;
}
