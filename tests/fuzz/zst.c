/* Any bytes as an input: read in large blocks, in tiny ones and under a small max_record
 * they give the same lines and end alike. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "source/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* The status it ended with; text gets the lines, those over 100 bytes as a mark. */
static int
drink(int fd, size_t block_bytes, uint64_t max_record, struct buf *text)
{
	struct source_options opt = {
		.block_bytes = block_bytes, .max_record = max_record,
		.max_unpacked = 1 << 20,
	};
	struct failure why = {0};
	struct block b = {0};
	const char *uri, *p, *end, *feed;
	struct source *s;
	char name[32];
	int rc;

	snprintf(name, sizeof(name), "/dev/fd/%d", fd);
	uri = name;
	if (lseek(fd, 0, SEEK_SET) < 0 || !(s = source_open(&uri, 1, &opt, &why)))
		abort();
	while ((rc = s->read(s, &b, &why)) == 1) {
		if (b.too_long) {
			buf_addf(text, "<%llu>\n", (unsigned long long)b.too_long);
			continue;
		}
		if (!b.n)
			abort();
		for (p = b.p, end = p + b.n; p < end; p = feed + 1) {
			feed = memchr(p, '\n', (size_t)(end - p));
			if (!feed)
				feed = end;
			if (feed - p > 100)
				buf_addf(text, "<%zu>", (size_t)(feed - p));
			else
				buf_add(text, p, (size_t)(feed - p));
			buf_addc(text, '\n');
		}
	}
	if (rc == 0)
		why.status = 0;
	block_release(&b);
	s->close(s);
	return why.status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int fd = -1;
	struct buf text[3] = {{0}, {0}, {0}};
	int status[3], i;

	if (fd < 0)
		fd = memfd_create("input", 0);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, n, 0) != (ssize_t)n)
		abort();
	status[0] = drink(fd, 0, 0, &text[0]);
	status[1] = drink(fd, 37, 0, &text[1]);
	status[2] = drink(fd, 64, 100, &text[2]);
	for (i = 1; i < 3; i++)
		if (status[i] != status[0])
			abort();
	/* Where reading fails, a long line before that may have been counted or not. */
	for (i = 1; i < (status[0] ? 2 : 3); i++)
		if (!slice_eq(buf_slice(&text[i]), buf_slice(&text[0])))
			abort();
	for (i = 0; i < 3; i++)
		buf_release(&text[i]);
	return 0;
}
