/*
 * blob: payloads under names, in a place that outlives the process.
 *
 * Two kinds of place: file:DIR, a folder (file.c), and s3://BUCKET/PREFIX, on any server that
 * speaks S3 (bucket.c). A name is either the SHA-256 of the content, 64 digits, or
 * what a user's template made: components of [A-Za-z0-9._-] that begin with no dot, with
 * slashes between them. Nothing outside the place is ever opened, whatever a name says.
 *
 * A blob is stored as it is or packed by zstd; which one is told by its first bytes, and
 * content.h makes one of the other.
 *
 * A store belongs to one thread at a time: open one for each. Failures with EXIT_DATA are
 * about one blob, and the next may do better; any other ends the run.
 */
#ifndef SK_BLOB_STORE_H
#define SK_BLOB_STORE_H

#include "base/buf.h"
#include "base/failure.h"

#define BLOB_NAME_MAX 255

enum blob_encoding { BLOB_PLAIN, BLOB_ZSTD };

struct blob_options {
	bool create;             /* file: a folder that is missing is made */
	const char *url;         /* what references call the place; NULL: by its own name */
	const char *endpoint;    /* s3: the server; NULL: the environment's, or Amazon's */
	const char *region;      /* s3: NULL: the environment's, or us-east-1 */
	const char *credentials; /* s3: a file; NULL: the environment's, or the usual one */
	int64_t retry_us;        /* s3: a request that might do better is tried so long */
};

/* A blob that is to be stored. */
struct blob {
	struct slice name;
	struct slice bytes;      /* as they are stored */
	enum blob_encoding encoding;
};

/* What a store knows of one that it has. */
struct blob_info {
	struct slice name;       /* the store's, during the call that tells it */
	uint64_t size;           /* as stored */
	int64_t age_us;          /* since it was put or touched last, by the store's clock */
};

/* Who takes stored bytes. begin: they follow from the first one on; comes again where a
 * download that broke begins anew. take: -1 stops it. */
struct blob_sink {
	void (*begin)(void *arg);
	int (*take)(void *arg, const char *p, size_t n, struct failure *why);
	void *arg;
};

typedef int blob_lister(void *arg, const struct blob_info *, struct failure *why);

struct blob_store {
	/*
	 * Store it; on return it is durable. Where the same bytes are there already, they
	 * stay and their age begins anew. Other bytes: with replace they give way, all at
	 * once, else 1 is returned: the name is taken.
	 */
	int (*put)(struct blob_store *, const struct blob *, bool replace, struct failure *why);
	/* 1; 0: there is none of that name. What is no plain blob (a symbolic link, a
	 * device, a redirect) is EXIT_DATA. */
	int (*get)(struct blob_store *, struct slice name, const struct blob_sink *,
		struct failure *why);
	/* Every blob of the place, in order of names; files that are none are passed over. */
	int (*list)(struct blob_store *, blob_lister *, void *arg, struct failure *why);
	/* Remove it if it is that old still. 1; 0: it is younger now, or gone. */
	int (*remove)(struct blob_store *, struct slice name, int64_t min_age_us,
		struct failure *why);
	/* What puts that were killed have left and is that old: count it, and if really,
	 * remove it. */
	int (*sweep)(struct blob_store *, int64_t min_age_us, bool really, uint64_t *n,
		struct failure *why);
	void (*close)(struct blob_store *);
	char *url;               /* of the place, without a slash at its end; the store's */
	bool fans;               /* hashes stand in folders of their first two digits */
};

/* Open by name. A folder may be made later, as long as the one that it stands in is there, and
 * holds nothing before. NULL: EXIT_USAGE for what is no store; EXIT_NOINPUT or EXIT_CANTCREATE
 * for what can be no folder; EXIT_CONFIG without credentials. No server is asked yet. */
struct blob_store *blob_open(const char *uri, const struct blob_options *,
	struct failure *why);
void blob_close(struct blob_store *);

/* True if it is a name that a store takes. */
bool blob_is_name(struct slice);

/* Append where a name stands: in the place, and as a URL. */
void blob_add_path(const struct blob_store *, struct slice name, struct buf *);
void blob_add_url(const struct blob_store *, struct slice name, struct buf *);

/* The name of which that is the URL here; false if it is no URL of a blob of this store. */
bool blob_name_of(const struct blob_store *, struct slice url, struct slice *name);

#endif
