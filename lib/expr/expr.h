/*
 * expr: jq filters over scanned lines.
 *
 * A filter is parsed and, where all of it is in the native subset (streamkit-expr.7),
 * compiled to a tree that is evaluated on the document's tokens and touches only what it
 * names. Any other filter that libjq 1.6 accepts runs there. Both give the same bytes.
 *
 * Three kinds of object:
 *   struct expr      a compiled filter. Native ones are immutable: threads may share them.
 *   struct expr_run  one thread's memory to run it in; a libjq filter allows one.
 *   struct value     a JSON value: a token of a document, or something made. It borrows the
 *                    document or the run's memory, and lives until expr_run_reset().
 *
 * expr_run_reset() is called once per record by whoever drives the run.
 */
#ifndef SK_EXPR_EXPR_H
#define SK_EXPR_EXPR_H

#include "base/arena.h"
#include "json/json.h"

struct expr;
struct expr_run;

/* ---- values ------------------------------------------------------------------------ */

enum value_kind {
	VALUE_TOKEN,   /* the value at token t of doc, not looked at yet */
	VALUE_NULL,
	VALUE_FALSE,
	VALUE_TRUE,
	VALUE_DOUBLE,  /* number: computed */
	VALUE_LITERAL, /* number: the text of a literal, kept */
	VALUE_STRING,  /* string: decoded bytes, UTF-8 */
	VALUE_ARRAY,   /* items[0..n) */
	VALUE_OBJECT,  /* members[0..n), names distinct, in insertion order */
};

/* What the room knows of a value besides; 0 is always right. */
enum {
	VALUE_PLAIN = 1,      /* VALUE_STRING: stands between quotes as it is, no escapes */
	VALUE_NAME_PLAIN = 2, /* so does the name of the member that this is the value of */
	VALUE_OWN = 4,        /* VALUE_LITERAL: of the filter, which may calculate with it */
};

struct value {
	uint8_t kind;  /* enum value_kind */
	uint8_t flags; /* VALUE_* */
	uint32_t t;    /* VALUE_TOKEN */
	union {
		const struct json_doc *doc;    /* VALUE_TOKEN */
		double number;                 /* VALUE_DOUBLE */
		struct slice text;             /* VALUE_LITERAL, VALUE_STRING */
		struct {
			const struct value *item;
			size_t n;
		} array;
		struct {
			const struct value_member *member;
			size_t n;
		} object;
	} u;
};

struct value_member {
	struct slice name; /* decoded */
	struct value value;
};

static inline struct value
value_token(const struct json_doc *doc, uint32_t t)
{
	return (struct value){.kind = VALUE_TOKEN, .t = t, .u.doc = doc};
}

static inline struct value
value_string(struct slice decoded)
{
	return (struct value){.kind = VALUE_STRING, .u.text = decoded};
}

static inline struct value
value_double(double d)
{
	return (struct value){.kind = VALUE_DOUBLE, .u.number = d};
}

static inline struct value
value_null(void)
{
	return (struct value){.kind = VALUE_NULL};
}

enum json_type value_type(const struct value *);
bool value_truth(const struct value *); /* all but null and false */

/* True if a and b are the same token of the same document: nothing was made. */
bool value_same(const struct value *a, const struct value *b);

/* Append as jq -c writes it, number literals kept. */
void value_add_json(struct buf *, const struct value *);

/* Append a string's bytes as they are; of anything else what value_add_json writes. */
void value_add_text(struct buf *, const struct value *);

/* Append the form that equal values share (json_canonical). */
void value_add_canonical(struct buf *, const struct value *);

/* A string's decoded bytes; copied into the arena only where it has escapes. Absent (p ==
 * NULL) if the value is no string. */
struct slice value_string_bytes(const struct value *, struct arena *);

/* jq's order over all types, numbers as exact decimals where both are literals: <0, 0, >0. */
int value_cmp(const struct value *, const struct value *, struct arena *);

/* Elements of an array or members of an object, in document order, the last of repeated
 * names: for (value_enter(&v, &it, arena); value_step(&it);) ... it.value, it.name */
struct value_iter {
	struct value value;
	struct slice name;
	/* The room's own. */
	const struct json_doc *doc; /* an array of a document, walked by at */
	struct json_iter at;
	const struct value *item;
	const struct value_member *member;
	size_t i, n;
};
void value_enter(const struct value *, struct value_iter *, struct arena *);
bool value_step(struct value_iter *);
size_t value_count(const struct value *);

/* Member name of an object; false if there is none or v is no object. */
bool value_get(const struct value *v, struct slice name, struct value *out);

/* ---- filters ----------------------------------------------------------------------- */

struct expr_options {
	const char *const *vars;  /* names, without $, that are bound at run time; NULL-ended */
	bool allow_env;           /* $ENV and env see the environment; else both are {} */
	bool numbers_double;      /* --numbers=double: a number may change in libjq */
};

/*
 * Compile text. NULL: why says what is wrong and where (line and column of the text).
 * The environment variable SK_EXPR=libjq forces the fallback. libjq is loaded with data
 * only: no import, include, input, inputs, debug, input_line_number.
 */
struct expr *expr_compile(const char *text, const struct expr_options *, struct failure *why);
void expr_free(struct expr *);

bool expr_is_native(const struct expr *);
const char *expr_text(const struct expr *);

/* One line for --explain: "native: .a | select(...)", or "libjq: limit/2 is not native". */
void expr_explain(const struct expr *, struct buf *);

/* A bare path: . .a .a.b .["x"] .a[0] and no other syntax (no ?, no .[], no slices).
 * Told from the syntax alone. */
bool expr_is_path(const struct expr *);

/* The paths of a filter that is bare paths joined by commas: their number, or 0. name gets
 * the last component of path i where that is a field, else absent. Borrowed from the expr. */
size_t expr_paths(const struct expr *);
struct slice expr_path_name(const struct expr *, size_t i);
/* The fields that path i leads through, if it is fields alone: .a.b is a, b. How many; 0 for
 * "." and where there is an index, or more than max fields. Borrowed. */
size_t expr_path_fields(const struct expr *, size_t i, struct slice *name, size_t max);
/* The name of a filter that is one field and spelled so, .orderId; else absent. Borrowed. */
struct slice expr_field(const struct expr *);

/* Where the value of a variable comes from: index into expr_options.vars. Called only for
 * variables that the filter uses, when it uses them. */
struct expr_env {
	struct value (*get)(void *arg, unsigned index);
	void *arg;
};

struct expr_run *expr_run_new(const struct expr *);
void expr_run_free(struct expr_run *);
void expr_run_reset(struct expr_run *);
struct arena *expr_run_arena(struct expr_run *); /* for callers: same lifetime as values */

/* Called with each output, in order. Anything but 0 stops the run and is returned by
 * expr_each. out is valid until reset. */
typedef int expr_sink(void *arg, const struct value *out);

/*
 * Run on input. 0: done; -1: the filter failed on this input, why holds jq's message: a
 * bad record, status EXIT_DATA; or what the sink returned. env may be NULL where no
 * variable is used. Sinks may not call back into the same run.
 */
int expr_each(struct expr_run *, const struct value *input, const struct expr_env *env,
	expr_sink *sink, void *arg, struct failure *why);

/* Is any output of the filter other than false and null? 1, 0, or -1 as above. The fast way
 * for -w and for select. */
int expr_test(struct expr_run *, const struct value *input, const struct expr_env *env,
	struct failure *why);

/*
 * What expr_test would say of each line of a lazy scan, where "." is the whole line, without
 * its tokens: EXPR_UNSURE says that they must tell. NULL: the filter is not of the kind for
 * which this can be told. Of a line that is not valid the answer means nothing. The answers
 * live until the run is asked about another block.
 */
enum { EXPR_NO, EXPR_YES, EXPR_UNSURE = -1 };
const int8_t *expr_answers(struct expr_run *, struct json_scan *);

/* The same for one line; EXPR_UNSURE also if it has its tokens by now. */
int expr_ask(struct expr_run *, const struct json_doc *);

/* The filter is select(...): its output, if there is one, is its input. */
bool expr_is_select(const struct expr *);

/* If the filter is .name, and the value at t of the document an object: true, and the token of
 * that member, or JSON_NONE. The same as running it, and cheaper. */
bool expr_member(const struct expr *, const struct json_doc *, uint32_t t, uint32_t *member);

/* The outputs of the filter, in the run's arena: their number, or -1. */
ptrdiff_t expr_all(struct expr_run *, const struct value *input, const struct expr_env *env,
	const struct value **out, struct failure *why);

#endif
