/* lib/source: blocks of plain files whose bytes are left to other threads. */
#define _GNU_SOURCE
#include "source/source.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "test.h"

#define WAITING 5 /* blocks that are read, but not fetched yet */

static struct failure why;

static void
put(const char *path, int flags, const char *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n || close(fd) < 0)
		abort();
}

static struct source *
open_left(size_t n, const char *const *uris, struct source_options opt)
{
	struct source *s = source_open(uris, n, &opt, &why);

	if (s)
		s->leaves = 2;
	return s;
}

static struct source *
open_one(const char *uri, size_t block)
{
	return open_left(1, &uri, (struct source_options){.block_bytes = block});
}

struct all {
	struct buf text;
	int rc;
	size_t left;          /* blocks that were */
	bool whole, offsets;
};

/* What a source gives, where blocks are fetched late and last ones first. */
static struct all
drink(struct source *s)
{
	struct all a = {.rc = 1, .whole = true, .offsets = true};
	const struct input *last = NULL;
	uint64_t at = 0;
	size_t i, n;

	while (a.rc == 1) {
		struct block b[WAITING] = {{0}};

		for (n = 0; n < WAITING && (a.rc = s->read(s, &b[n], &why)) == 1; n++) {
			at = b[n].input == last ? at : 0;
			last = b[n].input;
			a.offsets &= b[n].offset == at;
			at += b[n].n;
		}
		for (i = n; i-- > 0;) {
			if (!b[i].file)
				continue;
			a.left++;
			if (s->fetch(s, &b[i], &why) < 0)
				a.rc = -1;
			a.whole &= b[i].n && b[i].p[b[i].n - 1] == '\n';
		}
		for (i = 0; i < n; i++)
			buf_add(&a.text, b[i].p, b[i].n);
		for (i = 0; i < WAITING; i++)
			block_release(&b[i]);
	}
	return a;
}

/* Read on until a block is left. */
static struct block
until_left(struct source *s)
{
	struct block b = {0};

	while (s->read(s, &b, &why) == 1 && !b.file)
		;
	return b;
}

/* Lines of every length up to `longest`, line ends of both kinds, and empty ones. */
static void
add_lines(struct buf *b, size_t n, size_t longest)
{
	size_t i, k, len;

	for (i = 0; i < n; i++) {
		len = (i * 7919) % (longest + 1);
		for (k = 0; k < len; k++)
			buf_addc(b, (char)('a' + i % 26));
		if (i % 5 == 0)
			buf_addc(b, '\r');
		buf_addc(b, '\n');
	}
}

static void
test_boundaries(void)
{
	size_t block, lack, left = 0;
	bool good = true;
	struct buf text = {0};
	struct source *s;
	struct all a;

	add_lines(&text, 300, 60);
	for (lack = 0; lack < 3; lack++) {
		/* With a last line feed, without, and with one line more of one byte. */
		put("f", O_TRUNC, text.p, text.n - lack);
		for (block = 1; block < 400; block++) {
			s = open_one("f", block);
			a = drink(s);
			good &= a.rc == 0 && a.offsets && a.whole &&
				slice_eq(buf_slice(&a.text), slice_of(text.p, text.n - lack)) &&
				s->done_bytes == text.n - lack;
			left += a.left;
			buf_release(&a.text);
			s->close(s);
		}
	}
	ok(good, "the same bytes, wherever blocks end");
	ok(left > 10000, "%zu blocks were left", left);
	buf_release(&text);
}

static void
test_long_lines(void)
{
	struct buf text = {0};
	struct source *s;
	size_t block, k, left = 0;
	bool good = true;
	struct all a;

	for (k = 0; k < 6; k++) {
		add_lines(&text, 2000, 30);
		add_lines(&text, 3, 20000 * k);
	}
	put("f", O_TRUNC, text.p, text.n);
	for (block = 16; block < 100000; block = block * 3 + 1) {
		s = open_one("f", block);
		a = drink(s);
		good &= a.rc == 0 && a.offsets && a.whole &&
			slice_eq(buf_slice(&a.text), buf_slice(&text));
		left += a.left;
		buf_release(&a.text);
		s->close(s);
	}
	ok(good, "lines that no block holds go the usual way");
	ok(left > 50, "and the next ones may be left (%zu)", left);
	buf_release(&text);
}

static void
test_several(void)
{
	static const char *const uris[] = {"f", "g", "f"};
	struct buf text = {0}, want = {0};
	struct source *s;
	struct block b;
	struct all a;
	size_t i;

	add_lines(&text, 900, 40);
	put("f", O_TRUNC, text.p, text.n);
	put("g", O_TRUNC, text.p, 1000);
	for (i = 0; i < 3; i++)
		buf_add(&want, text.p, i == 1 ? 1000 : text.n);
	s = open_left(3, uris, (struct source_options){.block_bytes = 100});
	a = drink(s);
	ok(a.rc == 0 && a.left && a.offsets && slice_eq(buf_slice(&a.text),
		buf_slice(&want)), "several files, in order");
	buf_release(&a.text);
	s->close(s);

	s = open_left(3, uris, (struct source_options){.block_bytes = 100});
	b = until_left(s);
	a = drink(s);
	ok(a.rc == 0 && s->fetch(s, &b, &why) == 0 &&
		memcmp(b.p, text.p + b.offset, b.n) == 0,
		"a block is fetched long after its file was closed");
	block_release(&b);
	buf_release(&a.text);
	s->close(s);
	buf_release(&text);
	buf_release(&want);
}

/* ---- files that change ----------------------------------------------------------------- */

static void
test_changes(void)
{
	struct buf text = {0}, more = {0};
	struct source *s;
	struct block b;
	struct all a;
	uint64_t at;

	add_lines(&text, 900, 40);
	put("f", O_TRUNC, text.p, text.n);
	s = open_one("f", 1000);
	b = until_left(s);
	at = b.offset;
	ok(b.file && b.n > 1000, "a block of %zu bytes is left", b.n);
	if (truncate("f", (off_t)at + 700) < 0)
		abort();
	ok(s->fetch(s, &b, &why) == 0 && b.n == 700 && memcmp(b.p, text.p + at, 700) == 0,
		"what was cut off meanwhile is not there");
	ok(s->read(s, &b, &why) == 0, "and then comes the end");
	block_release(&b);
	s->close(s);

	put("f", O_TRUNC, text.p, text.n);
	s = open_one("f", 1000);
	b = until_left(s);
	if (truncate("f", 10) < 0)
		abort();
	ok(s->fetch(s, &b, &why) == 0 && b.n == 0, "a block may turn out to be empty");
	block_release(&b);
	s->close(s);

	put("f", O_TRUNC, text.p, text.n - 1);
	s = open_one("f", 1000);
	b = until_left(s);
	at = b.offset;
	ok(s->fetch(s, &b, &why) == 0, "fetched");
	block_release(&b);
	add_lines(&more, 200, 50);
	put("f", O_APPEND, more.p, more.n);
	text.n--;
	buf_add_slice(&text, buf_slice(&more));
	a = drink(s);
	ok(a.rc == 0 && a.text.n > text.n / 2 && slice_eq(buf_slice(&a.text),
		slice_of(text.p + text.n - a.text.n, a.text.n)),
		"what was added meanwhile is read as well, a line that was open at its end too");
	buf_release(&a.text);
	s->close(s);
	buf_release(&text);
	buf_release(&more);
}

/* ---- stdin ----------------------------------------------------------------------------- */

static void
test_stdin(void)
{
	int saved = dup(STDIN_FILENO), fd;
	struct buf text = {0};
	struct source *s;
	struct block b;
	struct all a;
	off_t at;

	add_lines(&text, 900, 40);
	put("f", O_TRUNC, text.p, text.n);
	fd = open("f", O_RDONLY);
	if (dup2(fd, STDIN_FILENO) < 0 || lseek(fd, 333, SEEK_SET) < 0)
		abort();
	s = open_one("-", 128);
	a = drink(s);
	s->close(s);
	ok(a.rc == 0 && a.left && a.offsets && slice_eq(buf_slice(&a.text),
		slice_of(text.p + 333, text.n - 333)), "stdin is read from where it stands");
	ok(lseek(fd, 0, SEEK_CUR) == (off_t)text.n, "and stands at its end then");
	buf_release(&a.text);

	lseek(fd, 333, SEEK_SET);
	s = open_one("-", 128);
	b = until_left(s);
	at = 333 + (off_t)(b.offset + b.n);
	ok(s->fetch(s, &b, &why) == 0, "fetched");
	s->close(s);
	ok(lseek(fd, 0, SEEK_CUR) == at, "who stops early leaves it behind the last block");
	block_release(&b);
	close(fd);
	dup2(saved, STDIN_FILENO);
	close(saved);
	buf_release(&text);
}

/* ---- threads --------------------------------------------------------------------------- */

struct shared {
	pthread_mutex_t lock;
	struct source *source;
	const char *text;
	size_t bytes, same;
	int rc;
};

static void *
take_blocks(void *arg)
{
	struct shared *t = arg;
	struct block b = {0};
	struct failure ignored;
	int rc = 1;

	while (rc > 0) {
		pthread_mutex_lock(&t->lock);
		rc = t->rc > 0 ? t->source->read(t->source, &b, &ignored) : t->rc;
		t->rc = rc;
		pthread_mutex_unlock(&t->lock);
		if (rc <= 0)
			break;
		if (b.file)
			rc = t->source->fetch(t->source, &b, &ignored) < 0 ? -1 : 1;
		pthread_mutex_lock(&t->lock);
		t->bytes += b.n;
		t->same += memcmp(b.p, t->text + b.offset, b.n) == 0 ? b.n : 0;
		pthread_mutex_unlock(&t->lock);
	}
	block_release(&b);
	return NULL;
}

static void
test_threads(void)
{
	struct shared t = {.rc = 1};
	struct buf text = {0};
	pthread_t thread[4];
	size_t i;

	add_lines(&text, 60000, 60);
	put("f", O_TRUNC, text.p, text.n);
	t.source = open_one("f", 256);
	t.text = text.p;
	pthread_mutex_init(&t.lock, NULL);
	for (i = 0; i < 4; i++)
		if (pthread_create(&thread[i], NULL, take_blocks, &t))
			abort();
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	ok(t.rc == 0 && t.bytes == text.n && t.same == text.n,
		"four threads get every byte once, and where it belongs");
	t.source->close(t.source);
	pthread_mutex_destroy(&t.lock);
	buf_release(&text);
}

int
main(void)
{
	char dir[] = "/tmp/sk-piece-XXXXXX";

	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 1;
	test_boundaries();
	test_long_lines();
	test_several();
	test_changes();
	test_stdin();
	test_threads();
	unlink("f");
	unlink("g");
	return rmdir(dir) < 0 || done();
}
