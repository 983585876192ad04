/*
 * faults: preloaded, makes the Nth call of one system call fail, once or from then on.
 *
 *	SK_FAULT=write:3:ENOSPC LD_PRELOAD=build/tests/faults.so sk-map . f
 *	SK_FAULT=fsync:1+:EIO    every one from the first
 *
 * Calls: write writev read fsync fdatasync close rename renameat. Errors: ENOSPC EIO EINTR EAGAIN.
 * KILL and KILLED end the process as kill -9 does, before the call and after it. "short" as
 * the error makes write and writev take one byte only. write and writev to stderr
 * are left alone. SK_FAULT_TOLD names a file that appears when a call has failed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static char call[16], error[16];
static long nth;
static bool onwards;
static atomic_long seen;

__attribute__((constructor)) static void
setup(void)
{
	const char *s = getenv("SK_FAULT");
	char number[16] = "";

	if (!s || sscanf(s, "%15[^:]:%15[^:]:%15s", call, number, error) != 3)
		return;
	nth = strtol(number, NULL, 10);
	onwards = strchr(number, '+') != NULL;
}

static void
tell(void)
{
	const char *path = getenv("SK_FAULT_TOLD");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd >= 0)
		REAL(close)(fd);
}

static bool
strikes(const char *name)
{
	long n;

	if (strcmp(call, name) != 0)
		return false;
	n = atomic_fetch_add(&seen, 1) + 1;
	if (n != nth && !(onwards && n > nth))
		return false;
	if (strcmp(error, "KILL") == 0)
		raise(SIGKILL);
	tell();
	return true;
}

/* A call that was done before its process is killed. */
static bool
kills_after(void)
{
	return strcmp(error, "KILLED") == 0;
}

static long
killed(long done)
{
	raise(SIGKILL);
	return done;
}

static int
number(void)
{
	if (strcmp(error, "ENOSPC") == 0)
		return ENOSPC;
	if (strcmp(error, "EINTR") == 0)
		return EINTR;
	return strcmp(error, "EAGAIN") == 0 ? EAGAIN : EIO;
}

ssize_t
write(int fd, const void *p, size_t n)
{
	if (fd != 2 && strikes("write")) {
		if (strcmp(error, "short") == 0)
			return REAL(write)(fd, p, n ? 1 : 0);
		if (kills_after())
			return killed(REAL(write)(fd, p, n));
		errno = number();
		return -1;
	}
	return REAL(write)(fd, p, n);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	if (fd != 2 && strikes("writev")) {
		if (strcmp(error, "short") == 0)
			return REAL(write)(fd, v[0].iov_base, v[0].iov_len ? 1 : 0);
		errno = number();
		return -1;
	}
	return REAL(writev)(fd, v, n);
}

ssize_t
read(int fd, void *p, size_t n)
{
	if (strikes("read")) {
		errno = number();
		return -1;
	}
	return REAL(read)(fd, p, n);
}

int
fsync(int fd)
{
	if (strikes("fsync")) {
		if (kills_after())
			return (int)killed(REAL(fsync)(fd));
		errno = number();
		return -1;
	}
	return REAL(fsync)(fd);
}

int
fdatasync(int fd)
{
	if (strikes("fdatasync")) {
		if (kills_after())
			return (int)killed(REAL(fdatasync)(fd));
		errno = number();
		return -1;
	}
	return REAL(fdatasync)(fd);
}

int
close(int fd)
{
	if (strikes("close")) {
		REAL(close)(fd);
		errno = number();
		return -1;
	}
	return REAL(close)(fd);
}

int
rename(const char *from, const char *to)
{
	if (strikes("rename")) {
		if (kills_after())
			return (int)killed(REAL(rename)(from, to));
		errno = number();
		return -1;
	}
	return REAL(rename)(from, to);
}

int
renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	if (strikes("renameat")) {
		if (kills_after())
			return (int)killed(REAL(renameat)(from_folder, from, to_folder, to));
		errno = number();
		return -1;
	}
	return REAL(renameat)(from_folder, from, to_folder, to);
}
