/*
 * slice: a borrowed run of bytes.
 *
 * A slice never owns; whoever hands one out says how long its bytes live. There is no
 * terminator: n counts, and bytes may be anything, NUL included. An absent slice has
 * p == NULL; an empty one has p != NULL and n == 0.
 */
#ifndef SK_BASE_SLICE_H
#define SK_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *p;
	size_t n;
};

/* A slice of a string literal, its length known to the compiler. */
#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})
/* The same as the initializer of something static. */
#define SLICE_INIT(literal) {(literal), sizeof(literal) - 1}

static inline struct slice
slice_of(const char *p, size_t n)
{
	return (struct slice){p, n};
}

static inline struct slice
slice_str(const char *s)
{
	return (struct slice){s, s ? strlen(s) : 0};
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline bool
slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool
slice_ends(struct slice s, struct slice suffix)
{
	return s.n >= suffix.n &&
		(suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* Byte order, as memcmp, the shorter first where one begins the other: <0, 0, >0. */
static inline int
slice_cmp(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* memcpy(3) of what is short, most times: no call then. */
static inline void
copy_short(char *to, const char *from, size_t n)
{
	struct {
		uint64_t x[2];
	} first, last, second, third;

	if (__builtin_expect(n > 64, 0)) {
		memcpy(to, from, n);
	} else if (n >= 16) {
		memcpy(&first, from, 16);
		memcpy(&last, from + n - 16, 16);
		if (n > 32) {
			memcpy(&second, from + 16, 16);
			memcpy(&third, from + n - 32, 16);
			memcpy(to + 16, &second, 16);
			memcpy(to + n - 32, &third, 16);
		}
		memcpy(to, &first, 16);
		memcpy(to + n - 16, &last, 16);
	} else if (n >= 8) {
		memcpy(&first, from, 8);
		memcpy(&last, from + n - 8, 8);
		memcpy(to, &first, 8);
		memcpy(to + n - 8, &last, 8);
	} else {
		while (n--)
			to[n] = from[n];
	}
}

#endif
