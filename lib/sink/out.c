/* Bytes to a descriptor, and where a path leads. */
#include "sink/out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define PIECES 1024        /* of one writev: IOV_MAX */
#define MUCH (16 << 10)    /* bytes that are written at once rather than copied */
#define SMALL_PIECE 256    /* bytes that are sooner copied than told to the kernel */
#define LINKS_MAX 40

void
out_init(struct out *o, const char *name)
{
	o->fd = -1;
	o->name = mem_strdup(name);
	o->base.name = o->name;
}

void
out_release(struct out *o)
{
	if (o->fd > STDERR_FILENO)
		close(o->fd);
	pack_release(&o->pack);
	buf_release(&o->pending);
	free(o->name);
}

int
out_failed(struct out *o, int err, struct failure *why)
{
	o->failed = true;
	buf_reset(&o->pending);
	return fail(why, status_of_errno(err, EXIT_IO), "%s: %s", o->name, strerror(err));
}

int
resume_refused(const struct out *o, uint64_t holds, uint64_t committed, struct failure *why)
{
	fail(why, EXIT_CONFIG, "%s holds %llu bytes, and the job has committed %llu: it was "
		"cut or replaced since", o->name, (unsigned long long)holds,
		(unsigned long long)committed);
	fail_hint(why, "put back what it held; or begin the job anew, in another --state");
	return -1;
}

int
out_usable(const struct out *o, struct failure *why)
{
	if (!o->failed)
		return 0;
	return fail(why, EXIT_IO, "%s: writing has failed before", o->name);
}

/* Write everything, waiting where the descriptor doesn't. -1: *wrote says how far it
 * came. */
static int
write_all(int fd, const struct iovec *v, int n, size_t *wrote)
{
	struct iovec left[PIECES];
	struct pollfd p = {fd, POLLOUT, 0};
	ssize_t did;
	size_t k;
	int i = 0;

	memcpy(left, v, (size_t)n * sizeof(*v));
	for (*wrote = 0; i < n;) {
		did = writev(fd, left + i, n - i);
		if (did < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (poll(&p, 1, -1) < 0 && errno != EINTR)
				return -1;
			continue;
		}
		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return -1;
		*wrote += (size_t)did;
		for (k = (size_t)did; i < n && k >= left[i].iov_len; i++)
			k -= left[i].iov_len;
		if (i < n) {
			left[i].iov_base = (char *)left[i].iov_base + k;
			left[i].iov_len -= k;
		}
	}
	return 0;
}

/* pending, then v, in one go. */
static int
drain(struct out *o, const struct iovec *v, int n, struct failure *why)
{
	struct iovec all[PIECES];
	size_t wrote;
	int k = 0, err;

	if (o->pending.n)
		all[k++] = (struct iovec){o->pending.p, o->pending.n};
	if (n)
		memcpy(all + k, v, (size_t)n * sizeof(*v));
	k += n;
	if (k && write_all(o->fd, all, k, &wrote) < 0) {
		err = errno;
		if (o->mend)
			o->mend(o, all, k, wrote);
		return out_failed(o, err, why);
	}
	buf_reset(&o->pending);
	return 0;
}

static void
gather(struct out *o, const struct iovec *v, int n)
{
	int i;

	for (i = 0; i < n; i++)
		buf_add(&o->pending, v[i].iov_base, v[i].iov_len);
}

static int
put_packed(struct out *o, const struct iovec *v, int n, struct failure *why)
{
	int i;

	for (i = 0; i < n; i++) {
		if (pack_add(&o->pack, &o->pending, v[i].iov_base, v[i].iov_len,
				why) < 0) {
			o->failed = true;
			return fail_within(why, "%s: ", o->name);
		}
	}
	if (o->frames)
		return o->pack.frame_bytes < FRAME_BYTES ? 0 : out_flush(o, true, why);
	return o->pending.n < OUT_BYTES ? 0 : drain(o, NULL, 0, why);
}

int
out_put(struct out *o, const struct iovec *v, int n, struct failure *why)
{
	size_t sum = 0;
	int i;

	if (out_usable(o, why) < 0)
		return -1;
	if (o->packed)
		return put_packed(o, v, n, why);
	for (i = 0; i < n; i++)
		sum += v[i].iov_len;
	if (o->pending.n + sum <= OUT_BYTES && sum < MUCH) {
		gather(o, v, n);
		return 0;
	}
	/* Whole in one write either way: what a call brings ends with a line. */
	if (n < PIECES && sum / (size_t)n >= SMALL_PIECE)
		return drain(o, v, n, why);
	gather(o, v, n);
	return drain(o, NULL, 0, why);
}

int
out_flush(struct out *o, bool end, struct failure *why)
{
	if (out_usable(o, why) < 0)
		return -1;
	if (o->packed && end && o->pack.open &&
		pack_end(&o->pack, &o->pending, why) < 0) {
		o->failed = true;
		return fail_within(why, "%s: ", o->name);
	}
	if (o->frames && o->pack.open)
		return 0;
	return drain(o, NULL, 0, why);
}

int
out_close(struct out *o, struct failure *why)
{
	int fd = o->fd;

	if (fd < 0)
		return 0;
	if (out_flush(o, true, why) < 0)
		return -1;
	pack_release(&o->pack);
	o->fd = -1;
	o->base.open = false;
	if (close(fd) < 0 && errno != EINTR)
		return out_failed(o, errno, why);
	return 0;
}

/* ---- places ---------------------------------------------------------------------- */

static char *
link_text(const char *path)
{
	char text[PATH_MAX];
	ssize_t n = readlink(path, text, sizeof(text));

	if (n <= 0 || (size_t)n == sizeof(text))
		return NULL;
	return mem_dup(text, (size_t)n);
}

static void
split(struct place *p)
{
	const char *slash = strrchr(p->path, '/');
	size_t n = slash ? (size_t)(slash - p->path) : 0;

	free(p->folder);
	p->base = slash ? slash + 1 : p->path;
	if (!slash)
		p->folder = mem_strdup(".");
	else
		p->folder = mem_dup(p->path, n ? n : 1);
}

void
place_of(const char *path, struct place *p)
{
	struct buf next = {0};
	char *text;
	int links;

	*p = (struct place){.path = mem_strdup(path)};
	split(p);
	/* A circle of links is left where it is: opening will say so. */
	for (links = 0; links < LINKS_MAX && (text = link_text(p->path)); links++) {
		buf_reset(&next);
		if (*text != '/')
			buf_addf(&next, "%s/", p->folder);
		buf_adds(&next, text);
		free(text);
		free(p->path);
		p->path = mem_strdup(buf_cstr(&next));
		split(p);
	}
	buf_release(&next);
}

void
place_release(struct place *p)
{
	free(p->path);
	free(p->folder);
	*p = (struct place){0};
}

int
place_sync(const struct place *p)
{
	int fd = open(p->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc, err;

	/* A folder that may be written but not read cannot be synced. */
	if (fd < 0)
		return errno == EACCES ? 0 : -1;
	rc = fsync(fd);
	err = errno;
	close(fd);
	errno = err;
	return rc < 0 && err != EINVAL && err != EROFS && err != ENOTSUP ? -1 : 0;
}
