/* The folder of a state: made, locked, read, told apart from others. */
#define _DEFAULT_SOURCE /* flock */
#include "state/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "state/file.h"

#define POLL_MS 20

char *
folder_join(const char *a, const char *b)
{
	struct buf s = {0};

	buf_adds(&s, a);
	buf_addc(&s, '/');
	buf_adds(&s, b);
	buf_cstr(&s);
	return s.p;
}

void
folder_init(struct folder *f, const char *dir, const char *name)
{
	f->path = folder_join(dir, name);
	f->lock = -1;
}

void
folder_release(struct folder *f)
{
	folder_unlock(f);
	free(f->path);
	f->path = NULL;
}

/* ---- making and locking ------------------------------------------------------------ */

/* Make a folder with those above it that are missing; what is new is made durable. */
static int
make_folders(char *path, struct failure *why)
{
	char *p;
	int rc = 0;

	for (p = path + 1; rc == 0; p++) {
		bool end = *p == '\0';

		if (!end && *p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0700) == 0)
			rc = file_sync_folder(path, why);
		else if (errno != EEXIST && errno != EISDIR)
			rc = fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s", path,
				strerror(errno));
		if (end)
			break;
		*p = '/';
	}
	return rc;
}

static long
read_owner(int fd)
{
	char text[24] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	return n > 0 ? strtol(text, NULL, 10) : 0;
}

static int
in_use(const struct folder *f, int fd, struct failure *why)
{
	fail(why, EXIT_TRY_AGAIN, "%s: in use by process %ld", f->path, read_owner(fd));
	fail_hint(why, "one process at a time may own a state; stop that one, or give this one "
		"another --name");
	return -1;
}

int
folder_lock(struct folder *f, int64_t wait_ms, struct failure *why)
{
	char *path = folder_join(f->path, "lock"), text[24];
	int fd = -1, n, rc = make_folders(f->path, why);

	if (rc < 0)
		goto out;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		rc = fail(why, status_of_errno(errno, EXIT_CANTCREATE), "%s: %s", path,
			strerror(errno));
		goto out;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			rc = fail(why, EXIT_IO, "%s: %s", path, strerror(errno));
			goto out;
		}
		if (wait_ms <= 0) {
			rc = in_use(f, fd, why);
			goto out;
		}
		nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000}, NULL);
		wait_ms -= POLL_MS;
	}
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		rc = fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", path, strerror(errno));
out:
	if (rc == 0)
		f->lock = fd;
	else if (fd >= 0)
		close(fd);
	free(path);
	return rc;
}

int
folder_share(struct folder *f, struct failure *why)
{
	char *path = folder_join(f->path, "lock");
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;

	if (fd < 0 && errno != ENOENT)
		rc = fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", path, strerror(errno));
	else if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0)
		rc = errno == EWOULDBLOCK ? in_use(f, fd, why)
			: fail(why, EXIT_IO, "%s: %s", path, strerror(errno));
	if (rc == 0)
		f->lock = fd;
	else if (fd >= 0)
		close(fd);
	free(path);
	return rc;
}

void
folder_unlock(struct folder *f)
{
	if (f->lock >= 0)
		close(f->lock);
	f->lock = -1;
}

long
folder_owner(const struct folder *f)
{
	char *path = folder_join(f->path, "lock");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long owner = 0;

	free(path);
	if (fd < 0)
		return 0;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		owner = read_owner(fd);
	close(fd);
	return owner;
}

/* ---- files ------------------------------------------------------------------------- */

char *
folder_path(const struct folder *f, uint32_t task, uint64_t seq, bool snapshot)
{
	char name[64];

	snprintf(name, sizeof(name), "%u-%llu.%s", (unsigned)task, (unsigned long long)seq,
		snapshot ? "snap" : "log");
	return folder_join(f->path, name);
}

/* Names that folder_path makes, and no others. */
static bool
file_name(const char *name, struct folder_file *file)
{
	unsigned long long task, seq;
	char kind[8], again[64];

	if (sscanf(name, "%10llu-%19llu.%5[a-z]", &task, &seq, kind) != 3 || task > UINT32_MAX)
		return false;
	file->snapshot = strcmp(kind, "snap") == 0;
	file->task = (uint32_t)task;
	file->seq = seq;
	snprintf(again, sizeof(again), "%llu-%llu.%s", task, seq, file->snapshot ? "snap" : "log");
	return strcmp(name, again) == 0;
}

static int
by_place(const void *a, const void *b)
{
	const struct folder_file *x = a, *y = b;

	if (x->task != y->task)
		return x->task < y->task ? -1 : 1;
	if (x->snapshot != y->snapshot)
		return x->snapshot ? 1 : -1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

int
folder_list(const struct folder *f, bool tidy, struct folder_file **list, size_t *n,
	struct failure *why)
{
	struct folder_file file = {0};
	DIR *dir = opendir(f->path);
	size_t cap = 0, len;
	struct dirent *e;
	struct stat st;
	char *path;

	*list = NULL;
	*n = 0;
	if (!dir)
		return fail(why, status_of_errno(errno, EXIT_NOINPUT), "%s: %s", f->path,
			strerror(errno));
	while (errno = 0, (e = readdir(dir))) {
		len = strlen(e->d_name);
		path = folder_join(f->path, e->d_name);
		if (tidy && len > 4 && strcmp(e->d_name + len - 4, ".tmp") == 0) {
			unlink(path);
		} else if (file_name(e->d_name, &file)) {
			file.bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
			*list = mem_grow(*list, &cap, *n + 1, sizeof(file));
			(*list)[(*n)++] = file;
		}
		free(path);
	}
	closedir(dir);
	if (*n)
		qsort(*list, *n, sizeof(**list), by_place);
	return 0;
}

int
folder_remove(const struct folder *f, uint32_t task, uint64_t seq, bool snapshot,
	struct failure *why)
{
	char *path = folder_path(f, task, seq, snapshot);
	int rc = 0;

	if (unlink(path) < 0 && errno != ENOENT)
		rc = fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", path, strerror(errno));
	free(path);
	return rc;
}

/* A file of the folder, that may not be there. */
static int
remove_named(const struct folder *f, const char *name, struct failure *why)
{
	char *path = folder_join(f->path, name);
	int rc = 0;

	if (unlink(path) < 0 && errno != ENOENT)
		rc = fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", path, strerror(errno));
	if (rc == 0)
		rc = file_sync_folder(path, why);
	free(path);
	return rc;
}

int
folder_reset(const struct folder *f, struct failure *why)
{
	struct folder_file *list = NULL;
	size_t n = 0, i;
	int rc = remove_named(f, "config", why);

	if (rc == 0)
		rc = folder_list(f, true, &list, &n, why);
	for (i = 0; i < n && rc == 0; i++)
		rc = folder_remove(f, list[i].task, list[i].seq, list[i].snapshot, why);
	if (rc == 0)
		rc = remove_named(f, "runs", why);
	free(list);
	return rc;
}
