/*
 * file:DIR, blobs in a folder.
 *
 * A blob is written under a temporary name beside its own, fsynced, renamed, and its folder
 * is fsynced: it is there whole or not at all, and stays. Folders on its way are opened one
 * by one and never through a symbolic link. Where a put finds its bytes there, it begins
 * their age anew under a shared lock of the folder; who removes a blob looks at its age under
 * an exclusive one: so neither is late.
 */
#define _DEFAULT_SOURCE /* flock */
#include "blob/kinds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>  /* renameat */
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/keyed.h"
#include "base/mem.h"
#include "base/sha.h"
#include "base/text.h"
#include "json/json.h"
#include "time/time.h"

#define STEP ((size_t)128 << 10)
#define TEMPORARY ".put-" /* no name begins with a dot */
#define DEEPEST 16        /* folders in folders, of names with slashes */

struct file_store {
	struct blob_store base; /* first */
	char *dir;
	int fd;                 /* -1: nobody has made the folder yet */
	struct buf path;        /* of the blob in hand, in DIR */
	char *step;             /* STEP bytes */
};

static int
failed(const struct file_store *s, const char *what, int fallback, struct failure *why)
{
	return fail(why, status_of_errno(errno, fallback), "%s/%s: %s", s->dir, what,
		strerror(errno));
}

/* ---- the way to a blob ------------------------------------------------------------- */

/* The folder behind one component; -1 with errno. */
static int
enter(int folder, const char *name, bool make)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(folder, name, flags);

	if (fd >= 0 || errno != ENOENT || !make)
		return fd;
	if (mkdirat(folder, name, 0777) < 0 && errno != EEXIST)
		return -1;
	/* The folder has to be there as surely as what will be in it. */
	if (fsync(folder) < 0)
		return -1;
	return openat(folder, name, flags);
}

/* A descriptor of the place itself. A reader may be there before the first put has made it. */
static int
here(struct file_store *s)
{
	if (s->fd < 0)
		s->fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->fd < 0 ? -1 : fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
}

/* The folder that a blob is in, and its name there. -1, with errno: ENOENT if there is none. */
static int
walk(struct file_store *s, struct slice name, bool make, const char **leaf)
{
	int fd = here(s), next;
	char *at, *slash;

	buf_reset(&s->path);
	blob_add_path(&s->base, name, &s->path);
	buf_cstr(&s->path);
	for (at = s->path.p; fd >= 0 && (slash = strchr(at, '/')); at = slash + 1) {
		*slash = '\0';
		next = enter(fd, at, make);
		*slash = '/';
		close(fd);
		fd = next;
	}
	*leaf = at;
	return fd;
}

/* A blob that is opened to be read; -1 with errno. */
static int
open_leaf(int folder, const char *leaf, struct stat *st)
{
	int fd = openat(folder, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, st) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
lock(int folder, int how)
{
	int rc;

	while ((rc = flock(folder, how)) < 0 && errno == EINTR)
		;
	return rc; /* a file system without locks: the moment is short */
}

/* ---- putting ----------------------------------------------------------------------- */

static bool
holds(struct file_store *s, int fd, struct slice bytes)
{
	size_t at = 0;
	ssize_t n;

	while ((n = read(fd, s->step, STEP)) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		if ((size_t)n > bytes.n - at || memcmp(s->step, bytes.p + at, (size_t)n) != 0)
			return false;
		at += (size_t)n;
	}
	return n == 0 && at == bytes.n;
}

/* Begin the age of an open blob anew: false if it is gone, or not ours to change. */
static bool
renew(int folder, int fd)
{
	struct stat st;
	bool done;

	lock(folder, LOCK_SH);
	done = futimens(fd, NULL) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0;
	lock(folder, LOCK_UN);
	return done;
}

/* Are these bytes there already? Then their age begins anew. */
static bool
has_same(struct file_store *s, int folder, const char *leaf, struct slice bytes)
{
	struct stat st;
	int fd = open_leaf(folder, leaf, &st);
	bool same;

	if (fd < 0)
		return false;
	same = S_ISREG(st.st_mode) && (uint64_t)st.st_size == bytes.n && renew(folder, fd) &&
		holds(s, fd, bytes);
	close(fd);
	return same;
}

static int
write_all(int fd, struct slice bytes)
{
	ssize_t n;

	while (bytes.n) {
		n = write(fd, bytes.p, bytes.n);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			bytes = slice_of(bytes.p + n, bytes.n - (size_t)n);
	}
	return fsync(fd);
}

/* 0, 1 if the name is taken, or -1 with errno. */
static int
write_blob(int folder, const char *leaf, struct slice bytes, bool replace)
{
	struct buf temporary = {0};
	int fd, rc, saved;

	buf_addf(&temporary, TEMPORARY "%016llx", (unsigned long long)keyed_draw().k0);
	fd = openat(folder, buf_cstr(&temporary), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0) {
		buf_release(&temporary);
		return -1;
	}
	rc = write_all(fd, bytes);
	if (close(fd) < 0)
		rc = -1;
	if (rc == 0 && replace) {
		rc = renameat(folder, temporary.p, folder, leaf);
	} else if (rc == 0) {
		rc = linkat(folder, temporary.p, folder, leaf, 0);
		if (rc < 0 && errno == EEXIST)
			rc = 1;
	}
	saved = errno;
	if (rc || !replace)
		(void)unlinkat(folder, temporary.p, 0);
	errno = saved;
	buf_release(&temporary);
	return rc;
}

static int
file_put(struct blob_store *base, const struct blob *b, bool replace, struct failure *why)
{
	struct file_store *s = (struct file_store *)base;
	const char *leaf;
	int folder = walk(s, b->name, true, &leaf), rc = 0;

	if (folder < 0)
		return failed(s, buf_cstr(&s->path), EXIT_CANTCREATE, why);
	if (!has_same(s, folder, leaf, b->bytes))
		rc = write_blob(folder, leaf, b->bytes, replace);
	/* Also where another process has just renamed it. */
	if (rc == 0)
		rc = fsync(folder);
	if (rc < 0)
		failed(s, leaf, EXIT_CANTCREATE, why);
	close(folder);
	return rc;
}

/* ---- getting ----------------------------------------------------------------------- */

static int
read_all(struct file_store *s, int fd, const struct blob_sink *sink, struct failure *why)
{
	ssize_t n;

	sink->begin(sink->arg);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (;;) {
		n = read(fd, s->step, STEP);
		if (n == 0)
			return 1;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(s, buf_cstr(&s->path), EXIT_IO, why);
		if (sink->take(sink->arg, s->step, (size_t)n, why) < 0)
			return -1;
	}
}

/* What stands in the way of a blob: nothing there, something that is no blob, or a failure. */
static int
no_blob(const struct file_store *s, struct failure *why)
{
	if (errno == ENOENT)
		return 0;
	if (errno == ELOOP || errno == ENOTDIR || errno == ENXIO)
		return fail_record(why, "blob", "there is a symbolic link or something else that "
			"is no blob");
	return failed(s, s->path.p, EXIT_IO, why);
}

static int
file_get(struct blob_store *base, struct slice name, const struct blob_sink *sink,
	struct failure *why)
{
	struct file_store *s = (struct file_store *)base;
	struct stat st;
	const char *leaf;
	int folder = walk(s, name, false, &leaf), fd, rc;

	if (folder < 0)
		return no_blob(s, why);
	fd = open_leaf(folder, leaf, &st);
	if (fd < 0)
		rc = no_blob(s, why);
	else if (!S_ISREG(st.st_mode))
		rc = fail_record(why, "blob", "there is something that is no plain file");
	else
		rc = read_all(s, fd, sink, why);
	if (fd >= 0)
		close(fd);
	close(folder);
	return rc;
}

/* ---- what there is ----------------------------------------------------------------- */

static int64_t
age_us(const struct stat *st)
{
	return time_now_us() - ((int64_t)st->st_mtim.tv_sec * 1000000 +
		st->st_mtim.tv_nsec / 1000);
}

/* A walk over the place. */
struct visit {
	struct file_store *s;
	blob_lister *blob;         /* or NULL: what is left of puts is meant */
	void *arg;
	int64_t min_age_us;
	bool really;
	uint64_t n;
	struct buf path;
};

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
free_names(char **name, size_t n)
{
	while (n)
		free(name[--n]);
	free(name);
}

/* The names in a folder, sorted; -1 with errno. */
static ptrdiff_t
names_in(int folder, char ***names)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	char **name = NULL;
	size_t n = 0, cap = 0;
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	for (errno = 0; (e = readdir(d)); errno = 0) {
		name = mem_grow(name, &cap, n + 1, sizeof(*name));
		name[n++] = mem_strdup(e->d_name);
	}
	fd = errno;
	closedir(d);
	if (fd) {
		free_names(name, n);
		errno = fd;
		return -1;
	}
	if (n)
		qsort(name, n, sizeof(*name), by_name);
	*names = name;
	return (ptrdiff_t)n;
}

static int
tell_blob(struct visit *v, const struct stat *st, struct failure *why)
{
	struct slice path = buf_slice(&v->path);
	struct blob_info info = {path, (uint64_t)st->st_size, age_us(st)};
	const char *slash = memchr(path.p, '/', path.n);

	if (slash && sha_is_hex(slice_of(slash + 1, path.n - (size_t)(slash + 1 - path.p))))
		info.name = slice_of(slash + 1, path.n - (size_t)(slash + 1 - path.p));
	v->n++;
	return v->blob(v->arg, &info, why);
}

static int visit(struct visit *, int folder, int depth, struct failure *why);

static int
visit_one(struct visit *v, int folder, const char *name, int depth, struct failure *why)
{
	size_t n = v->path.n;
	struct stat st;
	int rc = 0, fd;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : failed(v->s, name, EXIT_IO, why);
	if (!v->blob && S_ISREG(st.st_mode) &&
		strncmp(name, TEMPORARY, sizeof(TEMPORARY) - 1) == 0 &&
		age_us(&st) >= v->min_age_us) {
		v->n++;
		if (v->really && unlinkat(folder, name, 0) < 0 && errno != ENOENT)
			return failed(v->s, name, EXIT_IO, why);
	}
	if (!text_is_component(slice_str(name)))
		return 0;
	buf_adds(&v->path, name);
	if (S_ISDIR(st.st_mode) && depth < DEEPEST) {
		buf_addc(&v->path, '/');
		fd = enter(folder, name, false);
		if (fd < 0)
			rc = failed(v->s, name, EXIT_IO, why);
		else
			rc = visit(v, fd, depth + 1, why);
		if (fd >= 0)
			close(fd);
	} else if (S_ISREG(st.st_mode) && v->blob) {
		rc = tell_blob(v, &st, why);
	}
	v->path.n = n;
	return rc;
}

static int
visit(struct visit *v, int folder, int depth, struct failure *why)
{
	char **name;
	ptrdiff_t n = names_in(folder, &name), i;
	int rc = 0;

	if (n < 0)
		return failed(v->s, ".", EXIT_IO, why);
	for (i = 0; i < n && rc == 0; i++)
		rc = visit_one(v, folder, name[i], depth, why);
	free_names(name, (size_t)n);
	return rc;
}

static int
visit_all(struct visit *v, struct failure *why)
{
	int fd = here(v->s), rc;

	if (fd < 0)
		return fail(why, status_of_errno(errno, EXIT_NOINPUT), "%s: %s", v->s->dir,
			strerror(errno));
	rc = visit(v, fd, 0, why);
	close(fd);
	buf_release(&v->path);
	return rc;
}

static int
file_list(struct blob_store *base, blob_lister *blob, void *arg, struct failure *why)
{
	struct file_store *s = (struct file_store *)base;
	struct visit v = {.s = s, .blob = blob, .arg = arg};

	return visit_all(&v, why);
}

static int
file_sweep(struct blob_store *base, int64_t min_age_us, bool really, uint64_t *n,
	struct failure *why)
{
	struct file_store *s = (struct file_store *)base;
	struct visit v = {.s = s, .min_age_us = min_age_us, .really = really};
	int rc = visit_all(&v, why);

	*n = v.n;
	return rc;
}

static int
file_remove(struct blob_store *base, struct slice name, int64_t min_age_us,
	struct failure *why)
{
	struct file_store *s = (struct file_store *)base;
	struct stat st;
	const char *leaf;
	int folder = walk(s, name, false, &leaf), rc;

	if (folder < 0)
		return no_blob(s, why);
	lock(folder, LOCK_EX);
	rc = fstatat(folder, leaf, &st, AT_SYMLINK_NOFOLLOW);
	if (rc == 0 && S_ISREG(st.st_mode) && age_us(&st) >= min_age_us)
		rc = unlinkat(folder, leaf, 0) < 0 ? -1 : 1;
	if (rc < 0)
		rc = errno == ENOENT ? 0 : failed(s, leaf, EXIT_IO, why);
	lock(folder, LOCK_UN);
	close(folder);
	return rc;
}

/* ---- opening ----------------------------------------------------------------------- */

static void
file_close(struct blob_store *base)
{
	struct file_store *s = (struct file_store *)base;

	if (s->fd >= 0)
		close(s->fd);
	buf_release(&s->path);
	free(s->step);
	free(s->dir);
	free(s->base.url);
	free(s);
}

/* The folder that path stands in; where that ends. */
static char *
folder_of(const char *path, const char **last)
{
	const char *end = path + strlen(path), *at;

	while (end > path + 1 && end[-1] == '/')
		end--;
	for (at = end; at > path && at[-1] != '/'; at--)
		;
	*last = at;
	return at == path ? mem_strdup(".") : mem_dup(path, (size_t)(at - path));
}

/* Make the folder, so that it stays. */
static int
make(const char *path)
{
	const char *last;
	char *up;
	int fd, rc;

	if (mkdir(path, 0777) < 0)
		return errno == EEXIST ? 0 : -1;
	up = folder_of(path, &last);
	fd = open(up, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = fd < 0 ? -1 : fsync(fd);
	if (fd >= 0)
		close(fd);
	free(up);
	return rc;
}

/* The place has one name, however it is called, and has it before it is made. NULL, with
 * errno. */
static char *
own_url(const char *path)
{
	char *real = realpath(path, NULL), *up;
	const char *last = NULL;
	struct buf url = {0};

	if (!real && errno == ENOENT) {
		up = folder_of(path, &last);
		real = realpath(up, NULL);
		free(up);
	}
	if (!real)
		return NULL;
	buf_adds(&url, "file:");
	if (strcmp(real, "/") != 0)
		buf_adds(&url, real);
	if (last) {
		buf_addc(&url, '/');
		buf_add(&url, last, strcspn(last, "/"));
	}
	free(real);
	buf_cstr(&url);
	return url.p;
}

static int
open_place(struct file_store *s, const struct blob_options *opt)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	s->fd = open(s->dir, flags);
	if (s->fd < 0 && errno == ENOENT && opt->create && make(s->dir) == 0)
		s->fd = open(s->dir, flags);
	if (s->fd < 0 && (errno != ENOENT || opt->create))
		return -1;
	s->base.url = opt->url ? mem_strdup(opt->url) : own_url(s->dir);
	return s->base.url ? 0 : -1;
}

struct blob_store *
blob_file_open(const char *path, const struct blob_options *opt, struct failure *why)
{
	struct file_store *s = mem_zalloc(sizeof(*s));

	s->dir = mem_strdup(path);
	s->step = mem_alloc(STEP);
	if (open_place(s, opt) < 0) {
		fail(why, status_of_errno(errno, opt->create ? EXIT_CANTCREATE : EXIT_NOINPUT),
			"file:%s: %s", path, strerror(errno));
		file_close(&s->base);
		return NULL;
	}
	if (!json_is_utf8(slice_str(s->base.url))) {
		fail(why, EXIT_USAGE, "file:%s: references cannot tell a name that is not UTF-8",
			path);
		file_close(&s->base);
		return NULL;
	}
	s->base.fans = true;
	s->base.put = file_put;
	s->base.get = file_get;
	s->base.list = file_list;
	s->base.remove = file_remove;
	s->base.sweep = file_sweep;
	s->base.close = file_close;
	return &s->base;
}
