/*
 * What the files of the scan share; no other room includes this.
 *
 * A kernel turns 64 bytes at a time into bit masks, one bit a byte. What follows from the
 * masks is the same code for every kernel (step.h), so all of them give the same index.
 */
#ifndef SK_JSON_SCAN_H
#define SK_JSON_SCAN_H

#include "json/json.h"

/* A line feed: its position, the index of its token, and what was noticed in the line before
 * it. */
struct json_feed {
	uint32_t at;
	uint32_t tok;
	uint32_t flags;
};

/* The scan between two steps. Arrays have room for what the coming steps can add. */
struct json_state {
	uint32_t *pos;
	struct json_feed *feed;
	char *first;
	uint32_t *scalar;       /* positions of tokens that are no operator and no string */
	size_t ntok, nfeeds, nscalars;
	uint64_t in_string;     /* all ones: within a string */
	uint64_t escaped;       /* 1: the next byte is escaped */
	uint64_t in_scalar;     /* 1: the last byte belonged to a scalar other than a string */
	uint32_t flags;         /* of the line so far */
	bool high;              /* the last step had bytes that are not ASCII: */
	unsigned char tail[32]; /* its last bytes, for UTF-8; else zeros */
};

enum json_mode {
	JSON_LINES,       /* to be validated */
	JSON_LINES_LAZY,  /* the same, without pos */
	JSON_LINES_TRUST, /* UTF-8 is not looked at, scalars are not listed */
	JSON_FEEDS_TRUST, /* line feeds and backslashes, and nothing else */
	JSON_TEXT,        /* to be validated; a line feed is white space */
	JSON_MODES,
};

/*
 * Lines that were judged good are remembered by their tokens, what is neither operator nor
 * string being a 0. A line that has the same ones is good too, and its skip is theirs.
 */
#define JSON_SHAPE_TOKENS 256
#define JSON_SHAPES 64 /* of a number of tokens each, modulo this: two */
struct json_shapes {
	struct json_shape {
		uint32_t n;    /* tokens; 0: none is remembered */
		bool has_skip;
		char text[JSON_SHAPE_TOKENS];
		uint32_t skip[JSON_SHAPE_TOKENS];
	} shape[JSON_SHAPES][2];
	size_t missed;         /* lines of the last call that had no known shape */
};

static inline char
json_in_shape(char c)
{
	return c == '{' || c == '}' || c == '[' || c == ']' || c == ':' || c == ',' ||
		c == '"' ? c : 0;
}

/*
 * What a machine does in its own way. The same answers from each:
 *
 * steps   over p[0..n), n a multiple of 64; at: the position that p[0] has.
 * judge   the tokens first[0..n), the last of which is a line feed: what stands next to
 *         what, and in which bracket. It marks the lines that are odd in feed, and fills
 *         skip, if not NULL, for those that aren't. Scalars are taken to be right.
 * shapes  the same, of all the lines that end with these feeds, by their shapes.
 * find    where text[0..len), which begins and ends with a quote, is in p[0..n), or may be,
 *         with its first byte from at on and before end: into hit, which has room for
 *         end - at + 1. Returns how many.
 * count   how often a pair of bytes stands in p[0..n + 1), n a multiple of 64; 64 bytes more
 *         are readable
 * feeds   the steps of JSON_FEEDS_TRUST, and the same count of p[0..n) at once; or NULL
 * depth   how much more brackets were opened than closed, outside of strings, in p[0..n);
 *         JSON_PADDING bytes after it are readable.
 */
struct json_machine {
	const char *name;
	void (*steps[JSON_MODES])(struct json_state *, const char *p, uint32_t at, size_t n);
	void (*judge)(const char *first, size_t n, struct json_feed *feed, uint32_t *skip);
	void (*shapes)(const char *first, struct json_feed *feed, size_t nfeeds,
		struct json_shapes *, uint32_t *skip);
	size_t (*find)(const char *p, size_t at, size_t end, size_t n, const char *text,
		size_t len, uint32_t *hit);
	size_t (*count)(const char *p, size_t n, const char pair[2]);
	size_t (*feeds)(struct json_state *, const char *p, uint32_t at, size_t n,
		const char pair[2]);
	long (*depth)(const char *p, size_t n);
};

extern const struct json_machine json_machine_scalar;
#if defined(__x86_64__)
extern const struct json_machine json_machine_avx2, json_machine_avx512;
#endif
const struct json_machine *json_machine_now(void);

/* pos[], first[] and scalar[] may be written this far beyond the last token of a step. */
#define JSON_SLACK 144

/*
 * The fast verdict on a line: what the judge and the look at its scalars made of it, and its
 * escapes. It refuses a scalar that ends with the block: the bytes behind could seem to go
 * on with it.
 */
bool json_is_good(const struct json_scan *, const struct json_line *);

/* The first of the scalars i .. n-1, at these positions from p on, that is no number and no
 * literal up to what ends it; n if there is none. Bytes behind them are readable. */
size_t json_bad_scalar(const char *p, const uint32_t *scalar, size_t i, size_t n);

/*
 * The careful verdict, from the bytes alone, by another way than the fast one: it says
 * what is wrong and where, judges the last line where it has no line feed, and is what the
 * tests hold the fast one to. skip, if not NULL, is filled as json_walk() does.
 */
int json_check(const char *p, size_t n, uint32_t *skip, struct failure *why);

/* What json_members() keeps: names that were asked for in the block before are looked for in
 * this one while it is scanned, up to `end`. json_columns_step() takes the steps of
 * JSON_FEEDS_TRUST over the n bytes from `at` on, and looks in passing for what it can. */
void json_columns_begin(struct json_scan *);
void json_columns_step(struct json_scan *, struct json_state *, size_t at, size_t n);
void json_columns_look(struct json_scan *, size_t end);
void json_columns_free(struct json_scan *);

#define PIECE ((size_t)16 << 10) /* of a block: that much is near at once */

/* The bytes of the character at p that is UTF-8, or 0. */
unsigned json_utf8_length(const unsigned char *p, const unsigned char *end);

#endif
