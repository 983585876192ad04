/*
 * content: what a blob stands for: packed on its way in; on its way out unpacked, bounded,
 * and known by its SHA-256 before anybody sees a byte of it.
 */
#ifndef SK_BLOB_CONTENT_H
#define SK_BLOB_CONTENT_H

#include "base/sha.h"
#include "blob/store.h"

struct packer;      /* one thread's */

struct packer *packer_new(struct failure *why);
void packer_free(struct packer *);
/* Pack into to, which is emptied. The same bytes make the same bytes. */
int packer_pack(struct packer *, struct slice content, struct buf *to, struct failure *why);

/* What is expected of a blob. */
struct content_want {
	const char *sha256;       /* of the content */
	uint64_t size;            /* of the content; UINT64_MAX: not told */
	uint64_t max;             /* more is never taken */
	bool plain;               /* said to be stored as it is: bytes that look packed may
				     be the content */
};

struct unpacker;    /* one thread's */

struct unpacker *unpacker_new(struct failure *why);
void unpacker_free(struct unpacker *);

/*
 * Fetch a blob from a store into to, which is emptied, with JSON_PADDING readable bytes
 * behind it. 0: it is what was wanted. -1: EXIT_DATA if it is not there, too long, or not
 * what was wanted; to is empty then.
 */
int unpacker_fetch(struct unpacker *, struct blob_store *, struct slice name,
	const struct content_want *, struct buf *to, struct failure *why);

#endif
