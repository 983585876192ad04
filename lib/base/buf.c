/* A growing run of bytes. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

void
buf_grow(struct buf *b, size_t extra)
{
	size_t need = b->n + extra;

	if (need < extra)
		need = SIZE_MAX; /* mem_grow refuses it */
	if (need < 64)
		need = 64;
	b->p = mem_grow(b->p, &b->cap, need, 1);
}

void
buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n > 0) {
		buf_reserve(b, (size_t)n + 1);
		vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

/* Before p. */
static inline char *
two_digits(char *p, unsigned v)
{
	static const char pairs[] =
		"00010203040506070809101112131415161718192021222324252627282930313233343536373839"
		"40414243444546474849505152535455565758596061626364656667686970717273747576777879"
		"8081828384858687888990919293949596979899";

	p -= 2;
	memcpy(p, pairs + (size_t)v * 2, 2);
	return p;
}

void
buf_addu(struct buf *b, uint64_t v)
{
	char digits[20], *p = digits + sizeof(digits);

	for (; v >= 100; v /= 100)
		p = two_digits(p, (unsigned)(v % 100));
	if (v >= 10)
		p = two_digits(p, (unsigned)v);
	else
		*--p = (char)('0' + v);
	buf_add(b, p, (size_t)(digits + sizeof(digits) - p));
}

void
buf_addi(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_addc(b, '-');
	buf_addu(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

const char *
buf_cstr(struct buf *b)
{
	buf_reserve(b, 1);
	b->p[b->n] = '\0';
	return b->p;
}

void
buf_release(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}
