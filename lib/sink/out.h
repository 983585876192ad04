/*
 * What the classes of sinks share: a descriptor with bytes waiting for it, and the folder
 * that a path names. Nobody else includes it.
 */
#ifndef SK_SINK_OUT_H
#define SK_SINK_OUT_H

#include "flow/flow.h"
#include "sink/pack.h"

#define OUT_BYTES ((size_t)64 << 10)  /* that wait for a write */
#define FRAME_BYTES ((size_t)4 << 20) /* of input in a frame, where frames stand alone */

struct out {
	struct sink base;     /* first: a sink is an out, that its class's own struct */
	int fd;               /* -1: none */
	bool failed;
	bool packed;          /* bytes are compressed on their way into pending */
	bool frames;          /* and only whole frames are written */
	struct pack pack;
	struct buf pending;   /* whole lines, or compressed bytes */
	char *name;           /* for messages; base.name */
	/* What is done about v[0..n) of which only so many bytes were written; or NULL.
	 * */
	void (*mend)(struct out *, const struct iovec *v, int n, size_t wrote);
};

void out_init(struct out *, const char *name);
void out_release(struct out *);

/* Fail with what errno says, now and at every further call. */
int out_failed(struct out *, int err, struct failure *why);
/* -1 if it has failed before. */
int out_usable(const struct out *, struct failure *why);

/* Take lines: they wait in pending while they are few. */
int out_put(struct out *, const struct iovec *v, int n, struct failure *why);
/* Nothing stays in pending; end: a frame that is open ends. */
int out_flush(struct out *, bool end, struct failure *why);
/* Flush, close and see to it that closing went well. */
int out_close(struct out *, struct failure *why);

/* A file holds less than what was committed of it. */
int resume_refused(const struct out *, uint64_t holds, uint64_t committed,
	struct failure *why);

/* Where a path leads: symbolic links followed; what they end at may be missing. */
struct place {
	char *path;           /* owned */
	char *folder;         /* owned; "." if path has none */
	const char *base;     /* the rest of path: "" if that ends in a slash */
};

void place_of(const char *path, struct place *);
void place_release(struct place *);
/* Make what is in the folder durable. */
int place_sync(const struct place *);

struct sink *stream_open(const char *uri, int fd, struct failure *why);
struct sink *whole_open(const char *uri, struct failure *why);
struct sink *append_open(const char *uri, const char *path, struct failure *why);
struct sink *capture_sink_open(const char *uri, struct failure *why);

#endif
