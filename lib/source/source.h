/*
 * source: where records come from: stdin, files, globs, zstd, several in order or merged.
 *
 * "-" is stdin; a PATH is a file, FIFO or device; a name with * ? or [ that no file has
 * is expanded, sorted by bytes; /dev/stdin and /dev/fd/N are the descriptors themselves.
 * Any input that begins with a zstd magic number is unpacked. What is named is looked at
 * when the source is opened, so a missing file is told before anything is read; files are
 * opened one after the other, as they are read.
 *
 * Blocks hold whole lines and never span inputs, except merged ones. Where reading fails
 * in the middle (a damaged frame, a disk), the whole lines before that are delivered
 * first.
 *
 * A drain (flow_draining) ends a file at the next block and a pipe at once, what has come
 * of an unfinished line is dropped; but where the one input is a pipe or a socket on
 * stdin (stdin_pipe), the source reads on to its end.
 *
 * endless: a named FIFO, whose writers come and go, and a device other than /dev/null.
 * Not endless, since its end says that the writer was done: a pipe or socket on stdin or
 * behind /dev/fd/N (a shell's <(...)), and a terminal, closed with ^D.
 *
 * Merged (merge_by): each input is sorted by the expression, in jq's order of all values;
 * the result is, and equal keys keep the order of the inputs. A filter with several
 * outputs gives a composite key. Blocks tell their origins line by line. What has no
 * place in the order goes out when its turn comes in its own input, before what that
 * input has next, and takes part in no comparison: a line that is not JSON or too long,
 * and a record on which the expression fails or yields nothing. An input that is not
 * sorted ends the run (EXIT_DATA). A line takes part once it is there: a merge waits for
 * the slowest input.
 *
 * Followed (follow), a file has no end: what is added to it comes as it comes, a file that
 * is not there yet is waited for, and one that takes the place of another, or was cut off,
 * is read from its beginning, after what was left of the old one. An unfinished line waits
 * for its end, or for that of its file. Several files take turns. Only files can be
 * followed, and not merged.
 *
 * read and would_wait are called by one thread at a time; blocks may be many at once.
 */
#ifndef SK_SOURCE_SOURCE_H
#define SK_SOURCE_SOURCE_H

#include <sys/types.h>

#include "flow/flow.h"

#define SOURCE_MAX_RECORD ((uint64_t)64 << 20)    /* the default of max_record */
#define SOURCE_MAX_RECORD_MAX ((uint64_t)1 << 30) /* a larger one is taken as this */
#define SOURCE_MAX_UNPACKED ((uint64_t)1 << 40)   /* the default of max_unpacked */
#define SOURCE_BLOCK_BYTES ((size_t)192 << 10)    /* the default of block_bytes */

struct source_options {
	uint64_t max_record;   /* bytes of a line without its line feed; 0: the default */
	uint64_t max_unpacked; /* bytes an input's zstd may unpack to; 0: the default */
	const char *merge_by;  /* an expression without $-variables, or NULL */
	bool follow;           /* wait at the end of files for more; for a run on one thread */
	const struct kafka_config *kafka; /* how to reach brokers; may be NULL without kafka: */
	const char *const *sinks; /* what the run writes to, NULL-ended, or NULL: topics among
				     it are not read without an end */
	bool single;           /* of each record at most one becomes */
	bool stateful;         /* or it depends on others what */
	const char *app;       /* the job's name; "" or NULL: none */
	bool checkpoints;      /* the place in topics is kept by epochs, for the app */
	size_t block_bytes;    /* about the size of a block; 0: the default */
};

/*
 * A source that reads the given inputs, in order or merged; none: "-". NULL: EXIT_NOINPUT
 * for what isn't there or is a directory, EXIT_NOPERM for what may not be read,
 * EXIT_USAGE for a scheme that isn't one of a source, for topics or a capture among other
 * inputs, for stdin named twice, and for a merge_by that doesn't compile. The uris
 * are copied.
 */
struct source *source_open(const char *const *uris, size_t n,
	const struct source_options *, struct failure *why);

/* True if the regular file of this device and inode is one of the inputs: what is
 * appended to it would be read again, without an end. */
bool source_reads(const struct source *, dev_t, ino_t);

#endif
