/*
 * reader: one input as blocks of whole lines.
 *
 * Bytes go from read(2) straight into the block; what follows the block's last line feed
 * is kept back for the next one. zstd is told by its magic number and unpacked on the
 * way. A line of more than max_record bytes is passed over in bounded memory and told as
 * too long.
 *
 * Followed, a regular file is read like a pipe: its end is waited at. It ends once it was
 * read whole and its name stands for another file that holds something (a writer that goes
 * on to the new one has finished with the old one), or once it is shorter than what was read
 * of it.
 */
#ifndef SK_SOURCE_READER_H
#define SK_SOURCE_READER_H

#include "base/buf.h"
#include "flow/flow.h"

struct unpack;
struct piece_file;

/* What a name turned out to be, before it is opened. */
enum input_kind {
	INPUT_FILE,    /* a regular file or a block device: never makes one wait */
	INPUT_FIFO,    /* a FIFO with a name: opening it doesn't wait for its writer */
	INPUT_OTHER,   /* a pipe, socket, terminal or device */
};

struct reader_options {
	uint64_t max_record;
	uint64_t max_unpacked;
	size_t block_bytes;
	bool stage;            /* a drain doesn't end it */
	bool follow;           /* wait at the end of a regular file for more */
	uint64_t *done_bytes;  /* stored bytes are added here as they are read */
};

struct reader {
	const struct reader_options *opt;
	struct input *input;
	const char *name;      /* for messages: the input's, or "stdin" */
	int fd;
	bool owned;            /* fd is closed with the reader */
	bool polled;           /* read(2) may have to wait */
	bool eof;              /* read(2) has told the end */
	bool drained;          /* ended because a drain was asked for */
	bool broken;           /* failed: why is told once the lines before are out */
	bool over;             /* followed to its end: there is another file, or nothing */
	bool strict;           /* max_record is small: every line is measured */
	enum { FORM_UNKNOWN, FORM_PLAIN, FORM_ZSTD } form;
	off_t from;            /* of a descriptor that can seek: where it stood; else -1 */
	uint64_t offset;       /* in the unpacked input, of the first byte that is held */
	struct buf held;       /* unpacked, from at on; not delivered yet */
	size_t at;
	size_t clean;          /* bytes from at on that are known to hold no line feed */
	struct buf raw;        /* as stored, from raw_at on */
	size_t raw_at;
	struct unpack *unpack;
	struct piece_file *file; /* piece.c: fd, where blocks are still read from it */
	bool behind;           /* fd stands before offset */
	unsigned whole;        /* blocks that are not left */
	unsigned small;        /* blocks since the last that needed much memory */
	struct failure why;
};

/* Open input->name ("-": descriptor 0). The options must outlive the reader. */
int reader_open(struct reader *, struct input *, enum input_kind,
	const struct reader_options *, struct failure *why);

/* The next block: 1; 0 at the end or where a drain ended it (drained); -1. */
int reader_read(struct reader *, struct block *, struct failure *why);

/* What reader_read does first: an empty block, where the next one begins. */
void reader_begin(struct reader *, struct block *);

/* Of the beginning of an input: enough to tell it from another one. */
#define READER_HEAD 4096
struct head {
	uint64_t hash;
	uint32_t n;            /* bytes; 0: nothing is known */
};

/* The head of the input that b is the first block of. */
struct head reader_head(const struct block *b);

/* Before the first read: go on at an offset of the unpacked input, which begins a line. 1;
 * 0: the input is not the one that began with head, or is shorter, why says which; -1. Files
 * are sought, anything else is read and passed over. */
int reader_skip(struct reader *, uint64_t offset, struct head head, struct failure *why);

/* True if reader_read would have to wait for its first whole line. */
bool reader_would_wait(struct reader *);

/* Wait until reader_read has something to do. False: the monotonic clock has come to until_ns,
 * and it would still wait. */
bool reader_await(struct reader *, int64_t until_ns);

/* Releasing {0}, or one that could not be opened, is fine. */
void reader_close(struct reader *);

#endif
