/*
 * json: newline-delimited JSON without trees.
 *
 * A block of whole lines is scanned once, with SIMD, into an index: where each line is,
 * and where in it each token begins. A token is a structural character outside of strings
 * ({ } [ ] : ,), the opening quote of a string, or the first byte of any other scalar.
 * Values are then looked at where they lie: nothing is copied, nothing is allocated per
 * record, and the text of every value stays what it was.
 *
 * A line feed ends a line whatever came before it, an open string included, so a broken
 * line never touches its neighbours. A line of white space alone is no record and isn't
 * listed (line numbers count it); a carriage return before the line feed is white space.
 *
 * Who can do without the tokens of most lines scans lazily: lines are found and, unless
 * trusted, judged all the same, but only a line that is asked for its tokens gets any.
 *
 * Ownership: the scan borrows the block; documents borrow both. All of them live until the
 * next json_scan_block() on the same scan. A scan belongs to one thread at a time.
 *
 * The index follows Langdale and Lemire, "Parsing Gigabytes of JSON per Second", VLDB
 * Journal 28 (2019); UTF-8 is checked as in Keiser and Lemire, "Validating UTF-8 in less
 * than one instruction per byte", Software: Practice and Experience 51 (2021). A scalar
 * twin gives the same index on every machine.
 */
#ifndef SK_JSON_JSON_H
#define SK_JSON_JSON_H

#include "base/buf.h"
#include "base/failure.h"

/* Readable bytes that must follow a block: scanning reads, and ignores, that many. */
#define JSON_PADDING 64
#define JSON_MAX_DEPTH 1024 /* [[...]] deeper than this is a bad record */
#define JSON_MAX_BLOCK (((size_t)1 << 31) - 4096) /* positions are 32 bits */

/* In jq's order of types. */
enum json_type {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/*
 * A scanned line, or a text of its own. Tokens are named by their index t: base[pos[t]] is
 * the first byte of token t, and so is first[t]. first[n] is a line feed and pos[n] the
 * place of it, or the end of the block. For a token that opens an object or array, skip[t]
 * is the index of the token that closes it; in broken text taken on trust it is any index
 * from t to n - 1. JSON_PADDING bytes after the document are readable.
 */
struct json_doc {
	const char *base;
	const uint32_t *pos;
	const uint32_t *skip;
	const char *first;
	uint32_t n;
	uint32_t flags;      /* JSON_LINE_* of the line; without JSON_LINE_ESCAPE the document
				holds no backslash */
	uint32_t line;       /* its index in scan; of a lazy scan: */
	struct json_scan *scan;
};

struct json_line {
	uint32_t start, end; /* bytes of the line, without its line feed and a CR before it */
	uint32_t tok;        /* index of its first token in the scan */
	uint32_t ntok;
	uint32_t number;     /* of the line in its block, from 0, lines of white space counted */
	uint32_t flags;      /* JSON_LINE_* */
};

enum {
	JSON_LINE_NOT_UTF8 = 1,    /* holds bytes that are not UTF-8; not looked for on trust */
	JSON_LINE_OPEN_STRING = 2, /* ends within a string */
	JSON_LINE_CONTROL = 4,     /* a control byte within a string */
	JSON_LINE_ESCAPE = 8,      /* a backslash */
	JSON_LINE_UNENDED = 16,    /* the last line, and it has no line feed */
	JSON_LINE_ODD = 32,        /* its tokens are not JSON's; not looked for on trust */
	JSON_LINE_CR = 64,         /* a carriage return stands before its line feed */
};

/* {0} is a scan that has seen nothing. */
struct json_scan {
	const char *p;
	size_t n;
	struct json_line *line;
	size_t nlines;       /* records: lines that hold more than white space */
	uint32_t feeds;      /* line feeds in the block */
	uint32_t *pos;       /* the tokens of the block, the end of each line after its last */
	char *first;         /* the first byte of each, a line feed for the end of a line */
	uint32_t *skip;
	size_t ntok;
	uint64_t number;     /* of the block, from 1: tells what is known of another */
	size_t asked;        /* lines of a lazy scan that were asked for their tokens */
	uint32_t flags;      /* JSON_LINE_* of any of the lines */
	bool lazy, trust;

	/* The scan's own. */
	struct json_feed *feed;
	uint32_t *scalar;    /* positions of numbers, literals and rubbish */
	struct json_column **column; /* members that were asked for */
	size_t ncolumns;
	struct json_shapes *shapes;
	unsigned shapeless;  /* blocks before shapes are looked at again */
	char *copy;          /* of the text of json_doc_of, padded */
	size_t cap_tok, cap_first, cap_skip, cap_lines, cap_feeds, cap_copy, cap_scalar,
		cap_columns;
};

/* Scan a block of whole lines; its last line may lack the line feed. p[n .. n+JSON_PADDING)
 * must be readable; their values don't matter. n is at most JSON_MAX_BLOCK. trust: leave
 * UTF-8 unchecked. */
void json_scan_block(struct json_scan *, const char *p, size_t n, bool trust);
void json_scan_release(struct json_scan *);

/*
 * The same without tokens: a line's tok and ntok don't matter, pos and skip hold nothing. A
 * document has pos == NULL until json_doc_tokens(), which makes the tokens of its line; they
 * live until it is called for another line of the scan.
 */
void json_scan_lazily(struct json_scan *, const char *p, size_t n, bool trust);
void json_doc_tokens(struct json_doc *);

/*
 * The document of line i. Unless trust, it is validated whole: the grammar of RFC 8259,
 * UTF-8, depth; a BOM is refused. -1: it is not JSON; why holds the message and the
 * column. A record may be any JSON value, and \ud800 without its other half is accepted, as
 * the grammar has it. With trust the result is right for valid input, and is safe to look
 * at (never reads out of the line and its padding) for any other.
 */
int json_line_doc(struct json_scan *, size_t i, bool trust, struct json_doc *,
	struct failure *why);

/* The bytes of line i. */
static inline struct slice
json_line_text(const struct json_scan *s, size_t i)
{
	return (struct slice){s->p + s->line[i].start, s->line[i].end - s->line[i].start};
}

/* Scan and validate one text that is not part of a block, padded or not. It may hold line
 * feeds where white space may stand; why->column counts bytes from its beginning. The
 * document lies in a copy that the scan owns, so the text may go; slices of the document
 * live until the next call of this or json_scan_block() on the same scan. */
int json_doc_of(struct json_scan *, struct slice text, struct json_doc *, struct failure *why);

/* Which scanner json_scan_block uses: "avx512", "avx2" or "scalar". json_use(name) forces
 * one, for tests; NULL: the best again. False: this machine doesn't have it. */
const char *json_scanner(void);
bool json_use(const char *name);

/* ---- looking at a document: t is a token that begins a value ----------------------- */

extern const uint8_t json_type_of_byte[256];

static inline enum json_type
json_type_at(const struct json_doc *d, uint32_t t)
{
	return (enum json_type)json_type_of_byte[(unsigned char)d->first[t]];
}

/* True if token t opens an object or array. */
static inline bool
json_opens(const struct json_doc *d, uint32_t t)
{
	return (d->first[t] | 0x20) == '{';
}

/* The token after the whole value at t: a comma, a closing bracket, or n. */
static inline uint32_t
json_after(const struct json_doc *d, uint32_t t)
{
	return (json_opens(d, t) ? d->skip[t] : t) + 1;
}

/* The bytes of the value at t, from its first to its last. */
struct slice json_text(const struct json_doc *, uint32_t t);

/* The bytes between the quotes of the string at t, escapes as they stand. */
struct slice json_string_raw(const struct json_doc *, uint32_t t);

/* The value of member key (its decoded name) of the object at t; the last one wins where a
 * name repeats. Names with escapes in the document are compared decoded. JSON_NONE: there
 * is no such member, or t is no object. */
#define JSON_NONE UINT32_MAX
uint32_t json_get(const struct json_doc *, uint32_t t, struct slice key);

/* The same for a key that is looked up again and again: made once, borrows the key. */
struct json_name {
	struct slice key;
	uint64_t head, mask; /* its first bytes and its closing quote, as far as they go in 8 */
	bool plain;          /* stands in a document as it is, or by \u escapes */
};
struct json_name json_name_of(struct slice key);
uint32_t json_get_name(const struct json_doc *, uint32_t t, const struct json_name *);

/*
 * The value of a member in each line of a lazy scan, without tokens: value[i] is where it
 * begins in the block, or JSON_MISSING, or JSON_UNTOLD: the tokens of the line must tell.
 * Right for every line that is valid. It costs a look at the whole block for the first to ask
 * for the name, and nothing for the next; it lives until the scan's next block. Only names of
 * which json_can_look_for() is true.
 */
#define JSON_MISSING 0u
#define JSON_UNTOLD UINT32_MAX
const uint32_t *json_members(struct json_scan *, const struct json_name *);
bool json_can_look_for(const struct json_name *);

/* The same for one line after the other. Found: *value is its first byte. */
enum json_peek { JSON_UNSURE, JSON_ABSENT, JSON_FOUND };

struct json_finder {
	struct json_name name;
	const struct json_scan *scan; /* whose block number value is of */
	uint64_t number;
	const uint32_t *value;
};

/* False: it is no name that can be looked for. The name is borrowed. */
bool json_finder_init(struct json_finder *, struct slice name);

static inline enum json_peek
json_find(struct json_finder *f, const struct json_doc *d, const char **value)
{
	uint32_t at;

	if (__builtin_expect(f->scan != d->scan || f->number != d->scan->number, 0)) {
		f->value = json_members(d->scan, &f->name);
		f->scan = d->scan;
		f->number = d->scan->number;
	}
	at = f->value[d->line];
	*value = d->base + at;
	return at == JSON_MISSING ? JSON_ABSENT : at == JSON_UNTOLD ? JSON_UNSURE : JSON_FOUND;
}

/* Element i of the array at t, counted from the end where i is negative, or JSON_NONE. */
uint32_t json_at(const struct json_doc *, uint32_t t, int64_t i);

/*
 * Walk over the elements or members of the array or object at t, in document order,
 * repeated names included:
 *
 *	for (json_enter(d, t, &it); json_step(d, &it);)
 *		... it.value, and for an object it.key (the token of the name)
 *
 * A value that is neither has no steps.
 */
struct json_iter {
	uint32_t value, key;
	uint32_t next; /* the scan's own */
	bool object;
};

static inline void
json_enter(const struct json_doc *d, uint32_t t, struct json_iter *it)
{
	char c = d->first[t];

	it->object = c == '{';
	it->next = c == '{' || c == '[' ? t + 1 : d->n;
	it->value = it->key = JSON_NONE;
}

/* Bounded by n for text taken on trust: its tokens may be anything. */
static inline bool
json_step(const struct json_doc *d, struct json_iter *it)
{
	uint32_t t = it->next;
	char c;

	if (t >= d->n || (c = d->first[t]) == '}' || c == ']')
		return false;
	if (it->object) {
		it->key = t;
		t += 2;
		if (t >= d->n)
			return false;
	}
	it->value = t;
	t = json_after(d, t);
	it->next = d->first[t] == ',' ? t + 1 : d->n;
	return true;
}

/* Number of elements or of distinct names; 0 of anything else. */
size_t json_count(const struct json_doc *, uint32_t t);

/* ---- strings ----------------------------------------------------------------------- */

/* Append the decoded bytes of what stands between quotes (valid JSON). A lone surrogate
 * becomes U+FFFD, as in jq. */
void json_unescape(struct buf *, struct slice raw);

/* True if the decoded form of raw equals s, without decoding where there is no escape. */
bool json_raw_equals(struct slice raw, struct slice s);

/* Append s as a JSON string with its quotes, escaped as jq 1.6 does. Bytes that are not
 * UTF-8 become U+FFFD. */
void json_add_string(struct buf *, struct slice s);

/* The same, if it is ASCII of which nothing is escaped; false: nothing was appended. */
bool json_add_plain_string(struct buf *, struct slice s);

/* The same for what stands between the quotes of a string in a document: its escapes in
 * their shortest form. */
void json_add_raw_string(struct buf *, struct slice raw);

/* Append the value at t as jq -c would write it, number literals kept: white space out,
 * escapes in their shortest form, of members with one name the last value in the place of
 * the first. Input that is compact already is copied whole. */
void json_add_compact(struct buf *, const struct json_doc *, uint32_t t);

/* Check bytes for UTF-8 (no surrogates, nothing overlong, up to U+10FFFF). */
bool json_is_utf8(struct slice);

/* ---- numbers: s is a valid JSON number --------------------------------------------- */

/* Compare as exact decimals, whatever their length: <0, 0, >0. 1, 1.0 and 10e-1 are equal. */
int json_number_cmp(struct slice a, struct slice b);

/* Append the canonical form: equal numbers, and only those, have equal bytes. All
 * significant digits and no more, laid out as RFC 8785 does it: plain from 10^-6 to below
 * 10^21, else d.ddde±x; -0 is 0. */
void json_number_canonical(struct buf *, struct slice s);

/* Append the exact sum, in plain digits, with as many decimals as the longer of the two. False,
 * and nothing is appended: an exponent is beyond all measure (4,096). */
bool json_number_add(struct buf *, struct slice a, struct slice b);

double json_number_double(struct slice s); /* correctly rounded; huge ones infinite, as jq */

/* Append a double as jq 1.6 prints it: the shortest digits that read back as it; NaN is
 * null, an infinity +-1.7976931348623157e+308. */
void json_add_double(struct buf *, double);

/* True if s has the same value, as an exact decimal, as the double nearest to it prints:
 * nothing is lost by taking it through a double. */
bool json_number_fits_double(struct slice s);

/* ---- canonical form ---------------------------------------------------------------- */

/* Append a form of the value at t that equal values, and only those, share: compact, object
 * names sorted by code point, numbers canonical, strings in their shortest escapes. The
 * identity of keys and of content. It is RFC 8785, but that numbers keep all digits, names
 * are not sorted by UTF-16, of a repeated name the last value counts, and half a surrogate
 * pair is U+FFFD. */
void json_canonical(struct buf *, const struct json_doc *, uint32_t t);

/* The same of less: members that omit names are left out; of one with inner it is what is
 * named there, within its value. */
struct json_omit {
	struct slice name;              /* decoded */
	const struct json_omit *inner;  /* a list, or NULL: all of it */
	const struct json_omit *next;
};
void json_canonical_without(struct buf *, const struct json_doc *, uint32_t t,
	const struct json_omit *omit);

/* A string in that form: decoded, and what stands between the quotes in a document. */
void json_add_canonical_string(struct buf *, struct slice s);
void json_add_canonical_raw(struct buf *, struct slice raw);

#endif
