/*
 * claim: an event's payload goes to a store, and a claim check takes its place: a reference,
 * by which it is fetched again, byte for byte.
 *
 *	{"orderId":"o1","claimCheck":{"url":"s3://orders/2026/9f86...","sha256":"9f86...",
 *	 "size":5242880,"encoding":"zstd"}}
 *
 * put, get, verify and gc are operators; this header is what they share. The law: get after
 * put is the identity. An event that has a claimCheck of its own looks like one of ours, so
 * it is stored whatever its size, and what get meets is always ours.
 *
 * A reference is data, and may be anybody's. Of what it says only a name is used, and only
 * one that put could have made in this very store; nothing of a blob leaves before its hash
 * is that of the reference.
 */
#ifndef SK_CLAIM_CLAIM_H
#define SK_CLAIM_CLAIM_H

#include "blob/content.h"
#include "blob/store.h"
#include "claim/name.h"
#include "base/table.h"
#include "flow/flow.h"

/* What the command line says. */
struct claim_options {
	const char *store;
	struct blob_options blob;
	uint64_t over;            /* put: more bytes than this are stored */
	const struct expr *at;    /* the place of the payload; NULL: the event is it */
	const struct expr *keep;  /* put: fields that stay beside the reference, or NULL */
	const struct expr *ref;   /* what makes, or finds, a reference of another form */
	const struct claim_name *name; /* NULL: hashes */
	bool packed;              /* put: by zstd */
	uint64_t max_content;     /* get: a longer one is never taken */
	bool trust;               /* get: what is fetched is taken for JSON */
	bool check_only;          /* get: verify */
	int64_t jobs;             /* transfers at a time */
	int64_t min_age_us;       /* gc */
	bool really;              /* gc: remove */
	/* OUT, of gc: what was removed, or could be. */
	uint64_t blobs, bytes, leftovers;
};

extern const struct operator claim_put, claim_get, claim_gc;

/* The member that holds a reference. */
#define CLAIM_CHECK SLICE("claimCheck")

/* A reference that was read, or is to be written. */
struct claim {
	char name[BLOB_NAME_MAX + 1];
	char sha256[SHA_HEX];
	uint64_t size;            /* of the content; UINT64_MAX: not told */
	enum blob_encoding encoding;
};

/* The variables that --name may use, and --ref of put, counted from FLOW_NVARS. */
extern const char *const claim_name_vars[], *const claim_ref_vars[];
enum { CLAIM_VAR_SHA256 = FLOW_NVARS, CLAIM_VAR_SIZE, CLAIM_VAR_URL, CLAIM_VAR_ENCODING };

/* One thread's way to the store. */
struct porter {
	const struct claim_options *opt;
	struct blob_store *store;
	struct packer *packer;
	struct unpacker *unpacker;
	struct sha *sha;
	struct buf packed;
	struct table recent;      /* names put by this thread: when, in monotonic ns */
	struct json_scan scan;    /* of what was fetched */
};

struct porter *porter_new(const struct claim_options *, struct failure *why);
void porter_free(struct porter *);

/* Store a payload. With --name the claim's sha256 and name are filled already; the rest is
 * filled here. On return the blob is durable. */
int porter_put(struct porter *, struct slice payload, struct claim *, struct failure *why);

/* Fetch what a claim is about into content, and look at it. json: it is JSON text; line: it
 * holds no line feed. EXIT_DATA: it is not there, or not what it should be. */
struct fetched {
	struct buf content;
	bool json, line;
};
int porter_get(struct porter *, const struct claim *, struct fetched *, struct failure *why);

/* Append {"url":...,"sha256":...,"size":...,"encoding":...}. */
void claim_add(struct buf *, const struct blob_store *, const struct claim *);

/* Read a reference, and say of what blob of the store it tells. EXIT_DATA: of none. */
int claim_read(struct claim *, const struct value *reference, const struct claim_options *,
	const struct blob_store *, struct arena *, struct failure *why);

/* What one thread needs for --at. Where it is names alone, the place of a long event is found
 * without its tokens. */
#define CLAIM_AT_DEPTH 16
struct claim_at {
	struct expr_run *run;     /* NULL: without --at */
	struct slice name[CLAIM_AT_DEPTH];
	size_t n;                 /* 0: the expression tells */
};
void claim_at_init(struct claim_at *, const struct expr *);
void claim_at_release(struct claim_at *);
void claim_at_reset(struct claim_at *);

/*
 * The place in an event that --at names, or the whole of it: its text, and the text of the
 * event around it. 1; 0: the event has no such place; -1: the expression fails.
 */
struct place {
	struct json_doc *doc;     /* without tokens yet, maybe */
	uint32_t t;               /* JSON_NONE: not known yet */
	struct slice text;        /* the payload, as it came */
	struct slice before, after;
	bool whole;
};
int claim_place(struct place *, const struct record *, struct claim_at *,
	const char *stage, struct failure *why);

/* The claimCheck of what stands there, or JSON_NONE. */
uint32_t claim_check_of(struct place *);

/* May the record be one with a claimCheck? Told from the line alone; true is a maybe. */
bool claim_maybe(const struct record *);

#endif
