/*
 * What the files of the scan share; no other room includes this.
 *
 * A kernel turns 64 bytes at a time into bit masks, one bit a byte. What follows from the
 * masks is the same code for every kernel (step.h), so all of them give the same index.
 */
#ifndef SK_JSON_SCAN_H
#define SK_JSON_SCAN_H

#include "json/json.h"

/* A line feed: the index of its token, and what was noticed in the line before it. */
struct json_feed {
	uint32_t tok;
	uint32_t flags;
};

/* The scan between two steps. Arrays have room for what the coming steps can add. */
struct json_state {
	uint32_t *pos;
	struct json_feed *feed;
	char *first;
	size_t ntok, nfeeds;
	uint64_t in_string;     /* all ones: within a string */
	uint64_t escaped;       /* 1: the next byte is escaped */
	uint64_t in_scalar;     /* 1: the last byte belonged to a scalar other than a string */
	uint32_t flags;         /* of the line so far */
	unsigned char tail[32]; /* the last bytes seen, for UTF-8 */
};

enum json_mode {
	JSON_LINES,       /* to be validated */
	JSON_LINES_TRUST, /* UTF-8 is not looked at */
	JSON_TEXT,        /* to be validated; a line feed is white space */
};

/* Steps over p[0..n), n a multiple of 64; at: the position that p[0] has. */
typedef void json_kernel(struct json_state *, const char *p, uint32_t at, size_t n,
	enum json_mode);

json_kernel json_kernel_scalar;
#if defined(__x86_64__)
json_kernel json_kernel_avx2, json_kernel_avx512;
#endif

/* pos[] and first[] may be written this far beyond the last token of a step. */
#define JSON_SLACK 80

/*
 * The fast verdict, from the tokens. Fills skip. It refuses a scalar that ends with the
 * block: the bytes behind could seem to go on with it.
 */
bool json_walk(const struct json_scan *, const struct json_line *);

/*
 * The careful verdict, from the bytes alone, by another way than the fast one: it says
 * what is wrong and where, judges the last line where it has no line feed, and is what the
 * tests hold the fast one to. skip, if not NULL, is filled as json_walk() does.
 */
int json_check(const char *p, size_t n, uint32_t *skip, struct failure *why);

/* The bytes of the character at p that is UTF-8, or 0. */
unsigned json_utf8_length(const unsigned char *p, const unsigned char *end);

#endif
