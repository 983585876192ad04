/*
 * lib/capture, and captures as sinks and sources. The crash tests run a writer in a child that
 * is killed at each of its system calls in turn, which are counted by the calls below.
 */
#define _GNU_SOURCE
#include "capture/capture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sink/sink.h"
#include "source/source.h"
#include "files.h"
#include "sinks.h"
#include "test.h"

/* ---- system calls that kill ------------------------------------------------------- */

static long calls_left = -1; /* -1: none kills */
static bool torn;            /* a write that kills has written half */
static int broken_errno;     /* not killed: the call fails so */

static bool
killed_here(void)
{
	if (calls_left < 0 || calls_left-- > 0)
		return false;
	if (!broken_errno && !torn)
		kill(getpid(), SIGKILL);
	return true;
}

static int
broken(void)
{
	errno = broken_errno;
	return -1;
}

ssize_t write(int fd, const void *p, size_t n);
ssize_t
write(int fd, const void *p, size_t n)
{
	if (fd > STDERR_FILENO && killed_here()) {
		if (broken_errno)
			return broken();
		syscall(SYS_write, fd, p, n / 2);
		kill(getpid(), SIGKILL);
	}
	return syscall(SYS_write, fd, p, n);
}

#define CALL(name, ...) \
	do { \
		if (killed_here()) { \
			if (broken_errno) \
				return broken(); \
			kill(getpid(), SIGKILL); \
		} \
		return (int)syscall(SYS_##name, __VA_ARGS__); \
	} while (0)

int fsync(int fd) { CALL(fsync, fd); }
int fdatasync(int fd) { CALL(fdatasync, fd); }
int ftruncate(int fd, off_t n) { CALL(ftruncate, fd, n); }
int rename(const char *from, const char *to) { CALL(renameat2, AT_FDCWD, from, AT_FDCWD, to, 0); }
int unlink(const char *path) { CALL(unlinkat, AT_FDCWD, path, 0); }
int mkdir(const char *path, mode_t mode) { CALL(mkdirat, AT_FDCWD, path, mode); }

/* ---- helpers ------------------------------------------------------------------------ */

static const char *
line_of(const char *topic, int partition, int64_t offset, const char *value)
{
	static char text[4][400];
	static unsigned next;
	char *to = text[next++ % 4];

	snprintf(to, 400, "{\"topic\":\"%s\",\"partition\":%d,\"offset\":%lld,\"ts\":%lld,"
		"\"time\":null,\"key\":null,\"headers\":[],\"value\":%s}\n", topic, partition,
		(long long)offset, (long long)(1700000000000 + offset), value);
	return to;
}

static int
put(struct sink *s, const char *topic, int partition, int64_t offset, const char *value)
{
	return say(s, line_of(topic, partition, offset, value));
}

static struct source *
read_from(const char *uri)
{
	struct source_options none = {0};

	why = (struct failure){0};
	return source_open(&uri, 1, &none, &why);
}

/* All lines; *rc: of the last read. */
static struct buf
drink(struct source *s, int *rc)
{
	struct block b = {0};
	struct buf text = {0};

	while ((*rc = s->read(s, &b, &why)) == 1)
		buf_add(&text, b.p, b.n);
	block_release(&b);
	s->close(s);
	return text;
}

static bool
gives(const char *uri, const char *text)
{
	struct source *s = read_from(uri);
	struct buf b;
	bool good;
	int rc;

	if (!s) {
		printf("# %s: %d %s\n", uri, why.status, why.text);
		return false;
	}
	b = drink(s, &rc);
	good = rc == 0 && slice_eq(buf_slice(&b), slice_str(text));
	if (!good)
		printf("# rc %d: %.600s\n", rc, buf_cstr(&b));
	buf_release(&b);
	return good;
}

/* Offsets and values of what a source gives: "0:1 5:2". */
static bool
offsets(const char *uri, const char *want)
{
	struct capture_scratch scratch = {0};
	struct source *s = read_from(uri);
	struct buf b, got = {0};
	struct capture_line l;
	const char *p, *feed, *value;
	bool good;
	int rc;

	if (!s) {
		printf("# %s: %d %s\n", uri, why.status, why.text);
		return false;
	}
	b = drink(s, &rc);
	for (p = b.p; p && p < b.p + b.n; p = feed + 1) {
		feed = memchr(p, '\n', (size_t)(b.p + b.n - p));
		if (capture_line_read(&scratch, slice_of(p, (size_t)(feed - p)), &l, &why) < 0)
			break;
		value = memmem(p, (size_t)(feed - p), "\"value\":", 8);
		value += sizeof("\"value\":") - 1;
		buf_addf(&got, "%s%lld:%.*s", got.n ? " " : "", (long long)l.offset,
			(int)(feed - value - 1), value);
	}
	good = rc == 0 && strcmp(buf_cstr(&got), want) == 0;
	if (!good)
		printf("# rc %d %s got %s\n", rc, rc ? why.text : "", buf_cstr(&got));
	capture_scratch_release(&scratch);
	buf_release(&b);
	buf_release(&got);
	return good;
}

static bool
said(int status, const char *text)
{
	bool good = why.status == status && strcmp(why.text, text) == 0;

	if (!good)
		printf("# status %d: %s\n", why.status, why.text);
	return good;
}

static bool
refused(const char *uri, int status, const char *text)
{
	struct sink *s = sink_open(uri, &why);

	if (s)
		s->close(s);
	return !s && said(status, text);
}

static bool
no_source(const char *uri, int status, const char *text)
{
	struct source *s = read_from(uri);

	if (s)
		s->close(s);
	return !s && said(status, text);
}

static void
spill(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
		abort();
}

static int
forget_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static void
forget(const char *dir)
{
	nftw(dir, forget_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int
names_in(const char *path, const char *suffix)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.' && slice_ends(slice_str(e->d_name),
			slice_str(suffix));
	if (d)
		closedir(d);
	return n;
}

static int64_t
next_of(const char *dir, const char *topic, int32_t partition)
{
	struct capture c;
	int64_t next = -2;

	if (capture_load(dir, &c, &why) < 0)
		return -3;
	if (capture_next(&c, slice_str(topic), partition, &next, &why) < 0)
		next = -4;
	capture_release(&c);
	return next;
}

/* ---- names and lines ------------------------------------------------------------------ */

static bool
reads_line(const char *text, const char *topic, int partition, int64_t offset, int64_t ts)
{
	struct capture_scratch scratch = {0};
	struct capture_line l;
	bool good = capture_line_read(&scratch, slice_str(text), &l, &why) == 0 &&
		l.partition == partition && l.offset == offset && l.ts_ms == ts &&
		(topic ? slice_eq(l.topic, slice_str(topic)) : !l.topic.p);

	capture_scratch_release(&scratch);
	return good;
}

static bool
renumbers(const char *text, const char *want)
{
	struct capture_scratch scratch = {0};
	struct capture_line l;
	struct buf b = {0};
	bool good = capture_line_read(&scratch, slice_str(text), &l, &why) == 0 &&
		capture_line_renumber(&scratch, slice_str(text), &l, "t", 7, &b, &why) == 0 &&
		slice_eq(buf_slice(&b), slice_str(want));

	if (!good)
		printf("# %s\n", buf_cstr(&b));
	buf_release(&b);
	capture_scratch_release(&scratch);
	return good;
}

static void
test_names(void)
{
	char long_name[251];
	struct capture_uri u;
	struct buf a = {0}, b = {0};

	memset(long_name, 'x', 250);
	long_name[250] = '\0';
	ok(capture_is_topic(SLICE("orders")) && capture_is_topic(SLICE("a.b_C-9")) &&
		capture_is_topic(SLICE("...")) && capture_is_topic(slice_of(long_name, 249)),
		"names of topics");
	ok(!capture_is_topic(SLICE("")) && !capture_is_topic(SLICE(".")) &&
		!capture_is_topic(SLICE("..")) && !capture_is_topic(SLICE("a/b")) &&
		!capture_is_topic(SLICE("a b")) && !capture_is_topic(SLICE("a\0b")) &&
		!capture_is_topic(SLICE("\xC3\xA4")) && !capture_is_topic(slice_str(long_name)) &&
		!capture_is_topic(SLICE("manifest.ndjson")) && !capture_is_topic(SLICE("@lock")),
		"and no names of topics");
	ok(capture_uri_parse("capture:a%3Fb//?x=1%262&y=", &u, &why) == 0 &&
		strcmp(u.dir, "a?b") == 0 && u.noptions == 2 &&
		strcmp(u.option[0].value, "1&2") == 0 && strcmp(u.option[1].value, "") == 0,
		"a name with options");
	capture_uri_release(&u);
	ok(refused("capture:", EXIT_USAGE, "capture:: a folder is missing: capture:DIR") &&
		refused("capture:d?roll", EXIT_USAGE,
		"capture:d?roll: 'roll' is no option: NAME=VALUE") &&
		refused("capture:d?x=%2", EXIT_USAGE,
		"capture:d?x=%2: 'x=%2': a % is followed by two hexadecimal digits") &&
		refused("capture:d?roll=0", EXIT_USAGE,
		"capture:d?roll=0: roll=0 is no size such as 128M") &&
		refused("capture:d?every=1", EXIT_USAGE,
		"capture:d?every=1: every=1 is no duration such as 1h") &&
		refused("capture:d?topic=a/b", EXIT_USAGE,
		"capture:d?topic=a/b: topic=a/b is no name of a topic") &&
		refused("capture:d?from=1", EXIT_USAGE,
		"capture:d?from=1: a capture: sink has no option from"),
		"names that are none of a sink's");
	ok(refused("capture:gone/d", EXIT_CANTCREATE,
		"capture:gone/d: No such file or directory"), "a folder without a place");
	ok(sink_class("capture:d") == SINK_CAPTURE && sink_envelopes("capture:d"),
		"a class of its own");
	sink_key("capture:d?roll=1M", &a);
	sink_key("capture:./d/", &b);
	ok(slice_eq(buf_slice(&a), buf_slice(&b)) && !sink_conflict("capture:d", "capture:d?x=1"),
		"one folder is one sink");
	buf_reset(&a);
	sink_key("d", &a);
	ok(!slice_eq(buf_slice(&a), buf_slice(&b)), "and another one than a file");
	buf_release(&a);
	buf_release(&b);
}

static void
test_lines(void)
{
	ok(reads_line("{\"topic\":\"a\",\"partition\":3,\"offset\":12,\"ts\":-5,\"value\":1}", "a",
		3, 12, -5), "a line as streamkit writes it");
	ok(reads_line("{\"topic\":null,\"partition\":0,\"offset\":null,\"ts\":null,\"value\":1}",
		NULL, 0, -1, TIME_NONE), "one without a place");
	ok(reads_line("{ \"value\":{\"offset\":9}, \"offset\":4,\"topic\":\"\\u0061\"}", "a", 0, 4,
		TIME_NONE), "one of another form");
	ok(reads_line("{\"topic\":\"a\",\"partition\":0,\"offset\":9223372036854775806,\"ts\":1,"
		"\"value\":1}", "a", 0, INT64_MAX - 1, 1), "a large offset");
	ok(reads_line("{\"value\":1}", NULL, 0, -1, TIME_NONE), "hardly one");
	ok(!reads_line("[]", NULL, 0, 0, 0) && !reads_line("{\"topic\":1}", NULL, 0, 0, 0) &&
		!reads_line("{\"offset\":1.5}", NULL, 0, 0, 0) &&
		!reads_line("{\"partition\":-1}", NULL, 0, 0, 0) &&
		!reads_line("{\"topic\":\"a\"", NULL, 0, 0, 0), "no envelopes");
	ok(renumbers("{\"topic\":null,\"partition\":0,\"offset\":5,\"ts\":null,\"value\":1}",
		"{\"topic\":\"t\",\"partition\":0,\"offset\":7,\"ts\":null,\"value\":1}"),
		"a number instead of a place");
	ok(renumbers("{\"key\":\"k\", \"offset\":1,\"topic\":\"x\",\"value\":[ 1 ]}",
		"{\"topic\":\"t\",\"partition\":0,\"offset\":7,\"key\":\"k\",\"value\":[ 1 ]}") &&
		renumbers("{\"value\":1}",
		"{\"topic\":\"t\",\"partition\":0,\"offset\":7,\"value\":1}"),
		"in any form");
}

/* ---- writing ---------------------------------------------------------------------------- */

static void
test_writing(void)
{
	struct sink *s;
	struct buf b;
	char text[100];
	int i;

	s = opened("capture:w");
	ok(s && s->envelopes && !s->whole && access("w", F_OK) < 0, "opening makes nothing");
	ok(put(s, "a", 0, 5, "1") == 0 && put(s, "a", 0, 6, "2") == 0 &&
		put(s, "b", 2, 0, "3") == 0 && s->flush(s, &why) == 0, "records are written");
	ok(access("w/a/0/00000000000000000005.ndjson.zst.part", F_OK) == 0 &&
		access("w/b/2/00000000000000000000.ndjson.zst.part", F_OK) == 0 &&
		names_in("w/a/0", ".zst") == 0, "into open segments");
	ok(offsets("capture:w", "5:1 6:2 0:3"), "which are read");
	snprintf(text, sizeof(text), "capture:w: process %ld writes to it", (long)getpid());
	ok(refused("capture:w", EXIT_TRY_AGAIN, text), "one writer at a time");
	ok(commit(s) == 0 && names_in("w/a/0", ".part") == 0 && names_in("w/a/0", ".zst") == 1 &&
		next_of("w", "a", 0) == 7 && next_of("w", "b", 2) == 1 &&
		next_of("w", "a", 1) == -1, "and finished at the end");
	ok(offsets("capture:w", "5:1 6:2 0:3"), "they are read as well");

	s = opened("capture:w");
	for (i = 5; i < 9; i++)
		put(s, "a", 0, i, i == 5 ? "1" : "4");
	ok(commit(s) == 0 && offsets("capture:w?topic=a", "5:1 6:2 7:4 8:4"),
		"what comes again is dropped, what is new is added");
	s = opened("capture:w");
	ok(put(s, "a", 0, 4, "0") < 0 && !s->refused && said(EXIT_CONFIG,
		"capture:w: a[0]@4: the capture begins at 5, and nothing can be put before that"),
		"what lies before the beginning is refused");
	ok(put(s, "a", 0, 9, "0") < 0 && said(EXIT_IO, "capture:w: writing has failed before"),
		"and so is everything after a failure");
	s->close(s);
	s = opened("capture:w");
	ok(put(s, "a", 0, 5, "9") < 0 && said(EXIT_CONFIG,
		"capture:w: a[0]@5 was captured with other contents"),
		"another beginning under the same name is noticed");
	s->close(s);

	s = opened("capture:w");
	ok(put(s, "x/y", 0, 5, "9") < 0 && s->refused && s->taken == 0 && said(EXIT_DATA,
		"capture:w: 'x/y' is no name of a topic"), "a record that can't be filed is bad");
	ok(say(s, "{\"topic\":\"a\",\"partition\":0,\"offset\":9,\"ts\":1,\"value\":1}\n[]\n") < 0 &&
		s->refused && s->taken == 1 && said(EXIT_DATA,
		"capture:w: not an envelope: no object"), "those before it are taken");
	ok(commit(s) == 0 && next_of("w", "a", 0) == 10, "and those behind it, if it goes on");

	s = opened("capture:e");
	ok(commit(s) == 0 && gives("capture:e", ""), "a capture of nothing");
	spill("file", "x", 1);
	ok(refused("capture:file", EXIT_CANTCREATE, "capture:file: Not a directory"),
		"a file is no folder");

	s = opened("capture:r?roll=300");
	for (i = 0; i < 10; i++)
		put(s, "a", 0, i * 10, "1");
	ok(names_in("r/a/0", ".zst") == 4 && names_in("r/a/0", ".part") == 1,
		"large segments are finished");
	s->flush(s, &why);
	b = drink(read_from("capture:r"), &i);
	ok(i == 0 && b.n == 10 * strlen(line_of("a", 0, 10, "1")) - 1, "all are read");
	buf_release(&b);
	s->close(s);
	ok(next_of("r", "a", 0) == 91, "what wasn't committed is there");
	s = opened("capture:r");
	ok(put(s, "a", 0, 90, "1") == 0 && put(s, "a", 0, 95, "2") == 0 && commit(s) == 0 &&
		names_in("r/a/0", ".zst") == 5 && offsets("capture:r?from=80", "80:1 90:1 95:2"),
		"and goes on");
	s = opened("capture:r?every=1us");
	put(s, "a", 0, 100, "1");
	usleep(100);
	put(s, "a", 0, 101, "1");
	ok(names_in("r/a/0", ".zst") == 6, "old segments are finished too");
	ok(commit(s) == 0, "done");
}

static void
test_siblings(void)
{
	struct sink *s = opened("capture:s?roll=1");

	put(s, "a", 0, 1, "1");
	put(s, "a", 0, 2, "1");
	put(s, "a", 0, 2, "2");
	put(s, "a", 0, 2, "2");
	s->flush(s, &why);
	ok(offsets("capture:s", "1:1 2:1 2:2 2:2"), "several records of one offset");
	ok(names_in("s/a/0", "") == 2, "stay in one segment");
	s->close(s);
	s = opened("capture:s");
	put(s, "a", 0, 1, "1");
	put(s, "a", 0, 2, "1");
	put(s, "a", 0, 2, "2");
	put(s, "a", 0, 2, "2");
	put(s, "a", 0, 2, "3");
	put(s, "a", 0, 3, "1");
	ok(commit(s) == 0 && offsets("capture:s", "1:1 2:1 2:2 2:2 2:3 3:1"),
		"those that a killed run missed are added");
	s = opened("capture:s");
	put(s, "a", 0, 4, "1");
	put(s, "a", 0, 4, "2");
	s->sync(s, &why);
	put(s, "a", 0, 4, "1");
	put(s, "a", 0, 4, "2");
	put(s, "a", 0, 3, "1");
	put(s, "a", 0, 4, "1");
	put(s, "a", 0, 4, "2");
	put(s, "a", 0, 5, "1");
	ok(commit(s) == 0 && offsets("capture:s?from=3", "3:1 4:1 4:2 5:1"),
		"a partition that comes back within a run replays");
}

static void
test_numbered(void)
{
	struct sink *s = opened("capture:n");
	struct buf b;

	ok(say(s, "{\"topic\":null,\"partition\":0,\"offset\":90,\"ts\":null,\"value\":1}\n"
		"{\"value\":2}\n") == 0 && commit(s) == 0 &&
		offsets("capture:n", "0:1 1:2"), "records without an origin are numbered");
	b = slurp("n/manifest.ndjson");
	ok(slice_starts(buf_slice(&b), SLICE("{\"capture\":1,\"numbered\":[\"records\"]}\n")),
		"and the manifest says so");
	buf_release(&b);
	s = opened("capture:n");
	ok(say(s, "{\"topic\":null,\"partition\":0,\"offset\":90,\"ts\":null,\"value\":1}\n") == 0 &&
		commit(s) == 0 && offsets("capture:n", "0:1 1:2 2:1"), "on and on");
	s = opened("capture:n");
	ok(put(s, "records", 0, 3, "1") < 0 && said(EXIT_CONFIG, "capture:n: the records of "
		"topic records are numbered by the capture, and this one has an offset"),
		"with offsets of its own it would be mixed up");
	s->close(s);
	s = opened("capture:n?topic=own");
	ok(put(s, "in/a.ndjson", 0, 700, "5") == 0 && put(s, "z", 0, 700, "6") == 0 &&
		commit(s) == 0 && offsets("capture:n?topic=own,z", "0:5 700:6"),
		"topic= numbers what has no legal name");
	s = opened("capture:n?topic=z");
	ok(say(s, "{\"value\":2}\n") < 0 && said(EXIT_CONFIG, "capture:n?topic=z: topic z has "
		"offsets of its own, and this record has none"), "but not among real offsets");
	s->close(s);
	s = opened("capture:m");
	ok(say(s, "{\"value\":2}\n") == 0, "a numbered topic begins");
	s->flush(s, &why);
	b = slurp("m/manifest.ndjson");
	ok(slice_starts(buf_slice(&b), SLICE("{\"capture\":1,\"numbered\":[\"records\"]}\n")),
		"known before its first record is");
	buf_release(&b);
	s->close(s);
}

static void
test_many_lanes(void)
{
	struct sink *s = opened("capture:l");
	struct buf text = {0}, got;
	struct iovec v;
	int i, k, rc;
	char topic[20];

	/* More lanes than files or frames may be open. */
	for (k = 0; k < 3; k++)
		for (i = 0; i < 300; i++) {
			snprintf(topic, sizeof(topic), "t%d", i / 10);
			buf_adds(&text, line_of(topic, i % 10, k, "1"));
		}
	v = (struct iovec){text.p, text.n};
	ok(s->write(s, &v, 1, &why) == 0 && s->flush(s, &why) == 0 && s->sync(s, &why) == 0 &&
		commit(s) == 0, "300 lanes at once");
	got = drink(read_from("capture:l?merge=time"), &rc);
	ok(rc == 0 && got.n == text.n, "are all read");
	buf_release(&got);
	got = drink(read_from("capture:l?topic=t7&partition=0,4-5,12"), &rc);
	ok(rc == 0 && got.n == 9 * strlen(line_of("t7", 4, 0, "1")), "or some");
	buf_release(&got);
	buf_release(&text);
}

/* ---- reading ------------------------------------------------------------------------------ */

static void
test_reading(void)
{
	struct sink *s = opened("capture:q?roll=400");
	struct source *src;
	struct block b = {0};
	int i;

	for (i = 0; i < 12; i++) {
		put(s, "a", 0, i, "1");
		put(s, "a", 1, i + 3, "2");
	}
	commit(s);
	ok(offsets("capture:q?partition=0&from=3&to=6", "3:1 4:1 5:1"), "a range of offsets");
	ok(offsets("capture:q?merge=time&from=@2023-11-14T22:13:20.004Z&to="
		"@2023-11-14T22:13:20.006Z", "4:1 4:2 5:1 5:2"), "a range of times, merged");
	ok(offsets("capture:q?from=@2023-11-14T22:13:20.0041Z&to=@2023-11-14T22:13:20.0061Z",
		"5:1 6:1 5:2 6:2"), "of what is finer than a millisecond");
	ok(offsets("capture:q?from=100", ""), "a range of nothing");
	ok(offsets("capture:q?from=@-10m", ""), "an age");
	ok(no_source("capture:q?topic=zzz", EXIT_NOINPUT,
		"capture:q?topic=zzz: it has nothing of topic zzz") &&
		no_source("capture:q?topic=a/b", EXIT_USAGE,
		"capture:q?topic=a/b: topic=a/b is no name of a topic") &&
		no_source("capture:q?partition=3-1", EXIT_USAGE,
		"capture:q?partition=3-1: partition=3-1 is no list such as 0,3-5") &&
		no_source("capture:q?from=@x", EXIT_USAGE,
		"capture:q?from=@x: from=@x is neither an offset nor @TIME") &&
		no_source("capture:q?merge=offset", EXIT_USAGE,
		"capture:q?merge=offset: merge=offset is not merge=time") &&
		no_source("capture:q?roll=1", EXIT_USAGE,
		"capture:q?roll=1: a capture: source has no option roll") &&
		no_source("capture:gone", EXIT_NOINPUT,
		"capture:gone: No such file or directory"), "what can't be read");
	mkdir("empty", 0755);
	ok(no_source("capture:empty", EXIT_NOINPUT,
		"capture:empty: is no capture: it has no manifest.ndjson"), "no capture");
	src = read_from("capture:q?partition=1");
	ok(src->envelopes && !src->endless && src->total_bytes && !src->would_wait(src) &&
		src->read(src, &b, &why) == 1 && b.origin && b.origin[2].offset == 5 &&
		b.origin[2].input->partition == 1 && b.origin[2].input->kafka &&
		strcmp(b.origin[2].input->name, "a") == 0, "each line has its origin");
	block_release(&b);
	src->close(src);
}

static void
test_damage(void)
{
	const char *first = "d/a/0/00000000000000000000.ndjson.zst";
	const char *second = "d/a/0/00000000000000000003.ndjson.zst";
	struct sink *s = opened("capture:d?roll=400");
	struct buf whole, part;
	int i, rc;

	for (i = 0; i < 9; i++)
		put(s, "a", 0, i, "1");
	commit(s);
	whole = slurp(second);
	part = (struct buf){0};
	buf_add(&part, whole.p, whole.n);
	part.p[part.n / 2] ^= 0x40;
	spill(second, part.p, part.n);
	buf_release(&part);
	part = drink(read_from("capture:d"), &rc);
	ok(rc < 0 && why.status == EXIT_DATA && slice_starts(slice_str(why.text),
		SLICE("d/a/0/00000000000000000003.ndjson.zst: damaged: ")),
		"a damaged segment is told");
	ok(part.n == 3 * strlen(line_of("a", 0, 0, "1")), "after what lies before it");
	buf_release(&part);
	spill(second, whole.p, whole.n - 10);
	ok(!read_from("capture:d") && why.status == EXIT_DATA && strstr(why.text,
		"0003.ndjson.zst: damaged: it has "), "so is one that was cut");
	ok(offsets("capture:d?from=6", "6:1 7:1 8:1"), "what isn't asked for isn't looked at");
	unlink(second);
	ok(no_source("capture:d", EXIT_DATA, "capture:d: d/a/0/00000000000000000003.ndjson.zst: "
		"is missing, and the manifest lists it"), "or one that is gone");
	unlink(first);
	ok(offsets("capture:d", "6:1 7:1 8:1"), "the oldest may be removed");
	s = opened("capture:d");
	put(s, "a", 0, 9, "1");
	ok(commit(s) == 0 && offsets("capture:d", "6:1 7:1 8:1 9:1"), "and it goes on");
	buf_release(&whole);

	unlink("d/manifest.ndjson");
	ok(offsets("capture:d", "6:1 7:1 8:1 9:1") && next_of("d", "a", 0) == 10,
		"without a manifest the folders tell");
	s = opened("capture:d");
	ok(commit(s) == 0, "and it is made anew");
	whole = slurp("d/manifest.ndjson");
	ok(memmem(whole.p, whole.n, "\"first\":9,\"last\":9,\"count\":1,", 28) != NULL,
		"with what is in them");
	buf_release(&whole);
	spill("d/manifest.ndjson", "{\"capture\":2,\"numbered\":[]}\n", 29);
	ok(refused("capture:d", EXIT_CONFIG, "capture:d: d/manifest.ndjson: is of version 2, and "
		"this streamkit knows version 1"), "a later version is refused");
	spill("d/manifest.ndjson", "{\"capture\":1,\"numbered\":[]}\n{}\n", 32);
	ok(no_source("capture:d", EXIT_CONFIG, "capture:d: d/manifest.ndjson: line 2 tells of no "
		"segment"), "and a broken manifest");
	spill("d/manifest.ndjson", "", 0);
	ok(no_source("capture:d", EXIT_CONFIG, "capture:d: d/manifest.ndjson: is empty"),
		"or an empty one");
}

/* An open segment that ends anywhere gives its whole lines, and goes on behind them. */
static void
test_torn(void)
{
	const char *path = "t/a/0/00000000000000000000.ndjson.zst.part";
	struct buf whole, all = {0}, want = {0};
	struct sink *s = opened("capture:t");
	size_t n, synced = 0;
	int64_t next, least = 0;
	bool good = true;
	int i;

	for (i = 0; i < 30; i++) {
		put(s, "a", 0, i, "{\"some\":\"text\"}");
		if (i % 3 == 2)
			s->flush(s, &why);
		if (i == 14) {
			s->sync(s, &why);
			whole = slurp(path);
			synced = whole.n;
			buf_release(&whole);
		}
	}
	s->flush(s, &why);
	whole = slurp(path);
	s->close(s);
	for (n = whole.n; good && n >= synced; n--) {
		spill(path, whole.p, n);
		next = next_of("t", "a", 0);
		good = next >= 15 && next <= 30 && (n < whole.n || next == 30);
		least = next;
		s = opened("capture:t");
		for (i = 0; good && i < 32; i++)
			good = put(s, "a", 0, i, "{\"some\":\"text\"}") == 0;
		good = good && s->sync(s, &why) == 0 && next_of("t", "a", 0) == 32;
		s->close(s);
	}
	ok(good && least == 15, "an open segment cut at any byte goes on with what it has");
	for (i = 0; i < 32; i++)
		buf_adds(&all, line_of("a", 0, i, "{\"some\":\"text\"}"));
	ok(gives("capture:t", buf_cstr(&all)), "every line once");
	/* What a machine that stopped may leave. */
	for (i = 0; i < 2; i++) {
		buf_reset(&want);
		buf_add(&want, whole.p, synced);
		for (n = 0; n < 5000; n++)
			buf_addc(&want, i ? (char)(n * 7 + 13) : '\0');
		spill(path, want.p, want.n);
		ok(next_of("t", "a", 0) == 15, i ? "garbage behind it" : "zeros behind it");
		s = opened("capture:t");
		good = true;
		for (n = 0; n < 32; n++)
			good = good && put(s, "a", 0, (int64_t)n, "{\"some\":\"text\"}") == 0;
		ok(good && s->sync(s, &why) == 0, "are written over");
		s->close(s);
		ok(gives("capture:t", buf_cstr(&all)), "every line once");
	}
	/* Damage within what was synced is no torn end. */
	whole.p[30] ^= 1;
	spill(path, whole.p, whole.n);
	s = opened("capture:t");
	ok(put(s, "a", 0, 0, "1") < 0 && why.status == EXIT_DATA, "damage before it is told");
	s->close(s);
	spill(path, "", 0);
	s = opened("capture:t");
	ok(put(s, "a", 0, 7, "1") == 0 && commit(s) == 0 && offsets("capture:t", "7:1"),
		"an empty segment is dropped");
	buf_release(&whole);
	buf_release(&all);
	buf_release(&want);
}

/* ---- crashes ------------------------------------------------------------------------------- */

#define LINES 25
#define LANES 3

struct progress {
	volatile int flushed, synced; /* lines of each lane */
};

/* Write all lines of all lanes; 0, or -1. */
static int
whole_run(struct progress *p)
{
	struct sink *s = sink_open("capture:k?roll=1000", &why);
	int i, k;

	if (!s)
		return -1;
	for (i = 0; i < LINES; i++) {
		for (k = 0; k < LANES; k++)
			if (put(s, k ? "a" : "b", k, 100 + i, "{\"some\":\"text\"}") < 0)
				goto failed;
		if (i % 5 == 4) {
			if (s->flush(s, &why) < 0)
				goto failed;
			p->flushed = i + 1;
		}
		if (i % 11 == 10) {
			if (s->sync(s, &why) < 0)
				goto failed;
			p->synced = p->flushed = i + 1;
		}
	}
	return commit(s);
failed:
	s->close(s);
	return -1;
}

/* In a child that is killed, or fails, at its system call number n: true if it came to it. */
static bool
cut_run(struct progress *p, long n)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		calls_left = n;
		whole_run(p);
		_exit(calls_left >= 0 ? 0 : 3);
	}
	waitpid(pid, &status, 0);
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The lanes hold at least so many of their lines, from the first on, and each once. */
static bool
holds(int least, int most)
{
	struct capture_scratch scratch = {0};
	struct source *s = read_from("capture:k");
	int64_t seen[LANES] = {0};
	struct capture_line l;
	const char *p, *feed;
	struct buf b;
	bool good = true;
	int rc, k;

	if (!s)
		return least == 0;
	b = drink(s, &rc);
	for (p = b.p; good && p && p < b.p + b.n; p = feed + 1) {
		feed = memchr(p, '\n', (size_t)(b.p + b.n - p));
		good = capture_line_read(&scratch, slice_of(p, (size_t)(feed - p)), &l,
			&why) == 0 && l.partition < LANES &&
			l.offset == 100 + seen[l.partition]++;
	}
	for (k = 0; k < LANES; k++)
		good = good && seen[k] >= least && seen[k] <= most &&
			next_of("k", k ? "a" : "b", k) == (seen[k] ? 100 + seen[k] : -1);
	if (!good || rc)
		printf("# rc %d %s: %d to %d wanted, %d %d %d are there\n", rc,
			rc ? why.text : "", least, most, (int)seen[0], (int)seen[1],
			(int)seen[2]);
	capture_scratch_release(&scratch);
	buf_release(&b);
	return good && rc == 0;
}

static void
test_crashes(const char *how, bool half, int error)
{
	struct progress *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool good = true, came = true;
	long n, again = 0;
	int least;

	torn = half;
	broken_errno = error;
	for (n = 0; good && came; n++) {
		forget("k");
		p->flushed = p->synced = 0;
		came = cut_run(p, n);
		least = p->flushed;
		good = holds(least, LINES);
		/* Cut in what mends it, too. */
		again = n % 23;
		p->flushed = p->synced = 0;
		cut_run(p, again);
		if (p->flushed > least)
			least = p->flushed;
		good = good && holds(least, LINES);
		good = good && whole_run(p) == 0 && holds(LINES, LINES) &&
			names_in("k/a/1", ".part") == 0;
	}
	ok(good && n > 100, "%s at each of %ld calls: every offset is there once", how, n);
	if (!good)
		printf("# at call %ld, then %ld: %s\n", n - 1, again, why.text);
	torn = false;
	broken_errno = 0;
	munmap(p, sizeof(*p));
}

int
main(void)
{
	char dir[] = "/tmp/sk-capture-XXXXXX";
	char cleanup[64];

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	test_names();
	test_lines();
	test_writing();
	test_siblings();
	test_numbered();
	test_many_lanes();
	test_reading();
	test_damage();
	test_torn();
	test_crashes("killed", false, 0);
	test_crashes("killed within a write", true, 0);
	test_crashes("a full disk", false, ENOSPC);
	snprintf(cleanup, sizeof(cleanup), "rm -rf %s", dir);
	return system(cleanup) != 0 || done();
}
