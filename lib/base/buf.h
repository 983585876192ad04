/*
 * buf: bytes that are owned and grow at the end.
 *
 * {0} is an empty buf. p[0..n) are the bytes; p may be NULL while n is 0. No terminator
 * is kept: buf_cstr() adds one after the last byte, without counting it. Any call that
 * adds may move p, so a slice into a buf lives until the next such call. Memory that
 * cannot be had ends the process (mem.h).
 *
 *	struct buf b = {0};
 *	buf_adds(&b, "count: ");
 *	buf_addf(&b, "%zu", n);
 *	...
 *	buf_release(&b);
 */
#ifndef SK_BASE_BUF_H
#define SK_BASE_BUF_H

#include <stdarg.h>

#include "base/slice.h"

struct buf {
	char *p;
	size_t n;
	size_t cap; /* allocated bytes */
};

/* Make room for at least extra more bytes; p + n may then be written directly. */
void buf_grow(struct buf *, size_t extra);

void buf_addf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vaddf(struct buf *, const char *fmt, va_list);

/* Append a number in decimal digits, without and with a sign. */
void buf_addu(struct buf *, uint64_t);
void buf_addi(struct buf *, int64_t);

/* The bytes as a C string: a NUL stands after the last one. Owned by the buf. */
const char *buf_cstr(struct buf *);

/* Free the bytes; the buf is {0} again. */
void buf_release(struct buf *);

static inline void
buf_reserve(struct buf *b, size_t extra)
{
	if (__builtin_expect(b->cap - b->n < extra, 0))
		buf_grow(b, extra);
}

static inline void
buf_add(struct buf *b, const void *p, size_t n)
{
	buf_reserve(b, n);
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

static inline void
buf_addc(struct buf *b, char c)
{
	buf_reserve(b, 1);
	b->p[b->n++] = c;
}

static inline void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

static inline void
buf_add_slice(struct buf *b, struct slice s)
{
	buf_add(b, s.p, s.n);
}

/* Forget the bytes, keep the memory. */
static inline void
buf_reset(struct buf *b)
{
	b->n = 0;
}

static inline struct slice
buf_slice(const struct buf *b)
{
	return (struct slice){b->p ? b->p : "", b->n};
}

#endif
