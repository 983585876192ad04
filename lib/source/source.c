/* Names into inputs, and one input after the other. */
#include "source/source.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "capture/capture.h"
#include "source/capture.h"
#include "source/inputs.h"
#include "source/kafka.h"
#include "source/piece.h"
#include "source/uri.h"

#define PIPEFS_MAGIC 0x50495045 /* where pipes without a name live */

/* ---- inputs ---------------------------------------------------------------------- */

void
inputs_release(struct inputs *in)
{
	size_t i;

	for (i = 0; i < in->n; i++)
		free((void *)(uintptr_t)in->v[i].input.name);
	free(in->v);
	*in = (struct inputs){0};
}

static bool
is_named_fifo(const char *path, const struct stat *st)
{
	struct statfs fs;

	return S_ISFIFO(st->st_mode) && uri_fd(path, STDIN_FILENO) < 0 &&
		(statfs(path, &fs) < 0 || fs.f_type != PIPEFS_MAGIC);
}

/* A device that gives bytes for ever: neither /dev/null nor a terminal. */
static bool
is_endless_device(const char *path, const struct stat *st)
{
	struct stat null;
	bool terminal;
	int fd;

	if (!S_ISCHR(st->st_mode) ||
		(stat("/dev/null", &null) == 0 && null.st_rdev == st->st_rdev))
		return false;
	fd = uri_fd(path, STDIN_FILENO);
	if (fd >= 0)
		return !isatty(fd);
	fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	terminal = fd >= 0 && isatty(fd);
	if (fd >= 0)
		close(fd);
	return !terminal;
}

static int
look_at(const char *path, struct stat *st, struct failure *why)
{
	const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
	int fd = uri_fd(path, STDIN_FILENO);
	int rc = fd >= 0 ? fstat(fd, st) : stat(path, st);

	if (rc == 0 && S_ISDIR(st->st_mode)) {
		errno = EISDIR;
		rc = -1;
	}
	if (rc == 0 && fd < 0)
		rc = faccessat(AT_FDCWD, path, R_OK, AT_EACCESS);
	if (rc < 0)
		return fail(why, status_of_errno(errno, EXIT_NOINPUT), "%s: %s", name,
			strerror(errno));
	return 0;
}

/* The same for a file that is to be followed, and may not be there yet. */
static int
look_at_followed(const char *path, struct stat *st, struct failure *why)
{
	bool is_fd = uri_fd(path, STDIN_FILENO) >= 0;

	if (!is_fd && stat(path, st) < 0 && errno == ENOENT) {
		*st = (struct stat){.st_mode = S_IFREG};
		return 0;
	}
	if (look_at(path, st, why) < 0)
		return -1;
	if (is_fd || !S_ISREG(st->st_mode))
		return fail(why, EXIT_USAGE, "%s: only a file can be followed",
			strcmp(path, "-") == 0 ? "stdin" : path);
	return 0;
}

static int
add_path(struct source *s, struct inputs *in, const char *path, struct failure *why)
{
	bool is_stdin = uri_fd(path, STDIN_FILENO) == STDIN_FILENO;
	struct named_input *new;
	struct stat st;
	off_t at;
	size_t i;

	for (i = 0; is_stdin && i < in->n; i++)
		if (uri_fd(in->v[i].input.name, STDIN_FILENO) == STDIN_FILENO)
			return fail(why, EXIT_USAGE, "stdin is named twice");
	if (in->opt.follow ? look_at_followed(path, &st, why) < 0 : look_at(path, &st, why) < 0)
		return -1;
	in->v = mem_grow(in->v, &in->cap, in->n + 1, sizeof(*in->v));
	new = &in->v[in->n++];
	*new = (struct named_input){.input = {.name = mem_strdup(path)}};
	new->kind = INPUT_OTHER;
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		new->kind = INPUT_FILE;
	else if (is_named_fifo(path, &st))
		new->kind = INPUT_FIFO;
	if (new->kind == INPUT_FIFO || is_endless_device(path, &st))
		s->endless = true;
	if (is_stdin && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
		s->stdin_pipe = true;
	new->regular = S_ISREG(st.st_mode);
	if (new->regular) {
		new->dev = st.st_dev;
		new->ino = st.st_ino;
		at = is_stdin ? lseek(STDIN_FILENO, 0, SEEK_CUR) : 0;
		if (at >= 0 && at < st.st_size)
			s->total_bytes += (uint64_t)(st.st_size - at);
	}
	return 0;
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
add_glob(struct source *s, struct inputs *in, const char *pattern, struct failure *why)
{
	const char *path;
	glob_t g;
	size_t i;
	int rc = glob(pattern, GLOB_NOSORT | GLOB_ERR, NULL, &g);

	if (rc == GLOB_NOMATCH)
		return fail(why, EXIT_NOINPUT, "no file matches %s", pattern);
	if (rc)
		return fail(why, status_of_errno(errno, EXIT_NOINPUT), "%s: %s", pattern,
			strerror(errno));
	qsort(g.gl_pathv, g.gl_pathc, sizeof(*g.gl_pathv), by_bytes);
	for (i = 0; i < g.gl_pathc && rc == 0; i++) {
		path = g.gl_pathv[i];
		rc = add_path(s, in, strcmp(path, "-") == 0 ? "./-" : path, why);
	}
	globfree(&g);
	return rc;
}

static int
refuse_scheme(const char *uri, struct slice scheme, struct failure *why)
{
	if (slice_eq(scheme, SLICE("append")))
		fail(why, EXIT_USAGE, "%s: append: names a sink, not a source", uri);
	else
		fail(why, EXIT_USAGE, "%s: %.*s: is no source that this version knows",
			uri, (int)scheme.n, scheme.p);
	fail_hint(why, "a file of that name is ./%s", uri);
	return -1;
}

static int
add_uri(struct source *s, struct inputs *in, const char *uri, struct failure *why)
{
	struct slice scheme = uri_scheme(uri);
	struct stat st;

	if (!*uri)
		return fail(why, EXIT_USAGE, "the name of a source is empty");
	if (scheme.p)
		return refuse_scheme(uri, scheme, why);
	/* lstat: a name that stands for something, if only for a broken link, is no glob.
	 * */
	if (strpbrk(uri, "*?[") && lstat(uri, &st) < 0 && errno == ENOENT)
		return add_glob(s, in, uri, why);
	return add_path(s, in, uri, why);
}

/* ---- one after the other --------------------------------------------------------- */

struct files {
	struct listed listed;
	struct reader reader;  /* of input next - 1 */
	size_t next;
	bool reading;
};

/* Open the next input, where another run left off if it did. */
static int
files_begin(struct files *f, struct named_input *in, struct failure *why)
{
	struct reader *r = &f->reader;
	uint64_t from = in->offset;
	int rc;

	if (reader_open(r, &in->input, in->kind, &f->listed.in.opt, why) < 0)
		return -1;
	rc = from ? reader_skip(r, from, in->head, why) : 1;
	if (rc == 0 && in->again) {
		reader_close(r);
		in->head = (struct head){0};
		in->input.lines = 0;
		rc = reader_open(r, &in->input, in->kind, &f->listed.in.opt, why) < 0 ? -1 : 1;
	} else if (rc == 0) {
		fail_hint(why, "give the job the input that it began with, or another --state");
	}
	if (rc > 0)
		f->reading = true;
	else
		reader_close(r);
	return rc > 0 ? 0 : -1;
}

static int
files_read(struct source *s, struct block *b, struct failure *why)
{
	struct files *f = (struct files *)s;
	struct named_input *in;
	int rc;

	for (;;) {
		s->place = (struct source_place){f->next, f->reader.offset, f->reading};
		if (!f->listed.in.opt.stage && flow_draining())
			return 0;
		if (!f->reading) {
			if (f->next == f->listed.in.n)
				return 0;
			if (files_begin(f, &f->listed.in.v[f->next++], why) < 0)
				return -1;
		}
		in = &f->listed.in.v[f->next - 1];
		if (s->wake_ns && !reader_await(&f->reader, s->wake_ns)) {
			in->input.at_end = true;
			b->n = 0;
			b->input = &in->input;
			return 1;
		}
		in->input.at_end = false;
		rc = s->leaves && piece_leave(&f->reader, s->leaves, b) ? 1 :
			reader_read(&f->reader, b, why);
		if (rc > 0) {
			if (!b->offset)
				in->head = reader_head(b);
			s->unread = f->listed.in.n - f->next;
			s->place = (struct source_place){f->next, f->reader.offset, true};
		}
		if (rc || f->reader.drained)
			return rc;
		in->offset = f->reader.offset;
		in->input.ended = s->reads;
		reader_close(&f->reader);
		f->reading = false;
	}
}

static void
files_position(struct source *s, const struct source_place *at, struct buf *b)
{
	const struct files *f = (const struct files *)s;

	inputs_add_position(&f->listed.in, at->next, at->reading, at->offset, b);
}

static int
files_seek(struct source *s, struct slice position, bool finished, struct failure *why)
{
	struct files *f = (struct files *)s;

	if (inputs_seek(&f->listed.in, position, finished, &f->next, why) < 0)
		return -1;
	s->place = (struct source_place){f->next, 0, false};
	return 0;
}

static int
files_fetch(struct source *s, struct block *b, struct failure *why)
{
	(void)s;
	return piece_fetch(b, why);
}

static bool
files_would_wait(struct source *s)
{
	struct files *f = (struct files *)s;

	return f->reading && reader_would_wait(&f->reader);
}

static void
files_close(struct source *s)
{
	struct files *f = (struct files *)s;

	if (f->reading)
		reader_close(&f->reader);
	inputs_release(&f->listed.in);
	free(f);
}

static struct source *
files_open(const struct source *base, struct inputs *in)
{
	struct files *f = mem_zalloc(sizeof(*f));

	f->listed.base = *base;
	f->listed.base.read = files_read;
	f->listed.base.fetch = files_fetch;
	f->listed.base.would_wait = files_would_wait;
	f->listed.base.position = files_position;
	f->listed.base.seek = files_seek;
	f->listed.base.unread = in->n;
	f->listed.base.close = files_close;
	f->listed.in = *in;
	f->listed.in.opt.done_bytes = &f->listed.base.done_bytes;
	return &f->listed.base;
}

bool
source_reads(const struct source *s, dev_t dev, ino_t ino)
{
	const struct inputs *in = &((const struct listed *)s)->in;
	size_t i;

	if (s->one_block || s->envelopes)
		return false; /* topics or a capture, no list of files */
	for (i = 0; i < in->n; i++)
		if (in->v[i].regular && in->v[i].dev == dev && in->v[i].ino == ino)
			return true;
	return false;
}

static int
check_follow(const char *const *uris, size_t n, const struct source_options *opt,
	struct failure *why)
{
	size_t i;

	if (opt->merge_by)
		return fail(why, EXIT_USAGE, "what is followed has no end, and a merge waits for "
			"every input");
	for (i = 0; i < n; i++) {
		if (!uri_scheme(uris[i]).p)
			continue;
		fail(why, EXIT_USAGE, "%s: only a file can be followed", uris[i]);
		if (strncmp(uris[i], "kafka:", 6) == 0)
			fail_hint(why, "topics are read without an end unless until= says so");
		return -1;
	}
	return 0;
}

struct source *
source_open(const char *const *uris, size_t n, const struct source_options *opt,
	struct failure *why)
{
	static const char *const only_stdin[] = {"-"};
	struct source base = {0};
	struct inputs in = {0};
	size_t i;

	if (opt->follow && check_follow(uris, n, opt, why) < 0)
		return NULL;
	for (i = 0; i < n; i++) {
		if (!capture_is(uris[i]))
			continue;
		if (n == 1 && !opt->merge_by)
			return capture_source_open(uris[i], opt, why);
		fail(why, EXIT_USAGE, "%s: a capture and other inputs don't mix", uris[i]);
		fail_hint(why, "capture:DIR?merge=time merges the partitions of one");
		return NULL;
	}
	for (i = 0; i < n; i++) {
		if (strncmp(uris[i], "kafka:", 6) != 0 || !opt->kafka)
			continue;
		if (n == 1 && !opt->merge_by)
			return kafka_source_open(uris[i], opt, why);
		fail(why, EXIT_USAGE, "%s: topics and other inputs don't mix", uris[i]);
		fail_hint(why, "kafka:a,b reads two topics");
		return NULL;
	}
	in.opt.max_record = opt->max_record ? opt->max_record : SOURCE_MAX_RECORD;
	if (in.opt.max_record > SOURCE_MAX_RECORD_MAX)
		in.opt.max_record = SOURCE_MAX_RECORD_MAX;
	in.opt.max_unpacked = opt->max_unpacked ? opt->max_unpacked : SOURCE_MAX_UNPACKED;
	in.opt.follow = opt->follow;
	in.opt.block_bytes = opt->block_bytes ? opt->block_bytes : SOURCE_BLOCK_BYTES;
	if (!n) {
		uris = only_stdin;
		n = 1;
	}
	for (i = 0; i < n; i++) {
		if (add_uri(&base, &in, uris[i], why) < 0) {
			inputs_release(&in);
			return NULL;
		}
	}
	base.stdin_pipe = base.stdin_pipe && in.n == 1;
	in.opt.stage = base.stdin_pipe;
	for (i = 0; i < in.n; i++)
		if (in.v[i].kind != INPUT_FILE)
			base.total_bytes = 0;
	if (opt->merge_by)
		return merge_open(&base, &in, opt->merge_by, why);
	return opt->follow ? follow_open(&base, &in) : files_open(&base, &in);
}
