/*
 * file: logs and snapshots as files of checksummed blocks.
 *
 *	head    64 bytes: what the file is, and of which state
 *	block   24 bytes: length, kind, checksum of the body, checksum of these bytes
 *	body    padded with zeros to a multiple of eight
 *	...
 *
 * Checksums are XXH3 seeded with the head, and with the place of the block in the file, so no
 * block can stand in another place or file. A file gets its name once its head is durable
 * (a snapshot once it is whole), so what has a name has a whole head.
 */
#ifndef SK_STATE_FILE_H
#define SK_STATE_FILE_H

#include "base/buf.h"
#include "base/failure.h"

#define FILE_VERSION 1
#define FILE_HEAD 64
#define BLOCK_HEAD 24

enum file_kind { FILE_LOG = 1, FILE_SNAPSHOT = 2 };

enum block_kind {
	BLOCK_CHANGES = 1, /* of a log: records */
	BLOCK_MARK,        /* of a log: the end of an epoch */
	BLOCK_PART,        /* of a snapshot: records of one part */
	BLOCK_END,         /* of a snapshot: it is whole */
};

struct file_head {
	char magic[8];
	uint32_t order, version;
	uint32_t kind, task;
	uint64_t seq;
	uint64_t after;    /* the epoch behind which it begins */
	uint64_t state;    /* which state it belongs to: the checksum of its config */
	uint64_t reserved;
	uint64_t sum;
};

struct block_head {
	uint32_t n, kind;
	uint64_t body, head;
};

struct file {
	int fd;
	char *path;        /* owned */
	uint64_t at;       /* where the next block goes */
	uint64_t size;     /* bytes, when it was opened */
	uint64_t kicked;   /* bytes that the system was told to write */
	struct file_head head;
};

/* A file with a head at path, named temp until file_settle. */
int file_create(struct file *, const char *path, enum file_kind, uint32_t task, uint64_t seq,
	uint64_t after, uint64_t state, struct failure *why);
/* Durable, and by its name. */
int file_settle(struct file *, struct failure *why);
/* Open what is there; the head is checked: another state's, a newer version's or a damaged
 * one is EXIT_CONFIG. */
int file_open(struct file *, const char *path, enum file_kind, uint32_t task, uint64_t seq,
	uint64_t state, bool writing, struct failure *why);
void file_close(struct file *); /* {.fd = -1} afterwards */

/* Append a block. p[0..n) is its body; BLOCK_HEAD bytes before it and 8 behind it are the
 * file's to use. */
int file_append(struct file *, enum block_kind, char *p, size_t n, struct failure *why);
/* fdatasync. */
int file_sync(struct file *, struct failure *why);
/* Have what was written so far on its way to the disk, a few MiB at a time, so that sync
 * waits for less. */
void file_kick(struct file *);

/* The head of the block at a place: 1; 0: there is no whole block; -1. */
int file_block(const struct file *, uint64_t at, struct block_head *, struct failure *why);
/* Its body, put into a buf: 1; 0: it is damaged; -1. */
int file_body(const struct file *, uint64_t at, const struct block_head *, struct buf *body,
	struct failure *why);
/* Where the block behind it begins. */
static inline uint64_t
file_behind(uint64_t at, const struct block_head *b)
{
	return at + BLOCK_HEAD + ((uint64_t)b->n + 7) / 8 * 8;
}

/* EXIT_CONFIG: damaged at a byte. Returns -1. */
int file_damaged(const struct file *, uint64_t at, struct failure *why);

/* A folder's entries are durable. */
int file_sync_folder(const char *path_of_file, struct failure *why);

#endif
