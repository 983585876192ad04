/*
 * A file that appears whole or not at all.
 *
 * It is written without a name (O_TMPFILE), gets a temporary one when it must be found
 * again (parked, or prepared for commit), and its own by rename(2). An unnamed file is
 * linked by way of /proc/self/fd, so where there is no /proc the temporary name is there
 * from the start, as it is on file systems that know no unnamed files.
 *
 * A file of a job that goes on after a kill has a temporary name that the next run finds:
 * .NAME.sk-part. It stays if the run fails, grows by whole epochs, and each epoch of a
 * compressed one is a frame of its own, so that it can be cut there.
 */
#define _GNU_SOURCE /* O_TMPFILE */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sink/out.h"

#define NAME_KEPT 200 /* bytes of the target's name in the temporary one */
#define TRIES 100

struct whole {
	struct out out;
	struct place place;    /* of the target */
	char *temp;            /* the temporary name, NULL while there is none */
	bool begun;            /* there is a file, with or without a name */
	bool ended;            /* the compressed stream has its end */
	bool lasting;          /* the temporary name outlives the run */
	bool entered;          /* and is durable in its folder */
	bool prepared, committed;
};

static int
cannot_create(const struct whole *w, struct failure *why)
{
	return fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s", w->out.name,
		strerror(errno));
}

/* ---- the temporary file ---------------------------------------------------------- */

/* ".NAME.sk-part" */
static char *
part_name(const struct whole *w)
{
	struct buf b = {0};

	buf_addf(&b, "%s/.%.*s.sk-part", w->place.folder, NAME_KEPT, w->place.base);
	buf_cstr(&b);
	return b.p;
}

static char *
temp_name(const struct whole *w)
{
	static const char digit[] = "0123456789abcdefghijklmnopqrstuv";
	unsigned char bytes[8];
	struct buf b = {0};
	size_t i;

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		memset(bytes, 0, sizeof(bytes)); /* a name that is taken is tried again */
	buf_addf(&b, "%s/.%.*s.sk-", w->place.folder, NAME_KEPT, w->place.base);
	for (i = 0; i < sizeof(bytes); i++)
		buf_addc(&b, digit[bytes[i] & 31]);
	buf_cstr(&b);
	return b.p;
}

/* "/proc/self/fd/N" */
static const char *
fd_path(int fd, char to[32])
{
	snprintf(to, 32, "/proc/self/fd/%d", fd);
	return to;
}

static int
begin_unnamed(const struct whole *w)
{
	int fd = open(w->place.folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	char path[32];

	if (fd >= 0 && access(fd_path(fd, path), F_OK) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
begin_named(struct whole *w)
{
	int fd, tries;

	for (tries = 0; tries < TRIES; tries++) {
		w->temp = temp_name(w);
		fd = open(w->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0)
			return fd;
		free(w->temp);
		w->temp = NULL;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

/* Give the unnamed file a name. */
static int
name_it(struct whole *w, struct failure *why)
{
	char path[32], *temp;
	int tries;

	if (w->temp)
		return 0;
	for (tries = 0; tries < TRIES; tries++) {
		temp = temp_name(w);
		if (linkat(AT_FDCWD, fd_path(w->out.fd, path), AT_FDCWD, temp,
				AT_SYMLINK_FOLLOW) == 0) {
			w->temp = temp;
			return 0;
		}
		free(temp);
		if (errno != EEXIST)
			break;
	}
	return out_failed(&w->out, errno, why);
}

/* What a file that is replaced hands on. The owner goes first, since changing it takes
 * bits of the mode away; not everybody may give a file away, and then it is ours. */
static int
inherit(struct whole *w)
{
	struct stat old;

	if (stat(w->place.path, &old) < 0 || !S_ISREG(old.st_mode))
		return 0;
	if ((old.st_uid != geteuid() || old.st_gid != getegid()) &&
		fchown(w->out.fd, old.st_uid, old.st_gid) < 0 && errno != EPERM &&
		errno != EINVAL && errno != ENOSYS)
		return -1;
	return fchmod(w->out.fd, old.st_mode & 0777);
}

/* The descriptor is there: made, or opened again after it was parked. */
static int
whole_begin(struct whole *w, struct failure *why)
{
	if (w->out.fd >= 0)
		return 0;
	if (out_usable(&w->out, why) < 0)
		return -1;
	if (w->begun) {
		w->out.fd = open(w->temp, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
	} else {
		w->out.fd = begin_unnamed(w);
		if (w->out.fd < 0)
			w->out.fd = begin_named(w);
		if (w->out.fd < 0)
			return cannot_create(w, why);
		w->begun = true;
		if (inherit(w) < 0)
			return out_failed(&w->out, errno, why);
	}
	if (w->out.fd < 0)
		return out_failed(&w->out, errno, why);
	w->out.base.open = true;
	return 0;
}

/* ---- the sink -------------------------------------------------------------------- */

static int
whole_write(struct sink *s, const struct iovec *v, int n, struct failure *why)
{
	struct whole *w = (struct whole *)s;

	if (whole_begin(w, why) < 0)
		return -1;
	return out_put(&w->out, v, n, why);
}

static int
whole_flush(struct sink *s, struct failure *why)
{
	struct whole *w = (struct whole *)s;

	return w->out.fd < 0 ? out_usable(&w->out, why) : out_flush(&w->out, false, why);
}

/* A file without a name is lost with the machine, whatever is synced. */
static int
whole_sync(struct sink *s, struct failure *why)
{
	struct whole *w = (struct whole *)s;

	if (!w->lasting)
		return whole_flush(s, why);
	if (whole_begin(w, why) < 0 || out_flush(&w->out, true, why) < 0)
		return -1;
	if (fdatasync(w->out.fd) < 0 || (!w->entered && place_sync(&w->place) < 0))
		return out_failed(&w->out, errno, why);
	w->entered = true;
	return 0;
}

/* ---- outliving a kill -------------------------------------------------------------- */

static int
whole_length(struct sink *s, uint64_t *bytes, struct failure *why)
{
	struct whole *w = (struct whole *)s;
	struct stat st;

	if ((w->out.fd >= 0 ? fstat(w->out.fd, &st) : stat(w->temp, &st)) < 0)
		return out_failed(&w->out, errno, why);
	*bytes = (uint64_t)st.st_size;
	return 0;
}

static int
whole_resume(struct sink *s, uint64_t length, struct failure *why)
{
	struct whole *w = (struct whole *)s;
	struct stat st;

	if (length == RESUME_AS_IS || length == RESUME_EMPTY)
		length = 0;
	w->temp = part_name(w);
	w->out.fd = open(w->temp, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (w->out.fd < 0)
		return cannot_create(w, why);
	w->begun = w->lasting = w->out.base.open = true;
	if (fstat(w->out.fd, &st) < 0)
		return out_failed(&w->out, errno, why);
	if (!S_ISREG(st.st_mode))
		return fail(why, EXIT_CANTCREATE, "%s: no regular file", w->temp);
	if ((uint64_t)st.st_size < length)
		return resume_refused(&w->out, (uint64_t)st.st_size, length, why);
	if (ftruncate(w->out.fd, (off_t)length) < 0 || inherit(w) < 0)
		return out_failed(&w->out, errno, why);
	return 0;
}

/* The run that wrote it was killed between its last commit and the renaming. */
static int
whole_finish(struct sink *s, uint64_t length, struct failure *why)
{
	struct whole *w = (struct whole *)s;
	char *part = part_name(w);
	struct stat st;
	int rc = 0;

	if (lstat(part, &st) == 0 && S_ISREG(st.st_mode)) {
		if ((uint64_t)st.st_size != length)
			rc = resume_refused(&w->out, (uint64_t)st.st_size, length, why);
		else if (rename(part, w->place.path) < 0 || place_sync(&w->place) < 0)
			rc = out_failed(&w->out, errno, why);
	}
	free(part);
	return rc;
}

static int
whole_park(struct sink *s, struct failure *why)
{
	struct whole *w = (struct whole *)s;

	if (w->out.fd < 0)
		return 0;
	if (out_flush(&w->out, true, why) < 0 || name_it(w, why) < 0)
		return -1;
	return out_close(&w->out, why);
}

static int
whole_prepare(struct sink *s, struct failure *why)
{
	struct whole *w = (struct whole *)s;
	bool empty = !w->begun;

	if (w->prepared)
		return 0;
	if (whole_begin(w, why) < 0)
		return -1;
	if (empty && w->out.packed && pack_end(&w->out.pack, &w->out.pending, why) < 0)
		return fail_within(why, "%s: ", w->out.name);
	if (out_flush(&w->out, true, why) < 0)
		return -1;
	if (fsync(w->out.fd) < 0)
		return out_failed(&w->out, errno, why);
	if (name_it(w, why) < 0 || out_close(&w->out, why) < 0)
		return -1;
	w->prepared = true;
	return 0;
}

static int
whole_commit(struct sink *s, struct failure *why)
{
	struct whole *w = (struct whole *)s;

	if (w->committed)
		return 0;
	if (whole_prepare(s, why) < 0)
		return -1;
	if (rename(w->temp, w->place.path) < 0)
		return out_failed(&w->out, errno, why);
	w->committed = true;
	if (place_sync(&w->place) < 0)
		return out_failed(&w->out, errno, why);
	return 0;
}

static void
whole_close(struct sink *s)
{
	struct whole *w = (struct whole *)s;

	if (w->temp && !w->committed && !w->lasting)
		unlink(w->temp);
	free(w->temp);
	place_release(&w->place);
	out_release(&w->out);
	free(w);
}

/* What can be known of the target before a byte is written. */
static int
look_at(const struct whole *w, struct failure *why)
{
	const char *path = w->place.path;
	struct stat st;

	if (stat(w->place.folder, &st) < 0)
		return cannot_create(w, why);
	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return fail(why, EXIT_CANTCREATE, "%s: %s", w->out.name,
				strerror(EISDIR));
		if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0)
			return cannot_create(w, why);
	} else if (errno != ENOENT || !*w->place.base) {
		return cannot_create(w, why);
	}
	if (faccessat(AT_FDCWD, w->place.folder, W_OK | X_OK, AT_EACCESS) < 0)
		return fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s: %s",
			w->out.name, w->place.folder, strerror(errno));
	return 0;
}

struct sink *
whole_open(const char *uri, struct failure *why)
{
	struct whole *w = mem_zalloc(sizeof(*w));

	out_init(&w->out, uri);
	place_of(uri, &w->place);
	w->out.packed = slice_ends(slice_str(uri), SLICE(".zst"));
	w->out.base.whole = true;
	w->out.base.write = whole_write;
	w->out.base.flush = whole_flush;
	w->out.base.sync = whole_sync;
	w->out.base.prepare = whole_prepare;
	w->out.base.commit = whole_commit;
	w->out.base.resume = whole_resume;
	w->out.base.length = whole_length;
	w->out.base.finish = whole_finish;
	w->out.base.park = whole_park;
	w->out.base.close = whole_close;
	if (look_at(w, why) < 0) {
		whole_close(&w->out.base);
		return NULL;
	}
	return &w->out.base;
}
