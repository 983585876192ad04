/* lib/source: blocks of whole lines out of files, pipes, zstd and merges. */
#define _GNU_SOURCE
#include "source/source.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

#include "flow/internal.h"
#include "test.h"

static struct failure why;

/* ---- helpers --------------------------------------------------------------------- */

static void
put(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(p, 1, n, f) != n || fclose(f) != 0)
		abort();
}

static void
puts_to(const char *path, const char *s)
{
	put(path, s, strlen(s));
}

/* Append s to b as a frame of its own, or as a skippable one. */
static void
frame(struct buf *b, const void *p, size_t n)
{
	buf_reserve(b, ZSTD_compressBound(n));
	b->n += ZSTD_compress(b->p + b->n, b->cap - b->n, p, n, 3);
}

static void
skippable(struct buf *b, unsigned n)
{
	unsigned char head[8] = {0x53, 0x2A, 0x4D, 0x18, (unsigned char)n,
		(unsigned char)(n >> 8), (unsigned char)(n >> 16), 0};

	buf_add(b, head, 8);
	while (n--)
		buf_addc(b, 'x');
}

static struct source *
open_n(size_t n, const char *const *uris, struct source_options opt)
{
	why = (struct failure){0};
	return source_open(uris, n, &opt, &why);
}

static struct source *
open_one(const char *uri, struct source_options opt)
{
	return open_n(1, &uri, opt);
}

/* All that a source gives, and what was wrong with its blocks. */
struct all {
	struct buf text;      /* "N!" for a line of N bytes that is too long, and '\n' */
	int rc;               /* of the last read */
	size_t blocks;
	bool whole;           /* every block but an input's last ends with a line feed */
	bool offsets;         /* every block began where the one before it had ended */
};

static struct all
drink(struct source *s)
{
	struct all a = {.whole = true, .offsets = true};
	struct block b = {0};
	const struct input *last = NULL;
	uint64_t at = 0;
	bool open_line = false;

	while ((a.rc = s->read(s, &b, &why)) == 1) {
		a.blocks++;
		if (b.input != last) {
			at = 0;
			open_line = false;
		}
		a.whole = a.whole && !open_line && b.cap >= b.n + JSON_PADDING;
		a.offsets = a.offsets && (!b.input || b.offset == at);
		last = b.input;
		if (b.too_long) {
			buf_addf(&a.text, "%llu!\n", (unsigned long long)b.too_long);
			at += b.too_long + 1;
			continue;
		}
		open_line = b.n && b.p[b.n - 1] != '\n';
		buf_add(&a.text, b.p, b.n);
		at += b.n;
	}
	block_release(&b);
	return a;
}

static bool
gives(struct source *s, const char *text, int rc)
{
	struct all a;
	bool good;

	if (!s)
		return false;
	a = drink(s);
	good = a.rc == rc && a.whole && a.offsets && slice_eq(buf_slice(&a.text),
		slice_str(text));
	if (!good)
		printf("# rc %d whole %d offsets %d, %zu bytes: %.200s\n", a.rc, a.whole,
			a.offsets, a.text.n, buf_cstr(&a.text));
	buf_release(&a.text);
	s->close(s);
	return good;
}

static bool
refused(struct source *s, int status, const char *text)
{
	bool good = !s && why.status == status && strcmp(why.text, text) == 0;

	if (!good)
		printf("# %p status %d: %s\n", (void *)s, why.status, why.text);
	return good;
}

static bool
said(int status, const char *text)
{
	bool good = why.status == status && strstr(why.text, text);

	if (!good)
		printf("# status %d: %s\n", why.status, why.text);
	return good;
}

/* A pipe on stdin, filled by a child that runs writer. */
static pid_t
on_stdin(void (*writer)(int fd))
{
	int p[2];
	pid_t pid;

	if (pipe(p) < 0)
		abort();
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(p[0]);
		writer(p[1]);
		_exit(0);
	}
	close(p[1]);
	dup2(p[0], 0);
	close(p[0]);
	return pid;
}

static void
write_str(int fd, const char *s)
{
	if (write(fd, s, strlen(s)) < 0)
		_exit(1);
}

static void
nap(int ms)
{
	struct timespec t = {0, ms * 1000000L};

	nanosleep(&t, NULL);
}

/* ---- files ----------------------------------------------------------------------- */

static void
test_files(void)
{
	static const char *const two[] = {"a", "b"};
	static const char *const star[] = {"g*.nd", "a"};
	struct source_options tiny = {.block_bytes = 8};
	struct buf big = {0};
	struct source *s;
	struct all a;
	size_t i;

	puts_to("a", "1\n22\n333");
	puts_to("b", "4\n\n5\n");
	puts_to("empty", "");
	ok(gives(open_one("a", (struct source_options){0}), "1\n22\n333", 0),
		"the last line needs no line feed");
	ok(gives(open_n(2, two, (struct source_options){0}), "1\n22\n3334\n\n5\n", 0),
		"inputs come in order, in blocks of their own");
	ok(gives(open_n(2, two, tiny), "1\n22\n3334\n\n5\n", 0),
		"so they do in tiny blocks");
	ok(gives(open_one("empty", tiny), "", 0), "an empty file gives nothing");
	ok(gives(open_one("./a", tiny), "1\n22\n333", 0), "a path with a dot");
	puts_to("g2.nd", "g2\n");
	puts_to("g10.nd", "g10\n");
	ok(gives(open_n(2, star, tiny), "g10\ng2\n1\n22\n333", 0),
		"a glob is expanded, sorted");
	puts_to("g[1].nd", "odd\n");
	ok(gives(open_one("g[1].nd", tiny), "odd\n", 0),
		"a file of that very name comes first");

	for (i = 0; big.n < 3000000; i++)
		buf_addf(&big, "{\"i\":%zu,\"pad\":\"%.*s\"}\n", i, (int)(i % 50),
			"..................................................");
	put("big", big.p, big.n);
	s = open_one("big", (struct source_options){0});
	ok(s && s->total_bytes == big.n && !s->endless && !s->stdin_pipe,
		"a file's size is known");
	ok(s && !s->would_wait(s), "a file never waits");
	a = drink(s);
	ok(a.rc == 0 && a.whole && a.offsets && slice_eq(buf_slice(&a.text),
		buf_slice(&big)),
		"3 MB come back byte for byte");
	ok(a.blocks > 8 && a.blocks < 24, "in blocks of about 192 KiB (%zu)", a.blocks);
	ok(s->done_bytes == big.n, "progress counts every byte");
	s->close(s);
	buf_release(&a.text);
	for (i = 1; i < 40; i += 13) {
		s = open_one("big", (struct source_options){.block_bytes = i * 7});
		a = drink(s);
		ok(a.rc == 0 && a.whole && a.offsets &&
			slice_eq(buf_slice(&a.text), buf_slice(&big)),
			"so do they in blocks of %zu bytes", i * 7);
		s->close(s);
		buf_release(&a.text);
	}
	buf_release(&big);
}

static void
test_refusals(void)
{
	static const char *const twice[] = {"-", "a", "/dev/stdin"};
	struct source_options none = {0};
	int status;

	ok(refused(open_one("nowhere.ndjson", none), EXIT_NOINPUT,
		"nowhere.ndjson: No such file or directory"), "a missing file");
	ok(refused(open_one("zz*.ndjson", none), EXIT_NOINPUT,
		"no file matches zz*.ndjson"),
		"a glob that matches nothing");
	ok(refused(open_one(".", none), EXIT_NOINPUT, ".: Is a directory"), "a folder");
	ok(refused(open_one("", none), EXIT_USAGE, "the name of a source is empty"),
		"no name");
	ok(refused(open_one("kafka:orders", none), EXIT_USAGE,
		"kafka:orders: kafka: is no source that this version knows") &&
		strcmp(why.hint, "a file of that name is ./kafka:orders") == 0,
		"a scheme of a later version, with a hint");
	ok(refused(open_one("append:x", none), EXIT_USAGE,
		"append:x: append: names a sink, not a source"), "a sink's scheme");
	puts_to("x:y", "1\n");
	ok(gives(open_one("./x:y", none), "1\n", 0), "./x:y is a path");
	ok(refused(open_n(3, twice, none), EXIT_USAGE, "stdin is named twice"),
		"stdin twice");
	puts_to("secret", "1\n");
	chmod("secret", 0);
	fflush(stdout);
	if (fork() == 0) {
		if (geteuid() == 0 && seteuid(65534) < 0)
			_exit(2);
		_exit(!refused(open_one("secret", none), EXIT_NOPERM,
			"secret: Permission denied"));
	}
	wait(&status);
	ok(status == 0, "a file that may not be read");
}

/* ---- long lines ------------------------------------------------------------------ */

static void
test_long(size_t block, uint64_t max)
{
	struct source_options opt = {.block_bytes = block, .max_record = max};
	size_t len[] = {1, (size_t)max, (size_t)max + 1, 3, (size_t)max * 3,
		(size_t)max - 1, 0, 5};
	struct buf in = {0}, want = {0};
	size_t i, k;

	for (i = 0; i < sizeof(len) / sizeof(*len); i++) {
		for (k = 0; k < len[i]; k++)
			buf_addc(&in, (char)('a' + i));
		buf_addc(&in, '\n');
		if (len[i] > max)
			buf_addf(&want, "%zu!", len[i]);
		else
			buf_add(&want, in.p + in.n - len[i] - 1, len[i]);
		buf_addc(&want, '\n');
	}
	put("long", in.p, in.n);
	ok(gives(open_one("long", opt), buf_cstr(&want), 0),
		"lines over %llu bytes are told as too long, in blocks of %zu",
		(unsigned long long)max, block);
	for (k = 0; k < max * 2; k++)
		buf_addc(&in, 'z');
	buf_addf(&want, "%llu!\n", (unsigned long long)max * 2);
	put("long", in.p, in.n);
	ok(gives(open_one("long", opt), buf_cstr(&want), 0),
		"so is a last one without line feed");
	buf_release(&in);
	buf_release(&want);
}

static void
test_long_memory(void)
{
	struct source_options opt = {.max_record = 1 << 20};
	struct source *s;
	struct block b = {0};
	uint64_t seen = 0;
	size_t cap = 0;
	int fd = open("huge", O_RDWR | O_CREAT | O_TRUNC, 0600), rc;

	if (ftruncate(fd, 300 << 20) < 0 || pwrite(fd, "1\n", 2, 300 << 20) != 2)
		abort();
	close(fd);
	s = open_one("huge", opt);
	while ((rc = s->read(s, &b, &why)) == 1) {
		seen += b.too_long;
		if (b.cap > cap)
			cap = b.cap;
	}
	ok(rc == 0 && seen == (300 << 20) + 1, "a line of 300 MiB is counted");
	ok(cap < 16 << 20, "in bounded memory (%zu)", cap);
	block_release(&b);
	s->close(s);
	unlink("huge");
}

/* ---- zstd ------------------------------------------------------------------------ */

static void
test_zstd(void)
{
	struct source_options none = {0};
	struct buf z = {0}, text = {0};
	struct source *s;
	ZSTD_CCtx *ctx;
	ZSTD_outBuffer out;
	ZSTD_inBuffer in;
	size_t i, first;
	bool good = true;
	char *bomb;

	skippable(&z, 300);
	frame(&z, "1\n2", 3);
	skippable(&z, 0);
	frame(&z, "2\n", 2);
	frame(&z, "", 0);
	frame(&z, "3\n4", 3);
	put("z", z.p, z.n);
	s = open_one("z", none);
	ok(s && s->total_bytes == z.n,
		"the size of a compressed file is that of its bytes");
	ok(gives(s, "1\n22\n3\n4", 0), "frames and skippable ones follow each other");
	for (i = 1; i < 20; i++)
		good &= gives(open_one("z", (struct source_options){.block_bytes = i}),
			"1\n22\n3\n4", 0);
	ok(good, "whatever the size of the block");
	buf_addc(&z, '\n');
	put("z", z.p, z.n);
	ok(gives(open_one("z", none), "1\n22\n3\n", -1) && said(EXIT_DATA,
		"z: what follows"),
		"bytes after the last frame are refused");
	buf_reset(&z);

	for (i = 0; i < 60000; i++)
		buf_addf(&text, "{\"line\":%zu,\"x\":%zu}\n", i, i * 7919 % 10007);
	frame(&z, text.p, text.n);
	put("z", z.p, z.n);
	ok(gives(open_one("z", none), buf_cstr(&text), 0), "a frame of many blocks");
	for (i = 1; i < z.n; i += z.n / 37 + 1) {
		struct all a;
		size_t n;

		put("cut", z.p, i);
		s = open_one("cut", none);
		a = drink(s);
		n = a.text.n;
		if (i < 4)
			good &= a.rc == 0; /* too few bytes to be zstd */
		else
			good &= a.rc == -1 && said(EXIT_DATA,
				"cut: the zstd frame ends early") &&
				n <= text.n && memcmp(buf_slice(&a.text).p, text.p,
				n) == 0 &&
				(!n || a.text.p[n - 1] == '\n') &&
				(i < z.n * 9 / 10 || n > text.n / 2);
		s->close(s);
		buf_release(&a.text);
	}
	ok(good, "of a cut frame the whole lines come, then the failure");
	{
		struct all a;

		z.p[z.n - 1] ^= 1; /* no checksum in it: hit the data */
		z.p[z.n / 2] ^= 0x55;
		put("hurt", z.p, z.n);
		s = open_one("hurt", none);
		a = drink(s);
		ok(a.rc == -1 && said(EXIT_DATA, "hurt: the zstd frame is damaged"),
			"a damaged frame is told");
		ok(a.text.n > 0 && a.text.p[a.text.n - 1] == '\n',
			"the whole lines before it come first (%zu bytes)", a.text.n);
		s->close(s);
		buf_release(&a.text);
	}

	bomb = calloc(1, 1 << 20);
	for (i = 0; i < 1 << 20; i += 64)
		bomb[i] = '\n';
	buf_reset(&z);
	frame(&z, bomb, 1 << 20);
	put("bomb", z.p, z.n);
	{
		struct all a;

		s = open_one("bomb", (struct source_options){.max_unpacked = 100000});
		a = drink(s);
		ok(a.rc == -1 && said(EXIT_DATA,
			"bomb: unpacks to more than 100000 bytes"),
			"a frame that unpacks to too much is refused");
		ok(a.text.n <= 100000 && a.text.n > 99000,
			"what is within the bound comes");
		s->close(s);
		buf_release(&a.text);
		s = open_one("bomb", (struct source_options){.max_unpacked = 1 << 20});
		a = drink(s);
		ok(a.rc == 0, "just as much as may be is fine");
		s->close(s);
		buf_release(&a.text);
	}
	free(bomb);

	buf_reset(&z);
	ctx = ZSTD_createCCtx();
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_windowLog, 28);
	buf_reserve(&z, 1000);
	in = (ZSTD_inBuffer){"1\n", 2, 0};
	out = (ZSTD_outBuffer){z.p, z.cap, 0};
	ZSTD_compressStream2(ctx, &out, &in, ZSTD_e_flush); /* so the size isn't known */
	ZSTD_compressStream2(ctx, &out, &in, ZSTD_e_end);
	put("wide", z.p, out.pos);
	first = out.pos;
	ZSTD_freeCCtx(ctx);
	ok(first && gives(open_one("wide", none), "", -1) &&
		said(EXIT_DATA,
		"wide: the zstd frame needs a window of more than 128 MiB"),
		"a window over 128 MiB is refused");
	puts_to("short", "(");
	ok(gives(open_one("short", none), "(", 0),
		"the beginning of a magic number is data");
	puts_to("short", "\x28\xB5\x2F");
	ok(gives(open_one("short", none), "\x28\xB5\x2F", 0), "so are three bytes of it");
	buf_release(&z);
	buf_release(&text);
}

/* ---- pipes ----------------------------------------------------------------------- */

static void
slow(int fd)
{
	write_str(fd, "1\n2");
	nap(60);
	write_str(fd, "2\n3");
	nap(60);
	write_str(fd, "3\n44");
}

static void
slow_zstd(int fd)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	char bytes[1000];
	int i;

	for (i = 0; i < 3; i++) {
		ZSTD_inBuffer in = {"line\n", 5, 0};
		ZSTD_outBuffer out = {bytes, sizeof(bytes), 0};

		ZSTD_compressStream2(ctx, &out, &in, i == 2 ? ZSTD_e_end : ZSTD_e_flush);
		/* One byte at a time, the magic number too. */
		for (size_t k = 0; k < out.pos; k++) {
			if (write(fd, bytes + k, 1) != 1)
				_exit(1);
			if (i == 0 && k < 5)
				nap(2);
		}
		nap(80);
	}
	ZSTD_freeCCtx(ctx);
}

static void
much(int fd)
{
	char line[100];
	int i, n;

	for (i = 0; i < 100000; i++) {
		n = snprintf(line, sizeof(line), "{\"i\":%d}\n", i);
		if (write(fd, line, (size_t)n) != n)
			_exit(1);
	}
}

/* Does b hold exactly this? */
static bool
holds(const struct block *b, const char *text)
{
	return b->n == strlen(text) && memcmp(b->p, text, b->n) == 0;
}

static void
test_pipes(void)
{
	struct source_options none = {0};
	struct block b = {0};
	struct source *s;
	struct all a;
	size_t i, at;
	pid_t pid = on_stdin(slow);
	bool good;

	s = source_open(NULL, 0, &none, &why);
	ok(s && s->stdin_pipe && !s->endless && !s->total_bytes, "stdin is a pipe");
	ok(s->read(s, &b, &why) == 1 && holds(&b, "1\n") && strcmp(b.input->name,
		"-") == 0,
		"the whole lines that are there come at once");
	ok(s->would_wait(s), "part of a line is no reason not to wait");
	ok(s->read(s, &b, &why) == 1 && holds(&b, "22\n") && b.offset == 2,
		"then the next");
	ok(s->read(s, &b, &why) == 1 && holds(&b, "33\n") && s->read(s, &b, &why) == 1 &&
		holds(&b, "44") && b.offset == 8, "the end gives what is left");
	ok(s->read(s, &b, &why) == 0, "and then nothing");
	s->close(s);
	waitpid(pid, NULL, 0);

	pid = on_stdin(slow_zstd);
	s = open_one("-", none);
	for (i = 0, good = true; i < 3; i++)
		good &= s->read(s, &b, &why) == 1 && holds(&b, "line\n") &&
			b.offset == 5 * i &&
			(i == 2 || s->would_wait(s));
	ok(good && s->read(s, &b, &why) == 0, "a compressed pipe is live");
	s->close(s);
	waitpid(pid, NULL, 0);

	pid = on_stdin(much);
	s = open_one("/dev/stdin", none);
	ok(s && s->stdin_pipe, "/dev/stdin is stdin");
	for (at = 0, good = true; good && s->read(s, &b, &why) == 1; at += b.n) {
		good = b.n && b.p[b.n - 1] == '\n' && b.offset == at;
		(void)s->would_wait(s);
	}
	ok(good && at == 100000 * strlen("{\"i\":}\n") + 488890,
		"lines from a busy pipe are whole, would_wait in between (%zu)", at);
	s->close(s);
	waitpid(pid, NULL, 0);

	pid = on_stdin(slow);
	s = open_one("-", (struct source_options){.max_record = 1});
	a = drink(s);
	ok(a.rc == 0 && slice_eq(buf_slice(&a.text), SLICE("1\n2!\n2!\n2!\n")),
		"long lines of a pipe are measured as they come");
	buf_release(&a.text);
	s->close(s);
	waitpid(pid, NULL, 0);
	block_release(&b);
}

static void
test_fifo(void)
{
	struct source_options none = {0};
	struct source *s;
	struct block b = {0};
	char path[64];
	int p[2], status;
	pid_t pid;

	mkfifo("fifo", 0600);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int fd;

		nap(50);
		fd = open("fifo", O_WRONLY);
		nap(50);
		write_str(fd, "1\n");
		_exit(0);
	}
	s = open_one("fifo", none);
	ok(s && s->endless && !s->stdin_pipe, "a named FIFO is endless");
	ok(gives(s, "1\n", 0), "its reader waits for a writer, and ends with it");
	waitpid(pid, NULL, 0);

	if (pipe(p) < 0)
		abort();
	write_str(p[1], "1\n");
	close(p[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", p[0]);
	s = open_one(path, none);
	ok(s && !s->endless && !s->stdin_pipe, "a pipe behind /dev/fd/N is not");
	ok(gives(s, "1\n", 0), "and is read");
	close(p[0]);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) < 0)
		abort();
	write_str(p[1], "s\n");
	close(p[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", p[0]);
	ok(gives(open_one(path, none), "s\n", 0),
		"a socket behind /dev/fd/N is read too");
	close(p[0]);
	s = open_one("/dev/zero", none);
	ok(s && s->endless, "/dev/zero is endless");
	s->close(s);
	s = open_one("/dev/null", none);
	ok(s && !s->endless, "/dev/null is not");
	ok(gives(s, "", 0), "and gives nothing");

	/* A drain, in a child since it cannot be taken back. */
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct signals_config sig = {0};
		bool good;
		int fd;

		if (signals_start(&sig, &why) < 0)
			_exit(2);
		if (fork() == 0) {
			nap(100);
			kill(getppid(), SIGTERM);
			_exit(0);
		}
		fd = open("fifo", O_RDWR);
		write_str(fd, "1\n2");
		s = open_one("fifo", none);
		good = s->read(s, &b, &why) == 1 && holds(&b, "1\n");
		good = good && s->read(s, &b, &why) == 0 && flow_draining();
		s->close(s);
		s = open_one("a", none);
		good = good && s->read(s, &b, &why) == 0;
		s->close(s);
		if (pipe(p) < 0)
			_exit(2);
		dup2(p[0], 0);
		write_str(p[1], "x\n");
		s = open_one("-", none);
		good = good && s->read(s, &b, &why) == 1 && holds(&b, "x\n");
		close(p[1]);
		good = good && s->read(s, &b, &why) == 0;
		s->close(s);
		wait(NULL);
		block_release(&b);
		_exit(!good);
	}
	waitpid(pid, &status, 0);
	ok(status == 0, "a drain ends a FIFO and a file, but not a pipe on stdin");
}

/* ---- merges ---------------------------------------------------------------------- */

/* Like gives, with every line's origin in front of it, as name:line:offset. */
static bool
merges(struct source *s, const char *want, int rc)
{
	struct json_scan scan = {0};
	struct buf got = {0};
	struct block b = {0};
	const struct line_origin *o;
	struct slice text;
	bool good, laid = true;
	size_t i;
	int last;

	if (!s)
		return false;
	while ((last = s->read(s, &b, &why)) == 1) {
		laid = laid && b.origin && !b.input;
		if (b.too_long) {
			o = b.origin;
			buf_addf(&got, "%s:%llu:%llu %llu! ", o->input->name,
				(unsigned long long)o->line,
				(unsigned long long)o->offset,
				(unsigned long long)b.too_long);
			continue;
		}
		json_scan_block(&scan, b.p, b.n, false);
		for (i = 0; i < scan.nlines; i++) {
			o = &b.origin[i];
			text = json_line_text(&scan, i);
			buf_addf(&got, "%s:%llu:%llu %.*s ", o->input->name,
				(unsigned long long)o->line,
				(unsigned long long)o->offset,
				(int)text.n, text.p);
		}
	}
	good = laid && last == rc && strcmp(buf_cstr(&got), want) == 0;
	if (!good)
		printf("# rc %d: %s\n#   for %s\n", last, buf_cstr(&got), want);
	buf_release(&got);
	block_release(&b);
	json_scan_release(&scan);
	s->close(s);
	return good;
}

static void
test_merge(void)
{
	static const char *const ab[] = {"a", "b"}, *const abc[] = {"a", "b", "c"};
	struct source_options by = {.merge_by = ".t"};
	struct source_options tiny = {.merge_by = ".t", .block_bytes = 16};
	struct source_options small = {.merge_by = ".t", .max_record = 12};
	const char *want;
	struct source *s;
	struct all a;
	FILE *f[7];
	const char *names[7] = {"m0", "m1", "m2", "m3", "m4", "m5", "m6"};
	unsigned seed = 1;
	long t, before = -1;
	size_t i, n = 0;
	bool good = true;
	char *p;

	puts_to("a", "{\"t\":1}\n\n{\"t\":3}\n{\"t\":3.0}\n");
	puts_to("b", "{\"t\":2}\r\n{\"t\":3,\"b\":0}\n   \n{\"t\":10}");
	puts_to("c", "");
	want = "a:1:0 {\"t\":1} b:1:0 {\"t\":2} a:3:9 {\"t\":3} a:4:17 {\"t\":3.0} "
		"b:2:9 {\"t\":3,\"b\":0} b:4:27 {\"t\":10} ";
	ok(merges(open_n(3, abc, by), want, 0),
		"sorted inputs are merged, equal keys in order");
	ok(merges(open_n(3, abc, tiny), want, 0), "so they are in tiny blocks");
	puts_to("b", "{\"t\":2}\n{\"t\":5}\n{\"t\":4}\n{\"t\":9}\n");
	ok(merges(open_n(2, ab, by), "a:1:0 {\"t\":1} b:1:0 {\"t\":2} a:3:9 {\"t\":3} "
		"a:4:17 {\"t\":3.0} b:2:8 {\"t\":5} ", -1) &&
		said(EXIT_DATA, "b:3: not sorted by .t (--merge-by)"),
		"an input that is not sorted ends it, after the lines before");
	puts_to("b", "{\"t\":2}\n{\"t\":\n[1]\n{\"t\":4}\n");
	ok(merges(open_n(2, ab, by),
		"a:1:0 {\"t\":1} b:1:0 {\"t\":2} b:2:8 {\"t\": b:3:14 [1] "
		"a:3:9 {\"t\":3} a:4:17 {\"t\":3.0} b:4:18 {\"t\":4} ", 0),
		"what is no JSON or has no key goes out in its input's order");
	puts_to("b", "{\"t\":2}\n{\"t\":3,\"long\":\"xxxxxxxxxxxx\"}\n{\"t\":4}\n");
	ok(merges(open_n(2, ab, small), "a:1:0 {\"t\":1} b:1:0 {\"t\":2} b:2:8 29! "
		"a:3:9 {\"t\":3} a:4:17 {\"t\":3.0} b:3:38 {\"t\":4} ", 0),
		"a line that is too long stands alone, with its origin");
	puts_to("a",
		"{\"t\":null}\n{\"t\":false}\n{\"t\":true}\n{\"t\":1}\n{\"t\":\"a\"}\n"
		"{\"t\":\"b\\u0041\"}\n{\"t\":[1]}\n{\"t\":{}}\n");
	ok(gives(open_one("a", by),
		"{\"t\":null}\n{\"t\":false}\n{\"t\":true}\n{\"t\":1}\n"
		"{\"t\":\"a\"}\n{\"t\":\"b\\u0041\"}\n{\"t\":[1]}\n{\"t\":{}}\n", 0),
		"the order is jq's, over all types");
	ok(!open_one("a", (struct source_options){.merge_by = ".t |"}) &&
		why.status == EXIT_USAGE && strncmp(why.text, "--merge-by: ", 12) == 0,
		"an expression that does not compile");

	puts_to("a", "{\"t\":1,\"u\":2}\n{\"t\":2,\"u\":1}\n");
	puts_to("b", "{\"t\":1,\"u\":1}\n{\"t\":1,\"u\":3}\n{\"t\":2}\n");
	want = "b:1:0 {\"t\":1,\"u\":1} a:1:0 {\"t\":1,\"u\":2} b:2:14 {\"t\":1,\"u\":3} "
		"b:3:28 {\"t\":2} a:2:14 {\"t\":2,\"u\":1} ";
	by.merge_by = ".t, .u";
	ok(merges(open_n(2, ab, by), want, 0),
		"several outputs are one composite key");
	by.merge_by = "[limit(2; .t, .u)]";
	ok(merges(open_n(2, ab, by), want, 0), "libjq's order is the same");
	puts_to("a", "{\"t\":1}\n[1]\n{\"u\":1}\n{\"t\":2}\n");
	puts_to("b", "{\"t\":2}\n");
	by.merge_by = ".t // empty";
	ok(merges(open_n(2, ab, by), "a:1:0 {\"t\":1} a:2:8 [1] a:3:12 {\"u\":1} "
		"a:4:20 {\"t\":2} b:1:0 {\"t\":2} ", 0),
		"a record without a key keeps its place in its input");

	by.merge_by = ".t";
	for (i = 0; i < 7; i++)
		f[i] = fopen(names[i], "w");
	for (t = 0; t < 40000; t++) {
		seed = seed * 1103515245u + 12345u;
		fprintf(f[(seed >> 16) % 7], "{\"x\":\"%ld\",\"t\":%ld}\n", t, t / 3);
		n++;
	}
	for (i = 0; i < 7; i++)
		fclose(f[i]);
	s = open_n(7, names, by);
	a = drink(s);
	for (p = a.rc == 0 ? strtok((char *)(uintptr_t)buf_cstr(&a.text), "\n") : NULL; p;
		p = strtok(NULL, "\n"), n--) {
		t = strtol(strstr(p, "\"t\":") + 4, NULL, 10);
		good &= t >= before;
		before = t;
	}
	ok(good && n == 0, "seven inputs of 40,000 lines, each line once and in order");
	ok(s->done_bytes == s->total_bytes && s->total_bytes, "progress of a merge");
	s->close(s);
	buf_release(&a.text);
}

static void
test_merge_live(void)
{
	struct source_options by = {.merge_by = ".t"};
	static const char *const names[] = {"-", "a"};
	struct block b = {0};
	struct source *s;
	int p[2];

	puts_to("a", "{\"t\":1}\n{\"t\":3}\n");
	if (pipe(p) < 0)
		abort();
	dup2(p[0], 0);
	close(p[0]);
	write_str(p[1], "{\"t\":2}\n");
	s = open_n(2, names, by);
	ok(s && !s->stdin_pipe && s->read(s, &b, &why) == 1 && holds(&b,
		"{\"t\":1}\n{\"t\":2}\n"),
		"a merge gives what is certain");
	ok(s->would_wait(s),
		"and then waits for the input that may have something smaller");
	write_str(p[1], "{\"t\":4}\n");
	ok(!s->would_wait(s) && s->read(s, &b, &why) == 1 && holds(&b,
		"{\"t\":3}\n{\"t\":4}\n"),
		"which then comes");
	close(p[1]);
	ok(s->read(s, &b, &why) == 0, "to its end");
	s->close(s);
	block_release(&b);
}

int
main(void)
{
	char dir[] = "/tmp/sk-source-XXXXXX";
	char cleanup[64];

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	chmod(dir, 0755);
	test_files();
	test_refusals();
	test_long(4096, 100);
	test_long(4096, 20000);
	test_long(64, 1000);
	test_long(1000, 30);
	test_long_memory();
	test_zstd();
	test_pipes();
	test_fifo();
	test_merge();
	test_merge_live();
	snprintf(cleanup, sizeof(cleanup), "rm -rf %s", dir);
	return system(cleanup) != 0 || done();
}
