/*
 * machine: preloaded, a machine that stops. What a process has written to files and not made
 * durable is lost at that moment, and so are names in folders that were not synced: files that
 * were made, renamed or removed since. Then the process is killed, and others that share the
 * folder lose what is theirs at their next call, or have lost it if they ended before.
 *
 *	SK_CRASH=N       before the Nth call that changes a file; "end": at the end of the process
 *	SK_CRASH_DIR=D   on the same file system: D/crashed says that it has happened
 *	SK_CRASH_KEEP=P  so many percent of what is lost of a file stay (0)
 *	SK_NOSYNC=WHAT   folders, or files with that in their path: syncs are not done, and the
 *	                 caller is not told
 *
 * A rename or a new file counts once its folder is synced, data once its file is: no more than
 * POSIX promises. A file that is cut is cut at once.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define FILES 256
#define NAMES 1024

static char dir[PATH_MAX - 64];
static long strike, seen;
static bool at_end;
static atomic_flag crashing = ATOMIC_FLAG_INIT;
static const char *unsynced;
static int keep;

/* A file that was written to. */
static struct written {
	dev_t dev;
	ino_t ino;
	int fd;       /* a descriptor of our own */
	off_t durable;
} file[FILES];
static int nfiles;

/* A name that is not durable. */
enum change { MADE, RENAMED, REMOVED };
static struct name {
	enum change change;
	dev_t dev;    /* of its folder */
	ino_t ino;
	char path[512], from[512], backup[600]; /* backup: of what had the name; "" */
} name[NAMES];
static int nnames, backups;

__attribute__((constructor)) static void
setup(void)
{
	const char *s = getenv("SK_CRASH"), *d = getenv("SK_CRASH_DIR"), *k = getenv("SK_CRASH_KEEP");

	if (!d)
		return;
	snprintf(dir, sizeof(dir), "%s", d);
	strike = s ? strtol(s, NULL, 10) : 0;
	at_end = s && strcmp(s, "end") == 0;
	keep = k ? atoi(k) : 0;
	unsynced = getenv("SK_NOSYNC");
	if (unsynced && !*unsynced)
		unsynced = NULL;
}

/* ---- the crash ------------------------------------------------------------------------- */

static void
lose(void)
{
	struct stat st;
	int i;

	for (i = 0; i < nfiles; i++)
		if (file[i].fd >= 0 && fstat(file[i].fd, &st) == 0 && st.st_size > file[i].durable)
			(void)!REAL(ftruncate)(file[i].fd, file[i].durable +
				(st.st_size - file[i].durable) * keep / 100);
	for (i = nnames; i--;) {
		if (name[i].change == MADE)
			REAL(unlink)(name[i].path);
		if (name[i].change == RENAMED)
			REAL(rename)(name[i].path, name[i].from);
		if (name[i].backup[0])
			REAL(rename)(name[i].backup, name[i].path);
	}
}

/* What this process has not made durable, for a machine that stops after its end. */
static void
leave(const char *path)
{
	char link_name[64], at[PATH_MAX];
	FILE *f = fopen(path, "w");
	int i;

	if (!f)
		abort();
	fwrite(&nfiles, sizeof(nfiles), 1, f);
	fwrite(&nnames, sizeof(nnames), 1, f);
	fwrite(file, sizeof(file[0]), (size_t)nfiles, f);
	fwrite(name, sizeof(name[0]), (size_t)nnames, f);
	for (i = 0; i < nfiles; i++) {
		memset(at, 0, sizeof(at));
		snprintf(link_name, sizeof(link_name), "/proc/self/fd/%d", file[i].fd);
		(void)!readlink(link_name, at, sizeof(at) - 1);
		fwrite(at, sizeof(at), 1, f);
	}
	if (ferror(f) || fclose(f) != 0)
		abort();
}

/* What one that has ended left is lost: it takes the place of our own. */
static void
lose_left(const char *path)
{
	char at[PATH_MAX];
	FILE *f = fopen(path, "r");
	bool ok = f && REAL(unlink)(path) == 0; /* one process does it */
	int i;

	ok = ok && fread(&nfiles, sizeof(nfiles), 1, f) == 1 &&
		fread(&nnames, sizeof(nnames), 1, f) == 1 &&
		fread(file, sizeof(file[0]), (size_t)nfiles, f) == (size_t)nfiles &&
		fread(name, sizeof(name[0]), (size_t)nnames, f) == (size_t)nnames;
	for (i = 0; ok && i < nfiles; i++) {
		ok = fread(at, sizeof(at), 1, f) == 1;
		file[i].fd = REAL(open)(at, O_WRONLY | O_CLOEXEC);
	}
	if (ok)
		lose();
	if (f)
		fclose(f);
}

static void
crash(void)
{
	char path[PATH_MAX];
	struct dirent *e;
	DIR *d;
	int fd;

	/* One thread loses what is the process's; another would undo it. */
	while (atomic_flag_test_and_set(&crashing))
		pause();
	snprintf(path, sizeof(path), "%s/crashed", dir);
	fd = REAL(open)(path, O_WRONLY | O_CREAT, 0600);
	(void)fd;
	lose();
	d = opendir(dir);
	while (d && (e = readdir(d)))
		if (strncmp(e->d_name, "ended.", 6) == 0) {
			snprintf(path, sizeof(path), "%s/%.60s", dir, e->d_name);
			lose_left(path);
		}
	raise(SIGKILL);
}

static void
crash_with_others(void)
{
	char path[PATH_MAX];

	if (!dir[0])
		return;
	snprintf(path, sizeof(path), "%s/crashed", dir);
	if (access(path, F_OK) == 0)
		crash();
}

/* One more call that changes a file. */
static void
count(void)
{
	if (!dir[0])
		return;
	crash_with_others();
	if (++seen == strike)
		crash();
}

__attribute__((destructor)) static void
finish(void)
{
	char path[PATH_MAX], whole[PATH_MAX];

	if (!dir[0])
		return;
	crash_with_others();
	if (at_end)
		crash();
	snprintf(path, sizeof(path), "%s/left.%d", dir, (int)getpid());
	snprintf(whole, sizeof(whole), "%s/ended.%d", dir, (int)getpid());
	leave(path);
	REAL(rename)(path, whole);
	crash_with_others();
}

/* ---- what is durable ------------------------------------------------------------------- */

static struct written *
file_of(int fd)
{
	struct stat st;
	int i;

	if (!dir[0] || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	for (i = 0; i < nfiles; i++)
		if (file[i].dev == st.st_dev && file[i].ino == st.st_ino)
			return &file[i];
	if (nfiles == FILES)
		abort();
	file[nfiles] = (struct written){st.st_dev, st.st_ino, fcntl(fd, F_DUPFD_CLOEXEC, 200),
		st.st_size};
	return &file[nfiles++];
}

static bool
folder_of(const char *path, struct stat *st)
{
	char folder[PATH_MAX], *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash == folder)
		slash[1] = '\0';
	else if (slash)
		*slash = '\0';
	else
		strcpy(folder, ".");
	return stat(folder, st) == 0;
}

/* The old one of that name, under another one. */
static void
back_up(struct name *n)
{
	struct stat st;

	if (lstat(n->path, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	snprintf(n->backup, sizeof(n->backup), "%.400s/%d.%d", dir, (int)getpid(), backups++);
	if (link(n->path, n->backup) < 0)
		n->backup[0] = '\0';
}

static struct name *
name_begin(enum change change, const char *path)
{
	struct name *n = &name[nnames];
	struct stat st;

	if (!dir[0] || !folder_of(path, &st))
		return NULL;
	if (nnames == NAMES)
		abort();
	memset(n, 0, sizeof(*n));
	n->change = change;
	n->dev = st.st_dev;
	n->ino = st.st_ino;
	snprintf(n->path, sizeof(n->path), "%s", path);
	if (change != MADE)
		back_up(n);
	return n;
}

static void
names_durable(const struct stat *folder)
{
	int i, k = 0;

	for (i = 0; i < nnames; i++) {
		if (name[i].dev == folder->st_dev && name[i].ino == folder->st_ino) {
			if (name[i].backup[0])
				REAL(unlink)(name[i].backup);
			continue;
		}
		if (k != i)
			name[k] = name[i];
		k++;
	}
	nnames = k;
}

/* Is that one of those that are not to be synced? */
static bool
left_out(int fd, bool folder)
{
	char link_name[64], path[PATH_MAX];
	ssize_t n;

	if (!unsynced || folder)
		return unsynced && strcmp(unsynced, "folders") == 0;
	snprintf(link_name, sizeof(link_name), "/proc/self/fd/%d", fd);
	n = readlink(link_name, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	return strstr(path, unsynced) != NULL;
}

static int
sync_it(int fd, int (*real)(int))
{
	struct written *f;
	struct stat st;
	bool folder = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);

	count();
	if (!dir[0])
		return real(fd);
	f = folder ? NULL : file_of(fd);
	if (left_out(fd, folder))
		return 0;
	if (folder)
		names_durable(&st);
	if (f)
		f->durable = st.st_size;
	return 0; /* the machine is imagined, so that many can be */
}

/* ---- calls ----------------------------------------------------------------------------- */

int
fsync(int fd)
{
	return sync_it(fd, REAL(fsync));
}

int
fdatasync(int fd)
{
	return sync_it(fd, REAL(fdatasync));
}

static void
before_write(int fd)
{
	if (fd != STDERR_FILENO && file_of(fd))
		count();
	else
		crash_with_others();
}

ssize_t
write(int fd, const void *p, size_t n)
{
	before_write(fd);
	return REAL(write)(fd, p, n);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	before_write(fd);
	return REAL(writev)(fd, v, n);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	before_write(fd);
	return REAL(pwrite)(fd, p, n, at);
}

ssize_t
read(int fd, void *p, size_t n)
{
	ssize_t got = REAL(read)(fd, p, n);

	crash_with_others();
	return got;
}

int
ftruncate(int fd, off_t n)
{
	struct written *f = file_of(fd);

	if (f)
		count();
	if (f && f->durable > n)
		f->durable = n;
	return REAL(ftruncate)(fd, n);
}

int
truncate(const char *path, off_t n)
{
	int fd = REAL(open)(path, O_WRONLY | O_CLOEXEC), rc = fd < 0 ? -1 : ftruncate(fd, n);

	if (fd >= 0)
		REAL(close)(fd);
	return rc;
}

int
open(const char *path, int flags, ...)
{
	bool made = (flags & O_CREAT) && access(path, F_OK) < 0;
	struct written *f;
	struct name *n;
	va_list ap;
	mode_t mode;
	int fd;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (made)
		count();
	fd = REAL(open)(path, flags, mode);
	if (fd < 0 || !dir[0] || (flags & O_TMPFILE) == O_TMPFILE)
		return fd;
	n = made ? name_begin(MADE, path) : NULL;
	nnames += n != NULL;
	if ((flags & O_TRUNC) && (f = file_of(fd)))
		f->durable = 0;
	return fd;
}

int
rename(const char *from, const char *to)
{
	struct name *n;
	int rc;

	count();
	n = name_begin(RENAMED, to);
	if (n)
		snprintf(n->from, sizeof(n->from), "%s", from);
	rc = REAL(rename)(from, to);
	nnames += n && rc == 0;
	return rc;
}

int
unlink(const char *path)
{
	struct name *n;
	int rc;

	count();
	n = name_begin(REMOVED, path);
	rc = REAL(unlink)(path);
	nnames += n && rc == 0;
	return rc;
}

int
linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	struct name *n;
	int rc;

	count();
	n = to_dir == AT_FDCWD ? name_begin(MADE, to) : NULL;
	rc = REAL(linkat)(from_dir, from, to_dir, to, flags);
	nnames += n && rc == 0;
	return rc;
}
