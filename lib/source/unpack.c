/* zstd, inwards. */
#include "source/unpack.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <stdlib.h>

#include "base/mem.h"

#define WINDOW_LOG_MAX 27
#define FIRST_BYTES 5   /* of a frame: magic number, and what sizes its head */
#define BLOCK_HEAD 3

struct unpack {
	ZSTD_DCtx *ctx;
	uint64_t max, unpacked;
	uint64_t stored;     /* input bytes taken */
	size_t hint;         /* input bytes that complete the current block */
	bool between;        /* no frame is open */
	bool pending;        /* the context may hold output that had no room */
};

int
unpack_magic(const void *bytes, size_t n)
{
	static const unsigned char frame[4] = {0x28, 0xB5, 0x2F, 0xFD};
	static const unsigned char skippable[4] = {0x50, 0x2A, 0x4D, 0x18};
	const unsigned char *p = bytes;
	size_t i;
	bool is_frame = true, is_skippable = true;

	for (i = 0; i < n && i < 4; i++) {
		is_frame &= p[i] == frame[i];
		is_skippable &= (i ? p[i] : p[i] & 0xF0) == skippable[i];
	}
	if (!is_frame && !is_skippable)
		return 0;
	return n < 4 ? -1 : 1;
}

struct unpack *
unpack_new(uint64_t max_unpacked, struct failure *why)
{
	struct unpack *u = mem_zalloc(sizeof(*u));

	u->ctx = ZSTD_createDCtx();
	if (!u->ctx || ZSTD_isError(ZSTD_DCtx_setParameter(u->ctx, ZSTD_d_windowLogMax,
			WINDOW_LOG_MAX))) {
		fail(why, EXIT_OS, "no memory to unpack zstd");
		unpack_free(u);
		return NULL;
	}
	u->max = max_unpacked < UINT64_MAX / 2 ? max_unpacked : UINT64_MAX / 2;
	u->between = true;
	return u;
}

void
unpack_free(struct unpack *u)
{
	if (!u)
		return;
	ZSTD_freeDCtx(u->ctx);
	free(u);
}

/* Begin the frame that the input goes on with: 1 begun, 0 none to begin now, -1. */
static int
begin_frame(struct unpack *u, const struct unpack_step *s, struct failure *why)
{
	int magic = unpack_magic(s->in + s->took, s->n - s->took);

	if (s->took == s->n)
		return 0;
	if (magic == 0)
		return fail(why, EXIT_DATA, "what follows the zstd frame at byte %llu "
			"is no zstd frame", (unsigned long long)u->stored);
	if (magic < 0)
		return s->eof ? fail(why, EXIT_DATA, "the zstd frame ends early") : 0;
	u->between = false;
	u->hint = FIRST_BYTES;
	return 1;
}

static int
explain(const struct unpack *u, size_t code, struct failure *why)
{
	switch (ZSTD_getErrorCode(code)) {
	case ZSTD_error_frameParameter_windowTooLarge:
		return fail(why, EXIT_DATA,
			"the zstd frame needs a window of more than %d MiB",
			1 << (WINDOW_LOG_MAX - 20));
	case ZSTD_error_dictionary_wrong:
		return fail(why, EXIT_DATA, "the zstd frame needs a dictionary");
	case ZSTD_error_memory_allocation:
		return fail(why, EXIT_OS, "no memory for the window of the zstd frame");
	default:
		return fail(why, EXIT_DATA,
			"the zstd frame is damaged near byte %llu: %s",
			(unsigned long long)u->stored, ZSTD_getErrorName(code));
	}
}

static int
too_much(const struct unpack *u, struct failure *why)
{
	return fail(why, EXIT_DATA, "unpacks to more than %llu bytes",
		(unsigned long long)u->max);
}

/* One call of the decoder. Of a call that fails it doesn't tell what it made before, so
 * it gets no more than one block of input, without the head of the next block, which its
 * hint counts in. */
static int
decode(struct unpack *u, struct unpack_step *s, struct failure *why)
{
	ZSTD_inBuffer in = {s->in + s->took, s->n - s->took, 0};
	ZSTD_outBuffer out = {s->out + s->made, s->room - s->made, 0};
	size_t feed = u->hint > BLOCK_HEAD ? u->hint - BLOCK_HEAD : u->hint, rc;

	/* What is pending comes out before what follows can fail. */
	if (u->pending)
		in.size = 0;
	else if (in.size > feed)
		in.size = feed;
	/* One byte over the bound tells that it is crossed. */
	if (out.size > u->max - u->unpacked + 1)
		out.size = (size_t)(u->max - u->unpacked + 1);
	rc = ZSTD_decompressStream(u->ctx, &out, &in);
	if (ZSTD_isError(rc))
		return explain(u, rc, why);
	s->took += in.pos;
	u->stored += in.pos;
	u->pending = rc && out.pos == out.size;
	u->between = rc == 0;
	u->hint = rc;
	if (out.pos > u->max - u->unpacked) {
		s->made += out.pos - 1;
		u->unpacked = u->max;
		return too_much(u, why);
	}
	u->unpacked += out.pos;
	s->made += out.pos;
	return 0;
}

int
unpack_run(struct unpack *u, struct unpack_step *s, struct failure *why)
{
	int rc;

	for (;;) {
		if (u->between) {
			rc = begin_frame(u, s, why);
			if (rc < 0)
				return -1;
			if (!rc)
				return s->took == s->n && s->eof ? 0 : 1;
		}
		if (s->made == s->room)
			return 1;
		if (s->took == s->n && !u->pending) {
			if (s->eof)
				return fail(why, EXIT_DATA, "the zstd frame ends early");
			return 1;
		}
		if (decode(u, s, why) < 0)
			return -1;
	}
}
