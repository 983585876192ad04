/* lib/sink: streams, files that appear whole, files that grow. */
#define _GNU_SOURCE
#include "sink/sink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include "files.h"
#include "sinks.h"
#include "test.h"

/* ---- helpers --------------------------------------------------------------------- */

/* Decode all frames; their number. -1: what is there is no zstd. */
static int
unpacked(const char *path, struct buf *out)
{
	struct buf z = slurp(path);
	size_t at = 0, n, got;
	int frames = 0;

	out->n = 0;
	for (; at < z.n; at += n, frames++) {
		n = ZSTD_findFrameCompressedSize(z.p + at, z.n - at);
		if (ZSTD_isError(n))
			return -1;
		buf_reserve(out, 32 << 20);
		got = ZSTD_decompress(out->p + out->n, 32 << 20, z.p + at, n);
		if (ZSTD_isError(got))
			return -1;
		out->n += got;
	}
	buf_release(&z);
	return frames;
}

static bool
file_is(const char *path, const char *text)
{
	struct buf b = slurp(path);
	bool good = access(path, F_OK) == 0 && slice_eq(buf_slice(&b), slice_str(text));

	if (!good)
		printf("# %s holds %zu bytes: %.100s\n", path, b.n, buf_cstr(&b));
	buf_release(&b);
	return good;
}

/* Names in a folder, hidden ones too. */
static int
names_in(const char *path)
{
	DIR *d = opendir(path);
	int n = -2;

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static bool
refused(const char *uri, int status, const char *text)
{
	struct sink *s = sink_open(uri, &why);
	bool good = !s && why.status == status && strcmp(why.text, text) == 0;

	if (!good)
		printf("# %p %d %s\n", (void *)s, s ? 0 : why.status, s ? "" : why.text);
	if (s)
		s->close(s);
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

/* The exit status of a child that runs f; 100: a signal. */
static int
in_child(int (*f)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(f());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/* ---- whole files ----------------------------------------------------------------- */

static int
killed_while_writing(void)
{
	static char line[100001];
	struct sink *s = opened("k/killed");
	int i;

	memset(line, 'x', 100000);
	line[99999] = '\n';
	for (i = 0; i < 20; i++)
		if (say(s, line) < 0)
			return 1;
	kill(getpid(), SIGKILL);
	return 2;
}

static int
no_permission(void)
{
	mkdir("locked", 0555);
	chmod("locked", 0555);
	if (geteuid() == 0 && seteuid(65534) < 0)
		return 2;
	return !(refused("locked/x", EXIT_NOPERM,
		"locked/x: locked: Permission denied") &&
		refused("append:locked/x", EXIT_NOPERM,
		"append:locked/x: Permission denied") &&
		refused("readonly", EXIT_NOPERM, "readonly: Permission denied"));
}

static void
test_whole(void)
{
	struct sink *s, *t;
	struct stat st;
	struct iovec v[600];
	struct buf big = {0}, b;
	int i;

	mkdir("w", 0755);
	umask(027);
	s = opened("w/new");
	ok(s && s->whole && !s->pipe && !s->open && names_in("w") == 0,
		"opening makes nothing");
	ok(say(s, "1\n") == 0 && s->open, "a write opens");
	ok(s->flush(s, &why) == 0 && s->sync(s, &why) == 0 && access("w/new", F_OK) < 0,
		"what is written doesn't show");
	ok(say(s, "2\n") == 0 && s->prepare(s, &why) == 0 && access("w/new", F_OK) < 0 &&
		!s->open, "nor what is prepared");
	ok(s->commit(s, &why) == 0 && file_is("w/new", "1\n2\n"), "a commit shows it");
	s->close(s);
	ok(stat("w/new", &st) == 0 && (st.st_mode & 07777) == 0640,
		"its mode follows the umask");
	ok(names_in("w") == 1, "nothing else is left");
	umask(022);

	chmod("w/new", 0604);
	s = opened("w/new");
	ok(say(s, "3\n") == 0 && file_is("w/new", "1\n2\n") && commit(s) == 0 &&
		file_is("w/new", "3\n"), "an old file is replaced in one step");
	ok(stat("w/new", &st) == 0 && (st.st_mode & 07777) == 0604,
		"and hands on its mode");
	s = opened("w/new");
	say(s, "4\n");
	s->flush(s, &why);
	s->close(s);
	ok(file_is("w/new", "3\n") && names_in("w") == 1,
		"what isn't committed leaves nothing");
	s = opened("w/new");
	say(s, "4\n");
	s->prepare(s, &why);
	s->close(s);
	ok(file_is("w/new", "3\n") && names_in("w") == 1,
		"nor does what is only prepared");
	ok(commit(opened("w/none")) == 0 && file_is("w/none", ""),
		"a file that gets no record is empty");

	mkdir("w/sub", 0755);
	ok(symlink("sub/target", "w/link") == 0, "a link to a file that isn't there yet");
	s = opened("w/link");
	say(s, "5\n");
	ok(commit(s) == 0 && file_is("w/sub/target", "5\n") && lstat("w/link",
		&st) == 0 &&
		S_ISLNK(st.st_mode), "the target of a link is replaced, not the link");

	s = opened("w/parked");
	for (i = 0; i < 5; i++) {
		char line[3] = {(char)('0' + i), '\n'};

		ok(say(s, line) == 0 && s->park(s, &why) == 0 && !s->open,
			"parked, it holds no descriptor");
	}
	ok(s->park(s, &why) == 0 && access("w/parked", F_OK) < 0 && commit(s) == 0 &&
		file_is("w/parked", "0\n1\n2\n3\n4\n"), "and goes on where it was");

	for (i = 0; i < 600; i++)
		buf_addf(&big, "{\"line\":%d,\"pad\":\"%0*d\"}\n", i, i % 3 ? 900 : 1, i);
	s = opened("w/many");
	t = opened("w/small");
	b = (struct buf){0};
	for (i = 0; i < 600; i++) {
		v[i].iov_base = big.p + b.n;
		v[i].iov_len = (size_t)((char *)memchr(big.p + b.n, '\n',
			5000) - big.p) + 1 - b.n;
		b.n += v[i].iov_len;
	}
	ok(s->write(s, v, 600, &why) == 0 && commit(s) == 0, "600 pieces in one write");
	for (i = 0; i < 600; i++)
		if (t->write(t, v + i, 1, &why) < 0)
			break;
	ok(i == 600 && commit(t) == 0, "600 writes of one piece");
	ok(file_is("w/many", buf_cstr(&big)) && file_is("w/small", buf_cstr(&big)),
		"come out the same");
	buf_release(&big);

	mkdir("k", 0755);
	ok(in_child(killed_while_writing) == 100 + SIGKILL && names_in("k") == 0,
		"a run that is killed leaves nothing");
	ok(refused("gone/x.ndjson", EXIT_CANTCREATE,
		"gone/x.ndjson: No such file or directory"),
		"a folder that isn't there");
	ok(refused("w", EXIT_CANTCREATE, "w: Is a directory"), "a folder");
	ok(refused("w/", EXIT_CANTCREATE, "w/: Is a directory"), "a folder with a slash");
	ok(refused("w/new/x", EXIT_CANTCREATE, "w/new/x: Not a directory"),
		"a file that is taken for a folder");
	ok(symlink("loop", "loop") == 0 && refused("loop", EXIT_CANTCREATE,
		"loop: Too many levels of symbolic links"), "a link to itself");
	close(open("readonly", O_CREAT | O_WRONLY, 0444));
	ok(in_child(no_permission) == 0, "what may not be written is refused");
	ok(refused("kafka:x", EXIT_USAGE,
		"kafka:x: kafka: is no sink that this version knows"),
		"a scheme of a later version");
	ok(refused("", EXIT_USAGE, "the name of a sink is empty") &&
		refused("append:", EXIT_USAGE, "the name of a sink is empty"), "no name");
}

static void
test_whole_zst(void)
{
	struct buf text = {0}, got = {0};
	struct sink *s;
	struct iovec v;
	int i;

	ok(commit(opened("e.zst")) == 0 && unpacked("e.zst", &got) == 1 && got.n == 0,
		"an empty .zst is an empty frame");
	for (i = 0; i < 200000; i++)
		buf_addf(&text, "{\"line\":%d}\n", i * 7919 % 100003);
	s = opened("t.zst");
	for (i = 0; i < 10; i++) {
		v = (struct iovec){text.p + (size_t)i * (text.n / 10), text.n / 10};
		if (i == 9)
			v.iov_len = text.n - 9 * (text.n / 10);
		if (s->write(s, &v, 1, &why) < 0 || s->flush(s, &why) < 0)
			break;
	}
	ok(i == 10 && commit(s) == 0 && unpacked("t.zst", &got) == 1 &&
		slice_eq(buf_slice(&got), buf_slice(&text)), "one frame, flushed or not");
	s = opened("p.zst");
	ok(say(s, "1\n") == 0 && s->park(s, &why) == 0 && say(s, "2\n") == 0 &&
		s->park(s, &why) == 0 && commit(s) == 0 && unpacked("p.zst", &got) == 2 &&
		slice_eq(buf_slice(&got), SLICE("1\n2\n")), "parked, a frame a piece");
	buf_release(&text);
	buf_release(&got);
}

/* ---- files that grow ------------------------------------------------------------- */

static int
two_writers(void)
{
	char line[400], who = fork() ? 'a' : 'b';
	struct sink *s = opened("append:both");
	int i, len, status = 0;
	bool parent = who == 'a';

	for (i = 0; i < 20000; i++) {
		len = 50 + i % 300;
		memset(line, who, (size_t)len);
		line[len] = '\n';
		line[len + 1] = '\0';
		if (say(s, line) < 0 || (i % 7 == 0 && s->flush(s, &why) < 0))
			return 1;
	}
	if (commit(s) < 0)
		return 1;
	if (parent)
		wait(&status);
	return status != 0;
}

static int
too_large(void)
{
	struct rlimit limit = {100005, 100005};
	static char line[1001];
	struct sink *s = opened("append:limited");
	struct stat st;
	int i, rc = 0;

	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	memset(line, 'x', 1000);
	line[999] = '\n';
	for (i = 0; i < 200 && rc == 0; i++)
		rc = say(s, line);
	if (rc == 0 || !said(EXIT_IO, "append:limited: File too large"))
		return 1;
	if (s->flush(s, &why) == 0 || s->commit(s, &why) == 0)
		return 2;
	s->close(s);
	if (stat("limited", &st) < 0 || st.st_size != 100000)
		return 3;
	s = opened("limited.whole");
	for (i = 0, rc = 0; i < 200 && rc == 0; i++)
		rc = say(s, line);
	if (rc == 0 || !said(EXIT_IO, "limited.whole: File too large"))
		return 4;
	if (commit(s) == 0)
		return 5;
	return access("limited.whole", F_OK) == 0 ? 6 : 0;
}

static void
test_append(void)
{
	struct buf got = {0}, b;
	struct sink *s;
	char *p, *end;
	FILE *f;
	bool good = true;
	int n = 0;

	mkdir("a", 0755);
	s = opened("append:a/x");
	ok(s && !s->whole && s->flush(s, &why) == 0 && s->sync(s, &why) == 0 &&
		names_in("a") == 0, "append: makes nothing before the first record");
	ok(say(s, "1\n") == 0 && s->sync(s, &why) == 0 && file_is("a/x", "1\n"),
		"what is synced is there");
	ok(say(s, "2\n") == 0 && s->park(s, &why) == 0 && !s->open && say(s,
		"3\n") == 0 &&
		s->open && s->flush(s, &why) == 0 && file_is("a/x", "1\n2\n3\n"),
		"parked and opened again");
	say(s, "4\n");
	ok(commit(s) == 0 && file_is("a/x", "1\n2\n3\n4\n"),
		"a commit writes what is left");
	ok(commit(opened("append:a/none")) == 0 && access("a/none", F_OK) < 0,
		"no record, no file");
	f = fopen("a/x", "a");
	fputs("torn", f);
	fclose(f);
	s = opened("append:a/x");
	say(s, "5\n");
	ok(commit(s) == 0 && file_is("a/x", "1\n2\n3\n4\ntorn\n5\n"),
		"a torn line becomes a line of its own");

	s = opened("append:a/z.zst");
	say(s, "1\n");
	s->flush(s, &why);
	s->flush(s, &why);
	say(s, "2\n");
	say(s, "3\n");
	ok(s->park(s, &why) == 0 && unpacked("a/z.zst", &got) == 2 &&
		slice_eq(buf_slice(&got), SLICE("1\n2\n3\n")), "a frame a flush");
	say(s, "4\n");
	ok(commit(s) == 0 && unpacked("a/z.zst", &got) == 3, "and one at the end");
	s = opened("append:a/z.zst");
	say(s, "5\n");
	ok(commit(s) == 0 && unpacked("a/z.zst", &got) == 4 &&
		slice_eq(buf_slice(&got), SLICE("1\n2\n3\n4\n5\n")), "and more later");
	b = slurp("a/z.zst");
	ok(truncate("a/z.zst", (off_t)b.n - 3) == 0, "a frame is cut");
	s = opened("append:a/z.zst");
	ok(say(s, "6\n") < 0 && why.status == EXIT_DATA && strstr(why.text,
		"is not whole") &&
		strstr(why.hint, "truncate -s"), "it is not added to: %s; %s", why.text,
		why.hint);
	s->close(s);
	buf_release(&b);
	f = fopen("a/plain.zst", "w");
	fputs("no zstd\n", f);
	fclose(f);
	s = opened("append:a/plain.zst");
	ok(say(s, "6\n") < 0 &&
		said(EXIT_DATA, "append:a/plain.zst: is not zstd (byte 0)"),
		"nor is what is no zstd");
	s->close(s);

	ok(in_child(two_writers) == 0, "two writers at once");
	b = slurp("both");
	for (p = b.p; p < b.p + b.n; p = end + 1, n++) {
		end = memchr(p, '\n', (size_t)(b.p + b.n - p));
		good = good && end && end > p && (*p == 'a' || *p == 'b');
		if (!good)
			break;
		for (char *q = p; q < end; q++)
			good = good && *q == *p;
	}
	ok(good && n == 40000, "never mix within a line (%d lines)", n);
	buf_release(&b);
	n = in_child(too_large);
	ok(n == 0,
		"a write that is cut short is taken back to its last line (%d)", n);
	buf_release(&got);
}

/* A file system that is full, where mounting one is allowed: in a name space of its own,
 * so that it goes with this process. */
static void
test_full_disk(void)
{
	static char line[5001];
	struct sink *s;
	struct stat st;
	int rc = 0, i;

	mkdir("full", 0755);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE,
		NULL) < 0 ||
		mount("none", "full", "tmpfs", 0, "size=64k") < 0) {
		ok(true, "a full disk # SKIP mount: %s", strerror(errno));
		return;
	}
	memset(line, 'x', 4999);
	line[4999] = '\n';
	s = opened("append:full/x");
	for (i = 0; i < 40 && rc == 0; i++)
		rc = say(s, line);
	ok(rc < 0 && said(EXIT_IO, "append:full/x: No space left on device"),
		"a full disk is told");
	s->close(s);
	rc = stat("full/x", &st);
	ok(rc == 0 && st.st_size % 5000 == 0 && st.st_size > 50000,
		"whole lines stay (%lld bytes)", (long long)st.st_size);
	s = opened("full/y");
	for (i = 0, rc = 0; i < 40 && rc == 0; i++)
		rc = say(s, line);
	ok(rc < 0 && said(EXIT_IO, "full/y: No space left on device") && commit(s) < 0 &&
		names_in("full") == 1, "of a whole file nothing");
	ok(umount("full") == 0, "unmounted");
}

/* ---- streams --------------------------------------------------------------------- */

static int
broken_pipe(void)
{
	struct sink *s;
	int p[2];

	signal(SIGPIPE, SIG_IGN);
	if (pipe(p) < 0)
		return 1;
	dup2(p[1], 1);
	close(p[0]);
	s = opened("-");
	if (!s || !s->pipe || s->open || say(s, "1\n") < 0)
		return 2;
	if (s->flush(s, &why) == 0)
		return 3;
	return !(why.status == EXIT_IO && strcmp(why.text, "stdout: Broken pipe") == 0);
}

static int
dies_quietly(void)
{
	struct sink *s;
	int p[2];

	signal(SIGPIPE, SIG_DFL);
	if (pipe(p) < 0)
		return 1;
	dup2(p[1], 1);
	close(p[0]);
	s = opened("-");
	say(s, "1\n");
	s->flush(s, &why);
	return 2;
}

static int
closed_stdout(void)
{
	close(1);
	why.status = 0;
	return !(!sink_open("-", &why) && why.status == EXIT_IO &&
		strcmp(why.text, "stdout: Bad file descriptor") == 0);
}

/* A pipe that doesn't block and a reader that is slow. */
static int
slow_reader(void)
{
	static char line[30001];
	struct sink *s;
	char bytes[5000];
	size_t sum = 0;
	ssize_t n;
	int p[2], i, status;

	if (pipe(p) < 0)
		return 1;
	if (fork() == 0) {
		close(p[1]);
		while ((n = read(p[0], bytes, sizeof(bytes))) > 0) {
			sum += (size_t)n;
			if (sum % 7 == 0)
				usleep(100);
		}
		_exit(sum != 100 * 30000);
	}
	close(p[0]);
	dup2(p[1], 1);
	close(p[1]);
	fcntl(1, F_SETFL, O_NONBLOCK);
	memset(line, 'x', 30000);
	line[29999] = '\n';
	s = opened("-");
	for (i = 0; i < 100; i++)
		if (say(s, line) < 0)
			return 2;
	if (commit(s) < 0)
		return 3;
	close(1);
	wait(&status);
	return status != 0;
}

static void
test_streams(void)
{
	struct sink *s;
	char path[64], text[16] = "";
	int p[2], fd, status;
	pid_t pid;

	ok(in_child(broken_pipe) == 0,
		"a broken pipe is a failure where SIGPIPE is ignored");
	ok(in_child(dies_quietly) == 100 + SIGPIPE,
		"and ends the process where it is not");
	ok(in_child(closed_stdout) == 0, "a closed stdout is told");
	ok(in_child(slow_reader) == 0, "a pipe that doesn't block is waited for");
	s = opened("/dev/full");
	ok(s && !s->whole && say(s, "1\n") == 0 && s->flush(s, &why) < 0 &&
		said(EXIT_IO, "/dev/full: No space left on device"), "/dev/full");
	ok(s->flush(s, &why) < 0 && say(s, "1\n") < 0 &&
		said(EXIT_IO, "/dev/full: writing has failed before"), "a failure stays");
	s->close(s);
	s = opened("/dev/null");
	ok(s && !s->whole && !s->pipe && say(s, "1\n") == 0 && commit(s) == 0,
		"/dev/null");

	if (pipe(p) < 0)
		abort();
	snprintf(path, sizeof(path), "/dev/fd/%d", p[1]);
	s = opened(path);
	ok(s && s->pipe && say(s, "1\n") == 0 && s->park(s, &why) == 0 &&
		say(s, "2\n") == 0 && commit(s) == 0 && read(p[0], text, 16) == 4 &&
		strcmp(text, "1\n2\n") == 0, "/dev/fd/N, not closed by parking");
	fd = open("at", O_RDWR | O_CREAT, 0600);
	ok(write(fd, "before\n", 7) == 7, "a file is open already");
	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	s = opened(path);
	say(s, "after\n");
	ok(commit(s) == 0 && file_is("at", "before\nafter\n"), "its place is kept");

	mkfifo("f.zst", 0600);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(!file_is("f.zst", "1\n2\n"));
	s = opened("append:f.zst");
	ok(s && s->pipe && !s->whole && say(s, "1\n") == 0 && s->park(s, &why) == 0 &&
		say(s, "2\n") == 0 && commit(s) == 0 && waitpid(pid, &status, 0) == pid &&
		status == 0, "a FIFO gets the lines as they are");
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(!file_is("f.zst", ""));
	usleep(100000);
	ok(commit(opened("f.zst")) == 0 && waitpid(pid, &status, 0) == pid && status == 0,
		"the reader of a FIFO that gets nothing sees the end");
	ok(commit(opened("f.zst")) == 0, "without a reader nobody waits for one");
}

/* ---- names ----------------------------------------------------------------------- */

static bool
one_key(const char *a, const char *b)
{
	struct buf ka = {0}, kb = {0};
	bool same;

	sink_key(a, &ka);
	sink_key(b, &kb);
	same = slice_eq(buf_slice(&ka), buf_slice(&kb));
	buf_release(&ka);
	buf_release(&kb);
	return same;
}

static void
test_names(void)
{
	char cwd[400], full[500];

	mkdir("n", 0755);
	mkdir("n/m", 0755);
	ok(symlink("n", "nn") == 0 && symlink("n/x", "xx") == 0, "links");
	if (!getcwd(cwd, sizeof(cwd)))
		abort();
	snprintf(full, sizeof(full), "%s/n/x", cwd);
	ok(one_key("n/x", "./n//x") && one_key("n/x", "n/m/../x") && one_key("n/x", full),
		"spellings of one path");
	ok(one_key("n/x", "nn/x") && one_key("n/x", "xx"), "links to one path");
	ok(!one_key("n/x", "n/y") && !one_key("n/x", "x"), "other paths");
	ok(one_key("gone/x", "./gone//./x") && !one_key("gone/x", "gone/y"),
		"a folder that isn't there");
	ok(one_key("-", "/dev/stdout") && one_key("/dev/fd/1", "-") && !one_key("-",
		"./-"),
		"stdout");
	ok(one_key("n/x", "append:n/x") && sink_conflict("n/x", "append:./n/x") &&
		!sink_conflict("n/x", "n//x") && !sink_conflict("n/x", "append:n/y"),
		"x and append:x exclude each other");
	ok(!sink_conflict("/dev/null", "append:/dev/null"), "unless both are streams");
	ok(sink_class("n/x") == SINK_WHOLE && sink_class("append:n/x") == SINK_APPEND &&
		sink_class("-") == SINK_STREAM &&
		sink_class("append:/dev/stderr") == SINK_STREAM &&
		sink_is_whole("items-{}.ndjson") && !sink_is_whole("/dev/null"),
		"classes");
}

static void
test_feeds(void)
{
	static const char *const names[] = {"at", "-"};
	struct source_options none = {0};
	struct source *s;

	close(open("in", O_CREAT | O_WRONLY, 0644));
	s = source_open(names, 1, &none, &why);
	ok(s && sink_feeds("append:./at", s) && !sink_feeds("append:in", s) &&
		!sink_feeds("at", s) && !sink_feeds("append:gone", s),
		"a file that is read is not appended to");
	s->close(s);
}

int
main(void)
{
	char dir[] = "/tmp/sk-sink-XXXXXX";
	char cleanup[64];

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	chmod(dir, 0777);
	test_whole();
	test_whole_zst();
	test_append();
	test_full_disk();
	test_streams();
	test_names();
	test_feeds();
	snprintf(cleanup, sizeof(cleanup), "rm -rf %s", dir);
	return system(cleanup) != 0 || done();
}
