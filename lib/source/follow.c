/*
 * Files that are followed, as tail -F does: each from its beginning, and on as it grows;
 * again from the beginning when its name stands for another file, or when it was cut off;
 * from when it appears where there is none yet. Their blocks come as they come, in turns.
 *
 * Whether there is more is asked of the files themselves, every 200 ms. inotify, on their
 * folders, only cuts the wait short, so it may miss what it likes: what another machine does
 * to a network file system, what is behind a symbolic link. Only a file that stands under
 * its name for less than the wait can be missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "source/inputs.h"

#define LOOK_MS 200

struct tail {
	struct reader reader;
	bool reading;
};

struct follow {
	struct listed listed;
	struct tail *tail;     /* one for each input */
	size_t next;           /* whose turn it is */
	int notify;            /* -1: there is no inotify */
};

static void
end_tail(struct tail *t)
{
	if (t->reading)
		reader_close(&t->reader);
	t->reading = false;
}

/* 1: it is open; 0: there is nothing to open now. */
static int
begin_tail(struct follow *f, size_t i, struct failure *why)
{
	struct named_input *in = &f->listed.in.v[i];
	struct tail *t = &f->tail[i];
	struct stat st;

	/* A file that is being put into its place may have no name, or nobody's rights. */
	if (stat(in->input.name, &st) < 0 || !S_ISREG(st.st_mode) ||
		faccessat(AT_FDCWD, in->input.name, R_OK, AT_EACCESS) < 0)
		return 0;
	if (reader_open(&t->reader, &in->input, INPUT_FILE, &f->listed.in.opt, why) < 0)
		return errno == ENOENT || errno == EACCES ? 0 : -1;
	t->reading = true;
	if (fstat(t->reader.fd, &st) == 0) {
		in->regular = true;
		in->dev = st.st_dev;
		in->ino = st.st_ino;
	}
	/* One thread reads and delivers, so every line of the file before was counted. */
	in->input.lines = 0;
	return 1;
}

/* The next block of one file: 1; 0 if it has none now; -1. */
static int
read_tail(struct follow *f, size_t i, struct block *b, struct failure *why)
{
	struct tail *t = &f->tail[i];
	int rc;

	for (;;) {
		if (!t->reading) {
			rc = begin_tail(f, i, why);
			if (rc <= 0)
				return rc;
		}
		if (reader_would_wait(&t->reader))
			return 0;
		rc = reader_read(&t->reader, b, why);
		if (rc || t->reader.drained)
			return rc;
		end_tail(t);
	}
}

/* Until something may have happened. */
static void
wait_for_news(const struct follow *f)
{
	struct pollfd p[2] = {{flow_drain_fd(), POLLIN, 0}, {f->notify, POLLIN, 0}};
	int64_t left_ns = f->listed.base.wake_ns ?
		f->listed.base.wake_ns - time_monotonic_ns() : INT64_MAX;
	char news[4096];

	if (poll(p, 2, left_ns < 0 ? 0 : left_ns < LOOK_MS * 1000000L ?
			(int)(left_ns / 1000000) + 1 : LOOK_MS) > 0 && p[1].revents & POLLIN)
		while (read(f->notify, news, sizeof(news)) > 0)
			;
}

static int
follow_read(struct source *s, struct block *b, struct failure *why)
{
	struct follow *f = (struct follow *)s;
	size_t i, n = f->listed.in.n;
	int rc;

	while (!flow_draining()) {
		for (i = 0; i < n; i++) {
			rc = read_tail(f, f->next, b, why);
			f->listed.in.v[f->next].input.at_end = rc == 0;
			f->next = (f->next + 1) % n;
			if (rc)
				return rc;
		}
		wait_for_news(f);
		if (s->wake_ns && time_monotonic_ns() >= s->wake_ns) {
			b->n = 0;
			b->input = &f->listed.in.v[f->next].input;
			return 1;
		}
	}
	return 0;
}

/* A file at its end may be at its last: then what comes next is not known. */
static bool
follow_would_wait(struct source *s)
{
	struct follow *f = (struct follow *)s;
	struct tail *t;
	size_t i;

	for (i = 0; i < f->listed.in.n; i++) {
		t = &f->tail[i];
		if (t->reading && !reader_would_wait(&t->reader) && !t->reader.eof)
			return false;
	}
	return true;
}

static void
follow_close(struct source *s)
{
	struct follow *f = (struct follow *)s;
	size_t i;

	for (i = 0; i < f->listed.in.n; i++)
		end_tail(&f->tail[i]);
	if (f->notify >= 0)
		close(f->notify);
	inputs_release(&f->listed.in);
	free(f->tail);
	free(f);
}

/* A folder that cannot be watched is one less to be woken by. */
static void
watch_folder_of(const struct follow *f, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_dup(path, (size_t)(slash - path) + 1) : mem_strdup(".");

	(void)inotify_add_watch(f->notify, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO);
	free(folder);
}

struct source *
follow_open(const struct source *base, struct inputs *in)
{
	struct follow *f = mem_zalloc(sizeof(*f));
	size_t i;

	f->listed.base = *base;
	f->listed.base.read = follow_read;
	f->listed.base.would_wait = follow_would_wait;
	f->listed.base.close = follow_close;
	f->listed.base.endless = true;
	f->listed.base.total_bytes = 0;
	f->listed.in = *in;
	f->listed.in.opt.done_bytes = &f->listed.base.done_bytes;
	f->tail = mem_array(in->n, sizeof(*f->tail));
	f->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	for (i = 0; f->notify >= 0 && i < in->n; i++)
		watch_folder_of(f, in->v[i].input.name);
	return &f->listed.base;
}
