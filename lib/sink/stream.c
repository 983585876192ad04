/* Straight through: stdout, a descriptor, a FIFO, a device. */
#define _GNU_SOURCE /* F_SETPIPE_SZ */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sink/out.h"

#define PIPE_BYTES (1 << 20)

struct stream {
	struct out out;
	char *path;     /* NULL: a descriptor, there from the beginning */
	bool fifo;
	bool done;      /* closed at commit */
	char identity[64]; /* of a regular file */
};

static void
enlarge_pipe(int fd)
{
	int size = fcntl(fd, F_GETPIPE_SZ);

	/* Beyond what the user may have, it stays as it is. */
	if (size > 0 && size < PIPE_BYTES)
		(void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
}

static int
stream_begin(struct stream *s, int flags, struct failure *why)
{
	if (s->out.fd >= 0)
		return 0;
	do
		s->out.fd = open(s->path, O_WRONLY | O_NOCTTY | O_CLOEXEC | flags);
	while (s->out.fd < 0 && errno == EINTR);
	if (s->out.fd < 0)
		return fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s",
			s->out.name, strerror(errno));
	if (s->fifo)
		enlarge_pipe(s->out.fd);
	return 0;
}

static int
stream_write(struct sink *sink, const struct iovec *v, int n, struct failure *why)
{
	struct stream *s = (struct stream *)sink;

	if (stream_begin(s, 0, why) < 0)
		return -1;
	return out_put(&s->out, v, n, why);
}

static int
stream_flush(struct sink *sink, struct failure *why)
{
	struct stream *s = (struct stream *)sink;

	return s->out.fd < 0 ? 0 : out_flush(&s->out, false, why);
}

static int
stream_commit(struct sink *sink, struct failure *why)
{
	struct stream *s = (struct stream *)sink;
	struct failure ignored;
	int copy;

	if (s->done)
		return 0;
	s->done = true;
	/* The reader of a FIFO waits for a writer, even for one that has nothing to say.
	 * */
	if (s->out.fd < 0 && s->fifo)
		(void)stream_begin(s, O_NONBLOCK, &ignored);
	if (s->out.fd < 0)
		return 0;
	if (s->path)
		return out_close(&s->out, why);
	/* A descriptor of the process stays open, so that its number goes to nothing
	 * else; closing a copy tells what closing has to tell. */
	if (out_flush(&s->out, true, why) < 0)
		return -1;
	copy = fcntl(s->out.fd, F_DUPFD_CLOEXEC, 3);
	if (copy >= 0 && close(copy) < 0 && errno != EINTR)
		return out_failed(&s->out, errno, why);
	return 0;
}

static int
stream_park(struct sink *sink, struct failure *why)
{
	return stream_flush(sink, why);
}

/* ---- a descriptor that is a regular file ------------------------------------------- */

static int
stream_sync(struct sink *sink, struct failure *why)
{
	struct stream *s = (struct stream *)sink;

	if (out_flush(&s->out, false, why) < 0)
		return -1;
	return fdatasync(s->out.fd) < 0 ? out_failed(&s->out, errno, why) : 0;
}

static bool
appends(const struct stream *s)
{
	return fcntl(s->out.fd, F_GETFL) & O_APPEND;
}

static int
stream_length(struct sink *sink, uint64_t *bytes, struct failure *why)
{
	struct stream *s = (struct stream *)sink;
	off_t n = lseek(s->out.fd, 0, appends(s) ? SEEK_END : SEEK_CUR);

	if (n < 0)
		return out_failed(&s->out, errno, why);
	*bytes = (uint64_t)n;
	return 0;
}

static int
stream_resume(struct sink *sink, uint64_t length, struct failure *why)
{
	struct stream *s = (struct stream *)sink;
	struct stat st;

	if (length == RESUME_AS_IS || length == RESUME_EMPTY)
		return 0;
	if (fstat(s->out.fd, &st) < 0)
		return out_failed(&s->out, errno, why);
	if ((uint64_t)st.st_size < length) {
		resume_refused(&s->out, (uint64_t)st.st_size, length, why);
		fail_hint(why, "a job that goes on adds to its output: >> instead of >, or "
			"-o FILE");
		return -1;
	}
	if (ftruncate(s->out.fd, (off_t)length) < 0 ||
		(!appends(s) && lseek(s->out.fd, (off_t)length, SEEK_SET) < 0))
		return out_failed(&s->out, errno, why);
	return 0;
}

static void
stream_close(struct sink *sink)
{
	struct stream *s = (struct stream *)sink;

	if (!s->path)
		s->out.fd = -1;
	out_release(&s->out);
	free(s->path);
	free(s);
}

struct sink *
stream_open(const char *uri, int fd, struct failure *why)
{
	struct stream *s;
	struct stat st;
	const char *name = uri;
	int flags;

	if (fd == STDOUT_FILENO || fd == STDERR_FILENO)
		name = fd == STDOUT_FILENO ? "stdout" : "stderr";
	if ((fd >= 0 ? fstat(fd, &st) : stat(uri, &st)) < 0) {
		fail(why, EXIT_IO, "%s: %s", name, strerror(errno));
		return NULL;
	}
	flags = fd >= 0 ? fcntl(fd, F_GETFL) : 0;
	if (fd >= 0 && (flags & O_ACCMODE) == O_RDONLY) {
		fail(why, EXIT_IO, "%s: not open for writing", name);
		return NULL;
	}
	if (fd < 0 && faccessat(AT_FDCWD, uri, W_OK, AT_EACCESS) < 0) {
		fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s", name,
			strerror(errno));
		return NULL;
	}
	s = mem_zalloc(sizeof(*s));
	out_init(&s->out, name);
	s->out.fd = fd;
	s->path = fd < 0 ? mem_strdup(uri) : NULL;
	s->fifo = S_ISFIFO(st.st_mode);
	s->out.base.pipe = s->fifo || S_ISSOCK(st.st_mode);
	s->out.base.write = stream_write;
	s->out.base.flush = s->out.base.sync = s->out.base.prepare = stream_flush;
	s->out.base.commit = stream_commit;
	s->out.base.park = stream_park;
	s->out.base.close = stream_close;
	if (fd >= 0 && S_ISREG(st.st_mode)) {
		snprintf(s->identity, sizeof(s->identity), "%s:%llx:%llx", name,
			(unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
		s->out.base.identity = s->identity;
		s->out.base.sync = stream_sync;
		s->out.base.resume = stream_resume;
		s->out.base.length = stream_length;
	}
	if (fd >= 0 && s->fifo)
		enlarge_pipe(fd);
	return &s->out.base;
}
