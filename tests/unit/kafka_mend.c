/* kafka: the size of a packed batch, as librdkafka is told it. */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "test.h"

enum { TEXT = 1 << 20 };

static char text[TEXT], packed[TEXT + (TEXT >> 2)];

/* JSON-like text of n bytes, packed by a stream, as producers do: no size in the frame.
 * flush: a block ends every so many bytes. */
static size_t
pack(size_t n, size_t flush)
{
	ZSTD_CStream *s = ZSTD_createCStream();
	ZSTD_outBuffer out = {packed, sizeof(packed), 0};
	size_t i, step;

	for (i = 0; i < n; i++)
		text[i] = (char)(i % 64 < 40 ? 'a' + (int)(i % 64) % 26 : '0' + rand() % 10);
	ZSTD_initCStream(s, 1);
	for (i = 0; i < n; i += step) {
		step = flush && flush < n - i ? flush : n - i;
		ZSTD_compressStream(s, &out, &(ZSTD_inBuffer){text + i, step, 0});
		if (flush)
			ZSTD_flushStream(s, &out);
	}
	ZSTD_endStream(s, &out);
	ZSTD_freeCStream(s);
	return out.pos;
}

int
main(void)
{
	unsigned long long size;
	Dl_info where = {0};
	size_t n;

	n = pack(TEXT, 0);
	size = ZSTD_getFrameContentSize(packed, n);
	ok(size >= TEXT && size <= TEXT + (128 << 10), "a batch's size is known closely");
	n = pack(900000, 50000);
	size = ZSTD_getFrameContentSize(packed, n);
	ok(size == ZSTD_CONTENTSIZE_UNKNOWN || (size >= 900000 && size < 16 * n),
		"many small blocks: a bound, or none");
	n = pack(300, 0);
	ok(ZSTD_getFrameContentSize(packed, n) == ZSTD_CONTENTSIZE_UNKNOWN,
		"of a small batch 128 KiB are no bound");
	n = ZSTD_compress(packed, sizeof(packed), text, 300, 1);
	ok(ZSTD_getFrameContentSize(packed, n) == 300, "a size that is told is told");
	memset(text, 0, TEXT);
	n = ZSTD_compress(packed, sizeof(packed), text, TEXT, 1);
	ok(ZSTD_getFrameContentSize(packed, n) == ZSTD_CONTENTSIZE_UNKNOWN,
		"nothing is got ready for what claims to be very much larger");
	ok(ZSTD_getFrameContentSize("no frame", 8) == ZSTD_CONTENTSIZE_ERROR, "what is no frame");
	n = pack(TEXT, 0);
	ok(ZSTD_getFrameContentSize(packed, n / 2) == ZSTD_CONTENTSIZE_ERROR,
		"what is half of one");
	/* What librdkafka finds is what the program has. */
	ok(dladdr(dlsym(RTLD_DEFAULT, "ZSTD_getFrameContentSize"), &where) &&
		!strstr(where.dli_fname, "libzstd"), "librdkafka is told by us, not by libzstd");
	return done();
}
