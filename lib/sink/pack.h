/* pack: zstd frames, outwards, and a look at those that a file holds. */
#ifndef SK_SINK_PACK_H
#define SK_SINK_PACK_H

#include "base/buf.h"
#include "base/failure.h"

/* The beginning of a frame isn't written before there is a byte in it, or its end. */
struct pack {
	void *ctx;           /* NULL: no memory is taken */
	size_t frame_bytes;  /* input of the frame that is open */
	bool open;           /* a frame is open */
};

int pack_add(struct pack *, struct buf *to, const void *p, size_t n, struct failure *why);

/* Give out all that the frame has taken so far; it stays open. */
int pack_flush(struct pack *, struct buf *to, struct failure *why);

/* End the frame; with none open, append an empty one. */
int pack_end(struct pack *, struct buf *to, struct failure *why);

void pack_release(struct pack *);

/* Do the first size bytes of fd hold whole frames and nothing else? -1: why says where
 * they end. Reads headers only. */
int pack_check(int fd, uint64_t size, uint64_t *good, struct failure *why);

#endif
