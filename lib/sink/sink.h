/*
 * sink: where records go: stdout, files that appear whole, files that grow, devices,
 * captures.
 *
 * There are four classes.
 *
 * A stream is "-", /dev/stdout, /dev/fd/N (the descriptor itself), or a path that exists
 * and is no regular file: a FIFO, a device. The lines go straight through, never
 * compressed, whatever the name. Up to 64 KiB of them wait for a flush. A path is opened
 * at the first write, which waits for a FIFO's reader. It is never parked: closing a FIFO
 * would tell its reader that it is over.
 *
 * A whole file is any other PATH: it appears at commit or not at all. It is written
 * without a name in the folder of its target (O_TMPFILE), so a run that is killed leaves
 * nothing; where the file system has no such files, as .NAME.sk-XXXXXXXX, which a kill
 * leaves behind. It has such a name too once it was parked, and between prepare and
 * commit. A symbolic link is followed: its target is replaced. A file that is replaced
 * hands on its mode (and its owner, where that may be); one that may not be written is
 * refused. Other hard links keep the old content.
 *
 * append:PATH grows by whole lines, each write(2) of whole lines, so two writers never
 * mix within a line. If the file ends within a line (a writer died), a line feed is
 * written first: the torn line becomes a bad line of its own. A write that fails half way
 * is cut back to its last whole line. append: to what is no regular file is a stream.
 *
 * A whole or append file named *.zst is compressed (level 3, checksums): a whole one is
 * one frame, one more for each time that it was parked; an appended one gets a frame each
 * flush or 4 MiB of input, each frame written by one write(2), and is refused if what it
 * holds does not end with a whole frame. A sink that compresses takes about 4 MiB while
 * it is open.
 *
 * capture:DIR files envelope lines by topic, partition and offset; it grows, and drops what
 * it has already (capture/capture.h).
 *
 * open says that the sink holds a descriptor that park gives back: streams never do.
 * Folders are never created, but for a capture's. A sink that failed refuses every further call
 * with EXIT_IO.
 */
#ifndef SK_SINK_SINK_H
#define SK_SINK_SINK_H

#include "flow/flow.h"
#include "source/source.h"

enum sink_class { SINK_STREAM, SINK_WHOLE, SINK_APPEND, SINK_CAPTURE };

/*
 * Open by name: fits struct flow_rooms. Looks at what can be known, creates nothing.
 * NULL: EXIT_CANTCREATE where the folder is missing or the path is a folder, EXIT_NOPERM,
 * EXIT_IO for a stdout that is closed, EXIT_USAGE for a scheme that is none of a sink's.
 */
struct sink *sink_open(const char *uri, struct failure *why);

/*
 * The key under which two names are one sink, appended to out: the folder (by device and
 * inode, so that links and ".." don't matter; by its absolute name where it is missing)
 * and the name in it, symbolic links followed; "fd:1" for stdout. x and append:x have one
 * key and exclude each other: sink_conflict tells.
 */
void sink_key(const char *uri, struct buf *out);

/* What the name means now. A template is looked at as it stands. */
enum sink_class sink_class(const char *uri);

/* True if a and b name one file, one as a whole and the other one to append to. */
bool sink_conflict(const char *a, const char *b);

/* True if the name means a regular file that the source reads, and what is written there
 * shows at once: the source would never come to an end. */
bool sink_feeds(const char *uri, const struct source *);

/* True if such sinks take envelope lines: they keep keys, headers and places. */
static inline bool
sink_envelopes(const char *uri)
{
	return strncmp(uri, "kafka:", 6) == 0 || strncmp(uri, "capture:", 8) == 0;
}

/* True if they take records without an envelope too: struct sink's put. */
static inline bool
sink_records(const char *uri)
{
	return strncmp(uri, "kafka:", 6) == 0;
}

/* True if the file only appears at the end of the run: no sink for an endless source. */
static inline bool
sink_is_whole(const char *uri)
{
	return sink_class(uri) == SINK_WHOLE;
}

#endif
