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
#include "base/table.h"
#include "json/json.h"
#include "state/file.h"

#define POLL_MS 20

static char *
join(const char *a, const char *b)
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
	f->path = join(dir, name);
	f->lock = -1;
}

void
folder_release(struct folder *f)
{
	folder_unlock(f);
	free(f->path);
	f->path = NULL;
}

/* ---- making and locking ------------------------------------------------------------------ */

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
	char *path = join(f->path, "lock"), text[24];
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
	char *path = join(f->path, "lock");
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
	char *path = join(f->path, "lock");
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

/* ---- config ------------------------------------------------------------------------------ */

void
config_release(struct config *c)
{
	buf_release(&c->text);
	memset(c, 0, sizeof(*c));
}

void
config_say(struct config *c)
{
	struct buf *b = &c->text;

	buf_reset(b);
	buf_addf(b, "{\"streamkit\":\"state\",\"version\":%d,\"tool\":", FILE_VERSION);
	json_add_string(b, c->tool);
	buf_adds(b, ",\"shape\":");
	buf_add_slice(b, c->shape);
	buf_adds(b, ",\"value_bytes\":");
	if (c->value_bytes == SIZE_MAX)
		buf_adds(b, "null");
	else
		buf_addf(b, "%zu", c->value_bytes);
	buf_addf(b, ",\"expires\":%s,\"key\":\"%016llx%016llx\"",
		c->expires ? "true" : "false", (unsigned long long)c->key.k0,
		(unsigned long long)c->key.k1);
	c->sum = hash64(b->p, b->n, 0);
	buf_addf(b, ",\"sum\":\"%016llx\"}\n", (unsigned long long)c->sum);
}

/* The sum is looked at before anything else is believed. */
static bool
sum_holds(const struct buf *b, uint64_t *sum)
{
	enum { TAIL = sizeof(",\"sum\":\"0123456789abcdef\"}\n") - 1 };
	char tail[TAIL + 1];

	if (b->n < TAIL)
		return false;
	*sum = hash64(b->p, b->n - TAIL, 0);
	snprintf(tail, sizeof(tail), ",\"sum\":\"%016llx\"}\n", (unsigned long long)*sum);
	return memcmp(tail, b->p + b->n - TAIL, TAIL) == 0;
}

static struct slice
member(const struct json_doc *d, const char *name)
{
	uint32_t t = json_get(d, 0, slice_str(name));

	if (t == JSON_NONE)
		return (struct slice){0};
	return json_type_at(d, t) == JSON_STRING ? json_string_raw(d, t) : json_text(d, t);
}

static bool
config_parse(struct config *c, const struct json_doc *d)
{
	struct slice key = member(d, "key"), bytes = member(d, "value_bytes");
	char hex[33] = "", *end;
	char half[17] = "";

	c->tool = member(d, "tool");
	c->shape = member(d, "shape");
	if (!c->tool.p || !c->shape.p || !bytes.p || key.n != 32)
		return false;
	memcpy(hex, key.p, 32);
	memcpy(half, hex, 16);
	c->key.k0 = strtoull(half, &end, 16);
	if (*end)
		return false;
	c->key.k1 = strtoull(hex + 16, &end, 16);
	if (*end)
		return false;
	c->key = keyed_of(c->key.k0, c->key.k1);
	c->value_bytes = slice_eq(bytes, SLICE("null")) ? SIZE_MAX
							: strtoul(bytes.p, NULL, 10);
	c->expires = slice_eq(member(d, "expires"), SLICE("true"));
	return true;
}

static int
read_whole(const char *path, struct buf *b, struct failure *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 1;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	while (fd >= 0 && b->n < 1 << 20) {
		buf_reserve(b, 4096);
		n = read(fd, b->p + b->n, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n < 0 ? -1 : 1;
			break;
		}
		b->n += (size_t)n;
	}
	if (fd < 0 || rc < 0)
		rc = fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", path,
			strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc;
}

int
config_read(const struct folder *f, struct config *c, struct failure *why)
{
	char *path = join(f->path, "config");
	struct json_scan scan = {0};
	struct failure broken;
	struct json_doc d;
	struct slice version, shape;
	int rc;

	memset(c, 0, sizeof(*c));
	rc = read_whole(path, &c->text, why);
	if (rc <= 0)
		goto out;
	rc = -1;
	if (json_doc_of(&scan, buf_slice(&c->text), &d, &broken) == 0 &&
		slice_eq(member(&d, "streamkit"), SLICE("state"))) {
		version = member(&d, "version");
		if (version.n && !slice_eq(version, SLICE("1"))) {
			fail(why, EXIT_CONFIG, "%s: version %.*s, and this program knows %d", path,
				(int)(version.n < 20 ? version.n : 20), version.p, FILE_VERSION);
			fail_hint(why, "a newer streamkit wrote it, or it is damaged");
			goto out;
		}
		if (sum_holds(&c->text, &c->sum) && config_parse(c, &d))
			rc = 1;
	}
	if (rc < 0) {
		fail(why, EXIT_CONFIG, "%s: damaged", path);
		fail_hint(why, "put the folder back from a copy, or begin anew with sk-state "
			"reset");
		goto out;
	}
	/* What lies in the scan's copy is looked up in the text. */
	shape = c->shape;
	c->tool.p = c->text.p + (c->tool.p - d.base);
	c->shape.p = c->text.p + (shape.p - d.base);
out:
	if (rc <= 0)
		config_release(c);
	json_scan_release(&scan);
	free(path);
	return rc;
}

int
config_write(const struct folder *f, const struct config *given, struct failure *why)
{
	char *path = join(f->path, "config"), *temp = join(f->path, "config.tmp");
	struct config c = *given;
	int fd, rc = 0;
	size_t at;
	ssize_t n = 0;

	memset(&c.text, 0, sizeof(c.text));
	config_say(&c);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (at = 0; fd >= 0 && at < c.text.n; at += (size_t)n) {
		n = write(fd, c.text.p + at, c.text.n - at);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			break;
	}
	if (fd < 0 || n < 0 || fsync(fd) < 0 || rename(temp, path) < 0)
		rc = fail(why, status_of_errno(errno, fd < 0 ? EXIT_CANTCREATE : EXIT_IO),
			"%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	if (rc == 0)
		rc = file_sync_folder(path, why);
	buf_release(&c.text);
	free(path);
	free(temp);
	return rc;
}

/* ---- files ------------------------------------------------------------------------------- */

char *
folder_path(const struct folder *f, uint32_t task, uint64_t seq, bool snapshot)
{
	char name[64];

	snprintf(name, sizeof(name), "%u-%llu.%s", (unsigned)task, (unsigned long long)seq,
		snapshot ? "snap" : "log");
	return join(f->path, name);
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
		path = join(f->path, e->d_name);
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

int
folder_reset(const struct folder *f, struct failure *why)
{
	char *config = join(f->path, "config");
	struct folder_file *list = NULL;
	size_t n = 0, i;
	int rc = 0;

	if (unlink(config) < 0 && errno != ENOENT)
		rc = fail(why, status_of_errno(errno, EXIT_IO), "%s: %s", config, strerror(errno));
	if (rc == 0)
		rc = file_sync_folder(config, why);
	if (rc == 0)
		rc = folder_list(f, true, &list, &n, why);
	for (i = 0; i < n && rc == 0; i++)
		rc = folder_remove(f, list[i].task, list[i].seq, list[i].snapshot, why);
	if (rc == 0)
		rc = file_sync_folder(config, why);
	free(list);
	free(config);
	return rc;
}
