/*
 * unpack: a zstd stream as it comes, piece by piece: concatenated frames, skippable
 * frames, windows up to 128 MiB. What a piece of input holds is given out at once, so a
 * pipe whose writer flushes stays live; of a damaged stream everything before the damaged
 * block comes out before the failure.
 */
#ifndef SK_SOURCE_UNPACK_H
#define SK_SOURCE_UNPACK_H

#include "base/failure.h"

struct unpack;

/* Do these bytes begin a zstd or skippable frame? 1, 0, or -1: too few to tell. */
int unpack_magic(const void *p, size_t n);

struct unpack *unpack_new(uint64_t max_unpacked, struct failure *why);
void unpack_free(struct unpack *);

/* Where a step stands in its input and its output. */
struct unpack_step {
	const char *in;
	size_t n, took;
	char *out;
	size_t room, made;
	bool eof;        /* nothing follows in[n] */
};

/*
 * Take input and make output until one of them is used up. 1: go on, with more room or
 * more input; 0: the stream is complete (only with eof); -1: it is not zstd, is damaged,
 * ends early, or unpacks to more than it may. What was made before stays good.
 */
int unpack_run(struct unpack *, struct unpack_step *, struct failure *why);

#endif
