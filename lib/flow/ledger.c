/* The ledger: read, written, locked. */
#define _DEFAULT_SOURCE /* flock */
#include "flow/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/table.h"
#include "json/json.h"

#define VERSION 1
#define LOCK_WAIT_MS 10000
#define LOCK_LOOK_MS 20
#define SUM_DIGITS 16
#define LEDGER_MAX ((off_t)1 << 30)

/* In the lock's file: the pid, filled up with blanks, and behind it, once there was a ledger,
 * that there was: so one that is gone is missed. */
#define PID_WIDTH 12
#define MARK "committed\n"
#define MARK_BYTES (sizeof(MARK) - 1)

static const char *const state_name[] = {"running", "ending", "done"};

static char *
path_in(const char *dir, const char *name)
{
	struct buf b = {0};

	buf_addf(&b, "%s/%s", dir, name);
	buf_cstr(&b);
	return b.p;
}

static int
failed(const char *path, int status, struct failure *why)
{
	return fail(why, status_of_errno(errno, status), "%s: %s", path, strerror(errno));
}

/* ---- the lock ---------------------------------------------------------------------- */

static int
held_by(int fd, const char *dir, struct failure *why)
{
	char pid[24] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strcspn(pid, " \n") : 0] = '\0';
	fail(why, EXIT_TRY_AGAIN, "%s: another run of the job holds it%s%s", dir,
		*pid ? ", process " : "", pid);
	fail_hint(why, "wait until it ends; two runs at a time need two --state folders");
	return -1;
}

static int
take_lock(struct ledger *l, const char *dir, int wait_ms, struct failure *why)
{
	static const struct timespec look = {0, LOCK_LOOK_MS * 1000000L};
	char *path = path_in(dir, "commit.lock");
	char pid[PID_WIDTH + 16];
	int waited = 0, rc = -1, fd;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		failed(path, EXIT_CANTCREATE, why);
		goto out;
	}
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			failed(path, EXIT_IO, why);
			goto out;
		}
		if (waited > wait_ms) {
			held_by(fd, dir, why);
			goto out;
		}
		nanosleep(&look, NULL);
		waited += LOCK_LOOK_MS;
	}
	/* For people who look; that it is held is what counts. */
	snprintf(pid, sizeof(pid), "%-*ld\n", PID_WIDTH - 1, (long)getpid());
	if (pwrite(fd, pid, PID_WIDTH, 0) < 0)
		errno = 0;
	l->lock = fd;
	fd = -1;
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	free(path);
	return rc;
}

int
ledger_lock(struct ledger *l, const char *dir, struct failure *why)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return failed(dir, EXIT_CANTCREATE, why);
	return take_lock(l, dir, LOCK_WAIT_MS, why);
}

int
ledger_try_lock(struct ledger *l, const char *dir, struct failure *why)
{
	return take_lock(l, dir, -1, why);
}

void
ledger_unlock(struct ledger *l)
{
	if (l->lock >= 0)
		close(l->lock);
	l->lock = -1;
}

/* Did this folder's job ever commit? */
static bool
is_marked(const char *dir)
{
	char *path = path_in(dir, "commit.lock"), mark[MARK_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool is = fd >= 0 && pread(fd, mark, MARK_BYTES, PID_WIDTH) == (ssize_t)MARK_BYTES &&
		memcmp(mark, MARK, MARK_BYTES) == 0;

	if (fd >= 0)
		close(fd);
	free(path);
	return is;
}

static int
mark(struct ledger *l, struct failure *why)
{
	if (l->marked || l->lock < 0)
		return 0;
	if (pwrite(l->lock, MARK, MARK_BYTES, PID_WIDTH) != (ssize_t)MARK_BYTES ||
		fsync(l->lock) < 0)
		return failed(l->dir, EXIT_IO, why);
	l->marked = true;
	return 0;
}

/* What is unmarked first is at the worst a ledger that the next run marks again. */
static int
unmark(const char *dir)
{
	char *path = path_in(dir, "commit.lock");
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = fd < 0 ? (errno == ENOENT ? 0 : -1) :
		ftruncate(fd, PID_WIDTH) < 0 || fsync(fd) < 0 ? -1 : 0;

	if (fd >= 0)
		close(fd);
	free(path);
	return rc;
}

/* ---- outputs ----------------------------------------------------------------------- */

struct ledger_output *
ledger_output(const struct ledger *l, const char *name)
{
	size_t i;

	for (i = 0; i < l->noutputs; i++)
		if (strcmp(l->output[i].name, name) == 0)
			return &l->output[i];
	return NULL;
}

void
ledger_put_output(struct ledger *l, const char *name, uint64_t bytes)
{
	struct ledger_output *o = ledger_output(l, name);

	if (!o) {
		l->output = mem_grow(l->output, &l->cap_outputs, l->noutputs + 1,
			sizeof(*l->output));
		o = &l->output[l->noutputs++];
		o->name = mem_strdup(name);
	}
	o->bytes = bytes;
}

void
ledger_clear_outputs(struct ledger *l)
{
	while (l->noutputs)
		free(l->output[--l->noutputs].name);
}

/* ---- reading ----------------------------------------------------------------------- */

static int
damaged(const char *path, const char *what, struct failure *why)
{
	fail(why, EXIT_CONFIG, "%s: damaged: %s", path, what);
	fail_hint(why, "sk-state check tells more; sk-state reset makes the job begin anew");
	return -1;
}

/* The whole file: 1; 0: there is none. */
static int
read_all(const char *path, struct buf *b, struct failure *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : failed(path, EXIT_NOINPUT, why);
	if (fstat(fd, &st) < 0 || st.st_size > LEDGER_MAX) {
		close(fd);
		return damaged(path, "it is too large", why);
	}
	buf_reserve(b, (size_t)st.st_size + 1);
	while ((n = read(fd, b->p + b->n, b->cap - b->n)) > 0) {
		b->n += (size_t)n;
		buf_reserve(b, 1);
	}
	if (n < 0)
		failed(path, EXIT_IO, why);
	close(fd);
	return n < 0 ? -1 : 1;
}

static bool
sum_holds(const struct buf *b)
{
	char sum[SUM_DIGITS + 2];
	size_t n = b->n - (SUM_DIGITS + 1);

	if (b->n <= SUM_DIGITS + 1)
		return false;
	snprintf(sum, sizeof(sum), "%016" PRIx64 "\n", hash64(b->p, n, VERSION));
	return memcmp(b->p + n, sum, SUM_DIGITS + 1) == 0;
}

static void
keep_text(const struct json_doc *d, const char *name, struct buf *to)
{
	uint32_t t = json_get(d, 0, slice_str(name));

	buf_reset(to);
	if (t != JSON_NONE && json_type_at(d, t) != JSON_NULL)
		buf_add_slice(to, json_text(d, t));
}

static void
keep_string(const struct json_doc *d, uint32_t t, struct buf *to)
{
	buf_reset(to);
	if (t != JSON_NONE && json_type_at(d, t) == JSON_STRING)
		json_unescape(to, json_string_raw(d, t));
}

static uint64_t
number(const struct json_doc *d, uint32_t t)
{
	return t == JSON_NONE ? 0 : strtoull(json_text(d, t).p, NULL, 10);
}

static void
read_outputs(struct ledger *l, const struct json_doc *d)
{
	uint32_t list = json_get(d, 0, SLICE("outputs"));
	struct buf name = {0};
	struct json_iter it;

	if (list == JSON_NONE)
		return;
	for (json_enter(d, list, &it); json_step(d, &it);) {
		keep_string(d, json_get(d, it.value, SLICE("sink")), &name);
		ledger_put_output(l, buf_cstr(&name),
			number(d, json_get(d, it.value, SLICE("bytes"))));
	}
	buf_release(&name);
}

static int
take_in(struct ledger *l, const struct json_doc *d, const char *path, const char *app,
	struct failure *why)
{
	struct buf name = {0};
	size_t i;

	if (number(d, json_get(d, 0, SLICE("version"))) != VERSION)
		return fail(why, EXIT_CONFIG, "%s: written by another version of streamkit",
			path);
	keep_string(d, json_get(d, 0, SLICE("app")), &l->app);
	if (*app && l->app.n && !slice_eq(buf_slice(&l->app), slice_str(app))) {
		fail(why, EXIT_CONFIG, "%s: this is the state of the app '%s', not of '%s'", path,
			buf_cstr(&l->app), app);
		fail_hint(why, "a --state folder belongs to one job");
		return -1;
	}
	l->epoch = number(d, json_get(d, 0, SLICE("epoch")));
	keep_string(d, json_get(d, 0, SLICE("state")), &name);
	for (i = 0; i < 3; i++)
		if (slice_eq(buf_slice(&name), slice_str(state_name[i])))
			break;
	buf_release(&name);
	if (i == 3)
		return damaged(path, "no state", why);
	l->state = (enum ledger_state)i;
	keep_text(d, "positions", &l->positions);
	keep_text(d, "clock", &l->clock);
	read_outputs(l, d);
	return 0;
}

static void
begin_anew(struct ledger *l, const char *dir, const char *app)
{
	free(l->dir);
	l->dir = mem_strdup(dir);
	ledger_clear_outputs(l);
	l->there = false;
	l->epoch = 0;
	l->state = LEDGER_RUNNING;
	buf_reset(&l->positions);
	buf_reset(&l->clock);
	buf_reset(&l->app);
	buf_adds(&l->app, app);
}

static int
parse(struct ledger *l, struct slice text, const char *path, const char *app,
	struct failure *why)
{
	struct json_scan scan = {0};
	struct json_doc d;
	int rc;

	if (json_doc_of(&scan, text, &d, why) < 0)
		rc = damaged(path, "it is not JSON", why);
	else
		rc = take_in(l, &d, path, app, why);
	json_scan_release(&scan);
	return rc;
}

int
ledger_load(struct ledger *l, const char *dir, const char *app, struct failure *why)
{
	char *path = path_in(dir, "commit");
	struct buf text = {0};
	int rc;

	begin_anew(l, dir, app);
	rc = read_all(path, &text, why);
	if (rc > 0) {
		l->there = true;
		if (!sum_holds(&text))
			rc = damaged(path, "its checksum does not hold", why);
		else
			rc = parse(l, slice_of(text.p, text.n - SUM_DIGITS - 1), path, app, why);
	} else if (rc == 0 && is_marked(dir)) {
		rc = fail(why, EXIT_CONFIG, "%s: is gone, and the job has committed", path);
		fail_hint(why, "put it back; or sk-state reset makes the job begin anew");
	}
	buf_release(&text);
	free(path);
	return rc < 0 ? -1 : 0;
}

int
ledger_read(struct ledger *l, const char *dir, struct slice line, struct failure *why)
{
	char *path = path_in(dir, "commit");
	int rc;

	begin_anew(l, dir, "");
	rc = parse(l, line, path, "", why);
	l->there = rc == 0;
	free(path);
	return rc;
}

/* ---- writing ----------------------------------------------------------------------- */

void
ledger_say(const struct ledger *l, struct buf *b)
{
	size_t i;

	buf_addf(b, "{\"version\":%d,\"app\":", VERSION);
	json_add_string(b, buf_slice(&l->app));
	buf_addf(b, ",\"epoch\":%" PRIu64 ",\"state\":\"%s\",\"positions\":", l->epoch,
		state_name[l->state]);
	buf_add_slice(b, l->positions.n ? buf_slice(&l->positions) : SLICE("null"));
	buf_adds(b, ",\"clock\":");
	buf_add_slice(b, l->clock.n ? buf_slice(&l->clock) : SLICE("null"));
	buf_adds(b, ",\"outputs\":[");
	for (i = 0; i < l->noutputs; i++) {
		buf_adds(b, i ? ",{\"sink\":" : "{\"sink\":");
		json_add_string(b, slice_str(l->output[i].name));
		buf_addf(b, ",\"bytes\":%" PRIu64 "}", l->output[i].bytes);
	}
	buf_adds(b, "]}");
}

static int
sync_folder(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

static int
write_durably(const char *path, const struct buf *b, struct failure *why)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	size_t at = 0;
	ssize_t n;

	if (fd < 0)
		return failed(path, EXIT_CANTCREATE, why);
	while (at < b->n) {
		n = write(fd, b->p + at, b->n - at);
		if (n < 0 && errno != EINTR)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	if (at < b->n || fsync(fd) < 0) {
		failed(path, EXIT_IO, why);
		close(fd);
		return -1;
	}
	return close(fd) < 0 ? failed(path, EXIT_IO, why) : 0;
}

int
ledger_store(struct ledger *l, struct failure *why)
{
	char *path = path_in(l->dir, "commit"), *new = path_in(l->dir, "commit.new");
	struct buf b = {0};
	int rc;

	ledger_say(l, &b);
	buf_addc(&b, '\n');
	buf_addf(&b, "%016" PRIx64 "\n", hash64(b.p, b.n, VERSION));
	rc = write_durably(new, &b, why);
	if (rc == 0 && (rename(new, path) < 0 || sync_folder(l->dir) < 0))
		rc = failed(path, EXIT_IO, why);
	if (rc == 0)
		rc = mark(l, why);
	l->there = true;
	buf_release(&b);
	free(path);
	free(new);
	return rc;
}

int
ledger_remove(const char *dir, struct failure *why)
{
	char *path = path_in(dir, "commit"), *new = path_in(dir, "commit.new");
	int rc = 0;

	if (unmark(dir) < 0 || (unlink(new) < 0 && errno != ENOENT) ||
		(unlink(path) < 0 && errno != ENOENT) || sync_folder(dir) < 0)
		rc = failed(path, EXIT_IO, why);
	free(path);
	free(new);
	return rc;
}

void
ledger_release(struct ledger *l)
{
	ledger_unlock(l);
	ledger_clear_outputs(l);
	free(l->output);
	free(l->dir);
	buf_release(&l->app);
	buf_release(&l->positions);
	buf_release(&l->clock);
	*l = (struct ledger){.lock = -1};
}
