/* Payloads packed and unpacked. */
#include "blob/content.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/mem.h"
#include "json/json.h"

#define LEVEL 3
#define MAGIC 4              /* bytes that tell a frame */
#define WINDOW_LOG 23        /* of foreign frames, or as much as the content is long */
#define STEP ((size_t)64 << 10)

struct packer {
	ZSTD_CCtx *ctx;
};

struct packer *
packer_new(struct failure *why)
{
	struct packer *p = mem_zalloc(sizeof(*p));

	p->ctx = ZSTD_createCCtx();
	if (!p->ctx || ZSTD_isError(ZSTD_CCtx_setParameter(p->ctx, ZSTD_c_compressionLevel,
			LEVEL))) {
		fail(why, EXIT_OS, "no memory to pack with zstd");
		packer_free(p);
		return NULL;
	}
	return p;
}

void
packer_free(struct packer *p)
{
	if (!p)
		return;
	ZSTD_freeCCtx(p->ctx);
	free(p);
}

int
packer_pack(struct packer *p, struct slice content, struct buf *to, struct failure *why)
{
	size_t room = ZSTD_compressBound(content.n), n;

	buf_reset(to);
	buf_reserve(to, room);
	n = ZSTD_compress2(p->ctx, to->p, room, content.p, content.n);
	if (ZSTD_isError(n))
		return fail(why, EXIT_OS, "cannot pack %zu bytes: %s", content.n,
			ZSTD_getErrorName(n));
	to->n = n;
	return 0;
}

/* ---- unpacking --------------------------------------------------------------------- */

enum form { FORM_UNKNOWN, FORM_PLAIN, FORM_ZSTD };

struct unpacker {
	ZSTD_DCtx *ctx;
	struct sha *sha;
	/* Of the blob in hand: */
	const struct content_want *want;
	uint64_t limit;          /* one byte more is one too many */
	struct buf *to;
	size_t hashed;           /* bytes of to */
	char head[MAGIC];        /* before the form is known */
	size_t nhead;
	enum form form;
	bool as_is;              /* whatever it looks like */
	bool between;            /* no frame is open */
};

struct unpacker *
unpacker_new(struct failure *why)
{
	struct unpacker *u = mem_zalloc(sizeof(*u));

	u->ctx = ZSTD_createDCtx();
	u->sha = sha_new();
	if (!u->ctx) {
		fail(why, EXIT_OS, "no memory to unpack zstd");
		unpacker_free(u);
		return NULL;
	}
	return u;
}

void
unpacker_free(struct unpacker *u)
{
	if (!u)
		return;
	ZSTD_freeDCtx(u->ctx);
	sha_free(u->sha);
	free(u);
}

/* A frame is given the window that content of this length can use. */
static int
window_log(uint64_t size)
{
	int n = WINDOW_LOG;

	while (n < 30 && (uint64_t)1 << n < size)
		n++;
	return n;
}

static void
begin(void *arg)
{
	struct unpacker *u = arg;

	buf_reset(u->to);
	u->hashed = u->nhead = 0;
	u->form = u->as_is ? FORM_PLAIN : FORM_UNKNOWN;
	u->between = true;
	ZSTD_DCtx_reset(u->ctx, ZSTD_reset_session_only);
	sha_begin(u->sha);
}

static int
too_much(const struct unpacker *u, struct failure *why)
{
	if (u->limit == u->want->size)
		return fail_record(why, "blob", "it holds more than the %llu bytes that the "
			"reference tells", (unsigned long long)u->limit);
	return fail_record(why, "blob", "it holds more than %llu bytes",
		(unsigned long long)u->limit);
}

/* Bytes have come into to. */
static void
hash(struct unpacker *u)
{
	sha_add(u->sha, u->to->p + u->hashed, u->to->n - u->hashed);
	u->hashed = u->to->n;
}

static int
take_plain(struct unpacker *u, const char *p, size_t n, struct failure *why)
{
	if (n > u->limit - u->to->n)
		return too_much(u, why);
	buf_add(u->to, p, n);
	hash(u);
	return 0;
}

static int
damaged(size_t code, struct failure *why)
{
	if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
		return fail(why, EXIT_OS, "no memory to unpack zstd");
	return fail_record(why, "blob", "it is not what was stored: %s", ZSTD_getErrorName(code));
}

static int
take_packed(struct unpacker *u, const char *p, size_t n, struct failure *why)
{
	ZSTD_inBuffer in = {p, n, 0};
	ZSTD_outBuffer out;
	size_t rc;

	if (!n)
		return 0;
	do {
		/* One byte of room over the limit tells that it is crossed. */
		buf_reserve(u->to, u->to->n + STEP > u->limit ?
			(size_t)(u->limit - u->to->n) + 1 : STEP);
		out = (ZSTD_outBuffer){u->to->p + u->to->n, u->to->cap - u->to->n, 0};
		if (out.size > u->limit - u->to->n + 1)
			out.size = (size_t)(u->limit - u->to->n) + 1;
		rc = ZSTD_decompressStream(u->ctx, &out, &in);
		if (ZSTD_isError(rc))
			return damaged(rc, why);
		u->to->n += out.pos;
		if (u->to->n > u->limit)
			return too_much(u, why);
		hash(u);
		u->between = rc == 0;
	} while (in.pos < in.size || (out.pos == out.size && rc));
	return 0;
}

static int
take_known(struct unpacker *u, const char *p, size_t n, struct failure *why)
{
	return u->form == FORM_ZSTD ? take_packed(u, p, n, why) : take_plain(u, p, n, why);
}

static const char magic[MAGIC] = {'\x28', '\xb5', '\x2f', '\xfd'};

static int
take(void *arg, const char *p, size_t n, struct failure *why)
{
	struct unpacker *u = arg;
	size_t more;

	if (u->form == FORM_UNKNOWN) {
		more = MAGIC - u->nhead < n ? MAGIC - u->nhead : n;
		memcpy(u->head + u->nhead, p, more);
		u->nhead += more;
		p += more;
		n -= more;
		if (u->nhead < MAGIC)
			return 0;
		u->form = memcmp(u->head, magic, MAGIC) == 0 ? FORM_ZSTD : FORM_PLAIN;
		if (take_known(u, u->head, MAGIC, why) < 0)
			return -1;
	}
	return take_known(u, p, n, why);
}

/* All bytes are there. */
static int
check(struct unpacker *u, struct failure *why)
{
	const struct content_want *want = u->want;
	char hex[SHA_HEX];

	if (u->form == FORM_UNKNOWN && take_plain(u, u->head, u->nhead, why) < 0)
		return -1;
	if (u->form == FORM_ZSTD && !u->between)
		return fail_record(why, "blob", "it ends early");
	if (want->size != UINT64_MAX && u->to->n != want->size)
		return fail_record(why, "blob", "it holds %zu bytes, not the %llu that the "
			"reference tells", u->to->n, (unsigned long long)want->size);
	sha_end(u->sha, hex);
	if (strcmp(hex, want->sha256) != 0)
		return fail_record(why, "blob", "its SHA-256 is %s, not that of the reference",
			hex);
	return 0;
}

static int
fetch_once(struct unpacker *u, struct blob_store *store, struct slice name,
	struct failure *why)
{
	struct blob_sink sink = {begin, take, u};
	int rc = store->get(store, name, &sink, why);

	if (rc > 0)
		return check(u, why);
	return rc < 0 ? -1 : fail_record(why, "blob", "it is not there");
}

int
unpacker_fetch(struct unpacker *u, struct blob_store *store, struct slice name,
	const struct content_want *want, struct buf *to, struct failure *why)
{
	int rc;

	u->want = want;
	u->to = to;
	u->limit = want->size < want->max ? want->size : want->max;
	u->as_is = false;
	buf_reset(to);
	if (want->size != UINT64_MAX && want->size > want->max)
		return fail_record(why, "blob", "the reference tells of %llu bytes, and more than "
			"%llu are not taken", (unsigned long long)want->size,
			(unsigned long long)want->max);
	if (ZSTD_isError(ZSTD_DCtx_reset(u->ctx, ZSTD_reset_session_and_parameters)) ||
		ZSTD_isError(ZSTD_DCtx_setParameter(u->ctx, ZSTD_d_windowLogMax,
			window_log(u->limit))))
		return fail(why, EXIT_OS, "cannot unpack zstd");
	rc = fetch_once(u, store, name, why);
	if (rc < 0 && why->status == EXIT_DATA && want->plain && u->form == FORM_ZSTD) {
		u->as_is = true;
		rc = fetch_once(u, store, name, why);
	}
	if (rc < 0) {
		buf_reset(to);
		return -1;
	}
	buf_reserve(to, JSON_PADDING);
	memset(to->p + to->n, 0, JSON_PADDING);
	return 0;
}
