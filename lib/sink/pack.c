/* zstd, outwards. */
#include "sink/pack.h"

#include <errno.h>
#include <unistd.h>
#include <zstd.h>

#define LEVEL 3

static bool
set(ZSTD_CCtx *ctx, ZSTD_cParameter what, int value)
{
	return !ZSTD_isError(ZSTD_CCtx_setParameter(ctx, what, value));
}

static int
pack_begin(struct pack *p, struct failure *why)
{
	ZSTD_CCtx *ctx = p->ctx;

	if (!ctx) {
		ctx = ZSTD_createCCtx();
		if (!ctx || !set(ctx, ZSTD_c_compressionLevel, LEVEL) ||
			!set(ctx, ZSTD_c_checksumFlag, 1)) {
			ZSTD_freeCCtx(ctx);
			return fail(why, EXIT_OS, "no memory to compress");
		}
		p->ctx = ctx;
	}
	p->open = true;
	p->frame_bytes = 0;
	return 0;
}

static int
pack_run(struct pack *p, struct buf *to, const void *from, size_t n,
	ZSTD_EndDirective end, struct failure *why)
{
	ZSTD_inBuffer in = {from, n, 0};
	ZSTD_outBuffer out;
	size_t rc;

	do {
		buf_reserve(to, ZSTD_CStreamOutSize());
		out = (ZSTD_outBuffer){to->p + to->n, to->cap - to->n, 0};
		rc = ZSTD_compressStream2(p->ctx, &out, &in, end);
		if (ZSTD_isError(rc))
			return fail(why, EXIT_INTERNAL, "zstd: %s",
				ZSTD_getErrorName(rc));
		to->n += out.pos;
	} while (end == ZSTD_e_continue ? in.pos < in.size : rc != 0);
	return 0;
}

int
pack_add(struct pack *p, struct buf *to, const void *bytes, size_t n, struct failure *why)
{
	if (!n)
		return 0;
	if (!p->open && pack_begin(p, why) < 0)
		return -1;
	p->frame_bytes += n;
	return pack_run(p, to, bytes, n, ZSTD_e_continue, why);
}

int
pack_flush(struct pack *p, struct buf *to, struct failure *why)
{
	return p->open ? pack_run(p, to, NULL, 0, ZSTD_e_flush, why) : 0;
}

int
pack_end(struct pack *p, struct buf *to, struct failure *why)
{
	if (!p->open && pack_begin(p, why) < 0)
		return -1;
	p->open = false;
	return pack_run(p, to, NULL, 0, ZSTD_e_end, why);
}

void
pack_release(struct pack *p)
{
	ZSTD_freeCCtx(p->ctx);
	*p = (struct pack){0};
}

/* ---- walking over frames: RFC 8878 ----------------------------------------------- */

struct walk {
	int fd;
	uint64_t at, size;
};

/* The next n bytes, little-endian: 1; 0 if they aren't there; -1. */
static int
take(struct walk *w, size_t n, uint32_t *v, struct failure *why)
{
	unsigned char b[4];
	ssize_t got;
	size_t i;

	if (w->size - w->at < n)
		return 0;
	do
		got = pread(w->fd, b, n, (off_t)w->at);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return fail(why, EXIT_IO, "%s", strerror(errno));
	if ((size_t)got < n)
		return 0;
	*v = 0;
	for (i = 0; i < n; i++)
		*v |= (uint32_t)b[i] << 8 * i;
	w->at += n;
	return 1;
}

static int
pass(struct walk *w, uint64_t n)
{
	if (w->size - w->at < n)
		return 0;
	w->at += n;
	return 1;
}

static int
walk_blocks(struct walk *w, struct failure *why)
{
	uint32_t head;
	int rc;

	do {
		rc = take(w, 3, &head, why);
		if (rc != 1)
			return rc;
		if ((head >> 1 & 3) == 3)
			return 0;
		/* A run takes one byte, whatever its length. */
		if (!pass(w, (head >> 1 & 3) == 1 ? 1 : head >> 3))
			return 0;
	} while (!(head & 1));
	return 1;
}

/* 1: a whole frame was passed; 0: what is there is none; -1. */
static int
walk_frame(struct walk *w, struct failure *why)
{
	static const unsigned dictionary[] = {0, 1, 2, 4}, content[] = {0, 2, 4, 8};
	uint32_t magic, v;
	bool single;
	int rc;

	rc = take(w, 4, &magic, why);
	if (rc != 1)
		return rc;
	if ((magic & 0xFFFFFFF0u) == 0x184D2A50u) {
		rc = take(w, 4, &v, why);
		return rc == 1 ? pass(w, v) : rc;
	}
	if (magic != 0xFD2FB528u)
		return 0;
	rc = take(w, 1, &v, why);
	if (rc != 1)
		return rc;
	single = v >> 5 & 1;
	if (!pass(w, (single ? 0u : 1u) + dictionary[v & 3] +
			(v >> 6 ? content[v >> 6] : single ? 1u : 0u)))
		return 0;
	rc = walk_blocks(w, why);
	return rc == 1 && v >> 2 & 1 ? pass(w, 4) : rc;
}

int
pack_check(int fd, uint64_t size, uint64_t *good, struct failure *why)
{
	struct walk w = {fd, 0, size};
	int rc;

	for (*good = 0; *good < size; *good = w.at) {
		rc = walk_frame(&w, why);
		if (rc < 0)
			return -1;
		if (!rc)
			return fail(why, EXIT_DATA, *good ?
				"the zstd frame at byte %llu is not whole" :
				"is not zstd (byte %llu)", (unsigned long long)*good);
	}
	return 0;
}
