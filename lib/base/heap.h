/*
 * heap: the least of things that come and go. Holds pointers; which of two is before the
 * other is the caller's to say, and must not change while both are in it, but for the
 * first: heap_sift() puts it in its place again.
 */
#ifndef SK_BASE_HEAP_H
#define SK_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

struct heap {
	void **v;   /* v[0] is the first, if n */
	size_t n, cap;
	bool (*before)(void *arg, const void *a, const void *b);
	void *arg;
};

void heap_add(struct heap *, void *);
/* The first has changed. */
void heap_sift(struct heap *);
/* Take the first out. */
void *heap_take(struct heap *);
/* Forgets all; {0} is fine. */
void heap_release(struct heap *);

#endif
