/*
 * s3: one request to an S3 server: signed (AWS SigV4), and tried again where that may help.
 *
 * Tried again, after a wait that doubles and is never the same for two, until the store's
 * retry_us are over: no connection, one that broke or stands still, and the answers 408, 429,
 * 500, 502, 503, 504 and 409. A redirect is never followed. s3.c is the only file that knows
 * libcurl; bucket.c makes a store of it.
 */
#ifndef SK_BLOB_S3_H
#define SK_BLOB_S3_H

#include "blob/store.h"

/* Who we are. */
struct s3_keys {
	char *id, *secret, *token; /* token: NULL if there is none */
};

/* From the file, or the environment, or the file that is usual. EXIT_CONFIG: there are none. */
int s3_keys_find(struct s3_keys *, const char *file, struct failure *why);
void s3_keys_release(struct s3_keys *);

/* Append text as it stands in the path of a URL, or with slashes encoded too, in a query. */
void s3_add_encoded(struct buf *, struct slice, bool slashes);

struct s3;

/* One thread's way to a bucket. */
struct s3 *s3_open(const char *bucket, const struct blob_options *, struct failure *why);
void s3_close(struct s3 *);

#define S3_ETAG_MAX 80

struct s3_request {
	const char *method;        /* GET, HEAD, PUT, POST, DELETE */
	struct slice key;          /* of the object; empty: the bucket */
	const char *query;         /* "a=1&b=": sorted, encoded; or NULL */
	const char *const *header; /* "Name: value", NULL-ended; or NULL */
	struct slice body;
	const struct blob_sink *sink; /* takes the body of a 200; NULL: the answer does */
	bool once;                 /* it is not tried again: 1, and why, after the wait, where
				      that may help */
};

/* Owned by the s3, until the next request. */
struct s3_answer {
	long status;
	struct slice body;
	char etag[S3_ETAG_MAX];    /* without its quotes; "" if there is none */
	char encoding[16];         /* Content-Encoding */
	int64_t date_us, modified_us; /* TIME_NONE if not told */
	uint64_t size;             /* Content-Length */
	char code[64];             /* of an error: NoSuchKey */
};

/*
 * Ask. 0: the answer is 2xx, 412, 501, or that there is no such thing (404), and *answer tells.
 * -1: any other, or none; what why says begins with the name of what was asked for.
 * EXIT_NOPERM: we are not who may; EXIT_CONFIG: a redirect, and what the server takes for
 * wrong; else EXIT_UNAVAILABLE.
 */
int s3_ask(struct s3 *, const struct s3_request *, const struct s3_answer **,
	struct failure *why);

/* The text of the first <name> in xml, which is moved behind it; false if there is none.
 * Entities stand as they are. */
bool s3_element(struct slice *xml, const char *name, struct slice *text);

#endif
